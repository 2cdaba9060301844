// @ts-check
/** What a client keeps in its storage: account, token, session, position and unsent messages. */
import { RoostError } from "./error.js";

/**
 * @import * as Api from "../client.d.ts"
 * @import { Cursor, Json, Op, Who } from "./types.d.ts"
 */

/**
 * A message as it is stored.
 * @typedef {{ fields: Json, at: number, tries: number }} StoredMessage
 */

/** See the head of this file. A storage that fails is reported, and nothing else stops. */
export class ClientRecord {
  /** @type {Who | null} */
  who = null;
  /** @type {string | null} */
  session = null;
  /** @type {Cursor | null} */
  cursor = null;
  /** Addresses of the cell's servers. @type {readonly string[]} */
  servers = [];
  /** Slots of stored messages: all are in first … next − 1. */
  #slots = { first: 0, next: 0 };
  #storage;
  #key;
  #failed;

  /**
   * @param {Api.Storage} storage
   * @param {string} key
   * @param {(error: RoostError) => void} failed
   */
  constructor(storage, key, failed) {
    this.#storage = storage;
    this.#key = key;
    this.#failed = failed;
  }

  /** The cursor as the protocol has it. */
  get cursorText() {
    return this.cursor === null ? null : `${this.cursor.mailbox}:${this.cursor.seq}`;
  }

  /** Whether there is a token or JWT to sign in with. */
  get signedIn() {
    return (this.who?.token ?? this.who?.jwt) !== undefined;
  }

  /** @param {() => void} change */
  #store(change) {
    try {
      change();
    } catch (error) {
      this.#failed(new RoostError("storage", `Cannot store: ${String(error)}`));
    }
  }

  save() {
    const { session, cursor, servers } = this;
    const known = servers.length === 0 ? {} : { servers };
    const record = { ...this.who, session, cursor, ...this.#slots, ...known };
    this.#store(() => this.#storage.setItem(this.#key, JSON.stringify(record)));
  }

  remove() {
    this.who = this.session = null;
    this.#store(() => this.#storage.removeItem(this.#key));
  }

  /** Reads everything but the messages. */
  load() {
    /** @type {Record<string, unknown>} */
    let record;
    try {
      record = JSON.parse(this.#storage.getItem(this.#key) ?? "{}");
    } catch {
      record = {};
    }
    const { token, jwt, user, device, session, cursor, first = 0, next = 0, servers } = record;
    this.#slots = { first: Number(first), next: Number(next) };
    const proof = typeof token === "string" ? { token } : typeof jwt === "string" ? { jwt } : null;
    if (typeof user === "string") {
      this.who = { ...proof, user, device: typeof device === "string" ? device : null };
    }
    this.servers = Array.isArray(servers) ? servers : [];
    this.session = typeof session === "string" ? session : null;
    this.cursor = /** @type {Cursor | undefined} */ (cursor) ?? null;
  }

  /** Returns the stored messages by slot, in the order of `send`. */
  messages() {
    /** @type {[number, StoredMessage][]} */
    const messages = [];
    for (let slot = this.#slots.first; slot < this.#slots.next; slot++) {
      const text = this.#storage.getItem(`${this.#key} ${slot}`);
      if (text === null) continue;
      try {
        messages.push([slot, JSON.parse(text)]);
      } catch {
        // Not written by this library: it stays until its slot is reused.
      }
    }
    return messages;
  }

  /**
   * Stores a new message and returns its slot.
   * @param {StoredMessage} message
   */
  addMessage(message) {
    const slot = this.#slots.next++;
    this.#putMessage(slot, message);
    this.save();
    return slot;
  }

  /** Stores how often a message was tried. @param {Op} op */
  updateMessage({ slot, fields, at, tries }) {
    if (slot !== null) this.#putMessage(slot, { fields, at, tries });
  }

  /**
   * @param {number} slot
   * @param {StoredMessage} message
   */
  #putMessage(slot, message) {
    this.#store(() => this.#storage.setItem(`${this.#key} ${slot}`, JSON.stringify(message)));
  }

  /**
   * Removes a message.
   * @param {number} slot
   * @param {() => ReadonlySet<number | null>} held the slots of the other messages
   */
  removeMessage(slot, held) {
    this.#store(() => this.#storage.removeItem(`${this.#key} ${slot}`));
    if (slot !== this.#slots.first) return;
    const others = held();
    while (this.#slots.first < this.#slots.next && !others.has(this.#slots.first)) {
      this.#slots.first++;
    }
    this.save();
  }
}
