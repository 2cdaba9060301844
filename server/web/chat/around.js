// @ts-check
/**
 * A message that was searched for, with those around it: they are a timeline of their own until it
 * reaches the newest messages.
 */
import { Timeline } from "./timeline.js";

/**
 * @import * as Api from "../client.d.ts"
 * @import { Chat } from "./app.js"
 */

/**
 * `timelineOf`: what is known of a conversation from its end. `render` draws again. `failed` says
 * that the messages could not be read, and offers to repeat it.
 * @typedef {{
 *   readonly timelineOf: (peer: string) => Timeline, readonly render: () => void,
 *   readonly failed: (error: unknown, again: () => void) => void
 * }} AroundHost
 */

/** Messages that are read on each side of the one that is shown, and at each step further down. */
const BESIDE = 30;

/** See the head of this file. */
export class Around {
  #chat;
  #host;
  /** @type {{ readonly peer: string, readonly timeline: Timeline } | null} */
  #shown = null;
  /** Rises whenever something else is to be shown. */
  #number = 0;
  #loading = false;
  #unplaced = false;
  /** Position of the message that was searched for; 0: none. */
  seq = 0;

  /**
   * @param {Chat} chat
   * @param {AroundHost} host
   */
  constructor(chat, host) {
    this.#chat = chat;
    this.#host = host;
  }

  /** The timeline that is shown in place of the one with the newest messages; null: none. */
  get timeline() {
    return this.#shown?.timeline ?? null;
  }

  /** The conversation is shown from its end again, or another one. */
  clear() {
    this.#number++;
    this.#shown = null;
    this.#loading = false;
    this.#unplaced = false;
    this.seq = 0;
  }

  /**
   * Shows a message of a conversation.
   * @param {string} peer
   * @param {number} seq
   */
  async show(peer, seq) {
    this.clear();
    this.seq = seq;
    const number = this.#number;
    const known = this.#host.timelineOf(peer);
    if (!known.loaded || known.idAt(seq) === undefined) {
      const { client, isSelf } = this.#chat;
      const timeline = new Timeline(isSelf(peer));
      try {
        timeline.addPage(await client.history(peer, { before: seq + 1, limit: BESIDE }));
        const later = await client.history(peer, { after: seq, limit: BESIDE });
        if (number !== this.#number) return;
        this.#add(peer, timeline, later);
      } catch (error) {
        if (number !== this.#number) return;
        return this.#host.failed(error, () => this.show(peer, seq));
      }
    }
    this.#unplaced = true;
    this.#host.render();
  }

  /**
   * @param {string} peer
   * @param {Timeline} timeline
   * @param {Api.Page} later
   */
  #add(peer, timeline, later) {
    timeline.addLater(later);
    this.#shown = later.more ? { peer, timeline } : null;
    if (!later.more) this.#host.timelineOf(peer).follow(timeline);
  }

  /** Reads on below what is shown. */
  async later() {
    if (this.#shown === null || this.#loading) return;
    const number = this.#number;
    const { peer, timeline } = this.#shown;
    this.#loading = true;
    const page = this.#chat.client.history(peer, { after: timeline.newest, limit: BESIDE });
    const done = await this.#chat.attempt(page);
    if (number !== this.#number) return;
    this.#loading = false;
    if (!done) return;
    this.#add(peer, timeline, await page);
    this.#host.render();
  }

  /**
   * Scrolls to the message once it is drawn; returns whether it did.
   * @param {Element} list
   * @param {Timeline} timeline
   */
  place(list, timeline) {
    if (!this.#unplaced) return false;
    this.#unplaced = false;
    const id = timeline.idAt(this.seq);
    const row = [...list.children].find((row) =>
      row instanceof HTMLElement && row.dataset["key"] === id
    );
    // It may have been removed meanwhile: what was around it is shown.
    (row ?? list.lastElementChild)?.scrollIntoView({ block: "center" });
    return true;
  }
}
