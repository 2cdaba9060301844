/**
 * Where sign-ins wait when more come than the node can take at once. A spike is smoothed instead of
 * refused: a client that is sent away returns, which costs more than to let it in. Those who take
 * up a session come first, for theirs is about to be shown offline. Only when the first in line has
 * waited too long are new ones told to come later.
 */
import type { Ports } from "../node/ports.ts";
import type { OpenedSession, OpenSession } from "../edge/types.ts";
import { fail, type Failure, type Result } from "../../shard/errors.ts";

/** Bounds of a sign-in queue. */
export interface SignInQueueLimits {
  /** Sign-ins under way at once: enough for full reads of the store. */
  readonly inFlightMax: number;
  /** Those who wait, each kind. */
  readonly waitingMax: number;
  /** When the first in line has waited for so long, nobody else may (ms). */
  readonly waitMaxMs: number;
  /** Least wait until those come again who are sent away (ms). */
  readonly retryAfterMs: number;
}

/** Ends an entry's turn; repeated calls count once. */
export type Leave = () => void;

interface Entry {
  readonly go: (leave: Leave) => void;
  readonly sinceMs: number;
}

/** First come, first served; an array that is not moved for each who leaves. */
class Line {
  #items: Entry[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  get first(): Entry | undefined {
    return this.#items[this.#head];
  }

  push(entry: Entry): void {
    this.#items.push(entry);
  }

  shift(): Entry | undefined {
    const first = this.#items[this.#head];
    if (first === undefined) return undefined;
    this.#head++;
    if (this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return first;
  }
}

/** See the head of this file. */
export class SignInQueue {
  readonly #ports: Pick<Ports, "clock" | "random">;
  readonly #limits: SignInQueueLimits;
  readonly #resuming = new Line();
  readonly #fresh = new Line();
  #inFlight = 0;
  #calling = false;
  /** How many were asked to retry later. */
  refused = 0;

  constructor(ports: Pick<Ports, "clock" | "random">, limits: SignInQueueLimits) {
    this.#ports = ports;
    this.#limits = limits;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#resuming.length + this.#fresh.length;
  }

  /**
   * Calls `go` when it is the entry's turn, which lasts until it calls `leave`; or `refuse`, at
   * once. `resumes`: it takes up a session.
   */
  enter(resumes: boolean, go: (leave: Leave) => void, refuse: (failure: Failure) => void): void {
    const line = resumes ? this.#resuming : this.#fresh;
    const sinceMs = this.#ports.clock.monoMs();
    if (line.length >= this.#limits.waitingMax || this.#late(line, sinceMs)) {
      this.refused++;
      const { retryAfterMs } = this.#limits;
      const wait = Math.round(retryAfterMs * (1 + this.#ports.random.number()));
      return refuse(fail("busy", "Refused for now: too many sign in at once", wait));
    }
    line.push({ go, sinceMs });
    this.#call();
  }

  #late(line: Line, nowMs: number): boolean {
    return line.first !== undefined && nowMs - line.first.sinceMs > this.#limits.waitMaxMs;
  }

  #call(): void {
    // Those who leave at once must not make the stack grow.
    if (this.#calling) return;
    this.#calling = true;
    while (this.#inFlight < this.#limits.inFlightMax) {
      const entry = this.#resuming.shift() ?? this.#fresh.shift();
      if (entry === undefined) break;
      this.#inFlight++;
      let here = true;
      entry.go(() => {
        if (!here) return;
        here = false;
        this.#inFlight--;
        this.#call();
      });
    }
    this.#calling = false;
  }
}

/** Opens a session when it is its turn. */
export function openInTurn(
  deps: {
    readonly signInQueue: Pick<SignInQueue, "enter">;
    open(options: OpenSession, done: (result: Result<OpenedSession>) => void): void;
  },
  options: OpenSession,
  done: (result: Result<OpenedSession>) => void,
): void {
  const go = (leave: Leave) =>
    deps.open(options, (result) => {
      leave();
      done(result);
    });
  deps.signInQueue.enter(options.resume !== null, go, done);
}
