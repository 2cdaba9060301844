// @ts-check
/**
 * What can be done with a message: reactions, a reply, and with one's own editing and removing. The
 * buttons that open it are one stop of the Tab key; arrows go from one to the next.
 */
import { ask } from "./ask.js";
import { button, byId, make, setAttributes } from "./dom.js";
import { t } from "./texts.js";

/**
 * @import { Chat } from "./app.js"
 * @import { Composer } from "./composer.js"
 * @import { Item } from "./timeline.js"
 */

/** The reactions that are offered. */
const OFFERED = [
  "\u{1f44d}",
  "\u{2764}\u{fe0f}",
  "\u{1f602}",
  "\u{1f62e}",
  "\u{1f622}",
  "\u{1f389}",
];
/** Least distance of the menu from the edges of the page (CSS pixels). */
const EDGE_PX = 8;

/** See the head of this file. */
export class MessageMenu {
  #menu = byId("message-menu", HTMLElement);
  #list = byId("messages", HTMLElement);
  #chat;
  #composer;
  /** The button that has opened it. @type {HTMLElement | null} */
  #by = null;

  /**
   * @param {Chat} chat
   * @param {Composer} composer
   */
  constructor(chat, composer) {
    this.#chat = chat;
    this.#composer = composer;
    this.#menu.addEventListener("keydown", (event) => this.#pressed(event));
    this.#list.addEventListener("keydown", (event) => this.#walked(event));
    this.#list.addEventListener("focusin", () => this.arrange());
    // As when a phone's keyboard goes.
    addEventListener("resize", () => this.#place());
  }

  close() {
    this.#menu.hidePopover();
  }

  /** Leaves one button of the messages to Tab: the one with the focus, or the newest one's. */
  arrange() {
    const all = this.#buttons();
    const one = all.find((each) => each === document.activeElement) ?? all.at(-1);
    for (const each of all) setAttributes(each, { tabindex: each === one ? "0" : "-1" });
  }

  #buttons() {
    return /** @type {HTMLElement[]} */ ([...this.#list.querySelectorAll(".acts")]);
  }

  /** @param {KeyboardEvent} event */
  #walked(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const all = this.#buttons();
    const at = all.findIndex((each) => each === event.target);
    if (step === undefined || at < 0 || event.altKey) return;
    event.preventDefault();
    all[at + step]?.focus();
  }

  /**
   * Opens the menu of a message of the conversation beside the button of the message.
   * @param {string} peer
   * @param {Item} item
   * @param {HTMLElement} by
   */
  open(peer, item, by) {
    this.close();
    this.#menu.replaceChildren(...this.#itemsOf(peer, item));
    this.#by = by;
    this.#menu.showPopover();
    this.#place();
    this.#menu.querySelector("button")?.focus();
  }

  #place() {
    const menu = this.#menu;
    if (this.#by?.isConnected !== true || !menu.matches(":popover-open")) return;
    const at = this.#by.getBoundingClientRect();
    const { width, height } = menu.getBoundingClientRect();
    const left = Math.min(at.left, innerWidth - width - EDGE_PX);
    const below = at.bottom + height + EDGE_PX <= innerHeight;
    menu.style.left = `${Math.max(EDGE_PX, left)}px`;
    menu.style.top = `${Math.max(EDGE_PX, below ? at.bottom : at.top - height)}px`;
  }

  /**
   * @param {string} peer
   * @param {Item} item
   */
  #itemsOf(peer, item) {
    const { client, attempt } = this.#chat;
    const { limits } = client.state;
    // A server of an earlier version has no changes; without a connection they wait for one.
    const changes = Object.keys(limits).length === 0 || limits["reactionsMax"] !== undefined;
    const writes = changes && !this.#composer.hidden;
    const copies = "clipboard" in navigator;
    const copy = this.#act(t.message.copy, () => attempt(navigator.clipboard.writeText(item.body)));
    const about = (/** @type {"edit" | "reply"} */ kind) => () =>
      this.#composer.begin({ kind, item });
    return [
      ...writes ? [this.#emojiOf(peer, item)] : [],
      ...writes ? [this.#act(t.message.reply, about("reply"))] : [],
      ...copies ? [copy] : [],
      ...writes && item.out ? [this.#act(t.message.editIt, about("edit"))] : [],
      ...changes && item.out
        ? [this.#act(t.message.removeIt, () => this.#remove(peer, item), { class: "danger" })]
        : [],
    ];
  }

  /**
   * The reactions: each sets or takes back one.
   * @param {string} peer
   * @param {Item} item
   */
  #emojiOf(peer, item) {
    const { client, attempt } = this.#chat;
    const own = item.own ?? [];
    const emoji = [...new Set([...OFFERED, ...own])].map((one) => {
      const has = own.includes(one);
      const next = has ? own.filter((other) => other !== one) : [...own, one];
      const run = () => attempt(client.react(peer, { num: item.num, out: item.out }, next));
      return this.#act(one, run, {
        role: "menuitemcheckbox",
        "aria-checked": String(has),
        "aria-label": t.message.react(one),
      });
    });
    return make("div", { class: "emoji", role: "group" }, ...emoji);
  }

  /**
   * @param {string} text
   * @param {() => void} run
   * @param {Readonly<Record<string, string>>} attributes
   */
  #act(text, run, attributes = {}) {
    return button(text, () => {
      this.close();
      run();
    }, { role: "menuitem", tabindex: "-1", ...attributes });
  }

  /**
   * @param {string} peer
   * @param {Item} item
   */
  async #remove(peer, item) {
    const question = {
      title: t.message.removeTitle,
      text: [t.message.removeText],
      action: t.common.remove,
    };
    const { client, attempt } = this.#chat;
    if (await ask(question)) attempt(client.remove(peer, item.num));
  }

  /**
   * The arrows go from one to the next, up and down past the reactions; Tab and Escape close the menu.
   * @param {KeyboardEvent} event
   */
  #pressed(event) {
    // The page's shortcuts do not count here, nor does Escape leave the conversation.
    event.stopPropagation();
    if (event.key === "Tab") return this.close();
    const all = [...this.#menu.querySelectorAll("button")];
    const at = all.findIndex((one) => one === document.activeElement);
    const row = all.filter((one) => one.parentElement !== this.#menu).length;
    /** @type {Readonly<Record<string, number>>} */
    const targets = {
      ArrowRight: at + 1,
      ArrowLeft: at - 1,
      ArrowDown: at < row ? row : at + 1,
      ArrowUp: at < row ? -1 : at === row && row > 0 ? 0 : at - 1,
      Home: 0,
      End: -1,
    };
    const target = targets[event.key];
    if (target === undefined) return;
    event.preventDefault();
    all.at(target % all.length)?.focus();
  }
}
