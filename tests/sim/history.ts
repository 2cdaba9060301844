/**
 * What happened in a simulation, in order: a hash of all of it, so that two runs can be
 * compared, and the last lines of it, so that a failure can be read.
 */

/** A line of the history. */
export interface HistoryLine {
  readonly atMs: number;
  /** Who did it, or to whom it happened: `alice/phone`, `node 1`, `disk 1`. */
  readonly who: string;
  readonly text: string;
  /** Users it is about. */
  readonly about: readonly string[];
}

/** Lines kept at most. */
const LINES_MAX = 20_000;

/** The history of one run. */
export class History {
  readonly #now: () => number;
  #lines: HistoryLine[] = [];
  #hash = 0x811c9dc5;
  #count = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Time of the simulation, ms. */
  get nowMs(): number {
    return this.#now();
  }

  /** Lines so far. */
  get count(): number {
    return this.#count;
  }

  /** Depends on every line so far, its time and its place. */
  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, "0");
  }

  /** Adds a line. */
  add(who: string, text: string, ...about: readonly string[]): void {
    const atMs = this.#now();
    this.#count++;
    this.#mix(who);
    this.#mix(text);
    this.#hash = Math.imul(this.#hash ^ (atMs * 1024 | 0), 0x01000193);
    this.#lines.push({ atMs, who, text, about });
    if (this.#lines.length > LINES_MAX) this.#lines = this.#lines.slice(LINES_MAX / 2);
  }

  #mix(text: string): void {
    let h = this.#hash;
    for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
    this.#hash = h;
  }

  /**
   * The last `count` lines about any of `users`, or about no user; all users where there are none.
   */
  tail(count: number, users: readonly string[] = []): string {
    const lines = this.#lines.filter((line) =>
      users.length === 0 || line.about.length === 0 || line.about.some((u) => users.includes(u))
    );
    return lines.slice(-count).map((line) =>
      `${line.atMs.toFixed(3).padStart(12)}  ${line.who.padEnd(12)} ${line.text}`
    ).join("\n");
  }
}

/** An invariant does not hold. */
export class Violation extends Error {
  readonly check: string;
  readonly users: readonly string[];

  /** `check` names the invariant, `users` whom it is about. */
  constructor(check: string, message: string, users: readonly string[] = []) {
    super(`${check}: ${message}`);
    this.name = "Violation";
    this.check = check;
    this.users = users;
  }
}
