/**
 * What waits for an owner that can be reached and that serves. What waits for one owner leaves room
 * for what waits for others.
 */
import type { AccountName, NodeId } from "../../shard/name/ids.ts";
import type { AskedOf } from "./peer_requests.ts";
import { isRepeated, type ShardPacket } from "../../shard/message/packets.ts";
import type { Interest } from "./callers.ts";
import { Rewatched } from "./rewatched.ts";
import type { RequestId, ShardInput } from "../../shard/effects.ts";

/** Inputs beyond which no request may wait. */
const REQUESTS_MAX = 10_000;
/** Requests that wait for one owner, or for shards that are nobody's. */
export const OWNER_MAX = 5000;
/** Those of one account. */
export const ACCOUNT_MAX = 1000;
/** All inputs; more are dropped: interests are asked for again by announcing. */
const ALL_MAX = 100_000;
/** Signals, and for how long they wait (ms): one that is late says nothing any more. */
export const SIGNALS_MAX = 1000;
export const SIGNAL_WAITS_MS = 2000;

/** One input. */
export interface ParkedInput {
  readonly input: ShardInput;
  /** The owner that does not serve it: it is asked again at `againMs` (monotonic), others at once. */
  readonly refused: AskedOf | null;
  readonly againMs: number;
}

/** An input, and the owner whose room it takes. */
interface Waiting extends ParkedInput {
  readonly owner: NodeId | null;
}

/** Counts one less under a key; a count of none is not kept. */
function lessen<K>(counts: Map<K, number>, key: K): void {
  const left = (counts.get(key) ?? 0) - 1;
  if (left > 0) counts.set(key, left);
  else counts.delete(key);
}

/** Whether a packet waits where its owner cannot be reached: nobody sends it again. */
export function waits(packet: ShardPacket): boolean {
  return packet.kind === "signal" || !isRepeated(packet);
}

function isSignal(input: ShardInput): boolean {
  return input.kind === "packet" && input.packet.kind === "signal";
}

/** See the head of this file. */
export class Parked {
  #inputs: Waiting[] = [];
  /** Until when (monotonic) a signal is worth being routed; kept while it is, and waits again. */
  readonly #untilMs = new WeakMap<ShardInput, number>();
  #signals = 0;
  readonly #byAccount = new Map<AccountName, number>();
  readonly #byOwner = new Map<NodeId | null, number>();
  readonly #rewatched = new Rewatched();

  /** Whether requests of an account wait: later ones wait behind them. */
  has(name: AccountName): boolean {
    return this.#byAccount.has(name);
  }

  /** Adds an input that waits for `owner`; returns whether a request has room. */
  add(parked: ParkedInput, owner: NodeId | null, nowMs: number): boolean {
    const { input } = parked;
    if (isSignal(input)) {
      if (this.#signals >= SIGNALS_MAX) return true;
      this.#signals++;
      if (!this.#untilMs.has(input)) this.#untilMs.set(input, nowMs + SIGNAL_WAITS_MS);
    }
    if (input.kind === "request") {
      const own = this.#byAccount.get(input.name) ?? 0;
      const its = this.#byOwner.get(owner) ?? 0;
      if (this.#inputs.length >= REQUESTS_MAX || own >= ACCOUNT_MAX || its >= OWNER_MAX) {
        return false;
      }
      this.#byAccount.set(input.name, own + 1);
      this.#byOwner.set(owner, its + 1);
    }
    if (this.#inputs.length < ALL_MAX) {
      this.#inputs.push({ ...parked, input: this.#rewatched.waits(input), owner });
    }
    return true;
  }

  /** Takes out the requests of accounts that `owns` has: the caller repeats them. */
  takeRequests(owns: (name: AccountName) => boolean): readonly RequestId[] {
    const taken: RequestId[] = [];
    this.#inputs = this.#inputs.filter(({ input, owner }) => {
      if (input.kind !== "request" || !owns(input.name)) return true;
      lessen(this.#byAccount, input.name);
      lessen(this.#byOwner, owner);
      taken.push(input.request);
      return false;
    });
    return taken;
  }

  /** The edge of this node watches users from now on. */
  watches(interest: Pick<Interest, "node" | "items">): void {
    this.#rewatched.watches(interest);
  }

  /** What is left of an input when it is routed, for what its edge has asked meanwhile; null: nothing. */
  left(input: ShardInput): ShardInput | null {
    return this.#rewatched.left(input);
  }

  /** All that `takeAll` returned was routed, or waits again. */
  routed(): void {
    this.#rewatched.routed(() => this.#inputs.some(({ input }) => input.kind === "uninterest"));
  }

  /** Takes all out, in the order in which they were added, but for what is too late by now. */
  takeAll(nowMs: number): readonly ParkedInput[] {
    const all = this.#inputs.filter(({ input }) => nowMs <= (this.#untilMs.get(input) ?? nowMs));
    this.#inputs = [];
    this.#signals = 0;
    this.#byAccount.clear();
    this.#byOwner.clear();
    return all;
  }

  /** When the first that waits for the same owner is due; Infinity: none does. */
  get dueMs(): number {
    let dueMs = Infinity;
    for (const { refused, againMs } of this.#inputs) {
      if (refused !== null && againMs < dueMs) dueMs = againMs;
    }
    return dueMs;
  }
}
