/**
 * Bugs in the steps of shards: what steps are made of throws at random points, before or after it
 * has done its part, so that steps end half done. The shard must let nothing of that survive.
 */
import type { Prng } from "./prng.ts";
import { AccountCache } from "../../shard/step/account_cache.ts";
import { OpenBatch } from "../../shard/step/open_batch.ts";
import { ShardTurn } from "../../shard/step/shard_turn.ts";

/** What the error of every such bug begins with. */
export const INJECTED = "injected bug";

type Method = (this: object, ...args: unknown[]) => unknown;

/** The methods that throw. */
const POINTS = [
  { of: ShardTurn.prototype, names: ["append", "emit", "send"] },
  // Between the change in memory and its entry in the log.
  { of: OpenBatch.prototype, names: ["append", "seal"] },
  { of: AccountCache.prototype, names: ["checkpoint"] },
] as const;

/** How much likelier bugs are where an effect is of no account: presence, answers to interests. */
const RARE = 5;

/** The bugs of one cluster. */
export class StepFaults {
  /** Probability of each call of such a method. */
  chance = 0;
  /** Bugs so far. */
  count = 0;
  readonly #prng: Prng;
  #next: ((name: string, args: readonly unknown[]) => boolean) | null = null;

  constructor(prng: Prng) {
    this.#prng = prng;
  }

  /** The next call throws whose method's name and arguments `which` picks. */
  strikeNext(which: (name: string, args: readonly unknown[]) => boolean): void {
    this.#next = which;
  }

  /** Runs `run`, in which the methods throw. */
  during<T>(run: () => T): T {
    wrapMethods();
    ACTIVE.faults = this;
    try {
      return run();
    } finally {
      ACTIVE.faults = null;
    }
  }

  /** Whether no call throws now. */
  get quiet(): boolean {
    return this.chance === 0 && this.#next === null;
  }

  /** A method is called, or has done its part. */
  called(when: "before" | "after", name: string, args: readonly unknown[]): void {
    this.#strike(`${when} ${name}`, args[0] === null ? RARE : 1);
    if (this.#next?.(name, args)) this.#throw(`${when} ${name}`);
  }

  #strike(where: string, weight: number): void {
    if (this.chance === 0 || !this.#prng.chance(this.chance * weight)) return;
    this.#throw(where);
  }

  #throw(where: string): never {
    this.#next = null;
    this.count++;
    throw new Error(`${INJECTED} ${where}`);
  }
}

/**
 * The bugs of the cluster that runs now: one at a time in a process. The methods are wrapped once,
 * since each change of a prototype makes the engine forget the code that it has optimized.
 */
const ACTIVE: { faults: StepFaults | null; wrapped: boolean } = { faults: null, wrapped: false };

function wrapMethods(): void {
  if (ACTIVE.wrapped) return;
  ACTIVE.wrapped = true;
  for (const { of, names } of POINTS) {
    const methods = of as unknown as Record<string, Method>;
    for (const name of names) methods[name] = wrapped(name, methods[name]!);
  }
}

/** A method that may throw before or after it has done its part. */
function wrapped(name: string, original: Method): Method {
  return function (...args) {
    const { faults } = ACTIVE;
    if (faults?.quiet === false) faults.called("before", name, args);
    const value = original.apply(this, args);
    if (faults?.quiet === false) faults.called("after", name, args);
    return value;
  };
}
