// @ts-check
/** What a conversation shows, in its order, however it came. Nothing here touches the page. */
import { changed } from "../client/changes.js";
import { reasonText } from "./text.js";

/**
 * @import * as Api from "../client.d.ts"
 */

/**
 * A message as it is shown. `id` stays the same from waiting to sent. `seq` and `num` are 0 until
 * the server has it. `waits`: it waited for a subscription when it was sent.
 * @typedef {{
 *   readonly id: string, readonly key: string, readonly seq: number, readonly num: number,
 *   readonly at: number, readonly out: boolean, readonly body: string,
 *   readonly waits: boolean, readonly failure: string | null, readonly edited?: number,
 *   readonly removed?: boolean, readonly own?: readonly string[], readonly peer?: readonly string[],
 *   readonly reply?: Api.Named
 * }} Item
 */

/**
 * A line: a day's heading, where the unread messages begin, or a message. `first` and `last` of what one person wrote in a row.
 * @typedef {{ readonly kind: "day", readonly id: string, readonly at: number } |
 *   { readonly kind: "new", readonly id: string } |
 *   { readonly kind: "message", readonly id: string, readonly item: Item, readonly first: boolean,
 *     readonly last: boolean }} Row
 */

/** Messages further apart than this are no longer one group (ms). */
const GROUP_MS = 5 * 60_000;

/** So many messages are kept of a conversation whose end is shown; beyond twice that, no more. */
const KEPT = 300;

/**
 * @param {Api.Message} message
 * @returns {Item}
 */
function itemOf(message) {
  const { id, seq, num, at, out: mine, body, waits: waited } = message;
  const out = mine === true;
  const waits = waited === true;
  const shown = out ? `key ${id}` : `seq ${seq}`;
  const item = { id: shown, key: id, seq, num, at, out, body, waits, failure: null };
  return { ...item, ...saidOf(message) };
}

/**
 * What others have said of a message, and what it replies to.
 * @param {Partial<Item>} message
 */
function saidOf({ edited, removed, own, peer, reply }) {
  return {
    ...(edited === undefined ? {} : { edited }),
    ...(removed === true ? { removed } : {}),
    ...(own === undefined || own.length === 0 ? {} : { own }),
    ...(peer === undefined || peer.length === 0 ? {} : { peer }),
    ...(reply === undefined ? {} : { reply }),
  };
}

/** The messages of one conversation that are known here. */
export class Timeline {
  /** By position. @type {Map<number, Item>} */
  #kept = new Map();
  /** What the server does not have yet, or refused, by key. @type {Map<string, Item>} */
  #waiting = new Map();
  /** Refusals that came after the acknowledgement, by key. @type {Map<string, string>} */
  #refused = new Map();
  /** The same of several messages, by number. @type {{ from: number, to: number, failure: string }[]} */
  #refusedRanges = [];
  /** The first position of the pages that were read; Infinity before the first page. */
  #pagedFrom = Infinity;
  /** Whether there are older ones on the server. */
  more = true;
  /** Whether the newest page is here, so that what comes now follows it. */
  loaded = false;
  #notes;

  /** @param {boolean} notes whether it is the conversation with oneself */
  constructor(notes = false) {
    this.#notes = notes;
  }

