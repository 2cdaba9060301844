/**
 * Contacts, blocks and conversations of a large account: in pages that are stored in rows of their
 * own, so that a change writes its page and no other. A page stays as it is stored until somebody looks
 * for one of its items; which page an item is in follows from the records of the log alone.
 */
import type { AccountName } from "../name/ids.ts";
import { ByteReader, ByteWriter, CorruptBytes } from "../record/bytes.ts";
import type { Items } from "./lazy_map.ts";
import type { PageSource } from "./stored_pages.ts";
import { readVersion } from "../record/struct.ts";

const PAGE_VERSION = 1;

/** The stored form of an item of a page. */
export interface ItemCodec<V> {
  write(w: ByteWriter, name: AccountName, item: V): void;
  read(r: ByteReader): readonly [AccountName, V];
  /** Skips an item as its account is loaded, and returns its name. Throws `CorruptBytes`. */
  load(r: ByteReader): AccountName;
}

interface Page<V> {
  readonly number: number;
  count: number;
  /** As it is stored, until somebody looks for an item. */
  packed: Uint8Array | null;
  items: Map<AccountName, V>;
}

/** Items by name, in the order of their pages. */
export class ItemPages<V> implements Items<V>, PageSource {
  readonly #codec: ItemCodec<V>;
  readonly #itemsMax: number;
  readonly #pages = new Map<number, Page<V>>();
  readonly #pageOf = new Map<AccountName, Page<V>>();
  readonly #changed = new Set<number>();
  /** No page before this one has room. */
  #roomFrom = 0;

  /** `itemsMax`: items of one page. */
  constructor(codec: ItemCodec<V>, itemsMax: number) {
    this.#codec = codec;
    this.#itemsMax = itemsMax;
  }

  // ---- the stored form

  /** Takes a page as it is stored. Throws `CorruptBytes`. */
  hold(number: number, packed: Uint8Array): void {
    const page = this.#page(number);
    page.packed = packed;
    const r = this.#open(packed);
    page.count = r.count();
    for (let i = page.count; i > 0; i--) {
      const name = this.#codec.load(r);
      if (this.#pageOf.has(name)) throw new CorruptBytes(`${name} is in two pages`);
      this.#pageOf.set(name, page);
    }
    if (!r.done) throw new CorruptBytes(`a page has more than its ${page.count} items`);
  }

  get changed(): Iterable<number> {
    return this.#changed;
  }

  take(number: number): Uint8Array {
    this.#changed.delete(number);
    const page = this.#pages.get(number);
    if (page === undefined || page.count === 0) return new Uint8Array();
    if (page.packed !== null) return page.packed;
    const w = new ByteWriter(128 * page.count).u8(PAGE_VERSION).uint(page.count);
    for (const [name, item] of page.items) this.#codec.write(w, name, item);
    return w.take();
  }

  // ---- items

  get size(): number {
    return this.#pageOf.size;
  }

  has(name: AccountName): boolean {
    return this.#pageOf.has(name);
  }

  get(name: AccountName): V | undefined {
    const page = this.#pageOf.get(name);
    return page === undefined ? undefined : this.#itemsOf(page).get(name);
  }

  set(name: AccountName, item: V): void {
    const page = this.#pageOf.get(name) ?? this.#pageWithRoom();
    const items = this.#itemsOf(page);
    items.set(name, item);
    page.count = items.size;
    this.#pageOf.set(name, page);
    this.#changed.add(page.number);
  }

  /** The item, or what is stored with it, is about to be changed in place. */
  touch(name: AccountName): void {
    const page = this.#pageOf.get(name);
    if (page === undefined) return;
    this.#itemsOf(page);
    this.#changed.add(page.number);
  }

  delete(name: AccountName): boolean {
    const page = this.#pageOf.get(name);
    if (page === undefined) return false;
    const items = this.#itemsOf(page);
    items.delete(name);
    page.count = items.size;
    this.#pageOf.delete(name);
    this.#changed.add(page.number);
    this.#roomFrom = Math.min(this.#roomFrom, page.number);
    return true;
  }

  clear(): void {
    for (const page of this.#pages.values()) {
      if (page.count > 0) this.#changed.add(page.number);
      page.count = 0;
      page.packed = null;
      page.items = new Map();
    }
    this.#pageOf.clear();
    this.#roomFrom = 0;
  }

  *[Symbol.iterator](): Generator<readonly [AccountName, V], void> {
    for (const page of this.#ordered()) yield* this.#itemsOf(page);
  }

  *keys(): Generator<AccountName, void> {
    for (const [name] of this) yield name;
  }

  *values(): Generator<V, void> {
    for (const [, item] of this) yield item;
  }

  /** Goes through the items; those of pages that are as they were stored do not stay in memory. */
  forEach(take: (item: V) => void): void {
    this.scan((r) => take(this.#codec.read(r)[1]), take);
  }

  /** The same, where `stored` reads past an item that is as it was stored. */
  scan(stored: (r: ByteReader) => void, take: (item: V) => void): void {
    for (const page of this.#ordered()) {
      if (page.packed === null) { for (const item of page.items.values()) take(item); }
      else {
        const r = this.#open(page.packed);
        for (let i = r.count(); i > 0; i--) stored(r);
      }
    }
  }

  /** Goes through the items of the pages that have changed since they were stored. */
  *valuesOfChanged(): Generator<V, void> {
    for (const number of this.#changed) {
      const page = this.#pages.get(number);
      if (page !== undefined) yield* this.#itemsOf(page).values();
    }
  }

  // ---- pages

  #ordered(): Page<V>[] {
    return [...this.#pages.values()].sort((a, b) => a.number - b.number);
  }

  #page(number: number): Page<V> {
    let page = this.#pages.get(number);
    if (page === undefined) {
      page = { number, count: 0, packed: null, items: new Map() };
      this.#pages.set(number, page);
    }
    return page;
  }

  /** The first page that has room: a replay of the log finds the same one. */
  #pageWithRoom(): Page<V> {
    while ((this.#pages.get(this.#roomFrom)?.count ?? 0) >= this.#itemsMax) this.#roomFrom++;
    return this.#page(this.#roomFrom);
  }

  #open(packed: Uint8Array): ByteReader {
    const r = new ByteReader(packed);
    readVersion(r, "page of an account", PAGE_VERSION);
    return r;
  }

  #itemsOf(page: Page<V>): Map<AccountName, V> {
    if (page.packed === null) return page.items;
    const r = this.#open(page.packed);
    const items = new Map<AccountName, V>();
    for (let i = r.count(); i > 0; i--) {
      const [name, item] = this.#codec.read(r);
      items.set(name, item);
    }
    page.packed = null;
    return page.items = items;
  }
}
