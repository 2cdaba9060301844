// @ts-check
/** One's own status: shown above the list, set in a dialog, and kept in this browser. */
import { byId, dialog, make, onSubmit, setAttributes, setText } from "./dom.js";
import { hueOf, initials, showText } from "./text.js";
import { t } from "./texts.js";

/**
 * @import * as Api from "../client.d.ts"
 * @import { Chat } from "./app.js"
 */

/** @typedef {{ show: Api.Show | "invisible", status: string }} Own */

/** @type {readonly Own["show"][]} */
const SHOWS = ["online", "chat", "away", "xa", "dnd", "invisible"];

/** @param {Own["show"]} show */
const textOf = (show) => show === "invisible" ? t.shows.invisible : showText(show);

/** @param {Chat} chat */
const keptAt = ({ client }) => `roost chat status ${client.state.user}`;

/**
 * @param {Chat} chat
 * @returns {Own}
 */
function readKept(chat) {
  try {
    const { show, status } = JSON.parse(localStorage.getItem(keptAt(chat)) ?? "{}");
    return {
      show: SHOWS.includes(show) ? show : "online",
      status: typeof status === "string" ? status : "",
    };
  } catch {
    return { show: "online", status: "" };
  }
}

/** See the head of this file. */
export class OwnStatus {
  #dialog = dialog("status-dialog");
  #form = byId("status-form", HTMLFormElement);
  #text = byId("status-text", HTMLInputElement);
  #error = byId("status-error", HTMLElement);
  #chat;
  #own;

  /** @param {Chat} chat */
  constructor(chat) {
    this.#chat = chat;
    this.#own = readKept(chat);
    for (const show of SHOWS) {
      const input = make("input", { type: "radio", name: "show", value: show });
      const dot = make("span", {
        class: "dot",
        "data-show": show === "invisible" ? "offline" : show,
      });
      byId("shows", HTMLElement).append(
        make("label", { class: "check" }, input, dot, textOf(show)),
      );
    }
    byId("own", HTMLElement).addEventListener("click", () => this.#open());
    onSubmit(this.#form, () => this.#submit());
    // What the server got last may be of a time when nobody was here.
    chat.attempt(this.#tell());
  }

  /** What others see: away instead of online where nobody has been here for a while. */
  get #shown() {
    const { show } = this.#own;
    return this.#chat.idle.idle && (show === "online" || show === "chat") ? "away" : show;
  }

  /** Tells the server. */
  #tell() {
    const show = this.#shown;
    const { status } = this.#own;
    return this.#chat.client.setPresence(show === "invisible" ? null : { show, status });
  }

  /** Tells the server that somebody has left or is back; without a connection later. */
  tell() {
    this.#tell().catch(() => {});
    this.#chat.changed();
  }

  #open() {
    const { show, status } = this.#own;
    for (const input of this.#form.querySelectorAll("input")) {
      if (input.type === "radio") input.checked = input.value === show;
    }
    this.#text.value = status;
    setText(this.#error, "");
    this.#dialog.showModal();
    /** @type {HTMLElement | null} */ (this.#form.querySelector("input:checked"))?.focus();
  }

  async #submit() {
    const show = /** @type {Own["show"]} */ (new FormData(this.#form).get("show") ?? "online");
    this.#own = { show, status: this.#text.value.trim() };
    try {
      localStorage.setItem(keptAt(this.#chat), JSON.stringify(this.#own));
    } catch {
      // Then it is forgotten with the page.
    }
    this.render();
    const told = this.#tell();
    // Without a connection it is sent with the next one.
    if (this.#chat.client.state.status !== "online") {
      told.catch(() => {});
      return this.#dialog.close();
    }
    if (await this.#chat.attempt(told, this.#error)) this.#dialog.close();
  }

  render() {
    const { user, status: link } = this.#chat.client.state;
    const show = this.#shown;
    const { status } = this.#own;
    const name = user ?? "";
    setText(byId("own-name", HTMLElement), name);
    const badge = byId("own-badge", HTMLElement);
    setText(byId("own-initials", HTMLElement), initials(name));
    badge.className = `badge hue-${hueOf(name)}`;
    const off = link !== "online" || show === "invisible";
    setAttributes(byId("own-dot", HTMLElement), { "data-show": off ? "offline" : show });
    const text = link === "online" ? status || textOf(show) : t.status.notConnected;
    setText(byId("own-line", HTMLElement), text);
  }
}
