/** Something to run at a time of the simulation. */
export interface HeapEvent {
  readonly at: number;
  /** Order of insertion; ties of `at` run in it. */
  readonly order: number;
  /** null once it has run or was cancelled. */
  run: (() => void) | null;
}

function before(a: HeapEvent, b: HeapEvent): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** Binary heap of events by time, then insertion. Cancelled ones are dropped when they surface. */
export class EventHeap {
  #items: HeapEvent[] = [];
  #cancelled = 0;

  push(event: HeapEvent): void {
    const items = this.#items;
    let i = items.length;
    items.push(event);
    while (i > 0) {
      const up = (i - 1) >> 1;
      const parent = items[up]!;
      if (!before(event, parent)) break;
      items[i] = parent;
      i = up;
    }
    items[i] = event;
  }

  /** Forgets an event; its closure is freed at once, its place soon. */
  cancel(event: HeapEvent): void {
    if (event.run === null) return;
    event.run = null;
    this.#cancelled += 1;
    if (this.#cancelled < 64 || this.#cancelled * 2 < this.#items.length) return;
    const live = this.#items.filter((item) => item.run !== null);
    live.sort((a, b) => before(a, b) ? -1 : 1);
    // A sorted array is a heap.
    this.#items = live;
    this.#cancelled = 0;
  }

  /** The earliest event; undefined where there is none. */
  peek(): HeapEvent | undefined {
    let top = this.#items[0];
    while (top !== undefined && top.run === null) {
      this.#removeTop();
      this.#cancelled -= 1;
      top = this.#items[0];
    }
    return top;
  }

  /** Removes and returns what `peek` shows. */
  pop(): HeapEvent | undefined {
    const top = this.peek();
    if (top !== undefined) this.#removeTop();
    return top;
  }

  #removeTop(): void {
    const items = this.#items;
    const last = items.pop()!;
    const size = items.length;
    if (size === 0) return;
    let i = 0;
    while (true) {
      let child = 2 * i + 1;
      if (child >= size) break;
      if (child + 1 < size && before(items[child + 1]!, items[child]!)) child += 1;
      const least = items[child]!;
      if (!before(least, last)) break;
      items[i] = least;
      i = child;
    }
    items[i] = last;
  }
}
