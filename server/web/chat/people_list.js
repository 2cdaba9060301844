// @ts-check
/** The list of people: requests, contacts, and whoever there is a conversation with. */
import { button, byId, make, setAttributes, setText, showList } from "./dom.js";
import { entriesOf } from "./people.js";
import { hueOf, initials, shortTime, showText } from "./text.js";

/**
 * @import { Chat } from "./app.js"
 * @import { Entry } from "./people.js"
 */

/** See the head of this file. */
export class People {
  #list = byId("people", HTMLElement);
  #find = byId("find", HTMLInputElement);
  #requests = byId("requests", HTMLElement);
  #requestList = byId("request-list", HTMLElement);
  #none = byId("people-none", HTMLElement);
  #chat;
  /** Who Tab leads to. @type {string | null} */
  #stop = null;

  /** @param {Chat} chat */
  constructor(chat) {
    this.#chat = chat;
    this.#find.addEventListener("input", () => this.render());
    this.#find.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown") this.#move(event, 0);
      if (event.key === "Escape" && this.#find.value !== "") {
        this.#find.value = "";
        this.render();
      }
      const [first] = this.#buttons();
      if (event.key === "Enter" && this.#find.value !== "") first?.click();
    });
    this.#list.addEventListener("keydown", (event) => this.#key(event));
  }

  /** To where the list was left. */
  focus() {
    // Before anybody is known there is nothing to lead to.
    if (this.#chat.client.messagesFrom === null) return;
    const buttons = this.#buttons();
    const target = buttons.find(({ tabIndex }) => tabIndex === 0) ?? buttons[0];
    (target ?? byId("add-open", HTMLElement)).focus();
  }

  /** @returns {HTMLButtonElement[]} */
  #buttons() {
    return [...this.#list.querySelectorAll("button")];
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const buttons = this.#buttons();
    const at = buttons.findIndex((one) => one === document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (to === undefined || at < 0) return;
    if (to < 0) {
      event.preventDefault();
      this.#find.focus();
    } else this.#move(event, to);
  }

  /**
   * @param {KeyboardEvent} event
   * @param {number} to
   */
  #move(event, to) {
    const buttons = this.#buttons();
    const target = buttons[Math.min(to, buttons.length - 1)];
    event.preventDefault();
    target?.focus();
  }

  render() {
    this.#showRequests();
    const { client, peer } = this.#chat;
    const entries = entriesOf(client, this.#find.value);
    const names = entries.map(({ name }) => name);
    if (this.#stop === null || !names.includes(this.#stop)) {
      this.#stop = names.find((name) => name === peer()) ?? names[0] ?? null;
    }
    showList(this.#list, entries, {
      key: ({ name }) => name,
      make: ({ name }) => this.#makePerson(name),
      update: (element, entry) => this.#showPerson(element, entry),
    });
    setText(this.#none, this.#noneText(entries.length));
  }

  /** @param {number} count */
  #noneText(count) {
    if (count > 0) return "";
    const { messagesFrom, requests } = this.#chat.client;
    if (messagesFrom === null) return "Loading …";
    if (requests.size > 0 && this.#find.value === "") return "";
    return this.#find.value === ""
      ? "Nobody here yet. Add a contact with the plus above."
      : "Nobody of this name. The plus above adds a contact.";
  }

  /** @param {string} name */
  #makePerson(name) {
    const one = button("", () => this.#chat.open(name), { class: "person" });
    one.addEventListener("focus", () => {
      this.#stop = name;
      for (const other of this.#buttons()) other.tabIndex = other === one ? 0 : -1;
    });
    one.append(
      make("span", { class: "badge", "aria-hidden": "true" }),
      make(
        "span",
        { class: "lines" },
        make("span", { class: "name", dir: "auto" }),
        make("span", { class: "line" }, make("span", { class: "dot" }), " ", make("span")),
      ),
      make("span", { class: "aside" }, make("time"), make("span")),
    );
    return make("li", {}, one);
  }

  /**
   * @param {HTMLElement} element
   * @param {Entry} entry
   */
  #showPerson(element, { name, title, presence, unread, at, blocked, asked }) {
    const one = /** @type {HTMLButtonElement} */ (element.firstElementChild);
    const [badge, lines, aside] = /** @type {HTMLElement[]} */ ([...one.children]);
    const [nameText, line] =
      /** @type {HTMLElement[]} */ ([.../** @type {HTMLElement} */ (lines).children]);
    const [dot, lineText] =
      /** @type {HTMLElement[]} */ ([.../** @type {HTMLElement} */ (line).children]);
    const [time, count] =
      /** @type {HTMLElement[]} */ ([.../** @type {HTMLElement} */ (aside).children]);
    const here = this.#chat.peer() === name;
    const off = presence === null || /^(offline|unknown)$/.test(presence.show);
    setAttributes(one, {
      class: `person${blocked ? " blocked" : ""}${off ? " off" : ""}`,
      "aria-current": here ? "true" : null,
      tabindex: this.#stop === name ? 0 : -1,
    });
    setAttributes(/** @type {HTMLElement} */ (badge), { class: `badge hue-${hueOf(name)}` });
    setText(/** @type {HTMLElement} */ (badge), initials(title));
    setText(/** @type {HTMLElement} */ (nameText), title);
    setAttributes(/** @type {HTMLElement} */ (dot), {
      "data-show": blocked ? null : presence?.show ?? null,
      ...(presence === null || presence.status === "" || blocked
        ? { role: null, "aria-label": null }
        : { role: "img", "aria-label": showText(presence.show) }),
    });
    const typing = this.#chat.typing.has(name);
    const text = blocked
      ? "Blocked"
      : typing
      ? "Typing …"
      : presence === null
      ? asked ? "Has been asked" : "Presence not shared"
      : presence.status || showText(presence.show);
    setText(/** @type {HTMLElement} */ (lineText), text);
    setText(/** @type {HTMLElement} */ (time), shortTime(at, Date.now()));
    setAttributes(/** @type {HTMLElement} */ (count), { class: unread > 0 ? "unread" : null });
    setText(/** @type {HTMLElement} */ (count), unread > 0 ? String(unread) : "");
    if (unread > 0) count?.append(make("span", { class: "sr" }, " unread"));
  }

  #showRequests() {
    const names = [...this.#chat.client.requests].sort();
    this.#requests.hidden = names.length === 0;
    showList(this.#requestList, names, {
      key: (name) => name,
      make: (name) => this.#makeRequest(name),
      update: () => {},
    });
  }

  /** @param {string} name */
  #makeRequest(name) {
    const { client, attempt } = this.#chat;
    const accept = async () => {
      const contact = client.contacts.get(name);
      const asks = contact === undefined || contact.subscription === "none";
      await Promise.all([client.approve(name), asks ? client.subscribe(name) : undefined]);
    };
    return make(
      "li",
      { class: "request" },
      make("strong", { dir: "auto" }, name),
      make("p", { class: "quiet" }, "You will see when each other is online."),
      make(
        "span",
        { class: "row" },
        button("Accept", () => attempt(accept()), {
          class: "main",
          "aria-label": `Accept ${name}`,
        }),
        button("Decline", () => attempt(client.deny(name)), { "aria-label": `Decline ${name}` }),
        button("Block", () => attempt(client.block(name)), {
          class: "danger",
          "aria-label": `Block ${name}`,
        }),
      ),
    );
  }
}
