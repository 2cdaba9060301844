// @ts-check
/** Notices a leading tab that does not run any more: the browser froze it, or its process stopped. */

/**
 * @import * as Api from "../client.d.ts"
 */

/** How often the leader is asked whether it runs (ms), up to half as much more. */
const ASK_MS = 2000;
/** A leader that sends nothing for so long after a question does not run (ms). */
export const ANSWER_MS = 2000;

/** See the head of this file. */
export class Heartbeat {
  #env;
  #ask;
  #missed;
  #heardAtMs = 0;
  #stop = () => {};

  /**
   * @param {Pick<Api.Platform, "now" | "after" | "random">} env
   * @param {{ readonly ask: () => void, readonly missed: () => void }} on `ask` asks the leader
   */
  constructor(env, { ask, missed }) {
    this.#env = env;
    this.#ask = ask;
    this.#missed = missed;
  }

  /** Another tab leads from now on. */
  start() {
    this.#stop();
    const delayMs = ASK_MS * (1 + this.#env.random() / 2);
    this.#stop = this.#env.after(delayMs, () => this.#question());
  }

  stop() {
    this.#stop();
  }

  /** The leader has sent something. */
  heard() {
    this.#heardAtMs = this.#env.now();
  }

  #question() {
    const askedMs = this.#env.now();
    this.#ask();
    this.#stop = this.#env.after(ANSWER_MS, () => {
      // This tab may have slept itself: then the answer waits to be read.
      const slept = this.#env.now() - askedMs > 2 * ANSWER_MS;
      if (this.#heardAtMs >= askedMs || slept) this.start();
      else this.#missed();
    });
  }
}
