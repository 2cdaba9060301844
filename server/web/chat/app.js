// @ts-check
/** The chat of one who is signed in: what the client tells goes to the parts of the page. */
import { Connection } from "./connection.js";
import { ContactDialogs } from "./contact.js";
import { byId, setText } from "./dom.js";
import { People } from "./people_list.js";
import { unreadOf } from "./people.js";
import { Settings } from "./settings.js";
import { OwnStatus } from "./status.js";
import { Talk } from "./talk.js";
import { errorText } from "./text.js";
import { Typing } from "./typing.js";

/**
 * @import * as Api from "../client.d.ts"
 */

/**
 * What every part has of the others.
 * @typedef {{
 *   readonly client: Api.Client,
 *   readonly typing: Typing,
 *   readonly peer: () => string | null,
 *   readonly titleOf: (name: string) => string,
 *   readonly open: (name: string) => void,
 *   readonly leave: () => void,
 *   readonly showContact: (name: string) => void,
 *   readonly attempt: (promise: Promise<unknown>, told?: HTMLElement) => Promise<boolean>,
 *   readonly announce: (text: string) => void,
 *   readonly changed: () => void
 * }} Chat
 */

/** How long a failure is shown (ms). */
const TOAST_MS = 8000;

/** See the head of this file. */
export class App {
  #client;
  #panes = byId("panes", HTMLElement);
  #toast = byId("toast", HTMLElement);
  #announcer = byId("announce", HTMLElement);
  #toastTimer = 0;
  #planned = false;
  /** @type {string | null} */
  #peer = null;
  /** Whether going back in the browser's history leads to the list. */
  #pushed = false;

  /** @param {Api.Client} client */
  constructor(client) {
    this.#client = client;
    const typing = new Typing(() => this.#plan());
    /** @type {Chat} */
    const chat = {
      client,
      typing,
      peer: () => this.#peer,
      titleOf: (name) => client.contacts.get(name)?.label || name,
      open: (name) => this.#open(name),
      leave: () => this.#leave(),
      showContact: (name) => this.dialogs.showContact(name),
      attempt: (promise, told) => this.#attempt(promise, told),
      announce: (text) => this.#announce(text),
      changed: () => this.#plan(),
    };
    this.typing = typing;
    this.dialogs = new ContactDialogs(chat);
    this.people = new People(chat);
    this.talk = new Talk(chat);
    this.status = new OwnStatus(chat);
    this.settings = new Settings(chat);
    this.connection = new Connection(chat);
  }

  start() {
    const client = this.#client;
    const plan = () => this.#plan();
    client.on("message", (message) => {
      this.typing.stopped(message.with);
      this.talk.take(message);
      plan();
    });
    client.on("undelivered", (event) => {
      this.talk.undelivered(event);
      plan();
    });
    for (const event of /** @type {const} */ (["receipt", "read", "presence", "roster"])) {
      client.on(event, plan);
    }
    client.on("request", ({ from, pending }) => {
      if (pending) this.#announce(`${from} wants to be your contact`);
      plan();
    });
    client.on("signal", ({ from, type }) => {
      if (type === "typing") this.typing.started(from);
      else if (type === "paused") this.typing.stopped(from);
    });
    client.on("snapshot", ({ reset }) => {
      if (reset) this.talk.reset();
      plan();
    });
    client.on("status", () => {
      this.connection.render();
      plan();
    });
    client.on("error", (error) => {
      this.talk.refused(error);
      this.#tell(errorText(error));
    });
    addEventListener("popstate", () => this.#follow());
    this.#follow();
    if (this.#peer !== null) this.talk.focus();
  }

  /** Draws again, soon; several changes at once. */
  #plan() {
    if (this.#planned) return;
    this.#planned = true;
    setTimeout(() => {
      this.#planned = false;
      this.#render();
    });
  }

  #render() {
    this.#panes.dataset["pane"] = this.#peer === null ? "list" : "talk";
    this.status.render();
    this.people.render();
    this.talk.render();
    this.dialogs.render();
    this.settings.render();
    const unread = unreadOf(this.#client);
    document.title = unread === 0 ? "Roost" : `(${unread}) Roost`;
  }

  /** Shows the conversation that the address names. */
  #follow() {
    const [, name = ""] = /^#\/(.+)$/.exec(location.hash) ?? [];
    try {
      this.#peer = name === "" ? null : decodeURIComponent(name);
    } catch {
      this.#peer = null;
    }
    if (this.#peer === null) this.#pushed = false;
    this.talk.show(this.#peer);
    this.#render();
    if (this.#peer === null) this.people.focus();
  }

  /** @param {string} name */
  #open(name) {
    const address = `#/${encodeURIComponent(name)}`;
    if (this.#peer === null) {
      history.pushState(null, "", address);
      this.#pushed = true;
    } else history.replaceState(null, "", address);
    this.#follow();
    this.talk.focus();
  }

  #leave() {
    if (this.#pushed) return history.back();
    history.replaceState(null, "", location.pathname);
    this.#follow();
  }

  /**
   * Waits for something and tells of its failure, in an element or at the page's end. Whether it
   * went well.
   * @param {Promise<unknown>} promise
   * @param {HTMLElement} [told]
   */
  async #attempt(promise, told) {
    if (told !== undefined) setText(told, "");
    try {
      await promise;
      return true;
    } catch (error) {
      const text = errorText(error);
      if (told === undefined) this.#tell(text);
      else setText(told, text ?? "");
      return false;
    }
  }

  /** @param {string | null} text */
  #tell(text) {
    if (text === null) return;
    clearTimeout(this.#toastTimer);
    this.#toast.textContent = text;
    this.#toastTimer = setTimeout(() => this.#toast.textContent = "", TOAST_MS);
  }

  /** Says something to who does not see the page. @param {string} text */
  #announce(text) {
    this.#announcer.textContent = text;
  }
}
