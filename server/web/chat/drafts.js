// @ts-check
/** What is written and not sent, by conversation: kept in the browser, so that a reload keeps it. */

/** A draft is stored so long after the last key (ms), and when the page is left. */
const STORE_MS = 300;
/** Conversations with a draft that are kept; the oldest are forgotten. */
const KEPT = 50;

/** See the head of this file. */
export class Drafts {
  /** @type {Map<string, string>} */
  #texts = new Map();
  /** Changed and not stored yet. @type {Set<string>} */
  #changed = new Set();
  #storage;
  #key;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer = undefined;

  /**
   * @param {Pick<Storage, "getItem" | "setItem" | "removeItem">} storage
   * @param {string} user whose drafts they are
   */
  constructor(storage, user) {
    this.#storage = storage;
    this.#key = `roost chat drafts ${user}`;
    this.#texts = this.#stored();
  }

  /** @returns {Map<string, string>} */
  #stored() {
    try {
      const stored = JSON.parse(this.#storage.getItem(this.#key) ?? "[]");
      return new Map(
        stored.filter((/** @type {unknown[]} */ [peer, text]) =>
          typeof peer === "string" && typeof text === "string"
        ),
      );
    } catch {
      return new Map();
    }
  }

  /** Conversations that have one. @returns {readonly string[]} */
  get peers() {
    return [...this.#texts.keys()];
  }

  /** @param {string} peer */
  of(peer) {
    return this.#texts.get(peer) ?? "";
  }

  /**
   * @param {string} peer
   * @param {string} text empty: there is none
   */
  set(peer, text) {
    if (this.of(peer) === text) return;
    this.#texts.delete(peer);
    if (text !== "") this.#texts.set(peer, text);
    this.#changed.add(peer);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.store(), STORE_MS);
  }

  /** Stores what has changed here; drafts that other tabs have stored stay. */
  store() {
    clearTimeout(this.#timer);
    if (this.#changed.size === 0) return;
    const all = this.#stored();
    for (const peer of this.#changed) {
      all.delete(peer);
      if (this.of(peer) !== "") all.set(peer, this.of(peer));
    }
    this.#changed.clear();
    try {
      this.#storage.setItem(this.#key, JSON.stringify([...all].slice(-KEPT)));
    } catch {
      // Then they are forgotten with the page.
    }
  }

  /** Forgets all: whose they are has signed out. */
  clear() {
    clearTimeout(this.#timer);
    this.#texts.clear();
    this.#changed.clear();
    this.#storage.removeItem(this.#key);
  }
}
