/** When a session is to be woken: for its grace or a poll's wait, its first batch, its right's end. */
import type { AccountId } from "../../shard/name/ids.ts";
import type { Sessions } from "./sessions.ts";
import type { Timed } from "./deadlines.ts";

/** The grace is this part longer or shorter, so that lost sessions do not end all at once. */
const GRACE_JITTER = 0.1;

/** The session, as far as its times go. */
export interface Woken extends Timed {
  readonly userId: AccountId;
  readonly alive: boolean;
  readonly attaching: boolean;
  /** When its right ends; milliseconds since 1970. */
  readonly expiresAt: number;
  wake(nowMs: number): void;
}

/** What the sessions of a node share of it. */
interface Shared<T> extends Pick<Sessions, "clock" | "random" | "graceMs"> {
  readonly deadlines: { set(item: T, atMs: number): void; clear(item: T): void };
}

/** The times of one session; all are monotonic ms, and infinite where there is none. */
export class SessionTime<T extends Woken> {
  /** End of the grace, or of the parked poll's wait. */
  dueMs = Infinity;
  /** End of the wait for presence. */
  batchMs = Infinity;
  /** Since when its client is connected to this node. */
  sinceMs: number;
  readonly #shared: Shared<T>;
  readonly #session: T;

  constructor(shared: Shared<T>, session: T) {
    this.#shared = shared;
    this.#session = session;
    this.sinceMs = shared.clock.monoMs();
  }

  /** Its client has connected anew. */
  restart(): void {
    this.dueMs = Infinity;
    this.sinceMs = this.#shared.clock.monoMs();
  }

  waitUntil(dueMs: number): void {
    this.dueMs = dueMs;
    this.schedule();
  }

  beginGrace(): void {
    const { random, clock } = this.#shared;
    const jitter = 1 + GRACE_JITTER * (2 * random.number() - 1);
    this.waitUntil(clock.monoMs() + this.#shared.graceMs(this.#session.userId) * jitter);
  }

  /** Waits for presence, so many ms. */
  waitForBatch(waitMs: number): void {
    this.batchMs = this.#shared.clock.monoMs() + waitMs;
    this.schedule();
  }

  /** Asks to be woken for whatever is due first. */
  schedule(): void {
    const session = this.#session;
    if (!session.alive || session.attaching) return;
    const { clock, deadlines } = this.#shared;
    const expiryMs = clock.monoMs() + session.expiresAt - clock.wallMs();
    const atMs = Math.min(this.dueMs, this.batchMs, expiryMs);
    if (atMs < Infinity) deadlines.set(session, atMs);
    else deadlines.clear(session);
  }
}
