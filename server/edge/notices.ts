/** Sends one soft event to all sessions of a node, spread over some seconds: no tick carries many. */
import type { EdgeDeps } from "./edge_deps.ts";
import type { Sessions } from "./sessions.ts";

/** The pause between two steps (ms), over how long a round is spread (ms), and the least step. */
export const NOTICE_STEP_MS = 50;
const SPREAD_MS = 5000;
const STEP_MIN = 10;

/** See the head of this file. */
export class Notices {
  readonly #timers: EdgeDeps["timers"];
  readonly #sessions: Sessions;
  #round = 0;

  constructor({ timers }: Pick<EdgeDeps, "timers">, sessions: Sessions) {
    this.#timers = timers;
    this.#sessions = sessions;
  }

  /**
   * `text`: an encoded event without a sequence number. Sessions without a client get none. A later
   * event is sent in place of an earlier one that has not reached all sessions.
   */
  send(text: string): void {
    const round = ++this.#round;
    const sessions = [...this.#sessions.all()];
    const size = Math.max(STEP_MIN, Math.ceil(sessions.length * NOTICE_STEP_MS / SPREAD_MS));
    const step = (from: number) => {
      if (round !== this.#round) return;
      for (const session of sessions.slice(from, from + size)) {
        if (session.mayGo) session.pushSignal(text);
      }
      if (from + size >= sessions.length) return;
      this.#timers.after(NOTICE_STEP_MS, () => step(from + size));
    };
    step(0);
  }
}
