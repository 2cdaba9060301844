/**
 * When writes of a primary are acknowledged, and when it takes no more of them. The *ack set* are the
 * standbys that may take over. Mode `sync`: a write is acknowledged when all of them have it; writes do
 * not wait for each other on the way, and are acknowledged in their order. Mode `async`: at once, and
 * none begins while one of them is behind by more than a bound, so that no more than this is lost.
 */
import type { Clock } from "../node/ports.ts";
import type { RowError } from "../store/row_store.ts";
import type { Position } from "./write_number.ts";
import type { WriteGate } from "./numbered_rows.ts";

/** How writes are acknowledged. */
export type AckMode = "sync" | "async";

/** Bounds of mode `async`. */
export interface LagLimits {
  readonly writesMax: number;
  readonly msMax: number;
}

/** How far the ack set is behind; 0 and 0 where it is empty. */
export interface Lag {
  readonly writes: number;
  /** Age of the oldest write that one of them does not have (ms). */
  readonly ms: number;
}

interface Held {
  readonly w: number;
  readonly atMs: number;
  /** Null where it was acknowledged. */
  readonly done: ((error: RowError | null) => void) | null;
}

/** See the head of this file. */
export class AckGate implements WriteGate {
  readonly #mode: AckMode;
  readonly #clock: Clock;
  readonly #limits: LagLimits;
  /** By standby, the last write that it has. */
  readonly #acked = new Map<string, number>();
  #required: readonly string[] = [];
  /** Writes that one of the ack set does not have, oldest first. */
  #held: Held[] = [];
  #closed: string | null = null;
  /** Writes that wait for the end of a pause; null while there is none. */
  #paused: (() => void)[] | null = null;

  constructor(mode: AckMode, clock: Clock, limits: LagLimits) {
    this.#mode = mode;
    this.#clock = clock;
    this.#limits = limits;
  }

  /** The standbys of which each must have a write, from now on. */
  require(standbys: readonly string[]): void {
    this.#required = standbys;
    this.#release();
  }

  /** A standby has all writes up to `w`; null: it is not known what it has. */
  acked(standby: string, w: number | null): void {
    if (w === null) this.#acked.delete(standby);
    else this.#acked.set(standby, w);
    this.#release();
  }

  /** Whether a standby has every write that was acknowledged without it, or waits for others. */
  hasAll(standby: string, w: number): boolean {
    return (this.#acked.get(standby) ?? -1) >= w;
  }

  get lag(): Lag {
    const first = this.#held[0];
    if (first === undefined) return { writes: 0, ms: 0 };
    return { writes: this.#held.length, ms: this.#clock.monoMs() - first.atMs };
  }

  /**
   * The store is not the primary any more: what waits is of unknown outcome, and no write begins.
   */
  close(why: string): void {
    this.#closed = why;
    const held = this.#held;
    this.#held = [];
    for (const { done } of held) done?.({ kind: "unknown", message: why });
  }

  /** No write begins until `reopen`; those that have begun are acknowledged as ever. */
  pause(): void {
    this.#paused ??= [];
  }

  delays(run: () => void): boolean {
    this.#paused?.push(run);
    return this.#paused !== null;
  }

  /** It is the primary again. */
  reopen(): void {
    this.#closed = null;
    const paused = this.#paused ?? [];
    this.#paused = null;
    for (const run of paused) run();
  }

  refusal(): string | null {
    if (this.#closed !== null) return this.#closed;
    if (this.#mode === "sync") return null;
    const { writes, ms } = this.lag;
    const { writesMax, msMax } = this.#limits;
    if (writes < writesMax && ms < msMax) return null;
    return `The standby is ${writes} writes and ${Math.round(ms)} ms behind.`;
  }

  hold({ w }: Position, done: (error: RowError | null) => void): void {
    const why = this.#closed;
    if (why !== null) return done({ kind: "unknown", message: why });
    if (this.#held.length === 0 && w <= this.#upTo()) return done(null);
    const waits = this.#mode === "sync";
    this.#held.push({ w, atMs: this.#clock.monoMs(), done: waits ? done : null });
    if (!waits) done(null);
  }

  /** The last write that all of the ack set have. */
  #upTo(): number {
    return this.#required.reduce(
      (least, id) => Math.min(least, this.#acked.get(id) ?? -1),
      Infinity,
    );
  }

  #release(): void {
    const upTo = this.#upTo();
    while (this.#held[0] !== undefined && this.#held[0].w <= upTo) {
      this.#held.shift()!.done?.(null);
      // What is called back may have changed the ack set.
      if (this.#upTo() !== upTo) return this.#release();
    }
  }
}
