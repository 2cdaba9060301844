/** What is to run at some time, earliest first: a binary heap. Entries of one time keep their order. */

/** One of them. */
export interface DueEntry {
  readonly dueMs: number;
  readonly number: number;
  /** null once it was taken or cancelled. */
  run: (() => void) | null;
}

/** Cancelled entries that may stay in the heap, whatever its size. */
const CANCELLED_MIN = 64;

function isBefore(a: DueEntry, b: DueEntry): boolean {
  return a.dueMs < b.dueMs || a.dueMs === b.dueMs && a.number < b.number;
}

/** See the head of this file. To cancel takes no time: the entry leaves the heap when it is due. */
export class DueQueue {
  #heap: DueEntry[] = [];
  #number = 0;
  #cancelled = 0;

  /** Entries that are neither taken nor cancelled. */
  get size(): number {
    return this.#heap.length - this.#cancelled;
  }

  /** When the next entry is due, one that was cancelled included; Infinity for none. */
  get nextMs(): number {
    return this.#heap[0]?.dueMs ?? Infinity;
  }

  add(dueMs: number, run: () => void): DueEntry {
    const entry = { dueMs, number: this.#number++, run };
    this.#heap.push(entry);
    this.#up(this.#heap.length - 1);
    return entry;
  }

  /** Does nothing where it was taken or cancelled before. */
  cancel(entry: DueEntry): void {
    if (entry.run === null) return;
    entry.run = null;
    this.#cancelled++;
    if (this.#cancelled > CANCELLED_MIN && this.#cancelled * 2 > this.#heap.length) this.#compact();
  }

  /** Takes the first entry that is due by now; null where none is. */
  takeDue(nowMs: number): (() => void) | null {
    while (this.nextMs <= nowMs) {
      const entry = this.#takeFirst();
      const { run } = entry;
      entry.run = null;
      if (run !== null) return run;
      this.#cancelled--;
    }
    return null;
  }

  #takeFirst(): DueEntry {
    const first = this.#heap[0]!;
    const last = this.#heap.pop()!;
    if (last !== first) {
      this.#heap[0] = last;
      this.#down(0);
    }
    return first;
  }

  #compact(): void {
    // What is sorted is a heap.
    this.#heap = this.#heap.filter(({ run }) => run !== null)
      .sort((a, b) => a.dueMs - b.dueMs || a.number - b.number);
    this.#cancelled = 0;
  }

  #up(at: number): void {
    const heap = this.#heap;
    const entry = heap[at]!;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(entry, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = entry;
  }

  #down(at: number): void {
    const heap = this.#heap;
    const entry = heap[at]!;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, entry)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = entry;
  }
}
