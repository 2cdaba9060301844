/**
 * Items by ascending number, most of which are taken soon after they were added. It is a ring of
 * slots: a `Map` would build its hash table anew every few additions, and each old table keeps what
 * it held, and the next table, alive until the whole heap is collected.
 */

/** Slots at the beginning; a power of two. */
const SLOTS = 64;

/** See the head of this file. */
export class Numbered<T> {
  #items: (T | undefined)[] = new Array(SLOTS).fill(undefined);
  /** The lowest number that may be there, and the one after the highest. */
  #first = 0;
  #end = 0;
  #size = 0;

  /** Number of items. */
  get size(): number {
    return this.#size;
  }

  get(number: number): T | undefined {
    if (number < this.#first || number >= this.#end) return undefined;
    return this.#items[number & (this.#items.length - 1)];
  }

  /** Adds an item whose number is higher than all before, or replaces one. */
  set(number: number, item: T): void {
    if (this.#size === 0) this.#first = this.#end = number;
    if (number < this.#first) throw new RangeError(`${number} is below ${this.#first}`);
    if (this.get(number) === undefined) this.#size++;
    if (number >= this.#end) {
      while (number - this.#first >= this.#items.length) this.#grow();
      this.#end = number + 1;
    }
    this.#items[number & (this.#items.length - 1)] = item;
  }

  /** Removes an item and returns it. */
  take(number: number): T | undefined {
    const item = this.get(number);
    if (item === undefined) return undefined;
    const mask = this.#items.length - 1;
    this.#items[number & mask] = undefined;
    this.#size--;
    while (this.#first < this.#end && this.#items[this.#first & mask] === undefined) this.#first++;
    return item;
  }

  /** The items in the order of their numbers; they may be taken meanwhile. */
  *values(): Generator<T> {
    for (let number = this.#first; number < this.#end; number++) {
      const item = this.get(number);
      if (item !== undefined) yield item;
    }
  }

  #grow(): void {
    const before = this.#items;
    const items = new Array<T | undefined>(before.length * 2).fill(undefined);
    for (let number = this.#first; number < this.#end; number++) {
      items[number & (items.length - 1)] = before[number & (before.length - 1)];
    }
    before.fill(undefined);
    this.#items = items;
  }
}
