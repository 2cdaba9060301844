// @ts-check
/** The chat of one who is signed in: what the client tells goes to the parts of the page. */
import { Alerts } from "./alerts.js";
import { Connection } from "./connection.js";
import { ContactDialogs, requestContact } from "./contact.js";
import { Drafts } from "./drafts.js";
import { byId, setText } from "./dom.js";
import { Favicon, showAppBadge } from "./favicon.js";
import { Idle } from "./idle.js";
import { Keys } from "./keys.js";
import { canBeName, normalName } from "./names.js";
import { People } from "./people_list.js";
import { unreadOf } from "./people.js";
import { Previews } from "./previews.js";
import { Push } from "./push.js";
import { oneLine } from "./rich_text.js";
import { Search } from "./search.js";
import { Settings } from "./settings.js";
import { OwnStatus } from "./status.js";
import { Talk } from "./talk.js";
import { errorText } from "./text.js";
import { t } from "./texts.js";
import { Typing } from "./typing.js";

/**
 * @import * as Api from "../client.d.ts"
 */

/**
 * What every part has of the others.
 * @typedef {{
 *   readonly client: Api.Client,
 *   readonly typing: Typing,
 *   readonly drafts: Drafts,
 *   readonly previews: Previews,
 *   readonly idle: Idle,
 *   readonly alerts: () => Alerts,
 *   readonly push: () => Push,
 *   readonly isSelf: (name: string) => boolean,
 *   readonly peer: () => string | null,
 *   readonly titleOf: (name: string) => string,
 *   readonly open: (name: string, seq?: number) => void,
 *   readonly leave: () => void,
 *   readonly showContact: (name: string) => void,
 *   readonly request: (name: string) => Promise<void>,
 *   readonly attempt: (promise: Promise<unknown>, told?: HTMLElement) => Promise<boolean>,
 *   readonly announce: (text: string) => void,
 *   readonly changed: () => void
 * }} Chat
 */

/** How long a failure is shown (ms). */
const TOAST_MS = 8000;
/** After so long it is said that something takes long (ms). */
const LATE_MS = 5000;

/** The state of an address that was opened from the list: going back leads there. */
const FROM_LIST = { fromList: true };

/** The address of a conversation. @param {string} name */
const addressOf = (name) => `#/${encodeURIComponent(name)}`;

/** See the head of this file. */
export class App {
  #client;
  #panes = byId("panes", HTMLElement);
  #toast = byId("toast", HTMLElement);
  #announcer = byId("announce", HTMLElement);
  #favicon = new Favicon();
  #toastTimer = 0;
  #planned = false;
  #ended = false;
  /** @type {string | null} */
  #peer = null;

