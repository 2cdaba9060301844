/** Connections by address, so that none takes all. */
import { addressKey, WIDER_NETWORKS, widerKey } from "../auth/throttle.ts";

/** The last of so many parts of all connections is for addresses that have few. */
const RESERVED_PART = 8;

/** How a node of a cell shares what its addresses have; keys are those of `addressKey`. */
export interface SharedCallers {
  /** From so many connections on others learn of a key. */
  readonly toldFrom: number;
  /** A key has so many, or has no more. */
  changed(): void;
  /** What a key has at the other nodes, as far as they have said. */
  elsewhere(key: string): number;
}

/**
 * Counts open connections; the addresses of one IPv6 network are one, see `addressKey`. Those of
 * its `WIDER_NETWORKS` count as well, divided by their share.
 */
export class Callers {
  readonly #counts = new Map<string, number>();
  #shared: SharedCallers | null = null;
  readonly #many = new Set<string>();
  /** Of all addresses. */
  total = 0;

  /** Shares its counts with the other nodes of the cell; before the first connection. */
  share(shared: SharedCallers): void {
    this.#shared = shared;
  }

  /** The keys that others learn of, with what they have here. */
  *many(): Iterable<readonly [key: string, count: number]> {
    for (const key of this.#many) yield [key, this.#counts.get(key)!];
  }

  /** Connections that count against `address`, at all nodes of the cell. */
  of(address: string): number {
    const shared = this.#shared;
    return this.#most(address, (key) => this.#own(key) + (shared?.elsewhere(key) ?? 0));
  }

  #own(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  #most(address: string, of: (key: string) => number): number {
    const key = addressKey(address);
    let most = of(key);
    for (const { bits, share } of WIDER_NETWORKS) {
      const wider = widerKey(key, bits);
      if (wider !== null) most = Math.max(most, Math.floor(of(wider) / share));
    }
    return most;
  }

  /**
   * Whether `address` may have one more of `max` connections of this node. In the last eighth of them
   * it may have an eighth of what is free, so that some dozens of addresses cannot take all.
   */
  hasRoom(address: string, max: number): boolean {
    const free = max - this.total;
    const own = this.#most(address, (key) => this.#own(key));
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
      if (this.#shared !== null) this.#note(each, count >= this.#shared.toldFrom);
    }
  }

  #note(key: string, many: boolean): void {
    const before = this.#many.has(key);
    if (many) this.#many.add(key);
    else this.#many.delete(key);
    if (many || before) this.#shared!.changed();
  }
}
