import type { Row, StoreKey } from "../../server/node/ports.ts";
import { encodeKey } from "./key_order.ts";

interface Entry {
  readonly order: string;
  readonly key: StoreKey;
  /** null: deleted, and to be dropped when the entries are sorted next. */
  value: Uint8Array | null;
}

const byOrder = (a: Entry, b: Entry) => a.order < b.order ? -1 : 1;

/**
 * Rows by key, in Deno KV's order. Writing costs a map entry; the order is made up for when a list
 * needs it. Values are neither copied nor changed here.
 */
export class OrderedRows {
  readonly #entries = new Map<string, Entry>();
  #sorted: Entry[] = [];
  /** New entries since `#sorted` was made. */
  #added: Entry[] = [];
  #deleted = 0;

  /** Rows there are. */
  get size(): number {
    return this.#entries.size - this.#deleted;
  }

  get(key: StoreKey): Uint8Array | null {
    return this.#entries.get(encodeKey(key))?.value ?? null;
  }

  set(key: StoreKey, value: Uint8Array): void {
    const order = encodeKey(key);
    const found = this.#entries.get(order);
    if (found !== undefined) {
      if (found.value === null) this.#deleted -= 1;
      found.value = value;
      return;
    }
    const entry = { order, key: [...key], value };
    this.#entries.set(order, entry);
    const last = this.#sorted.at(-1);
    const ascending = this.#added.length === 0 && (last === undefined || last.order < order);
    (ascending ? this.#sorted : this.#added).push(entry);
  }

  delete(key: StoreKey): void {
    const found = this.#entries.get(encodeKey(key));
    if (found === undefined || found.value === null) return;
    found.value = null;
    this.#deleted += 1;
  }

  /** Rows strictly under `prefix`, ascending, after `after` (exclusive), at most `limit`. */
  list(prefix: StoreKey, after: StoreKey | null, limit: number): Row[] {
    this.#sort();
    const under = encodeKey(prefix);
    const from = after === null ? under : encodeKey(after);
    const rows: Row[] = [];
    for (
      let i = this.#firstAfter(from, this.#sorted.length);
      i < this.#sorted.length && rows.length < limit;
      i++
    ) {
      const { order, key, value } = this.#sorted[i]!;
      // 0xff goes on with the prefix's last text, as an escaped NUL of it.
      if (!order.startsWith(under) || order[under.length] === "\xff") break;
      if (value !== null) rows.push({ key, value });
    }
    return rows;
  }

  /** The last row strictly under `prefix`; undefined where there is none. */
  last(prefix: StoreKey): Row | undefined {
    this.#sort();
    const under = encodeKey(prefix);
    for (let i = this.#firstAfter(`${under}\xfe`, this.#sorted.length) - 1; i >= 0; i--) {
      const { order, key, value } = this.#sorted[i]!;
      if (order.length <= under.length || !order.startsWith(under)) return undefined;
      if (value !== null) return { key, value };
    }
    return undefined;
  }

  /** Index of the first of the first `end` entries whose order is above `order`; else `end`. */
  #firstAfter(order: string, end: number): number {
    let low = 0;
    let high = end;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#sorted[middle]!.order <= order) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #sort(): void {
    if (this.#deleted > 64 && this.#deleted * 2 > this.#entries.size) this.#dropDeleted();
    if (this.#added.length === 0) return;
    this.#merge(this.#added.sort(byOrder));
    this.#added = [];
  }

  /** Puts entries in order among the others, from behind: most are moved without being compared. */
  #merge(added: readonly Entry[]): void {
    const sorted = this.#sorted;
    let end = sorted.length;
    for (const entry of added) sorted.push(entry);
    for (let i = added.length - 1; i >= 0; i--) {
      const entry = added[i]!;
      const at = this.#firstAfter(entry.order, end);
      for (let j = end - 1; j >= at; j--) sorted[j + i + 1] = sorted[j]!;
      sorted[at + i] = entry;
      end = at;
    }
  }

  #dropDeleted(): void {
    const live = (entry: Entry) => {
      if (entry.value === null) this.#entries.delete(entry.order);
      return entry.value !== null;
    };
    this.#sorted = this.#sorted.filter(live);
    this.#added = this.#added.filter(live);
    this.#deleted = 0;
  }
}
