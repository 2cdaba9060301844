// @ts-check
/** Contacts and conversations, as the snapshots and events of the mailbox have them. */

/**
 * @import * as Api from "../client.d.ts"
 * @import { Json } from "./types.d.ts"
 */

/** @type {Api.Presence} */
export const OFFLINE = Object.freeze({
  show: "offline",
  status: "",
  priority: 0,
  ext: "",
  device: null,
  devices: 0,
  lastSeen: 0,
});

/**
 * Of everybody while there is no connection, and of new contacts while the server does not know.
 * @type {Api.Presence}
 */
const UNKNOWN = Object.freeze({ ...OFFLINE, show: "unknown" });

/**
 * @param {Json} e
 * @returns {Api.Presence}
 */
export function presenceOf(e) {
  if (e["unknown"] === true) return UNKNOWN;
  if (e["show"] === "offline") return { ...OFFLINE, lastSeen: Number(e["lastSeen"] ?? 0) };
  return {
    show: /** @type {Api.Show} */ (e["show"]),
    status: String(e["status"] ?? ""),
    priority: Number(e["priority"] ?? 0),
    ext: String(e["ext"] ?? ""),
    device: /** @type {string | undefined} */ (e["device"]) ?? null,
    devices: Number(e["devices"] ?? 1),
    lastSeen: 0,
  };
}

/**
 * Which of one's own messages wait after another message of the conversation. One that is sent at
 * once leaves none waiting before it.
 * @param {readonly number[]} waiting
 * @param {Json} e
 * @returns {readonly number[]}
 */
function waitingAfter(waiting, e) {
  if (e["out"] !== true) return waiting;
  return e["waits"] === true ? [...waiting, Number(e["num"])] : [];
}

/** See the head of this file. */
export class Book {
  /** @type {Map<string, Api.Contact>} */
  contacts = new Map();
  /** @type {Set<string>} */
  requests = new Set();
  /** @type {Set<string>} */
  blocked = new Set();
  /** @type {Map<string, Api.Conversation>} */
  conversations = new Map();
  /** @type {"contacts" | "anyone" | null} */
  messagesFrom = null;
  otherDevices = OFFLINE;
  /**
   * Presences of people who are no contacts: a batch may have a presence before the event that makes
   * somebody a contact. The server sends only those of contacts, so that there are few.
   * @type {Map<string, Api.Presence>}
   */
  #early = new Map();
  /** Events up to here are in it. */
  #seq = 0;

  /** A new link tells everybody's presence anew. */
  forgetEarly() {
    this.#early.clear();
  }

  clear() {
    this.#early.clear();
    for (const part of [this.contacts, this.requests, this.blocked, this.conversations]) {
      part.clear();
    }
    this.messagesFrom = null;
    this.otherDevices = OFFLINE;
    this.#seq = 0;
  }

  /**
   * @param {number} seq
   * @param {Json} snapshot
   */
  replace(seq, snapshot) {
    const early = this.#early;
    const presences = new Map(early);
    for (const { name, presence } of this.contacts.values()) presences.set(name, presence);
    const { otherDevices } = this;
    this.#early = new Map();
    this.clear();
    this.#early = early;
    this.otherDevices = otherDevices;
    this.#seq = seq;
    for (const item of /** @type {Json[]} */ (snapshot["roster"])) {
      this.#list(item, presences.get(String(item["contact"])) ?? OFFLINE);
    }
    for (const name of /** @type {string[]} */ (snapshot["requests"])) this.requests.add(name);
    for (const name of /** @type {string[]} */ (snapshot["blocked"])) this.blocked.add(name);
    for (const item of /** @type {Api.Conversation[]} */ (snapshot["conversations"])) {
      this.conversations.set(item.with, { ...item, waiting: item.waiting ?? [] });
    }
    this.messagesFrom = /** @type {"contacts" | "anyone"} */ (snapshot["messagesFrom"]);
  }