  /** The position before which nothing is known here. @returns {number | undefined} */
  get oldest() {
    const oldest = Math.min(this.#pagedFrom, ...this.#kept.keys());
    return oldest === Infinity ? undefined : oldest;
  }

  /** Takes a page of the history. @param {Api.Page} page */
  addPage({ events, more }) {
    // What came before this newest page was asked for may lie far above it: between them nothing is
    // known, and with the pages above it comes again.
    if (!this.loaded && more) this.#dropBefore(events[0]?.seq ?? 0);
    for (const event of events) {
      if (event.k === "message") this.add(event);
      else if (event.k === "undelivered") this.refuse(event);
    }
    // A page may have refusals alone: the next one is that before them.
    this.#pagedFrom = Math.min(this.#pagedFrom, events[0]?.seq ?? Infinity);
    // Without a position there is none to continue from.
    this.more = more && events.length > 0;
    this.loaded = true;
  }

  /** @param {number} seq */
  #dropBefore(seq) {
    for (const known of [...this.#kept.keys()]) if (known < seq) this.#kept.delete(known);
  }

  /** The position after which nothing is known here; 0: nothing is known. */
  get newest() {
    return Math.max(0, ...this.#kept.keys());
  }

  /** The line of a message; undefined where it is not known here. @param {number} seq */
  idAt(seq) {
    return this.#kept.get(seq)?.id;
  }

  /** Takes messages that follow the newest one. @param {Api.Page} page */
  addLater({ events }) {
    for (const event of events) {
      if (event.k === "message") this.add(event);
      else if (event.k === "undelivered") this.refuse(event);
    }
  }

  /**
   * Another timeline, of messages around a place, has reached the end: it takes the place of what was
   * known here before; what came since stays.
   * @param {Timeline} around
   */
  follow(around) {
    this.#dropBefore(around.newest + 1);
    for (const [seq, item] of around.#kept) this.#kept.set(seq, item);
    for (const [key, failure] of around.#refused) this.#refused.set(key, failure);
    this.#refusedRanges.push(...around.#refusedRanges);
    this.#pagedFrom = around.#pagedFrom;
    this.more = around.more;
    this.loaded = true;
  }

  /** Forgets what is far above the end; the server has it. */
  trim() {
    if (!this.loaded || this.#kept.size <= 2 * KEPT) return;
    this.#dropBefore([...this.#kept.keys()].sort((a, b) => a - b).at(-KEPT) ?? 0);
    this.#pagedFrom = Infinity;
    this.more = true;
  }

  /** @param {Api.Message} message */
  add(message) {
    this.#kept.set(message.seq, itemOf(message));
    if (message.out === true) this.#waiting.delete(message.id);
  }

  /**
   * Changes the message that a change names; what is not here comes changed with its page.
   * @param {Api.Change} change
   * @returns {Item | undefined} the message as it is now
   */
  change(change) {
    const { num, out = false } = change.of ?? { num: 0 };
    const item = num === 0 ? undefined : this.named({ num, out });
    if (item === undefined || item.seq === 0) return undefined;
    const message = changed(/** @type {never} */ (item), change);
    const { edited: _1, removed: _2, own: _3, peer: _4, ...rest } = /** @type {Item} */ (message);
    const now = { ...rest, ...saidOf(message) };
    this.#kept.set(item.seq, now);
    return now;
  }

  /** The message that a reply names, where it is here. @param {Api.Named} named */
  named({ num, out = false }) {
    for (const item of this.#kept.values()) if (item.num === num && item.out === out) return item;
    return undefined;
  }

  /** My newest message that can be edited. @returns {Item | undefined} */
  get newestOwn() {
    return this.items().findLast((item) =>
      item.out && item.seq > 0 && item.failure === null && item.removed !== true
    );
  }

  /**
   * A message that was handed to the client.
   * @param {Pick<Api.PendingMessage, "key" | "body" | "at" | "reply">} message
   */
  wait({ key, body, at, reply }) {
    const to = reply === undefined ? {} : { reply };
    const unsent = { seq: 0, num: 0, out: true, waits: false, failure: null, ...to };
    this.#waiting.set(key, { id: `key ${key}`, key, at, body, ...unsent });
  }

  /**
   * The server has it.
   * @param {string} key
   * @param {Api.Sent} sent
   */
  sent(key, { seq, at, num, waits: waited }) {
    const waits = waited === true;
    const item = this.#waiting.get(key);
    this.#waiting.delete(key);
    if (item !== undefined && !this.#kept.has(seq)) {
      this.#kept.set(seq, { ...item, seq, at, num, waits });
    }
  }

  /**
   * The server did not take it.
   * @param {string} key
   * @param {string} failure
   */
  fail(key, failure) {
    const item = this.#waiting.get(key);
    if (item !== undefined) this.#waiting.set(key, { ...item, failure });
  }

  /**
   * The server took it, and the other side's did not.
   * @param {string} key
   * @param {string} failure
   */
  undelivered(key, failure) {
    this.#refused.set(key, failure);
  }

  /**
   * The server took a message of mine, or several, and the other side's did not.
   * @param {Api.Undelivered} event
   * @param {number} after where an earlier server does not say which was the first: the one before it
   */
  refuse({ id, num, from, reason, with: peer }, after = num) {
    const failure = reasonText(reason, peer);
    if (id !== "") return this.undelivered(id, failure);
    const range = { from: from ?? after + 1, to: num, failure };
    if (this.#refusedRanges.some(({ from, to }) => from === range.from && to === range.to)) return;
    this.#refusedRanges.push(range);
  }

  /** @param {Item} item */
  #failureOf({ key, num }) {
    return this.#refused.get(key) ??
      this.#refusedRanges.find(({ from, to }) => num >= from && num <= to)?.failure;
  }

  /** Forgets a message that failed, and returns it. @param {string} key */
  drop(key) {
    const item = this.#waiting.get(key);
    this.#waiting.delete(key);
    return item;
  }

  /** Forgets what may have gaps; what waits stays. */
  reset() {
    this.#kept.clear();
    this.#pagedFrom = Infinity;
    this.more = true;
    this.loaded = false;
  }

  /** All messages, oldest first; those that wait last. @returns {readonly Item[]} */
  items() {
    const all = [...this.#kept.values()].sort((a, b) => a.seq - b.seq);
    const kept = this.#notes ? once(all) : all;
    const told = kept.map((item) => {
      const failure = item.out ? this.#failureOf(item) : undefined;
      return failure === undefined ? item : { ...item, failure };
    });
    return [...told, ...this.#waiting.values()];
  }

  /**
   * The same as lines, with a heading for each day.
   * @param {number | null} readUpTo a line stands before the first message to me after this position
   * @returns {readonly Row[]}
   */
  rows(readUpTo = null) {
    const items = this.items();
    /** @type {Row[]} */
    const rows = [];
    let day = "";
    let divided = readUpTo === null;
    items.forEach((item, i) => {
      const today = new Date(item.at).toDateString();
      if (today !== day) rows.push({ kind: "day", id: `day ${today}`, at: item.at });
      const divides = !divided && !item.out && item.seq > (readUpTo ?? 0);
      if (divides) rows.push({ kind: "new", id: "new" });
      divided ||= divides;
      const before = today === day && !divides ? items[i - 1] : undefined;
      const first = before === undefined || !together(before, item);
      const after = items[i + 1];
      const last = after === undefined || !together(item, after);
      rows.push({ kind: "message", id: item.id, item, first, last });
      day = today;
    });
    return rows;
  }
}

/** Pages that are read in a row at most. */
const PAGES_MAX = 8;

/**
 * Reads what is before the timeline, or the newest page, until so many messages are added: the pages
 * of a conversation with few messages among many others are short, and one may have refusals alone.
 * @param {Timeline} timeline
 * @param {number} wanted
 * @param {(where: { readonly before?: number }) => Promise<Api.Page>} read
 */
export async function readPages(timeline, wanted, read) {
  const had = timeline.items().length;
  for (let pages = 0; pages < PAGES_MAX; pages++) {
    const { loaded, oldest } = timeline;
    timeline.addPage(await read(loaded && oldest !== undefined ? { before: oldest } : {}));
    if (!timeline.more || timeline.items().length - had >= wanted) return;
  }
}

/**
 * Earlier servers gave a note to oneself twice, as sent and as received: one of them is shown.
 * @param {readonly Item[]} items
 */
function once(items) {
  const sent = new Set(items.filter(({ out }) => out).map(({ key }) => key));
  return items.filter(({ out, key }) => out || !sent.has(key));
}

/**
 * @param {Item} a
 * @param {Item} b
 */
function together(a, b) {
  const sameDay = new Date(a.at).toDateString() === new Date(b.at).toDateString();
  return a.out === b.out && sameDay && b.at - a.at < GROUP_MS;
}

/**
 * What the recipient is: a contact with a subscription, one that has not answered my request, or
 * neither.
 * @typedef {"contact" | "asked" | "stranger"} Relation
 */

/**
 * How far a message of mine has got. `asked`: it waits until the recipient accepts my request.
 * `unasked`: it waits for a request. null: nobody can say.
 * @param {Item} item
 * @param {Pick<Api.Conversation, "delivered" | "read" | "waiting"> | undefined} conversation
 * @param {Relation} relation
 * @returns {"waiting" | "unasked" | "asked" | "sent" | "delivered" | "read" | "failed" | null}
 */
export function markOf({ failure, seq, num, waits }, conversation, relation = "contact") {
  if (failure !== null) return "failed";
  if (seq === 0) return "waiting";
  const { delivered, read, waiting } = conversation ?? { delivered: 0, read: 0, waiting: [] };
  if (num <= read) return "read";
  if (num <= delivered) return "delivered";
  if (waiting.includes(num)) return relation === "asked" ? "asked" : "unasked";
  // It waits no more. Without a subscription it may have been released by an earlier one, or left
  // behind by a later message.
  return waits && relation !== "contact" ? null : "sent";
}
