// @ts-check
/** Messages that are found by the text of the field above the list: below the people. */
import { button, byId, isComposing, make, setText, showList } from "./dom.js";
import { errorText, shortTime } from "./text.js";
import { t } from "./texts.js";

/**
 * @import * as Api from "../client.d.ts"
 * @import { Chat } from "./app.js"
 */

/** After so long without a key the server is asked (ms). */
const PAUSE_MS = 300;
/** Messages that are shown at first, and with each further step. */
const STEP = 20;
/** Pages of one step: each is 1 MiB of the mailbox, in which there may be nothing. */
const PAGES_MAX = 8;

/** Whether a text is enough to search for: one letter of a script without spaces is a word. @param {string} text */
const isEnough = (text) => text.length > 1 || /[^\0-\u024f]/.test(text);

/**
 * A text with the parts that were found as marks.
 * @param {string} text
 * @param {readonly (readonly [number, number])[]} marks
 * @returns {(string | HTMLElement)[]}
 */
export function markedParts(text, marks) {
  /** @type {(string | HTMLElement)[]} */
  const parts = [];
  let at = 0;
  for (const [begin, end] of marks) {
    if (begin > at) parts.push(text.slice(at, begin));
    parts.push(make("mark", {}, text.slice(begin, end)));
    at = end;
  }
  if (at < text.length) parts.push(text.slice(at));
  return parts;
}

/** See the head of this file. */
export class Search {
  #find = byId("find", HTMLInputElement);
  #part = byId("found", HTMLElement);
  #list = byId("found-list", HTMLElement);
  #told = byId("found-told", HTMLElement);
  #chat;
  #timer = 0;
  /** What is searched for, "" for nothing. */
  #text = "";
  /** Rises with each search: what comes late for another is dropped. */
  #number = 0;
  /** @type {Api.FoundMessage[]} */
  #found = [];

  /** @param {Chat} chat */
  constructor(chat) {
    this.#chat = chat;
    this.#find.addEventListener("input", () => this.#typed());
    this.#list.addEventListener("keydown", (event) => this.#key(event));
  }

  #typed() {
    const text = this.#find.value.trim();
    if (text === this.#text) return;
    this.#text = text;
    this.#number++;
    clearTimeout(this.#timer);
    this.#part.hidden = !isEnough(text);
    // What was found before stays until something else is found.
    if (this.#part.hidden) return this.#clear();
    this.#timer = setTimeout(() => {
      this.#clear();
      this.#search(undefined);
    }, PAUSE_MS);
  }

  #clear() {
    this.#found = [];
    this.#list.replaceChildren();
    setText(this.#told, "");
  }

  /** Searches on until enough is found. @param {number | undefined} before */
  async #search(before) {
    const { client } = this.#chat;
    const number = this.#number;
    const wanted = this.#found.length + STEP;
    /** @type {number | undefined} */
    let next = before;
    setText(this.#told, t.search.searching);
    try {
      for (let pages = 0; pages < PAGES_MAX; pages++) {
        const limit = wanted - this.#found.length;
        const where = next === undefined ? { limit } : { limit, before: next };
        const page = await client.search(this.#text, where);
        if (number !== this.#number) return;
        this.#found.push(...page.found);
        next = page.next;
        this.render();
        if (next === undefined || this.#found.length >= wanted) break;
      }
    } catch (error) {
      if (number === this.#number) this.#failed(error, next);
      return;
    }
    this.#showEnd(next);
  }

  /** @param {number | undefined} next */
  #showEnd(next) {
    const text = this.#found.length === 0 ? t.search.none : "";
    if (next === undefined) return setText(this.#told, text);
    this.#told.replaceChildren(button(t.search.further, () => this.#search(next)));
  }

  /**
   * @param {unknown} error
   * @param {number | undefined} next
   */
  #failed(error, next) {
    const { code } = /** @type {{ code?: string }} */ (error ?? {});
    // Nothing but signs.
    if (code === "bad_request") return setText(this.#told, t.search.none);
    const again = button(t.common.tryAgain, () => this.#search(next));
    this.#told.replaceChildren(errorText(error) ?? "", " ", again);
  }

  render() {
    showList(this.#list, this.#found, {
      key: ({ seq }) => String(seq),
      make: (message) => this.#makeFound(message),
      update: (element, message) => this.#showFound(element, message),
    });
  }

  /** @param {Api.FoundMessage} message */
  #makeFound({ with: name, seq, out, excerpt, marks }) {
    const text = make("bdi", {}, ...markedParts(excerpt, marks));
    const one = button("", () => this.#chat.open(name, seq), { class: "person" });
    one.append(make(
      "span",
      { class: "lines" },
      make("span", { class: "top" }, make("bdi", { class: "name" }), make("time")),
      make("span", { class: "excerpt" }, out === true ? t.common.you : "", text),
    ));
    return make("li", {}, one);
  }

  /**
   * @param {HTMLElement} element
   * @param {Api.FoundMessage} message
   */
  #showFound(element, { with: name, at }) {
    const find = (
      /** @type {string} */ path,
    ) => /** @type {Element} */ (element.querySelector(path));
    setText(find(".name"), this.#chat.titleOf(name));
    setText(find("time"), shortTime(at, Date.now()));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (isComposing(event)) return;
    const buttons = [...this.#list.querySelectorAll("button")];
    const at = buttons.findIndex((one) => one === document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (event.key === "Escape") this.#find.focus();
    if (to === undefined || at < 0) return;
    event.preventDefault();
    (buttons[to] ?? (to < 0 ? this.#find : buttons.at(-1)))?.focus();
  }
}
