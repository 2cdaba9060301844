/**
 * Parts of an account that stay as they are stored until somebody looks into them. Most who sign in
 * have their contacts read through once and their conversations not at all: as objects, the two were
 * two thirds of what a storm of sign-ins left in memory.
 */
import type { AccountName } from "../name/ids.ts";
import { ByteReader } from "../record/bytes.ts";
import { type ItemCodec, ItemPages } from "./item_pages.ts";

/** Items by name for those who do not change them. */
export interface ReadonlyItems<V> extends Iterable<readonly [AccountName, V]> {
  readonly size: number;
  get(name: AccountName): V | undefined;
  has(name: AccountName): boolean;
  keys(): Iterable<AccountName>;
  values(): Iterable<V>;
}

/** Items by name: a `Map`, or the pages of a large account. */
export interface Items<V> extends ReadonlyItems<V> {
  set(name: AccountName, item: V): unknown;
  delete(name: AccountName): boolean;
  clear(): void;
}

/** Reads the item at a position (0, 1, …), with its name. */
export type ReadItem<V> = (r: ByteReader, index: number) => readonly [AccountName, V];

interface Packed<V> {
  readonly bytes: Uint8Array;
  readonly count: number;
  readonly read: ReadItem<V>;
}

/** A part of an account for those who do not change it. */
export interface ReadonlyLazyMap<V> {
  readonly bytes: Uint8Array | null;
  readonly paged: boolean;
  readonly size: number;
  readonly map: ReadonlyItems<V>;
  forEach(take: (item: V) => void): void;
  scan(stored: (r: ByteReader) => void, take: (item: V) => void): void;
  valuesOfChanged(): Iterable<V>;
}

/** Items by name, in the order in which they came, or of their pages. */
export class LazyMap<V> implements ReadonlyLazyMap<V> {
  #map: Map<AccountName, V> | null = null;
  #packed: Packed<V> | null = null;
  #pages: ItemPages<V> | null = null;

  /** Takes items as they are stored; the caller has checked that they can be read. */
  hold(bytes: Uint8Array, count: number, read: ReadItem<V>): void {
    this.#map = null;
    this.#packed = { bytes, count, read };
  }

  /** Divides the items into pages of at most `itemsMax`. */
  divide(codec: ItemCodec<V>, itemsMax: number): ItemPages<V> {
    const pages = new ItemPages(codec, itemsMax);
    for (const [name, item] of this.map) pages.set(name, item);
    this.#map = null;
    return this.#pages = pages;
  }

  /** Whether the items are in pages. */
  get paged(): boolean {
    return this.#pages !== null;
  }

  /** What was held, while nobody has looked at single items; null where they are in pages. */
  get bytes(): Uint8Array | null {
    return this.#packed?.bytes ?? null;
  }

  get size(): number {
    return this.#packed?.count ?? this.#pages?.size ?? this.#map?.size ?? 0;
  }

  /** All items, to look up and to change; those that are looked up stay in memory. */
  get map(): Items<V> {
    if (this.#pages !== null) return this.#pages;
    if (this.#map !== null) return this.#map;
    const map = new Map<AccountName, V>();
    this.#each(({ 0: name, 1: item }) => map.set(name, item));
    this.#packed = null;
    return this.#map = map;
  }

  /** The item of this name is about to be changed in place. */
  touch(name: AccountName): void {
    this.#pages?.touch(name);
  }

  /** Goes through the items, which need not come into memory for it. */
  forEach(take: (item: V) => void): void {
    if (this.#pages !== null) this.#pages.forEach(take);
    else if (this.#map !== null) { for (const item of this.#map.values()) take(item); }
    else this.#each((item) => take(item[1]));
  }

  /** Goes through the items: `stored` reads past one of those that are as they were stored. */
  scan(stored: (r: ByteReader) => void, take: (item: V) => void): void {
    if (this.#pages !== null) return this.#pages.scan(stored, take);
    if (this.#packed === null) return this.forEach(take);
    const r = new ByteReader(this.#packed.bytes);
    for (let i = this.#packed.count; i > 0; i--) stored(r);
  }

  /** At least the items that have changed since they were stored. */
  valuesOfChanged(): Iterable<V> {
    return this.#pages?.valuesOfChanged() ?? this.map.values();
  }

  #each(take: (item: readonly [AccountName, V]) => void): void {
    if (this.#packed === null) return;
    const { bytes, count, read } = this.#packed;
    const r = new ByteReader(bytes);
    for (let i = 0; i < count; i++) take(read(r, i));
  }
}
