/**
 * Failed sign-ins, counted so that a flood of them costs little: the first one of an address in a
 * minute is an entry, and further ones like it are a count.
 */
import type { AuditInput } from "./entry.ts";
import { addressKey } from "../auth/throttle.ts";

/** How long failures are counted together (ms). */
export const COUNTED_MS = 60_000;
/** Kinds of failures in a minute that are distinguished: of accounts that exist, and of others. */
const KNOWN_MAX = 2000;
const UNKNOWN_MAX = 500;

interface Counted {
  readonly input: AuditInput;
  more: number;
}

/** See the head of this file. */
export class FailureCounts {
  readonly #record: (input: AuditInput) => void;
  readonly #known = new Map<string, Counted>();
  readonly #unknown = new Map<string, Counted>();
  /** Those that had no room. */
  #others = 0;

  constructor(record: (input: AuditInput) => void) {
    this.#record = record;
  }

  /** Whether anything waits for the end of the minute. */
  get counting(): boolean {
    return this.#others > 0 || this.#known.size > 0 || this.#unknown.size > 0;
  }

  /** Counts a failure; `user` only where that account exists. */
  add(input: AuditInput): void {
    const { action, actor, address = "", method, outcome, user } = input;
    const [counts, max] = user === undefined
      ? [this.#unknown, UNKNOWN_MAX] as const
      : [this.#known, KNOWN_MAX] as const;
    const key = [addressKey(address), actor, action, method, outcome, user].join("\n");
    const counted = counts.get(key);
    if (counted !== undefined) return void counted.more++;
    if (counts.size >= max) return void this.#others++;
    counts.set(key, { input, more: 0 });
    this.#record(input);
  }

  /** The minute is over. */
  end(): void {
    for (const counts of [this.#known, this.#unknown]) {
      for (const { input, more } of counts.values()) {
        if (more > 0) this.#record({ ...input, count: more, detail: "further ones in a minute" });
      }
      counts.clear();
    }
    if (this.#others === 0) return;
    const detail = "from so many addresses in a minute that they were only counted";
    const count = this.#others;
    this.#others = 0;
    this.#record({ actor: "unknown", action: "signIn", outcome: "refused", count, detail });
  }
}
