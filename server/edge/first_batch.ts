/**
 * The first batch of a session: it waits for the presence of all whom the session watches, but not for
 * long. Its client learns of whom nothing is known then.
 */
import type { Sessions } from "./sessions.ts";
import type { SessionTime, Woken } from "./session_time.ts";
import type { WatchTarget } from "../../shard/ops.ts";
import type { Watcher } from "./watched.ts";

/** How long the first batch waits for the presence of all contacts (ms). */
const BATCH_WAIT_MS = 250;
/** And how long after that it is said who is not known: clients wait 1.5 s in all (ms). */
const LATE_MS = 750;

/** The session, as far as its first batch goes. */
interface Batched extends Watcher, Woken {
  readonly time: Pick<SessionTime<Woken>, "batchMs" | "waitForBatch">;
  flushBatch(): void;
}

/** See the head of this file. */
export class FirstBatch {
  /** Whether nothing may be sent yet. */
  waits = false;
  readonly #watchers: Sessions["watchers"];
  readonly #session: Batched;

  constructor(watchers: Sessions["watchers"], session: Batched) {
    this.#watchers = watchers;
    this.#session = session;
  }

  /** Begins to watch `targets`. */
  collect(targets: readonly WatchTarget[]): void {
    let answered = false;
    this.waits = true;
    this.#watchers.register([this.#session], targets, () => {
      answered = true;
      this.#end();
    });
    if (!answered && this.#session.alive) this.#session.time.waitForBatch(BATCH_WAIT_MS);
  }

  /** The time that it waited for has come. */
  due(): void {
    const { time } = this.#session;
    if (!this.waits) {
      time.batchMs = Infinity;
      return this.#watchers.late(this.#session);
    }
    this.#end();
    time.waitForBatch(LATE_MS);
  }

  #end(): void {
    const { time } = this.#session;
    this.waits = false;
    time.batchMs = Infinity;
    this.#session.flushBatch();
  }
}
