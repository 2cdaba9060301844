// @ts-check
/** The line that says when there is no connection. */
import { button, byId } from "./dom.js";
import { connectionText } from "./text.js";
import { homeLinks } from "./moved.js";
import { t } from "./texts.js";

/**
 * @import { Chat } from "./app.js"
 */

/** A connection that is back so soon is not worth a word (ms). */
const QUIET_MS = 700;
/** How long it is said that it is back (ms). */
const BACK_MS = 2500;

/** See the head of this file. */
export class Connection {
  #line = byId("connection", HTMLElement);
  #chat;
  #timer = 0;
  /** Whether the line says so soon: each try would put that off, and several may come in a second. */
  #waits = false;
  #asked = false;

  /** @param {Chat} chat */
  constructor(chat) {
    this.#chat = chat;
    for (const event of ["online", "offline"]) addEventListener(event, () => this.render());
  }

  render() {
    const { status } = this.#chat.client.state;
    const shown = this.#line.textContent !== "";
    const now = status === "online" || shown || status === "stopped" || !navigator.onLine;
    if (!now && this.#waits) return;
    clearTimeout(this.#timer);
    this.#waits = !now;
    if (status === "online") {
      if (shown) this.#show(t.connection.back);
      this.#timer = setTimeout(() => this.#show(""), shown ? BACK_MS : 0);
    } else if (now) this.#tell();
    else {
      this.#timer = setTimeout(() => {
        this.#waits = false;
        this.#tell();
      }, QUIET_MS);
    }
  }

  #tell() {
    const { client, attempt } = this.#chat;
    this.#show(connectionText(client.state, navigator.onLine));
    if (client.state.status !== "stopped") return;
    if (client.state.reason === "moved") return void this.#tellHome();
    this.#line.append(button(t.connection.here, () => attempt(client.signIn())));
  }

  /** The account has moved to where this page may not connect: the server is asked where that is. */
  async #tellHome() {
    if (this.#asked) return;
    this.#asked = true;
    const links = await this.#chat.client.signIn().then(() => [], homeLinks);
    for (const link of links) this.#line.append(" ", link);
    this.#asked = false;
  }

  /** @param {string} text */
  #show(text) {
    const said = this.#line.firstChild?.textContent ?? "";
    if (said !== text || this.#line.childElementCount > 0) this.#line.replaceChildren(text);
    this.#line.dataset["status"] = this.#chat.client.state.status;
  }
}
