// @ts-check
/** Who is typing just now. */

/** The signal comes every 3 s while somebody types (ms). */
const FORGET_MS = 5000;

/** See the head of this file. */
export class Typing {
  /** @type {Map<string, number>} */
  #timers = new Map();
  #changed;

  /** @param {() => void} changed */
  constructor(changed) {
    this.#changed = changed;
  }

  /** @param {string} name */
  has(name) {
    return this.#timers.has(name);
  }

  /** @param {string} name */
  started(name) {
    clearTimeout(this.#timers.get(name));
    this.#timers.set(name, setTimeout(() => this.stopped(name), FORGET_MS));
    this.#changed();
  }

  /** @param {string} name */
  stopped(name) {
    clearTimeout(this.#timers.get(name));
    if (this.#timers.delete(name)) this.#changed();
  }
}
