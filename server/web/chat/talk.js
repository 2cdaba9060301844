// @ts-check
/** The conversation that is open: its messages, and the field to write another. */
import { button, byId, setAttributes, setText, showList } from "./dom.js";
import { makeRow, updateRow } from "./message.js";
import { sees } from "./people.js";
import { errorText, hueOf, initials, presenceText, reasonText } from "./text.js";
import { Timeline } from "./timeline.js";

/**
 * @import * as Api from "../client.d.ts"
 * @import { Chat } from "./app.js"
 */

/** Messages of a page. */
const PAGE = 50;
/** So near to an end counts as being there (CSS pixels). */
const NEAR_PX = 120;
/** Who writes nothing for so long has stopped typing (ms). */
const PAUSE_MS = 4000;

/** See the head of this file. */
export class Talk {
  #main = byId("talk-open", HTMLElement);
  #none = byId("talk-none", HTMLElement);
  #log = byId("log", HTMLElement);
  #more = byId("log-more", HTMLElement);
  #list = byId("messages", HTMLElement);
  #down = byId("log-down", HTMLButtonElement);
  #notice = byId("talk-notice", HTMLElement);
  #form = byId("composer", HTMLFormElement);
  #text = byId("text", HTMLTextAreaElement);
  #chat;
  /** @type {Map<string, Timeline>} */
  #timelines = new Map();
  /** What is written and not sent, by person. @type {Map<string, string>} */
  #drafts = new Map();
  /** @type {string | null} */
  #peer = null;
  #atEnd = true;
  /** Messages that came while older ones are read. */
  #below = 0;
  #loading = false;
  #pauseTimer = 0;
  #readUpTo = 0;

