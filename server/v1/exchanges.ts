/** SCRAM exchanges over REST that were finished. */
import { customerKey } from "../auth/throttle.ts";
import type { Clock } from "../node/ports.ts";
import { fail } from "../../shard/errors.ts";
import type { ScramExchange } from "../auth/types.ts";

/** Bounds of the exchanges that are remembered because they were finished. */
export interface ExchangeLimits {
  /** Over it the oldest one of the network that has finished most is forgotten. */
  readonly exchangesMax: number;
  /** How long an exchange can be finished. */
  readonly exchangeTtlMs: number;
}

/** The refusal of an exchange that was finished, is too old or was never begun. */
export const NO_EXCHANGE = fail("not_found", "There is no such exchange (any more)");

/**
 * SCRAM exchanges that were finished on this node, while their sealed texts are valid. Somebody who
 * has read both requests of a client cannot finish its exchange again on this node. On another node
 * of the cell it is the short time that bounds it; with what the client read, such a person has the
 * client's token anyway. Clients that finish very many make the node forget their own ones, and keep
 * nobody from signing in.
 */
export class Exchanges {
  readonly limits: ExchangeLimits;
  readonly clock: Clock;
  /** By what is only in one exchange, in the order of their times (monotonic ms). */
  readonly #finished = new Map<string, { readonly untilMs: number; readonly network: string }>();
  /** The same by network; the oldest first. */
  readonly #byNetwork = new Map<string, Set<string>>();

  constructor(limits: ExchangeLimits, clock: Clock) {
    this.limits = limits;
    this.clock = clock;
  }

  /** How many are remembered. */
  get size(): number {
    return this.#finished.size;
  }

  /** Notes that a client at an address finishes an exchange; false where it was finished before. */
  finish({ message }: Pick<ScramExchange, "message">, address: string): boolean {
    const now = this.clock.monoMs();
    for (const [other, { untilMs }] of this.#finished) {
      if (untilMs > now) break;
      this.#forget(other);
    }
    if (this.#finished.has(message)) return false;
    const { exchangesMax, exchangeTtlMs } = this.limits;
    if (this.#finished.size >= exchangesMax) this.#forgetOne();
    const network = customerKey(address);
    this.#finished.set(message, { untilMs: now + exchangeTtlMs, network });
    const own = this.#byNetwork.get(network);
    if (own === undefined) this.#byNetwork.set(network, new Set([message]));
    else own.add(message);
    return true;
  }

  #forgetOne(): void {
    let most = new Set<string>();
    for (const own of this.#byNetwork.values()) if (own.size > most.size) most = own;
    const [oldest] = most;
    if (oldest !== undefined) this.#forget(oldest);
  }

  #forget(message: string): void {
    const network = this.#finished.get(message)!.network;
    this.#finished.delete(message);
    const own = this.#byNetwork.get(network)!;
    own.delete(message);
    if (own.size === 0) this.#byNetwork.delete(network);
  }
}
