/** Exceptions that are caught where they must not spread: each is counted and logged once. */
import type { Log } from "./ports.ts";

/** The exceptions that a node has caught. */
export class Bugs {
  /** How many there were so far. */
  count = 0;
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  /** Counts and logs one; `where`: what was being done. */
  caught(where: string, error: unknown, fields: Readonly<Record<string, unknown>> = {}): void {
    this.count++;
    const stack = error instanceof Error ? error.stack : undefined;
    this.#log.error("node.bug", { where, ...fields, error: String(error), stack });
  }

  /** Calls a function of somebody else: what it throws is caught. */
  guard(where: string, run: () => void): void {
    try {
      run();
    } catch (error) {
      this.caught(where, error);
    }
  }
}