  /** @param {Chat} chat */
  constructor(chat) {
    this.#chat = chat;
    for (const { to, key, body, at } of chat.client.pending) {
      this.#timeline(to).wait({ key, body, at });
    }
    this.#log.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#down.addEventListener("click", () => {
      this.#toEnd();
      this.#text.focus();
    });
    byId("talk-back", HTMLElement).addEventListener("click", () => chat.leave());
    byId("talk-info", HTMLElement).addEventListener("click", () => {
      if (this.#peer !== null) chat.showContact(this.#peer);
    });
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    this.#text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#send();
    });
    this.#text.addEventListener("input", () => this.#written());
    this.#main.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !event.isComposing) chat.leave();
    });
    addEventListener("focus", () => this.#markRead());
    document.addEventListener("visibilitychange", () => this.#markRead());
    new ResizeObserver(() => {
      if (this.#atEnd) this.#log.scrollTop = this.#log.scrollHeight;
    }).observe(this.#log);
  }

  /** @param {string} peer */
  #timeline(peer) {
    const known = this.#timelines.get(peer) ?? new Timeline();
    this.#timelines.set(peer, known);
    return known;
  }

  // What comes in.

  /** @param {Api.Message} message */
  take(message) {
    const { with: peer, out, body } = message;
    const timeline = this.#timeline(peer);
    const open = peer === this.#peer;
    // What is not loaded yet comes with its page.
    if (timeline.loaded || (open && this.#loading) || out === true) timeline.add(message);
    if (!open || this.#atEnd) timeline.trim();
    if (out === true) return;
    const title = this.#chat.titleOf(peer);
    if (!this.#chat.client.blocked.has(peer)) {
      this.#chat.announce(open ? `${title}: ${body}` : `Message from ${title}`);
    }
    if (open && !this.#atEnd) this.#below++;
  }

  /** @param {Api.Undelivered} event */
  undelivered({ with: peer, id, reason }) {
    this.#timeline(peer).undelivered(id, reasonText(reason));
  }

  /** A message of an earlier run was refused. @param {Api.RoostError} error */
  refused({ key, to, message }) {
    if (key !== undefined && to !== undefined) this.#timeline(to).fail(key, message);
    this.#chat.changed();
  }

  /** Messages may be missing: everything is read again. */
  reset() {
    for (const timeline of this.#timelines.values()) timeline.reset();
    if (this.#peer !== null) this.#load();
  }

  // What is shown.

  /** @param {string | null} peer */
  show(peer) {
    if (peer === this.#peer) return;
    if (this.#peer !== null) {
      this.#drafts.set(this.#peer, this.#text.value);
      this.#paused(this.#peer);
    }
    this.#peer = peer;
    this.#atEnd = true;
    this.#below = 0;
    this.#readUpTo = 0;
    this.#loading = false;
    this.#list.replaceChildren();
    this.#text.value = peer === null ? "" : this.#drafts.get(peer) ?? "";
    this.#fit();
    if (peer !== null && !this.#timeline(peer).loaded) this.#load();
  }

  focus() {
    if (this.#form.hidden) byId("talk-info", HTMLElement).focus();
    else this.#text.focus();
  }

  async #load() {
    const peer = this.#peer;
    if (peer === null || this.#loading) return;
    const timeline = this.#timeline(peer);
    const before = timeline.loaded ? timeline.oldest : undefined;
    this.#loading = true;
    setText(this.#more, "Loading …");
    try {
      const where = before === undefined ? {} : { before };
      const page = await this.#chat.client.history(peer, { ...where, limit: PAGE });
      timeline.addPage(page);
      if (peer === this.#peer) setText(this.#more, "");
    } catch (error) {
      if (peer === this.#peer) this.#loadFailed(error);
      return;
    } finally {
      if (peer === this.#peer) this.#loading = false;
    }
    if (peer === this.#peer) this.render(true);
  }

  /** @param {unknown} error */
  #loadFailed(error) {
    const again = button("Load again", () => {
      this.#loading = false;
      this.#load();
    });
    this.#more.replaceChildren(errorText(error) ?? "", " ", again);
  }

  /** @param {boolean} older whether messages were added above those that are shown */
  render(older = false) {
    const peer = this.#peer;
    this.#main.hidden = peer === null;
    this.#none.hidden = peer !== null;
    if (peer === null) return;
    this.#showHead(peer);
    this.#showNotice(peer);
    const { client } = this.#chat;
    const timeline = this.#timeline(peer);
    const conversation = client.conversations.get(peer);
    const log = this.#log;
    const fromEnd = log.scrollHeight - log.scrollTop;
    const context = { conversation, retry: this.#retry, drop: this.#drop };
    showList(this.#list, timeline.rows(), {
      key: ({ id }) => id,
      make: (row) => makeRow(row, context),
      update: (element, row) => updateRow(element, row, context),
    });
    if (this.#atEnd) log.scrollTop = log.scrollHeight;
    else if (older) log.scrollTop = log.scrollHeight - fromEnd;
    const none = timeline.loaded && timeline.items().length === 0;
    if (none) setText(this.#more, "Nothing has been written here yet.");
    else if (timeline.loaded && this.#more.textContent?.startsWith("Nothing")) {
      setText(this.#more, "");
    }
    if (timeline.loaded && timeline.more && log.scrollHeight <= log.clientHeight) this.#load();
    this.#showDown();
    this.#markRead();
  }

  /** @param {string} peer */
  #showHead(peer) {
    const { client, titleOf, typing } = this.#chat;
    const contact = client.contacts.get(peer);
    const title = titleOf(peer);
    const badge = byId("talk-badge", HTMLElement);
    badge.className = `badge hue-${hueOf(peer)}`;
    setText(badge, initials(title));
    setText(byId("talk-name", HTMLElement), title);
    const seen = contact !== undefined && sees(contact) && !client.blocked.has(peer);
    setAttributes(byId("talk-dot", HTMLElement), {
      "data-show": seen ? contact.presence.show : null,
    });
    const asked = contact?.pendingOut === true ? "Has been asked" : "";
    const line = seen ? presenceText(contact.presence, Date.now()) : asked;
    setText(byId("talk-line", HTMLElement), line);
    setText(byId("typing", HTMLElement), typing.has(peer) ? `${title} is typing …` : "");
    setAttributes(this.#text, { placeholder: `Message to ${title}` });
  }

  /** @param {string} peer */
  #showNotice(peer) {
    const { client, attempt, showContact } = this.#chat;
    const blocked = client.blocked.has(peer);
    const known = client.contacts.has(peer) || client.requests.has(peer);
    const wanted = client.messagesFrom === null ? "" : blocked ? "blocked" : known ? "" : "unknown";
    this.#form.hidden = blocked;
    if (this.#notice.dataset["of"] === `${wanted} ${peer}`) return;
    this.#notice.dataset["of"] = `${wanted} ${peer}`;
    this.#notice.hidden = wanted === "";
    const text = document.createElement("p");
    text.textContent = blocked ? "You have blocked them." : "They are not one of your contacts.";
    const act = blocked
      ? button("Unblock", () => attempt(client.unblock(peer)))
      : button("Add or block …", () => showContact(peer));
    this.#notice.replaceChildren(text, act);
  }

  // Scrolling and reading.

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#log;
    this.#atEnd = scrollHeight - scrollTop - clientHeight < NEAR_PX;
    if (this.#atEnd) this.#below = 0;
    this.#showDown();
    this.#markRead();
    const timeline = this.#peer === null ? null : this.#timeline(this.#peer);
    if (scrollTop < 2 * NEAR_PX && timeline?.loaded && timeline.more) this.#load();
  }

  #toEnd() {
    this.#atEnd = true;
    this.#below = 0;
    this.render();
  }

  #showDown() {
    this.#down.hidden = this.#atEnd;
    const text = this.#below === 0 ? "Newest" : `${this.#below} new`;
    setText(byId("log-down-text", HTMLElement), text);
  }

  #markRead() {
    const peer = this.#peer;
    if (peer === null || !this.#atEnd || document.visibilityState !== "visible") return;
    if (!document.hasFocus() || !this.#timeline(peer).loaded) return;
    const conversation = this.#chat.client.conversations.get(peer);
    if (conversation === undefined || conversation.unread === 0) return;
    if (conversation.lastSeq <= this.#readUpTo) return;
    this.#readUpTo = conversation.lastSeq;
    this.#chat.client.markRead(peer).catch(() => this.#readUpTo = 0);
  }

  // Writing.

  /** Makes the field as high as its text, where the style alone does not. */
  #fit() {
    if (CSS.supports("field-sizing", "content")) return;
    this.#text.style.height = "auto";
    this.#text.style.height = `${this.#text.scrollHeight + 2}px`;
  }

  #written() {
    this.#fit();
    const peer = this.#peer;
    if (peer === null) return;
    clearTimeout(this.#pauseTimer);
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

  #send() {
    const peer = this.#peer;
    const body = this.#text.value.trim();
    if (peer === null || body === "") return;
    const { messageBytesMax = Infinity } = this.#chat.client.state.limits;
    const bytes = new TextEncoder().encode(body).length;
    if (bytes > messageBytesMax) {
      const text = `This is too long: ${bytes} bytes, ${messageBytesMax} can be sent.`;
      this.#chat.attempt(Promise.reject(new Error(text)));
      return;
    }
    this.#text.value = "";
    this.#written();
    this.#post(peer, body);
    this.#toEnd();
  }

  /**
   * @param {string} peer
   * @param {string} body
   */
  #post(peer, body) {
    const timeline = this.#timeline(peer);
    const key = crypto.randomUUID();
    timeline.wait({ key, body, at: Date.now() });
    this.#chat.client.send(peer, body, { key }).then(
      (sent) => timeline.sent(key, sent),
      (error) => timeline.fail(key, errorText(error) ?? "Not sent"),
    ).finally(() => this.#chat.changed());
  }

  /** @param {string} key */
  #retry = (key) => {
    if (this.#peer === null) return;
    const body = this.#timeline(this.#peer).drop(key);
    if (body !== undefined) this.#post(this.#peer, body);
    this.#toEnd();
    this.#text.focus();
  };

  /** @param {string} key */
  #drop = (key) => {
    if (this.#peer !== null) this.#timeline(this.#peer).drop(key);
    this.#chat.changed();
    this.#text.focus();
  };
}
