/** Connections by address, so that none takes all. */
import { addressKey, WIDER_NETWORKS, widerKey } from "../auth/throttle.ts";

/** The last of so many parts of all connections is for addresses that have few. */
const RESERVED_PART = 8;

/**
 * Counts open connections; the addresses of one IPv6 network are one, see `addressKey`. Those of
 * its `WIDER_NETWORKS` count as well, divided by their share.
 */
export class Callers {
  readonly #counts = new Map<string, number>();
  /** Of all addresses. */
  total = 0;

  /** Connections that count against `address`. */
  of(address: string): number {
    const key = addressKey(address);
    let most = this.#counts.get(key) ?? 0;
    for (const { bits, share } of WIDER_NETWORKS) {
      const wider = this.#counts.get(widerKey(key, bits) ?? "") ?? 0;
      most = Math.max(most, Math.floor(wider / share));
    }
    return most;
  }

  /**
   * Whether `address` may have one more of `max` connections. In the last eighth of them it may have
   * an eighth of what is free, so that some dozens of addresses cannot take all.
   */
  hasRoom(address: string, max: number): boolean {
    const free = max - this.total;
    const own = this.of(address);
    if (own === 0 || free > max / RESERVED_PART) return free > 0;
    return own < free / RESERVED_PART;
  }

  add(address: string): void {
    this.total++;
    this.#change(address, 1);
  }

  remove(address: string): void {
    this.total--;
    this.#change(address, -1);
  }

  #change(address: string, by: 1 | -1): void {
    const key = addressKey(address);
    const wider = WIDER_NETWORKS.map(({ bits }) => widerKey(key, bits));
    for (const each of [key, ...wider]) {
      if (each === null) continue;
      const count = (this.#counts.get(each) ?? 0) + by;
      if (count > 0) this.#counts.set(each, count);
      else this.#counts.delete(each);
    }
  }
}
