// @ts-check
/**
 * The addresses of the servers that a client can use: the one that the application gave, and those
 * that welcomes name. They come from a server, so that they are checked: an address never leads from
 * https to http. The policy of a page may not let it connect to some: those are used no more.
 */

/**
 * @import * as Api from "../client.d.ts"
 * @import { ClientRecord } from "./record.js"
 */

/** Addresses besides the given one that are kept; a cell names no more. */
const KNOWN_MAX = 16;
const ADDRESS_CHARS_MAX = 512;

/**
 * Tries of an address in a row that have not led to a session, and when the next one is due.
 * @typedef {{ tries: number, dueMs: number }} Tried
 */

/** See the head of this file. */
export class Addresses {
  /** @type {Map<string, Tried>} */
  #tried = new Map();
  #given;
  #env;
  #record;
  /** @type {readonly string[]} */
  #known = [];
  /** Hosts, with their ports, that the page may not connect to. @type {Set<string>} */
  #blocked = new Set();
  #current;
  #stop;

  /**
   * @param {string} given
   * @param {Pick<Api.Platform, "random" | "onBlocked">} env
   * @param {Pick<ClientRecord, "servers">} record where they are remembered for the next run
   */
  constructor(given, env, record) {
    this.#given = given;
    this.#record = record;
    this.#env = env;
    this.#current = given;
    this.#stop = env.onBlocked?.((url) => this.block(url));
  }

  close() {
    this.#stop?.();
  }

  /** The address to use now, without a slash at its end. */
  get current() {
    return this.#current;
  }

  /** The address that the application gave. */
  get given() {
    return this.#given;
  }

  get #all() {
    return [...new Set([this.#given, ...this.#known])];
  }

  /** Takes the list of a welcome or of a storage, in place of the one before. @param {unknown} list */
  take(list) {
    if (!Array.isArray(list)) return;
    const checked = list.slice(0, KNOWN_MAX).map((text) => this.#check(text));
    const known = [...new Set(checked)].filter((address) => address !== null);
    // The clients of a server that ends do not all turn to the same one.
    for (let i = known.length - 1; i > 0; i--) {
      const j = Math.min(i, Math.floor(this.#env.random() * (i + 1)));
      const [a, b] = [known[i], known[j]];
      known[i] = /** @type {string} */ (b);
      known[j] = /** @type {string} */ (a);
    }
    this.#known = this.#record.servers = known;
  }

  /** The page's policy does not let it connect there. @param {string} url */
  block(url) {
    if (!URL.canParse(url)) return;
    const { host } = new URL(url);
    this.#blocked.add(host);
    if (new URL(this.#current).host === host) this.#current = this.#given;
    this.#known = this.#known.filter((address) => new URL(address).host !== host);
  }

  /** The server goes away, and may have named others. @param {unknown} list */
  sentAway(list) {
    this.take(list);
    this.leave();
  }

  /**
   * The account is at home in another cell. Returns whether it has an address that may be used: if so,
   * it is used from now on. Those of before stay known: where the home does not respond, as one whose
   * standby is about to take over, who has named it is asked again.
   * @param {unknown} list
   */
  follow(list) {
    const before = [this.#current, ...this.#known];
    this.take(list);
    const next = this.#known.find((address) => address !== this.#current);
    this.#known = [...new Set([...this.#known, ...before])].slice(0, KNOWN_MAX);
    this.#record.servers = this.#known;
    if (next === undefined) return false;
    this.#current = next;
    return true;
  }

  /**
   * The address does not serve: uses another one from now on, the next that was not tried, or else the
   * one that is due first. Returns whether others exist.
   */
  leave() {
    const all = this.#all;
    const at = all.indexOf(this.#current) + 1;
    const others = [...all.slice(at), ...all.slice(0, at)].filter((a) => a !== this.#current);
    const dueMs = (/** @type {string} */ address) => this.#tried.get(address)?.dueMs ?? -Infinity;
    const [first, ...rest] = others;
    if (first === undefined) return false;
    this.#current = rest.reduce((best, a) => dueMs(a) < dueMs(best) ? a : best, first);
    return true;
  }

  /**
   * A try of an address has not led to a session.
   * @param {string} address
   * @param {number} nowMs
   * @param {(tries: number) => number} backoffMs the wait before its next try, after so many
   */
  failed(address, nowMs, backoffMs) {
    const tries = (this.#tried.get(address)?.tries ?? 0) + 1;
    const all = this.#all;
    for (const other of this.#tried.keys()) if (!all.includes(other)) this.#tried.delete(other);
    this.#tried.set(address, { tries, dueMs: nowMs + backoffMs(tries) });
  }

  /** All of them may be tried as if for the first time. */
  forgetTries() {
    this.#tried.clear();
  }

  /** Whether a server other than that of the address to use now has failed lately. */
  get othersFailed() {
    return [...this.#tried.keys()].some((address) => address !== this.#current);
  }

  /** Whether the address to use now was not tried yet. */
  get isFresh() {
    return !this.#tried.has(this.#current);
  }

  /**
   * The wait before the address to use now is tried: one that others have failed before is not waited
   * for because of them.
   * @param {string} from the address that was tried last
   * @param {number} nowMs
   * @param {number} soonMs the least wait before another one: not all clients turn to it at one moment
   */
  waitMs(from, nowMs, soonMs) {
    const tried = this.#tried.get(this.#current);
    if (tried === undefined) return soonMs;
    return Math.max(this.#current === from ? 0 : soonMs, tried.dueMs - nowMs);
  }

  /**
   * @param {unknown} text
   * @returns {string | null}
   */
  #check(text) {
    if (typeof text !== "string" || text.length > ADDRESS_CHARS_MAX || !URL.canParse(text)) {
      return null;
    }
    const given = new URL(this.#given);
    const { protocol, host, origin, pathname, username, password, search, hash } = new URL(text);
    if (protocol !== "https:" && (protocol !== "http:" || given.protocol !== "http:")) return null;
    if (`${username}${password}${search}${hash}` !== "" || this.#blocked.has(host)) return null;
    return origin + pathname.replace(/\/$/, "");
  }
}