  /**
   * @param {Json} item
   * @param {Api.Presence} presence
   */
  #list(item, presence) {
    const name = String(item["contact"]);
    this.#early.delete(name);
    this.contacts.set(name, {
      name,
      label: String(item["label"] ?? ""),
      groups: /** @type {string[] | undefined} */ (item["groups"]) ?? [],
      subscription: /** @type {Api.Contact["subscription"]} */ (item["subscription"]),
      pendingOut: item["pendingOut"] === true,
      approved: item["approved"] === true,
      presence,
    });
  }

  /**
   * Takes a presence. That of somebody who is no contact is kept until the contact is known.
   * @param {string} user
   * @param {Api.Presence} presence
   */
  show(user, presence) {
    const contact = this.contacts.get(user);
    if (contact !== undefined) this.contacts.set(user, { ...contact, presence });
    else if (presence.show !== "offline") this.#early.set(user, presence);
    else this.#early.delete(user);
  }

  /**
   * The server does not know yet whether somebody is online: what was known goes on. Returns the
   * presence of who was never listed, which is unknown now; else null.
   * @param {string} user
   */
  doubt(user) {
    const contact = this.contacts.get(user);
    if (contact === undefined) {
      if (!this.#early.has(user)) this.#early.set(user, UNKNOWN);
      return null;
    }
    if (contact.presence !== OFFLINE) return null;
    this.contacts.set(user, { ...contact, presence: UNKNOWN });
    return UNKNOWN;
  }

  /** @param {string} name */
  #presenceOf(name) {
    return this.contacts.get(name)?.presence ?? this.#early.get(name) ?? OFFLINE;
  }

  /** The connection is lost: returns those whose presence is unknown now and was not before. */
  forgetPresence() {
    const { contacts } = this;
    this.otherDevices = UNKNOWN;
    const changed = [...contacts.values()].filter(({ presence }) => presence.show !== "unknown");
    for (const contact of changed) contacts.set(contact.name, { ...contact, presence: UNKNOWN });
    return changed.map(({ name }) => ({ user: name, ...UNKNOWN }));
  }

  /** @param {Json} e */
  apply(e) {
    const seq = Number(e["seq"]);
    if (seq <= this.#seq) return;
    this.#seq = seq;
    const contact = String(e["contact"]);
    switch (e["k"]) {
      case "message":
      case "receipt":
      case "read":
      case "undelivered":
        return this.#converse(seq, e);
      case "roster":
        this.#list(e, this.#presenceOf(contact));
        if (e["subscription"] !== "none") this.#released(contact);
        return;
      case "roster_removed":
        return void this.contacts.delete(contact);
      case "request":
        if (e["pending"] === true) this.requests.add(String(e["from"]));
        else this.requests.delete(String(e["from"]));
        return;
      case "blocked":
        if (e["blocked"] === true) this.blocked.add(contact);
        else this.blocked.delete(contact);
        return;
      case "settings":
        this.messagesFrom = /** @type {"contacts" | "anyone"} */ (e["messagesFrom"]);
    }
  }

  /** What waited for a subscription with a contact is sent. @param {string} peer */
  #released(peer) {
    const c = this.conversations.get(peer);
    if (c !== undefined && c.waiting.length > 0) {
      this.conversations.set(peer, { ...c, waiting: [] });
    }
  }

  /**
   * @param {number} seq
   * @param {Json} e
   */
  #converse(seq, e) {
    const peer = String(e["with"]);
    const marks = { lastSeq: 0, lastAt: 0, unread: 0, readUpTo: 0, delivered: 0, read: 0 };
    const c = this.conversations.get(peer) ?? { with: peer, ...marks, waiting: [] };
    if (e["k"] === "message" && e["change"] !== undefined) {
      // It is not unread, and the conversation keeps its place.
      this.conversations.set(peer, { ...c, waiting: waitingAfter(c.waiting, e) });
    } else if (e["k"] === "message") {
      const unread = c.unread + (e["out"] === true ? 0 : 1);
      const waiting = waitingAfter(c.waiting, e);
      const lastAt = Number(e["at"]);
      this.conversations.set(peer, { ...c, lastSeq: seq, lastAt, unread, waiting });
    } else if (e["k"] === "undelivered") {
      const { num, from = num } = e;
      const waiting = c.waiting.filter((n) => n < Number(from) || n > Number(num));
      // An event of its own makes no conversation.
      if (this.conversations.has(peer)) this.conversations.set(peer, { ...c, waiting });
    } else if (e["k"] === "receipt") {
      const { delivered, read } = e;
      this.conversations.set(peer, { ...c, delivered: Number(delivered), read: Number(read) });
    } else {
      const { upTo, unread } = e;
      this.conversations.set(peer, { ...c, readUpTo: Number(upTo), unread: Number(unread) });
    }
  }
}