  /**
   * @param {Api.Client} client
   * @param {Storage} storage where what belongs to the sign-in is kept
   */
  constructor(client, storage) {
    this.#client = client;
    const user = client.state.user ?? "";
    const typing = new Typing(() => this.#plan());
    this.drafts = new Drafts(storage, user);
    this.previews = new Previews(client, () => this.#plan());
    this.idle = new Idle({
      now: Date.now,
      storage,
      user,
      changed: () => this.status.tell(),
    });
    /** @type {Chat} */
    const chat = {
      client,
      typing,
      drafts: this.drafts,
      previews: this.previews,
      idle: this.idle,
      alerts: () => this.alerts,
      push: () => this.push,
      isSelf: (name) => name === user,
      peer: () => this.#peer,
      titleOf: (name) =>
        name === user ? t.common.notes : oneLine(client.contacts.get(name)?.label ?? "") || name,
      open: (name, seq) => this.#open(name, seq),
      leave: () => this.#leave(),
      showContact: (name) => this.dialogs.showContact(name),
      request: (name) => requestContact(client, name),
      attempt: (promise, told) => this.#attempt(promise, told),
      announce: (text) => this.#announce(text),
      changed: () => this.#plan(),
    };
    this.typing = typing;
    this.push = new Push(chat, storage);
    this.alerts = new Alerts(chat);
    this.dialogs = new ContactDialogs(chat);
    this.people = new People(chat);
    this.search = new Search(chat);
    this.talk = new Talk(chat);
    this.status = new OwnStatus(chat);
    this.settings = new Settings(chat);
    this.connection = new Connection(chat);
    new Keys({
      next: () => this.#step(1),
      previous: () => this.#step(-1),
      find: () => byId("find", HTMLInputElement).focus(),
      list: () => this.people.focusRow(),
      write: () => this.#peer === null ? undefined : this.talk.focus(),
      settings: () => this.settings.open(),
    });
  }

  /** Opens the conversation so many rows further in the list. @param {number} by */
  #step(by) {
    const name = this.people.nameAfter(by);
    if (name !== null) this.#open(name);
  }

  start() {
    const client = this.#client;
    const plan = () => this.#plan();
    client.on("message", (message) => {
      this.typing.stopped(message.with);
      this.previews.take(message);
      this.talk.take(message);
      this.alerts.message(message);
      plan();
    });
    client.on("change", (event) => {
      this.talk.change(event);
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
      if (pending) {
        this.#announce(t.requests.announce(from));
        this.alerts.request(from);
      }
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
    client.on("status", ({ status }) => {
      this.connection.render();
      if (status === "signed_out") return this.#end();
      // The domain is known: a name in the address may have it.
      if (status === "online") this.#follow();
      plan();
    });
    client.on("error", (error) => {
      this.talk.refused(error);
      this.#tell(errorText(error));
    });
    addEventListener("popstate", () => this.#follow());
    this.idle.start();
    this.push.resume();
    this.#follow();
    this.people.focus(true);
    if (this.#peer !== null) this.talk.focus();
  }

  /** Nobody is signed in any more: nothing is drawn again, and nothing of them stays. */
  #end() {
    this.#ended = true;
    this.drafts.clear();
    showAppBadge(0);
    this.push.forget().catch(() => {});
  }

  /** Draws again, soon; several changes at once. */
  #plan() {
    if (this.#planned || this.#ended) return;
    this.#planned = true;
    setTimeout(() => {
      this.#planned = false;
      this.#render();
    });
  }

  #render() {
    if (this.#ended) return;
    this.#panes.dataset["pane"] = this.#peer === null ? "list" : "talk";
    this.status.render();
    this.people.render();
    this.search.render();
    this.talk.render();
    this.dialogs.render();
    this.settings.render();
    this.previews.ask();
    const unread = unreadOf(this.#client);
    this.#favicon.show(unread);
    showAppBadge(unread);
    document.title = unread === 0 ? "Roost" : `(${unread}) Roost`;
  }

  /** Shows the conversation that the address names; the name is written as the server keeps it. */
  #follow() {
    if (this.#ended) return;
    const [, text = ""] = /^#\/(.+)$/.exec(location.hash) ?? [];
    const before = this.#peer;
    this.#peer = this.#nameIn(text);
    if (this.#peer !== null && text !== encodeURIComponent(this.#peer)) {
      history.replaceState(history.state, "", addressOf(this.#peer));
    }
    this.talk.show(this.#peer);
    this.#render();
    if (this.#peer === null && before !== null) this.people.focus();
  }

  /** @param {string} text a name in the address */
  #nameIn(text) {
    try {
      const name = normalName(decodeURIComponent(text), this.#client.state.domain);
      return canBeName(name) ? name : null;
    } catch {
      return null;
    }
  }

  /**
   * @param {string} name
   * @param {number} [seq] position of the message to show; absent: where reading goes on
   */
  #open(name, seq) {
    if (this.#peer === null) history.pushState(FROM_LIST, "", addressOf(name));
    else history.replaceState(history.state, "", addressOf(name));
    this.#follow();
    if (seq !== undefined && this.#peer === name) this.talk.showMessage(seq);
    this.talk.focus();
  }

  #leave() {
    if (history.state?.fromList === true) return history.back();
    history.replaceState(null, "", location.pathname + location.search);
    this.#follow();
  }

  /**
   * Waits for something and tells of its failure, in an element or at the page's end. Whether it
   * went well. What takes long over a connection, as where somebody's datacenter is away, goes on by
   * itself: that is said, and later what has become of it.
   * @param {Promise<unknown>} promise
   * @param {HTMLElement} [told]
   */
  #attempt(promise, told) {
    if (told !== undefined) setText(told, "");
    let late = false;
    /** @param {string | null} text */
    const tell = (text) => {
      if (late && told?.textContent === t.goesOn) setText(told, "");
      if (told === undefined || late) this.#tell(text);
      else setText(told, text ?? "");
    };
    return new Promise((/** @type {(done: boolean) => void} */ resolve) => {
      const timer = setTimeout(() => {
        // Without a connection the page says that already.
        if (this.#client.state.status !== "online") return;
        tell(t.goesOn);
        late = true;
        resolve(false);
      }, LATE_MS);
      promise.then(() => {
        if (late) tell(t.done);
        resolve(true);
      }, (error) => {
        tell(errorText(error));
        resolve(false);
      }).finally(() => clearTimeout(timer));
    });
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
