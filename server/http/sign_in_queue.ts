/**
 * Where sign-ins wait when more come than the node can take at once. A spike is smoothed instead of
 * refused: a client that is sent away returns, which costs more than to let it in. Sessions that are
 * taken up come first, for they are about to be shown offline. Addresses, and users who have proved
 * who they are, take turns; when the queue is full, the newest entry of the one with the most is
 * refused. Only when the first entry of an address has waited too long are new ones of it refused.
 * A turn that takes long gives its place to the next one: users whose shard does not reply keep out
 * no others.
 */
import type { Ports } from "../node/ports.ts";
import type { OpenedSession, OpenSession } from "../edge/types.ts";
import { fail, type Failure, type Result } from "../../shard/errors.ts";

/** Bounds of a sign-in queue. */
export interface SignInQueueLimits {
  /** Sign-ins under way at once: enough for full reads of the store. */
  readonly inFlightMax: number;
  /** When a turn gives its place to the next, though it is not over (ms). */
  readonly turnMaxMs: number;
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
  readonly refuse: (failure: Failure) => void;
  readonly sinceMs: number;
}

/** First come, first served; an array that is not moved for each entry that leaves. */
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

  /** Takes the newest entry; there is one. */
  pop(): Entry {
    return this.#items.pop()!;
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

/** A line for each address or user; they take turns. */
class Lines {
  readonly #lines = new Map<string, Line>();
  length = 0;

  of(key: string): Line | undefined {
    return this.#lines.get(key);
  }

  push(key: string, entry: Entry): void {
    const line = this.#lines.get(key) ?? new Line();
    this.#lines.set(key, line);
    line.push(entry);
    this.length++;
  }

  shift(): Entry | undefined {
    const next = this.#lines.entries().next().value;
    if (next === undefined) return undefined;
    const [key, line] = next;
    const entry = line.shift()!;
    this.length--;
    // Deleted and set again, it stands last.
    this.#lines.delete(key);
    if (line.length > 0) this.#lines.set(key, line);
    return entry;
  }

  /** Takes the newest entry of the longest line, where that is longer than `length`. */
  popLonger(length: number): Entry | null {
    let longest: readonly [string, Line] | null = null;
    for (const [key, line] of this.#lines) {
      if (line.length > (longest?.[1].length ?? length)) longest = [key, line];
    }
    if (longest === null) return null;
    const [key, line] = longest;
    this.length--;
    const entry = line.pop();
    if (line.length === 0) this.#lines.delete(key);
    return entry;
  }
}

/** See the head of this file. */
export class SignInQueue {
  readonly #ports: Pick<Ports, "clock" | "random" | "timers">;
  readonly #limits: SignInQueueLimits;
  readonly #resuming = new Lines();
  readonly #fresh = new Lines();
  /** Turns that have a place, with their begin (monotonic, ms); the oldest first. */
  readonly #turns = new Map<Leave, number>();
  #looking = false;
  #calling = false;
  /** How many were asked to retry later. */
  refused = 0;

  constructor(ports: Pick<Ports, "clock" | "random" | "timers">, limits: SignInQueueLimits) {
    this.#ports = ports;
    this.#limits = limits;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#resuming.length + this.#fresh.length;
  }

  /**
   * Calls `go` when it is the entry's turn, which lasts until it calls `leave`; or `refuse`, at
   * once or while it waits. `key`: whose turn it takes; `resumes`: it takes up a session.
   */
  enter(
    key: string,
    resumes: boolean,
    go: (leave: Leave) => void,
    refuse: (failure: Failure) => void,
  ): void {
    const lines = resumes ? this.#resuming : this.#fresh;
    const sinceMs = this.#ports.clock.monoMs();
    const own = lines.of(key);
    const late = own?.first !== undefined && sinceMs - own.first.sinceMs > this.#limits.waitMaxMs;
    if (late) return this.#refuse(refuse);
    if (lines.length >= this.#limits.waitingMax) {
      const other = lines.popLonger((own?.length ?? 0) + 1);
      if (other === null) return this.#refuse(refuse);
      this.#refuse(other.refuse);
    }
    lines.push(key, { go, refuse, sinceMs });
    this.#call();
  }

  #refuse(refuse: (failure: Failure) => void): void {
    this.refused++;
    const { retryAfterMs } = this.#limits;
    const wait = Math.round(retryAfterMs * (1 + this.#ports.random.number()));
    refuse(fail("busy", "Refused for now: too many sign in at once", wait));
  }

  #call(): void {
    // Those who leave at once must not make the stack grow.
    if (this.#calling) return;
    this.#calling = true;
    try {
      this.#begin();
    } finally {
      this.#calling = false;
      if (this.waiting > 0) this.#look();
    }
  }

  #begin(): void {
    while (this.#turns.size < this.#limits.inFlightMax) {
      const entry = this.#resuming.shift() ?? this.#fresh.shift();
      if (entry === undefined) return;
      const leave = () => {
        if (this.#turns.delete(leave)) this.#call();
      };
      this.#turns.set(leave, this.#ports.clock.monoMs());
      entry.go(leave);
    }
  }

  /** Takes the place of turns that take too long, now and then, while somebody waits. */
  #look(): void {
    if (this.#looking) return;
    this.#looking = true;
    const { turnMaxMs } = this.#limits;
    this.#ports.timers.after(turnMaxMs / 4, () => {
      this.#looking = false;
      const nowMs = this.#ports.clock.monoMs();
      for (const [leave, sinceMs] of this.#turns) {
        if (nowMs - sinceMs < turnMaxMs) break;
        this.#turns.delete(leave);
      }
      this.#call();
    });
  }
}

/** Opens a session of a user who has proved to be it, when it is its turn. */
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
  deps.signInQueue.enter(`user ${options.user}`, options.resume !== null, go, done);
}
