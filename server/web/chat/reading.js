// @ts-check
/**
 * What has been seen of the conversation that is open: only that is marked as read. A line stands
 * before the messages that were unread when it was opened, or that came while nobody looked.
 */
import { byId } from "./dom.js";

/**
 * @import * as Api from "../client.d.ts"
 * @import { Chat } from "./app.js"
 */

/** Positions are sent to the server at most so often (ms). */
const TELL_MS = 250;

/** See the head of this file. */
export class Reading {
  #log = byId("log", HTMLElement);
  #list = byId("messages", HTMLElement);
  #chat;
  /** @type {string | null} */
  #peer = null;
  /** Messages after this position are below the line. @type {number | null} */
  divider = null;
  /** Whether the line's place was decided. */
  #decided = false;
  #told = 0;
  #timer = 0;

  /** @param {Chat} chat */
  constructor(chat) {
    this.#chat = chat;
    const look = () => this.look();
    addEventListener("focus", look);
    document.addEventListener("visibilitychange", look);
    for (const dialog of document.querySelectorAll("dialog")) {
      dialog.addEventListener("close", look);
    }
  }

  /** @param {string | null} peer */
  show(peer) {
    this.#peer = peer;
    this.divider = null;
    this.#decided = false;
    this.#told = 0;
  }

  /** Decides where the line stands as soon as it is known what is unread. */
  decide() {
    const { client } = this.#chat;
    if (this.#decided || this.#peer === null || client.messagesFrom === null) return;
    this.#decided = true;
    const conversation = client.conversations.get(this.#peer);
    if (conversation !== undefined && conversation.unread > 0) {
      this.divider = conversation.readUpTo;
    }
  }

  /** Messages that are unread in the conversation. */
  get unread() {
    return this.#chat.client.conversations.get(this.#peer ?? "")?.unread ?? 0;
  }

  /**
   * A message came to the conversation.
   * @param {number} seq
   * @param {boolean} inSight whether the end of the conversation is shown
   */
  came(seq, inSight) {
    if (inSight && this.#looksOn()) return;
    if (this.divider === null || this.unread <= 1) this.divider = seq - 1;
  }

  /** I wrote something: what is above has been read. */
  wrote() {
    this.divider = null;
  }

  /** Whether somebody can look at the messages. */
  #looksOn() {
    return document.visibilityState === "visible" && document.hasFocus() &&
      document.querySelector("dialog[open]") === null;
  }

  /** Marks as read what is in sight. */
  look() {
    const peer = this.#peer;
    if (peer === null || this.#timer !== 0 || this.unread === 0 || !this.#looksOn()) return;
    const { client } = this.#chat;
    const { readUpTo = 0 } = client.conversations.get(peer) ?? {};
    const seen = this.#lastInSight();
    if (seen <= Math.max(readUpTo, this.#told)) return;
    this.#told = seen;
    client.markRead(peer, seen).catch(() => this.#told = 0);
    this.#timer = setTimeout(() => {
      this.#timer = 0;
      this.look();
    }, TELL_MS);
  }

  /** The position of the last message whose end is in sight, or that fills the log; 0: none. */
  #lastInSight() {
    const { top, bottom } = this.#log.getBoundingClientRect();
    const rows = this.#list.children;
    for (let i = rows.length - 1; i >= 0; i--) {
      const row = rows[i];
      if (!(row instanceof HTMLElement) || row.dataset["seq"] === undefined) continue;
      const at = row.getBoundingClientRect();
      if (at.height === 0) return 0;
      const ends = at.bottom <= bottom + 2 && at.bottom > top;
      if (ends || (at.top <= top && at.bottom >= bottom)) return Number(row.dataset["seq"]);
    }
    return 0;
  }
}
