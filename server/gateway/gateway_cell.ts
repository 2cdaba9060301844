/**
 * Which node of a cell is active for a service: the owner of the shard of the service's account. It
 * alone has the logs of the webhooks and sends. Every write of a log is fenced by the owner's claim,
 * so that a former owner, however late, changes nothing; the next one reads the log and goes on.
 */
import type { AccountName, NodeId } from "../../shard/name/ids.ts";
import type { Asks } from "../node/asks.ts";
import type { Cancel, Claim, Timers } from "../node/ports.ts";

/** What the gateway of one node needs of its cell. */
export interface GatewayCell {
  readonly node: NodeId;
  readonly asks: Pick<Asks, "on" | "ownerOf" | "all">;
  /** The claim of this node to the shard of an account; null where it does not serve it. */
  claimOf(account: AccountName): Claim | null;
}

/** Time between two looks at who is active (ms). */
export const TEND_MS = 200;
/** How long a node that is not active stays attached after the last reader (ms). */
const IDLE_MS = 60_000;

/** What it needs of the gateway. */
export interface ActiveHost {
  readonly timers: Timers;
  claimOf(service: string): Claim | null;
  services(): readonly string[];
  /** Whether somebody reads what the service learns at this node. */
  hasReaders(service: string): boolean;
  /** Reads the webhooks; calls back whether that worked. */
  begin(service: string, claim: Claim, done: (begun: boolean) => void): void;
  /** This node is active for the service from now on. */
  begun(service: string): void;
  /** It is not any more. */
  ended(service: string): void;
  /** Nobody reads here. */
  detach(service: string): void;
}

interface Active {
  readonly claim: Claim;
  ready: boolean;
}

/** See the head of this file. */
export class ActiveServices {
  readonly #host: ActiveHost;
  readonly #active = new Map<string, Active>();
  /** Beats since somebody has read what a service learns. */
  readonly #idle = new Map<string, number>();
  #cancel: Cancel = () => {};

  constructor(host: ActiveHost) {
    this.#host = host;
  }

  /** Looks now and then who is active, until `stop`. */
  start(): void {
    this.look();
    this.#cancel = this.#host.timers.after(TEND_MS, () => this.start());
  }

  stop(): void {
    this.#cancel();
    this.#active.clear();
  }

  /** Whether this node is active for the service. */
  has(service: string): boolean {
    return this.#active.get(service)?.ready === true;
  }

  /** Whether the claim that this node is active under is the one that it has. */
  holds(service: string): boolean {
    const active = this.#active.get(service);
    return active !== undefined && isSame(active.claim, this.#host.claimOf(service));
  }

  /** Somebody reads what the service learns. */
  used(service: string): void {
    this.#idle.set(service, 0);
  }

  look(): void {
    for (const service of this.#host.services()) {
      const claim = this.#host.claimOf(service);
      const active = this.#active.get(service);
      if (active !== undefined && !isSame(active.claim, claim)) this.#end(service);
      if (claim !== null && !this.#active.has(service)) this.#begin(service, claim);
      if (claim === null) this.#tendReaders(service);
    }
  }

  #begin(service: string, claim: Claim): void {
    const active = { claim, ready: false };
    this.#active.set(service, active);
    this.#host.begin(service, claim, (begun) => {
      if (this.#active.get(service) !== active) return;
      // The next look tries again.
      if (!begun) return void this.#active.delete(service);
      active.ready = true;
      this.#host.begun(service);
    });
  }

  #end(service: string): void {
    this.#active.delete(service);
    this.#host.ended(service);
  }

  #tendReaders(service: string): void {
    if (this.#host.hasReaders(service)) return this.used(service);
    const idle = (this.#idle.get(service) ?? 0) + 1;
    this.#idle.set(service, idle);
    if (idle * TEND_MS === IDLE_MS) this.#host.detach(service);
  }
}

function isSame(a: Claim, b: Claim | null): boolean {
  return b !== null && a.shard === b.shard && a.epoch === b.epoch;
}
