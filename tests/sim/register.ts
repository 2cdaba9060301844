/**
 * A value that clients set and whose answers may get lost: which values it can have, judged by
 * when each operation began and when it was known to be done (linearizability of one register).
 */

/** Time after which an operation whose answer never came has happened or never will, ms. */
export const UNKNOWN_MS = 45_000;

/** One setting of the value. */
export interface Setting<T> {
  value: T;
  readonly beganMs: number;
  /** When its answer came; Infinity while it is awaited. */
  endMs: number;
  /** refused: it never happened. */
  outcome: "pending" | "done" | "unknown" | "refused";
}

/** The history of one value. */
export class Register<T> {
  readonly #settings: Setting<T>[] = [];

  /** Begins with this value. */
  constructor(initial: T) {
    this.#settings.push({ value: initial, beganMs: -1, endMs: -1, outcome: "done" });
  }

  /** Notes that somebody sets it. */
  begin(value: T, nowMs: number): Setting<T> {
    const setting: Setting<T> = { value, beganMs: nowMs, endMs: Infinity, outcome: "pending" };
    this.#settings.push(setting);
    return setting;
  }

  /** Notes how it went. */
  static end(setting: Setting<unknown>, outcome: "done" | "unknown" | "refused", nowMs: number) {
    setting.outcome = outcome;
    setting.endMs = outcome === "unknown" ? setting.beganMs + UNKNOWN_MS : nowMs;
  }

  /** All values it can have at `nowMs`. */
  possible(nowMs: number): T[] {
    const known = this.#settings.filter((s) => s.outcome !== "refused" && s.beganMs <= nowMs);
    // Only what is known to have happened hides what was over before it began.
    const hides = known.filter((s) => s.outcome === "done" && s.endMs <= nowMs);
    const values = known
      .filter((s) => !hides.some((h) => h.beganMs > s.endMs))
      .map((s) => s.value);
    return [...new Set(values)];
  }

  /** Whether anybody has ever tried to set it. */
  get touched(): boolean {
    return this.#settings.length > 1;
  }

  /** Every value that it was ever to have. */
  get values(): readonly T[] {
    return this.#settings.map((s) => s.value);
  }

  /** Whether any value but the first was set, possibly, after `ms`. */
  since(ms: number): boolean {
    return this.#settings.some((s) => s.outcome !== "refused" && s.endMs >= ms);
  }

  /** Whether it certainly has had this value all the time between. */
  always(value: T, fromMs: number, toMs: number): boolean {
    if (this.certain(fromMs) !== value) return false;
    return !this.#settings.some((s) =>
      s.outcome !== "refused" && s.value !== value && s.beganMs > fromMs && s.beganMs <= toMs
    );
  }

  /** The value where only one is possible, else undefined. */
  certain(nowMs: number): T | undefined {
    const values = this.possible(nowMs);
    return values.length === 1 ? values[0] : undefined;
  }
}
