// @ts-check
/** The field to write a message: its draft, the signal that one types, and sending. */
import { byId, isComposing, setAttributes, setText } from "./dom.js";
import { t } from "./texts.js";

/**
 * @import * as Api from "../client.d.ts"
 * @import { Chat } from "./app.js"
 * @import { Item } from "./timeline.js"
 */

/**
 * The message that is edited, or replied to.
 * @typedef {{ readonly kind: "edit" | "reply", readonly item: Item }} About
 *
 * What the conversation does: `send` sends a message, `newestOwn` is the message that can be edited.
 * @typedef {{
 *   readonly send: (peer: string, body: string, reply: Api.Named | undefined) => void,
 *   readonly newestOwn: (peer: string) => Item | undefined
 * }} Host
 */

/** Who writes nothing for so long has stopped typing (ms). */
const PAUSE_MS = 4000;
/** A longer name is not named in the field. */
const TITLE_MAX = 24;

/** See the head of this file. */
export class Composer {
  #form = byId("composer", HTMLFormElement);
  #text = byId("text", HTMLTextAreaElement);
  #go = byId("send", HTMLButtonElement);
  #chat;
  #host;
  /** @type {string | null} */
  #peer = null;
  #pauseTimer = 0;
  /** @type {About | null} */
  #about = null;

  /**
   * @param {Chat} chat
   * @param {Host} host
   */
  constructor(chat, host) {
    this.#chat = chat;
    this.#host = host;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || isComposing(event)) return;
      event.preventDefault();
      this.#submit();
    });
    this.#text.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowUp" || event.altKey || isComposing(event)) return;
      if (this.#text.value !== "" || this.#about !== null || this.#peer === null) return;
      const item = host.newestOwn(this.#peer);
      if (item === undefined) return;
      event.preventDefault();
      this.begin({ kind: "edit", item });
    });
    byId("about-end", HTMLElement).addEventListener("click", () => this.end());
    this.#text.addEventListener("input", () => this.#written());
    addEventListener("pagehide", () => chat.drafts.store());
    document.addEventListener("visibilitychange", () => chat.drafts.store());
  }

  /** @param {boolean} hidden */
  set hidden(hidden) {
    this.#form.hidden = hidden;
    if (hidden && this.#about !== null) this.#forget();
  }
  get hidden() {
    return this.#form.hidden !== false;
  }

  /** Whether the field could be given the focus. */
  focus() {
    if (this.#form.hidden) return false;
    this.#text.focus();
    return true;
  }

  /**
   * Begins to edit a message, or to reply to one.
   * @param {About} about
   * @param {string} text what is written in place of the message that is edited
   */
  begin(about, text = about.item.body) {
    this.#forget();
    this.#about = about;
    const { kind, item } = about;
    if (kind === "edit") this.#text.value = text;
    const what = kind === "edit" ? t.message.editing : t.message.replyTo(item.body.slice(0, 120));
    setText(byId("about-text", HTMLElement), what);
    byId("about", HTMLElement).hidden = false;
    this.#fit();
    this.focus();
  }

  /** Neither edits nor replies any more; whether it did. */
  end() {
    if (this.#about === null) return false;
    this.#forget();
    this.focus();
    return true;
  }

  /** The field has the draft again, where a message was edited. */
  #forget() {
    const edited = this.#about?.kind === "edit";
    this.#about = null;
    setText(byId("about-text", HTMLElement), "");
    byId("about", HTMLElement).hidden = true;
    if (edited) this.#text.value = this.#peer === null ? "" : this.#chat.drafts.of(this.#peer);
    this.#fit();
  }

  /** @param {string | null} peer */
  show(peer) {
    this.#forget();
    if (this.#peer !== null) this.#paused(this.#peer);
    this.#peer = peer;
    this.#text.value = peer === null ? "" : this.#chat.drafts.of(peer);
    this.#fit();
    this.render();
  }

  /** Says whom the message is for; a long name would not fit. */
  render() {
    const peer = this.#peer;
    if (peer === null) return;
    const title = this.#chat.titleOf(peer);
    const notes = this.#chat.isSelf(peer);
    const to = notes
      ? t.composer.note
      : title.length > TITLE_MAX
      ? t.composer.message
      : t.composer.to(`\u2068${title}\u2069`);
    setAttributes(this.#text, { placeholder: to });
  }

  /** Makes the field as high as its text, where the style alone does not. */
  #fit() {
    this.#go.disabled = this.#text.value.trim() === "";
    if (CSS.supports("field-sizing", "content")) return;
    this.#text.style.height = "auto";
    this.#text.style.height = `${this.#text.scrollHeight + 2}px`;
  }

  #written() {
    this.#fit();
    const peer = this.#peer;
    if (peer === null) return;
    // What is edited is no draft.
    if (this.#about?.kind !== "edit") this.#chat.drafts.set(peer, this.#text.value);
    clearTimeout(this.#pauseTimer);
    if (this.#chat.isSelf(peer)) return;
    if (this.#text.value === "") return this.#paused(peer);
    this.#chat.client.typing(peer).catch(() => {});
    this.#pauseTimer = setTimeout(() => this.#paused(peer), PAUSE_MS);
  }

  /** @param {string} peer */
  #paused(peer) {
    if (this.#pauseTimer === 0) return;
    clearTimeout(this.#pauseTimer);
    this.#pauseTimer = 0;
    this.#chat.client.typing(peer, false).catch(() => {});
  }

  #submit() {
    const peer = this.#peer;
    const body = this.#text.value.trim();
    if (peer === null || body === "") return;
    const { messageBytesMax = Infinity } = this.#chat.client.state.limits;
    const length = new TextEncoder().encode(body).length;
    if (length > messageBytesMax) {
      const part = Math.ceil(100 * (1 - messageBytesMax / length));
      this.#chat.attempt(Promise.reject(new Error(t.composer.tooLong(part))));
      return;
    }
    const about = this.#about;
    this.end();
    if (about?.kind === "edit") return this.#edit(peer, about, body);
    this.#text.value = "";
    this.#written();
    const { num, out } = about?.item ?? {};
    this.#host.send(peer, body, num === undefined || out === undefined ? undefined : { num, out });
  }

  /**
   * @param {string} peer
   * @param {About} about
   * @param {string} body
   */
  #edit(peer, about, body) {
    if (about.item.body === body) return;
    const { attempt, client } = this.#chat;
    const edited = client.edit(peer, about.item.num, body);
    attempt(edited);
    // What was refused can be written again.
    edited.catch(() => {
      if (this.#peer === peer && this.#about === null && !this.hidden) this.begin(about, body);
    });
  }
}
