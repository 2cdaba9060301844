// @ts-check
/**
 * Whether somebody is at this browser. All tabs of an account count: the time of the last key, touch
 * or movement is kept where they see it.
 */

/** Activity is noted so often (ms). */
const NOTE_MS = 5000;
/** How often it is looked at (ms). */
const LOOK_MS = 15_000;
const MINUTE_MS = 60_000;
/** Minutes that can be chosen; 0: never. */
export const AWAY_MINUTES = /** @type {const} */ ([0, 5, 10, 30]);
const DEFAULT_MINUTES = 10;

const ACTIVITY = ["keydown", "pointerdown", "pointermove", "wheel", "touchstart", "focus"];

/**
 * @typedef {{ readonly now: () => number, readonly storage: Pick<Storage, "getItem" | "setItem">,
 *   readonly user: string, readonly changed: (idle: boolean) => void }} IdleOptions
 */

/** See the head of this file. `changed` is called when it changes. */
export class Idle {
  #options;
  #noted;
  #idle = false;

  /** @param {IdleOptions} options */
  constructor(options) {
    this.#options = options;
    this.#noted = options.now();
  }

  /** Watches the page for as long as it lives. */
  start() {
    for (const event of ACTIVITY) {
      addEventListener(event, () => this.active(), { passive: true, capture: true });
    }
    setInterval(() => this.look(), LOOK_MS);
  }

  get minutes() {
    const kept = Number(this.#read("after") ?? DEFAULT_MINUTES);
    return AWAY_MINUTES.find((minutes) => minutes === kept) ?? DEFAULT_MINUTES;
  }

  set minutes(minutes) {
    this.#write("after", String(minutes));
    this.look();
  }

  get idle() {
    return this.#idle;
  }

  /** Somebody is here. */
  active() {
    const now = this.#options.now();
    if (now - this.#noted < NOTE_MS && !this.#idle) return;
    this.#noted = now;
    this.#write("active", String(now));
    this.#set(false);
  }

  /** Compares the time of the last activity in all tabs with the setting. */
  look() {
    const { minutes } = this;
    const last = Math.max(this.#noted, Number(this.#read("active") ?? 0));
    this.#set(minutes > 0 && this.#options.now() - last >= minutes * MINUTE_MS);
  }

  /** @param {boolean} idle */
  #set(idle) {
    if (idle === this.#idle) return;
    this.#idle = idle;
    this.#options.changed(idle);
  }

  /** @param {string} what */
  #at(what) {
    return `roost chat idle ${what} ${this.#options.user}`;
  }

  /** @param {string} what */
  #read(what) {
    try {
      return this.#options.storage.getItem(this.#at(what));
    } catch {
      return null;
    }
  }

  /**
   * @param {string} what
   * @param {string} text
   */
  #write(what, text) {
    try {
      this.#options.storage.setItem(this.#at(what), text);
    } catch {
      // Then each tab counts for itself.
    }
  }
}
