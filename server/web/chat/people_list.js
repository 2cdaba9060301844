// @ts-check
/** The list of people: requests, contacts, and everybody with whom there is a conversation. */
import {
  bdi,
  button,
  byId,
  isComposing,
  make,
  setAttributes,
  setParts,
  setText,
  showList,
} from "./dom.js";
import { entriesOf, isOnline } from "./people.js";
import { lineOf } from "./row_text.js";
import { hueOf, initials, shortTime, showText } from "./text.js";
import { t } from "./texts.js";

/**
 * @import { Chat } from "./app.js"
 * @import { Entry, Filter } from "./people.js"
 */

/** Names in the row of the requests. */
const NAMED = 3;

/** See the head of this file. */
export class People {
  #list = byId("people", HTMLElement);
  #find = byId("find", HTMLInputElement);
  #filters = byId("filters", HTMLElement);
  #requests = byId("requests", HTMLElement);
  #requestsOpen = byId("requests-open", HTMLButtonElement);
  #requestList = byId("request-list", HTMLElement);
  #none = byId("people-none", HTMLElement);
  #chat;
  /** Who Tab leads to. @type {string | null} */
  #stop = null;
  /** @type {Filter} */
  #filter = "all";
  #sight;

  /** @param {Chat} chat */
  constructor(chat) {
    this.#chat = chat;
    this.#sight = new IntersectionObserver((seen) => {
      for (const { target, isIntersecting } of seen) {
        chat.previews.look(
          /** @type {HTMLElement} */ (target).dataset["key"] ?? "",
          isIntersecting,
        );
      }
    }, { root: byId("people-scroll", HTMLElement) });
    this.#find.addEventListener("input", () => this.render());
    this.#find.addEventListener("keydown", (event) => this.#findKey(event));
    this.#list.addEventListener("keydown", (event) => this.#key(event));
    for (const each of this.#filters.querySelectorAll("button")) {
      each.addEventListener("click", () => {
        this.#filter = /** @type {Filter} */ (each.value);
        this.render();
      });
    }
    this.#requestsOpen.addEventListener("click", () => {
      this.#showRequestList(this.#requestsOpen.getAttribute("aria-expanded") !== "true");
    });
  }

  /** @param {KeyboardEvent} event */
  #findKey(event) {
    if (isComposing(event)) return;
    if (event.key === "ArrowDown") {
      if (this.#buttons().length > 0) this.#move(event, 0);
      else this.#firstFound()?.focus();
    }
    if (event.key === "Escape" && this.#find.value !== "") {
      this.#find.value = "";
      this.#find.dispatchEvent(new Event("input"));
    }
    const first = this.#buttons()[0] ?? this.#firstFound();
    if (event.key === "Enter" && this.#find.value !== "") first?.click();
  }

  /** The first message that was found; null: there is none. */
  #firstFound() {
    return byId("found-list", HTMLElement).querySelector("button");
  }

  /** To where the list was left; at the start nothing is scrolled. */
  focus(start = false) {
    // Before anybody is known there is nothing to lead to.
    if (this.#chat.client.messagesFrom === null || this.#chat.peer() !== null) return;
    const buttons = this.#buttons();
    const target = buttons.find(({ tabIndex }) => tabIndex === 0) ?? buttons[0];
    (target ?? byId("add-open", HTMLElement)).focus({ preventScroll: start });
  }

  /** The focus goes to the row that Tab leads to, also beside an open conversation. */
  focusRow() {
    const buttons = this.#buttons();
    (buttons.find(({ tabIndex }) => tabIndex === 0) ?? this.#find).focus();
  }

  /**
   * Who stands so many rows after the open conversation, as the list is shown; from none on it is
   * the first or the last. Null: there is nobody.
   * @param {number} by
   */
  nameAfter(by) {
    const names = [...this.#list.children].map((row) =>
      /** @type {HTMLElement} */ (row).dataset["key"] ?? ""
    );
    const at = names.indexOf(this.#chat.peer() ?? "");
    return names[at < 0 ? (by > 0 ? 0 : names.length - 1) : at + by] ?? null;
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
    } else if (event.key === "ArrowDown" && to === buttons.length && this.#firstFound() !== null) {
      event.preventDefault();
      this.#firstFound()?.focus();
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
    this.#showFilters();
    const { client, peer } = this.#chat;
    const view = { filter: this.#filter, self: client.state.user };
    const entries = entriesOf(client, this.#find.value, view);
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
    if (messagesFrom === null) return t.common.loading;
    if (this.#find.value !== "") return t.list.nobodyNamed;
    if (this.#filter === "online") return t.list.nobodyOnline;
    if (this.#filter === "unread") return t.list.nothingUnread;
    return requests.size > 0 ? "" : t.list.nobody;
  }

  #showFilters() {
    const { client } = this.#chat;
    const everybody = entriesOf(client, "", { self: client.state.user });
    const counts = {
      online: everybody.filter(({ presence, blocked }) => isOnline(presence) && !blocked).length,
      unread: everybody.filter(({ unread, blocked }) => unread > 0 && !blocked).length,
    };
    this.#filters.hidden = everybody.length === 0;
    for (const each of this.#filters.querySelectorAll("button")) {
      setAttributes(each, { "aria-pressed": String(each.value === this.#filter) });
      const count = each.value === "all"
        ? 0
        : counts[/** @type {"online" | "unread"} */ (each.value)];
      setText(/** @type {Element} */ (each.lastElementChild), count === 0 ? "" : String(count));
    }
  }

  /** @param {string} name */
  #makePerson(name) {
    const one = button("", () => this.#chat.open(name), { class: "person" });
    one.addEventListener("focus", () => {
      this.#stop = name;
      for (const other of this.#buttons()) other.tabIndex = other === one ? 0 : -1;
    });
    one.append(
      make("span", { class: "badge" }, make("span", { "aria-hidden": "true" }), make("span")),
      make(
        "span",
        { class: "lines" },
        make("span", { class: "top" }, make("bdi", { class: "name" }), make("time")),
        make("span", { class: "top" }, make("span", { class: "line" }), make("span")),
      ),
    );
    const element = make("li", { "data-key": name }, one);
    this.#sight.observe(element);
    return element;
  }

  /**
   * @param {HTMLElement} element
   * @param {Entry} entry
   */
  #showPerson(element, entry) {
    const { name, title, presence, unread, at, blocked, self } = entry;
    const find = (
      /** @type {string} */ path,
    ) => /** @type {HTMLElement} */ (element.querySelector(path));
    const here = this.#chat.peer() === name;
    setAttributes(find(".person"), {
      class: `person${blocked ? " blocked" : ""}`,
      "aria-current": here ? "true" : null,
      tabindex: this.#stop === name ? 0 : -1,
    });
    setAttributes(find(".badge"), { class: `badge hue-${self ? "notes" : hueOf(name)}` });
    setText(find(".badge > :first-child"), initials(title));
    const show = blocked ? null : presence?.show ?? null;
    setAttributes(find(".badge > :last-child"), {
      class: "dot",
      "data-show": show,
      role: show === null ? null : "img",
      "aria-label": show === null ? null : showText(show),
      title: show === null ? null : showText(show),
    });
    setText(find(".name"), title);
    setText(find("time"), shortTime(at, Date.now()));
    const { kind, label, text } = lineOf(this.#chat, entry);
    setAttributes(find(".line"), { class: `line ${kind}` });
    setParts(find(".line"), [label, bdi(text)]);
    const count = find(".line + span");
    setAttributes(count, { class: unread > 0 && !blocked ? "unread" : null });
    const told = unread > 0 ? String(unread) : "";
    if (count.firstChild?.textContent === told) return;
    count.replaceChildren(
      ...unread > 0 ? [told, make("span", { class: "sr" }, t.list.unreadCount)] : [],
    );
  }

  #showRequests() {
    const names = [...this.#chat.client.requests].sort();
    const count = names.length;
    if (count === 0) this.#showRequestList(false);
    this.#requests.hidden = count === 0;
    setText(byId("requests-title", HTMLElement), t.requests.title(count));
    const parts = names.slice(0, NAMED).flatMap((name, i) =>
      i === 0 ? [bdi(name)] : [", ", bdi(name)]
    );
    if (count > NAMED) parts.push(t.requests.more(count - NAMED));
    setParts(byId("requests-names", HTMLElement), parts);
    showList(this.#requestList, names, {
      key: (name) => name,
      make: (name) => this.#makeRequest(name),
      update: () => {},
    });
  }

  /** @param {boolean} shown */
  #showRequestList(shown) {
    this.#requestList.hidden = !shown;
    setAttributes(this.#requestsOpen, { "aria-expanded": String(shown) });
  }

  /** @param {string} name */
  #makeRequest(name) {
    const { client, attempt } = this.#chat;
    const accept = async () => {
      const contact = client.contacts.get(name);
      const asks = contact === undefined || contact.subscription === "none";
      await Promise.all([client.approve(name), asks ? client.subscribe(name) : undefined]);
    };
    const tell = async (/** @type {Promise<unknown>} */ done) => {
      // The buttons are gone then: the focus goes to what is left.
      if (await attempt(done)) (this.#requests.hidden ? this : this.#requestsOpen).focus();
    };
    return make(
      "li",
      { class: "request" },
      make(
        "p",
        { class: "lines" },
        make("strong", {}, bdi(name)),
        make("span", { class: "quiet" }, t.requests.wants),
      ),
      make(
        "span",
        { class: "row" },
        button(t.requests.accept, () => tell(accept()), {
          class: "main",
          "aria-label": t.requests.acceptName(name),
        }),
        button(t.requests.decline, () => tell(client.deny(name)), {
          "aria-label": t.requests.declineName(name),
        }),
        button(t.common.block, () => tell(client.block(name)), {
          class: "danger",
          "aria-label": t.requests.blockName(name),
        }),
      ),
    );
  }
}
