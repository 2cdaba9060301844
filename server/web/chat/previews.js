// @ts-check
/**
 * The last message of each conversation, for the list. The history is asked only for rows that are
 * in sight, a few at a time: a start costs no more than a screen of rows, however many conversations
 * there are, and the server keeps no texts beside the mailbox. Nothing here touches the page.
 */

/**
 * @import * as Api from "../client.d.ts"
 */

/** @typedef {{ readonly seq: number, readonly out: boolean, readonly body: string }} Preview */

/** Questions at the same time, and the least time from one to the next (ms). */
const AT_ONCE = 2;
const GAP_MS = 60;
/**
 * How long nothing is asked after a refusal that does not say (ms). It does not grow: what is asked
 * next is another row, and the rows in sight bound how often.
 */
const REFUSED_MS = 5000;
/** Previews that are kept; of a preview only this many characters. */
const KEPT = 500;
const LENGTH_MAX = 200;

/** See the head of this file. */
export class Previews {
  /** @type {Map<string, Preview>} */
  #known = new Map();
  /** Rows in sight. @type {Set<string>} */
  #seen = new Set();
  /** @type {Set<string>} */
  #asking = new Set();
  /** Refused for good, by the position that was asked for. @type {Map<string, number>} */
  #failed = new Map();
  #paused = false;
  #client;
  #changed;

  /**
   * @param {Pick<Api.Client, "history" | "conversations" | "state">} client
   * @param {() => void} changed
   */
  constructor(client, changed) {
    this.#client = client;
    this.#changed = changed;
  }

  /** @param {string} name @returns {Preview | undefined} */
  of(name) {
    const known = this.#known.get(name);
    const { lastSeq } = this.#client.conversations.get(name) ?? { lastSeq: 0 };
    return known !== undefined && known.seq >= lastSeq ? known : undefined;
  }

  /**
   * A message came, or was read in the history.
   * @param {Pick<Api.Message, "with" | "seq" | "body"> & { readonly out?: boolean }} message
   */
  take({ with: name, seq, out, body }) {
    if ((this.#known.get(name)?.seq ?? 0) > seq) return;
    this.#known.delete(name);
    this.#known.set(name, { seq, out: out === true, body: body.slice(0, LENGTH_MAX) });
    const [oldest] = this.#known.keys();
    if (this.#known.size > KEPT && oldest !== undefined) this.#known.delete(oldest);
  }

  /**
   * A row came into sight or left it.
   * @param {string} name
   * @param {boolean} inSight
   */
  look(name, inSight) {
    if (inSight) this.#seen.add(name);
    else this.#seen.delete(name);
    this.ask();
  }

  /** Asks for what is missing in sight; call it when conversations may have changed. */
  ask() {
    if (this.#paused || this.#client.state.status !== "online") return;
    if (this.#asking.size >= AT_ONCE) return;
    const next = [...this.#seen].find((name) => this.#isMissing(name));
    if (next === undefined) return;
    this.#pause(GAP_MS);
    this.#load(next);
  }

  /** @param {string} name */
  #isMissing(name) {
    const { lastSeq } = this.#client.conversations.get(name) ?? { lastSeq: 0 };
    if (lastSeq === 0 || this.#asking.has(name)) return false;
    return this.of(name) === undefined && this.#failed.get(name) !== lastSeq;
  }

  /** @param {number} ms */
  #pause(ms) {
    this.#paused = true;
    setTimeout(() => {
      this.#paused = false;
      this.ask();
    }, ms);
  }

  /** @param {string} name */
  async #load(name) {
    const { lastSeq = 0 } = this.#client.conversations.get(name) ?? {};
    this.#asking.add(name);
    try {
      // Refusals may follow the last message.
      const { events } = await this.#client.history(name, { before: lastSeq + 1, limit: 1 });
      const last = events.at(-1);
      if (last?.k === "message") this.take(last);
      // The last event may be no message any more: then there is nothing to show.
      if (this.of(name) === undefined) this.#failed.set(name, lastSeq);
    } catch (error) {
      const { retryAfterMs } = /** @type {{ retryAfterMs?: number }} */ (error);
      this.#pause(retryAfterMs ?? REFUSED_MS);
    } finally {
      this.#asking.delete(name);
      this.#changed();
      this.ask();
    }
  }
}
