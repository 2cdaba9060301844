/**
 * Where clients wait whose account is at home in a cell that cannot be reached now: its machine may be
 * lost, and its standby about to take over. Sent on at once, each would return from the lost server
 * again and again, to a cell that has enough to do. Those that offer to wait are held instead, which
 * costs next to nothing, and learn where their home is as soon as it can be reached. They leave one
 * after another: who has just taken over is not met by all at one moment.
 */
import type { Cancel, Runtime } from "../node/ports.ts";
import { fail, type Failure } from "../../shard/errors.ts";

/** The longest that a client may offer to wait (s). */
export const HOME_WAIT_SECONDS_MAX = 20;
/** How often it is looked whether a home can be reached (ms), and how many of each leave then. */
const LOOK_MS = 20;
const LEAVE_MAX = 20;
/** Who waits to the end returns later: all of a moment must not do so at one moment. */
const SPREAD = 0.25;

/** What it needs. */
export interface LostHomesDeps extends Pick<Runtime, "random" | "timers"> {
  /** Clients that may wait at once; others are sent on. */
  readonly waitingMax: number;
  /** Whether some server of a cell can be reached from here that has an address for clients. */
  isReached(cell: string): boolean;
  /** Where clients reach a cell; null: it is not known. */
  addressesOf(cell: string): readonly string[] | null;
}

/** What protocols need of it. */
export interface WaitsForHome {
  /**
   * Holds a client that was refused because its home is another cell, for at most so many seconds; then
   * calls `done` once, with the refusal of that moment. Returns what ends the wait, for a client that
   * goes away; null, and nothing is called, where it is not held.
   */
  hold(refusal: Failure, seconds: number, done: (refusal: Failure) => void): Cancel | null;
}

/** The refusal that sends a client to its home. */
export function movedTo(cell: string, servers: readonly string[]): Failure {
  const message = `Sign in at cell ${cell}, where this account is at home`;
  return { ...fail("moved", message), cell, servers };
}

/** See the head of this file. */
export class LostHomes implements WaitsForHome {
  readonly #deps: LostHomesDeps;
  /** What lets each leave, by cell, the first first. */
  readonly #waiting = new Map<string, Set<() => void>>();
  #size = 0;
  #looks = false;

  constructor(deps: LostHomesDeps) {
    this.#deps = deps;
  }

  /** How many wait, by cell. */
  get waiting(): ReadonlyMap<string, number> {
    return new Map([...this.#waiting].map(([cell, { size }]) => [cell, size]));
  }

  hold(refusal: Failure, seconds: number, done: (refusal: Failure) => void): Cancel | null {
    const { random, timers, waitingMax } = this.#deps;
    const { cell } = refusal;
    if (cell === undefined || !(seconds > 0) || this.#size >= waitingMax) return null;
    if (this.#deps.isReached(cell)) return null;
    const ms = Math.min(seconds, HOME_WAIT_SECONDS_MAX) * 1000 * (1 - SPREAD * random.number());
    const leave = () => {
      stop();
      const servers = this.#deps.addressesOf(cell);
      done(servers === null ? refusal : movedTo(cell, servers));
    };
    const late = timers.after(ms, leave);
    const stop = () => {
      late();
      this.#remove(cell, leave);
    };
    this.#add(cell, leave);
    return stop;
  }

  #add(cell: string, leave: () => void): void {
    const others = this.#waiting.get(cell);
    if (others === undefined) this.#waiting.set(cell, new Set([leave]));
    else others.add(leave);
    this.#size++;
    this.#look();
  }

  #remove(cell: string, leave: () => void): void {
    const waiting = this.#waiting.get(cell);
    if (waiting?.delete(leave) !== true) return;
    this.#size--;
    if (waiting.size === 0) this.#waiting.delete(cell);
  }

  #look(): void {
    if (this.#looks) return;
    this.#looks = true;
    this.#deps.timers.after(LOOK_MS, () => {
      this.#looks = false;
      for (const [cell, waiting] of this.#waiting) {
        if (!this.#deps.isReached(cell)) continue;
        for (const leave of [...waiting].slice(0, LEAVE_MAX)) leave();
      }
      if (this.#size > 0) this.#look();
    });
  }
}

/** The refusal of a request, once its client has waited for its home as long as it offers to. */
export function heldRequest(
  homes: WaitsForHome | undefined,
  { signal, url }: Request,
  refusal: Failure,
): Promise<Failure> {
  const seconds = Number(new URL(url).searchParams.get("wait"));
  return new Promise((resolve) => {
    const gone = () => {
      stop?.();
      resolve(refusal);
    };
    const stop = homes?.hold(refusal, seconds, (later) => {
      signal.removeEventListener("abort", gone);
      resolve(later);
    }) ?? null;
    if (stop === null) resolve(refusal);
    else signal.addEventListener("abort", gone, { once: true });
  });
}
