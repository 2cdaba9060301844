/**
 * Parts of an account that stay as its stored head has them until somebody looks into them. Most who
 * sign in have their contacts read through once and their conversations not at all: as objects, the
 * two were two thirds of what a storm of sign-ins left in memory.
 */
import type { AccountName } from "../name/ids.ts";
import { ByteReader } from "../record/bytes.ts";

/** Reads the item at a position (0, 1, …), with its name. */
export type ReadItem<V> = (r: ByteReader, index: number) => readonly [AccountName, V];

interface Packed<V> {
  readonly bytes: Uint8Array;
  readonly count: number;
  readonly read: ReadItem<V>;
}

/** Items by name for those who do not change them. */
export interface ReadonlyLazyMap<V> {
  readonly bytes: Uint8Array | null;
  readonly size: number;
  readonly map: ReadonlyMap<AccountName, V>;
  forEach(take: (item: V) => void): void;
  scan(stored: (r: ByteReader) => void, take: (item: V) => void): void;
}

/** Items by name, in the order in which they came. */
export class LazyMap<V> {
  #map: Map<AccountName, V> | null = null;
  #packed: Packed<V> | null = null;

  /** Takes items as they are stored; that they can be read is the caller's to have checked. */
  hold(bytes: Uint8Array, count: number, read: ReadItem<V>): void {
    this.#map = null;
    this.#packed = { bytes, count, read };
  }

  /** What was held, while nobody has looked at single items. */
  get bytes(): Uint8Array | null {
    return this.#packed?.bytes ?? null;
  }

  get size(): number {
    return this.#packed?.count ?? this.#map?.size ?? 0;
  }

  /** All items, to look up and to change; from now on in memory. */
  get map(): Map<AccountName, V> {
    if (this.#map !== null) return this.#map;
    const map = new Map<AccountName, V>();
    this.#each(({ 0: name, 1: item }) => map.set(name, item));
    this.#packed = null;
    return this.#map = map;
  }

  /** Goes through the items, which need not come into memory for it. */
  forEach(take: (item: V) => void): void {
    if (this.#map !== null) { for (const item of this.#map.values()) take(item); }
    else this.#each((item) => take(item[1]));
  }

  /** Goes through the items: `stored` reads past one of those that are as they were stored. */
  scan(stored: (r: ByteReader) => void, take: (item: V) => void): void {
    if (this.#packed === null) return this.forEach(take);
    const r = new ByteReader(this.#packed.bytes);
    for (let i = this.#packed.count; i > 0; i--) stored(r);
  }

  #each(take: (item: readonly [AccountName, V]) => void): void {
    if (this.#packed === null) return;
    const { bytes, count, read } = this.#packed;
    const r = new ByteReader(bytes);
    for (let i = 0; i < count; i++) take(read(r, i));
  }
}
