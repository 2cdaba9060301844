// @ts-check
/** The field to write a message: its draft, the signal that one types, and sending. */
import { byId, isComposing, setAttributes } from "./dom.js";
import { t } from "./texts.js";

/**
 * @import { Chat } from "./app.js"
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
  #send;
  /** @type {string | null} */
  #peer = null;
  #pauseTimer = 0;

  /**
   * @param {Chat} chat
   * @param {(peer: string, body: string) => void} send
   */
  constructor(chat, send) {
    this.#chat = chat;
    this.#send = send;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || isComposing(event)) return;
      event.preventDefault();
      this.#submit();
    });
    this.#text.addEventListener("input", () => this.#written());
    addEventListener("pagehide", () => chat.drafts.store());
    document.addEventListener("visibilitychange", () => chat.drafts.store());
  }

  /** @param {boolean} hidden */
  set hidden(hidden) {
    this.#form.hidden = hidden;
  }

  /** Whether the field could be given the focus. */
  focus() {
    if (this.#form.hidden) return false;
    this.#text.focus();
    return true;
  }

  /** @param {string | null} peer */
  show(peer) {
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
    this.#chat.drafts.set(peer, this.#text.value);
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
    this.#text.value = "";
    this.#written();
    this.#send(peer, body);
  }
}
