/** How much was used lately, by key. Pure: the monotonic time comes in with every call. */

/** Shape of a meter. */
export interface UsageOptions {
  /** Time after which a use counts half (ms). */
  readonly halfLifeMs: number;
  /** Keys remembered; the least recently used is forgotten first. */
  readonly keysMax: number;
}

/** Sums of uses that fade exponentially, in bounded memory. */
export class Usage {
  readonly #options: UsageOptions;
  readonly #sums = new Map<string, { readonly sum: number; readonly atMs: number }>();

  constructor(options: UsageOptions) {
    this.#options = options;
  }

  /** Keys remembered now. */
  get size(): number {
    return this.#sums.size;
  }

  /** What is left of all uses of the key. */
  of(nowMs: number, key: string): number {
    const entry = this.#sums.get(key);
    if (entry === undefined) return 0;
    return entry.sum * 0.5 ** (Math.max(0, nowMs - entry.atMs) / this.#options.halfLifeMs);
  }

  /** Counts so many uses. */
  add(nowMs: number, key: string, uses: number): void {
    const sum = this.of(nowMs, key) + uses;
    // Deleting and setting keeps the map in order of use.
    this.#sums.delete(key);
    if (this.#sums.size >= this.#options.keysMax) {
      this.#sums.delete(this.#sums.keys().next().value!);
    }
    this.#sums.set(key, { sum, atMs: nowMs });
  }
}
