// @ts-check
/** Invites: making one, which there are, and ending one. */
import { button, byId, dialog, make, setText, showList } from "../chat/dom.js";
import { Refusal } from "./api.js";
import { confirm } from "./confirm.js";
import { dateText, refusalText } from "./text.js";

/** @import { Api, Invite } from "./api.js" */

/** Characters of an id that tell invites apart. */
const ID_CHARS = 6;

/** See the head of this file. */
export class InviteView {
  #api;
  #table = byId("invite-table", HTMLTableElement);
  #none = byId("invites-none", HTMLElement);
  #error = byId("invites-error", HTMLElement);
  #dialog = dialog("invite-dialog");
  #code = byId("invite-code", HTMLElement);
  #copied = byId("invite-copied", HTMLElement);

  /** @param {Api} api */
  constructor(api) {
    this.#api = api;
    byId("add-invite", HTMLElement).addEventListener("click", () => this.#create());
    byId("invite-copy", HTMLElement).addEventListener("click", () => this.#copy());
    // What was shown once is not to be found in the page any more.
    this.#dialog.addEventListener("close", () => setText(this.#code, ""));
  }

  async load() {
    await this.#told(async () => this.#render(await this.#api.invites()));
  }

  /** Runs what may be refused, and tells the refusal. @param {() => Promise<void>} run */
  async #told(run) {
    try {
      setText(this.#error, "");
      await run();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      setText(this.#error, refusalText(error));
    }
  }

  /** @param {readonly Invite[]} invites */
  #render(invites) {
    const body = this.#table.tBodies[0];
    if (body === undefined) return;
    this.#table.hidden = invites.length === 0;
    setText(this.#none, invites.length === 0 ? "There are no invites." : "");
    showList(body, invites, {
      key: ({ id, state }) => `${id} ${state}`,
      make: (invite) => this.#makeRow(invite),
      update: () => {},
    });
  }

  /** @param {Invite} invite */
  #makeRow({ id, state, usedBy, createdAt, expiresAt }) {
    // A name may be long and without a place to break.
    const told = usedBy !== null
      ? ["Used by ", make("bdi", {}, usedBy)]
      : [state.replace(/^./, (c) => c.toUpperCase())];
    const short = id.slice(0, ID_CHARS);
    const revoke = state !== "open" ? "" : button("Revoke", () => this.#revoke(id), {
      "aria-label": `Revoke invite ${short}`,
      class: "for-operator",
    });
    return make(
      "tr",
      {},
      make("th", { scope: "row" }, make("code", { title: id }, short)),
      make("td", {}, make("span", { class: "badge", "data-state": state }, ...told)),
      make("td", { class: "wide" }, dateText(createdAt)),
      make(
        "td",
        {},
        make("time", { title: dateText(expiresAt) }, dateText(expiresAt).slice(0, 10)),
      ),
      make("td", { class: "number" }, revoke),
    );
  }

  async #create() {
    await this.#told(async () => {
      const { code, expiresAt, link } = await this.#api.createInvite();
      // Where the public address is known, a link is easier to give away.
      setText(this.#code, link ?? code);
      const what = link === undefined ? "code" : "link";
      setText(
        byId("invite-what", HTMLElement),
        `Give this ${what} to one person. It is not shown again.`,
      );
      setText(
        byId("invite-until", HTMLElement),
        `It is valid for one account until ${dateText(expiresAt)}.`,
      );
      setText(this.#copied, "");
      this.#dialog.showModal();
      await this.load();
    });
  }

  async #copy() {
    try {
      await navigator.clipboard.writeText(this.#code.textContent ?? "");
      setText(this.#copied, "Copied.");
    } catch {
      // Some browsers do not allow it: then it can be selected.
      getSelection()?.selectAllChildren(this.#code);
      setText(this.#copied, "Selected: copy it yourself.");
    }
  }

  /** @param {string} id */
  async #revoke(id) {
    const yes = await confirm({
      title: [`Revoke invite ${id.slice(0, ID_CHARS)}?`],
      text: "Nobody can register with its code any more.",
      action: "Revoke",
    });
    if (!yes) return;
    await this.#told(async () => {
      try {
        await this.#api.revokeInvite(id);
      } finally {
        this.#render(await this.#api.invites());
      }
    });
  }
}
