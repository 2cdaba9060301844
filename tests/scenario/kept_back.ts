/** Keeps messages between cells back, as where they go by way of a node that is cut off. */
import type { ProxyMessage } from "../../shard/federation/proxy_message.ts";
import type { SimWan } from "../sim/sim_wan.ts";

/** What is kept back. */
export interface KeptBack {
  /** Number of messages that wait. */
  readonly count: number;
  /** Lets all of them go, and keeps no others. */
  release(): void;
}

/** Keeps all messages of a kind back from now on. */
export function keepBack(wan: SimWan, kept: ProxyMessage["kind"]): KeptBack {
  const ways: (() => void)[] = [];
  const { carry, onSaid } = wan;
  let isKept = false;
  wan.onSaid = (...said) => {
    onSaid(...said);
    isKept = said[3].kind === kept;
  };
  wan.carry = (...carried) => {
    const go = () => carry.apply(wan, carried);
    if (isKept) ways.push(go);
    else go();
    isKept = false;
  };
  return {
    get count() {
      return ways.length;
    },
    release() {
      Object.assign(wan, { carry, onSaid });
      for (const go of ways.splice(0)) go();
    },
  };
}
