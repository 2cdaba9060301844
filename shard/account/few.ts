/**
 * A map and a set for items that are few and come and go all the time, such as packets on their
 * way. A `Map` builds its hash table anew every few additions and removals, and each old table
 * keeps the next one alive until the whole heap is collected.
 */

/** Up to so many items a search through an array is used; beyond, a hash table. */
const FEW = 8;

/** The part of a `ReadonlyMap` that few items need. */
export interface ReadonlyFewMap<K, V> {
  readonly size: number;
  get(key: K): V | undefined;
  /** The values in the order in which their keys came, as they are now: it may change meanwhile. */
  values(): readonly V[];
}

/** The part of a `ReadonlySet` that few items need. */
export interface ReadonlyFewSet<T> extends Iterable<T> {
  readonly size: number;
  has(item: T): boolean;
}

/** As `splice`, which makes an array of what it removes. */
function removeAt<T>(items: T[], at: number): void {
  for (let i = at + 1; i < items.length; i++) items[i - 1] = items[i]!;
  items.pop();
}

/** Items by key, in the order in which the keys came. */
export class FewMap<K, V> implements ReadonlyFewMap<K, V> {
  readonly #keys: K[] = [];
  readonly #values: V[] = [];
  #many: Map<K, V> | null = null;

  get size(): number {
    return this.#many === null ? this.#keys.length : this.#many.size;
  }

  get(key: K): V | undefined {
    if (this.#many !== null) return this.#many.get(key);
    const at = this.#keys.indexOf(key);
    return at < 0 ? undefined : this.#values[at];
  }

  set(key: K, value: V): void {
    if (this.#many !== null) return void this.#many.set(key, value);
    const at = this.#keys.indexOf(key);
    if (at >= 0) this.#values[at] = value;
    else if (this.#keys.length < FEW) {
      this.#keys.push(key);
      this.#values.push(value);
    } else {
      const many = new Map<K, V>();
      this.#keys.forEach((k, i) => many.set(k, this.#values[i]!));
      this.#keys.length = this.#values.length = 0;
      this.#many = many.set(key, value);
    }
  }

  /** Removes a key; returns whether it was there. */
  delete(key: K): boolean {
    if (this.#many !== null) {
      const had = this.#many.delete(key);
      if (this.#many.size === 0) this.#many = null;
      return had;
    }
    const at = this.#keys.indexOf(key);
    if (at < 0) return false;
    removeAt(this.#keys, at);
    removeAt(this.#values, at);
    return true;
  }

  clear(): void {
    this.#many = null;
    this.#keys.length = this.#values.length = 0;
  }

  values(): readonly V[] {
    return this.#many === null ? this.#values.slice() : [...this.#many.values()];
  }
}

/** Items in the order in which they came. */
export class FewSet<T> implements ReadonlyFewSet<T> {
  readonly #map = new FewMap<T, T>();

  get size(): number {
    return this.#map.size;
  }

  has(item: T): boolean {
    return this.#map.get(item) !== undefined;
  }

  add(item: T): void {
    this.#map.set(item, item);
  }

  /** Removes an item; returns whether it was there. */
  delete(item: T): boolean {
    return this.#map.delete(item);
  }

  clear(): void {
    this.#map.clear();
  }

  /** The items as they are now: it may change meanwhile. */
  [Symbol.iterator](): Iterator<T> {
    return this.#map.values()[Symbol.iterator]();
  }
}
