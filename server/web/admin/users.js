// @ts-check
/** Users: finding them, looking at one, and what can be done about one. */
import {
  bdi,
  button,
  byId,
  dialog,
  make,
  onSubmit,
  setParts,
  setText,
  showList,
} from "../chat/dom.js";
import { oneLine } from "../chat/rich_text.js";
import { Refusal } from "./api.js";
import { confirm } from "./confirm.js";
import { counted, countText, dateText, refusalText } from "./text.js";

/** @import { Api, Device, User } from "./api.js" */

const PAGE = 50;

const STATE_TEXTS = /** @type {const} */ ({
  active: "Active",
  disabled: "Disabled",
  deleted: "Removed",
  importing: "Importing",
});

/** @param {string} state */
function stateText(state) {
  return Object.entries(STATE_TEXTS).find(([key]) => key === state)?.[1] ?? state;
}

/**
 * What is done after a question. @typedef {{ label: string, title: readonly (string |
 * HTMLElement)[], text: string, action: string, run: () => Promise<void> }} Deed
 */

/** See the head of this file. */
export class UserView {
  #api;
  #table = byId("user-table", HTMLTableElement);
  #told = byId("users-told", HTMLElement);
  #error = byId("users-error", HTMLElement);
  #more = byId("users-more", HTMLButtonElement);
  #find = byId("find-text", HTMLInputElement);
  #synthetic = byId("find-synthetic", HTMLInputElement);
  #state = byId("find-state", HTMLSelectElement);
  #dialog = dialog("user-dialog");
  #dialogError = byId("user-error", HTMLElement);
  #newDialog = dialog("new-user-dialog");
  /** @type {User[]} */
  #users = [];
  /** @type {string | null} */
  #next = null;
  /** Users on all pages, where it is known. @type {number | null} */
  #total = null;
  /** Number of the newest question: answers to older ones come too late. */
  #asked = 0;

  /** @param {Api} api */
  constructor(api) {
    this.#api = api;
    onSubmit(byId("find", HTMLFormElement), () => this.load());
    this.#find.addEventListener("search", () => this.load());
    this.#synthetic.addEventListener("change", () => this.load());
    this.#state.addEventListener("change", () => this.load());
    this.#more.addEventListener("click", () => this.#page(false));
    byId("add-user", HTMLElement).addEventListener("click", () => this.#openNew());
    onSubmit(byId("new-user", HTMLFormElement), () => this.#addUser());
  }

  /** Shows the first page. */
  load() {
    return this.#page(true);
  }

  /** @param {boolean} first */
  async #page(first) {
    const asked = ++this.#asked;
    const match = this.#find.value.trim();
    try {
      const { accounts, next, total, missing } = await this.#api.users({
        match,
        state: this.#state.value,
        synthetic: this.#synthetic.checked,
        after: first ? null : this.#next,
        limit: PAGE,
      });
      if (asked !== this.#asked) return;
      this.#users = first ? accounts : [...this.#users, ...accounts];
      this.#next = next;
      this.#total = total;
      // A list without the users of a node is no whole list.
      const lacks = missing.map(({ node, why }) => `Node ${node} is missing here: ${why}.`);
      setText(this.#error, lacks.join(" "));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return setText(this.#error, refusalText(error));
    }
    this.#render(match);
  }

  /** @param {string} match */
  #render(match) {
    const { length } = this.#users;
    const which = match === "" ? [] : [" with “", bdi(match), "” in the name"];
    const whole = this.#next === null;
    const all = this.#total === null ? "more" : countText(this.#total);
    const shown = whole ? counted(length, "user") : `${countText(length)} of ${all} users`;
    const told = length === 0 && whole ? "There is no user" : shown;
    setParts(this.#told, [told, ...which, "."]);
    this.#more.hidden = whole;
    const body = this.#table.tBodies[0];
    if (body === undefined) return;
    this.#table.hidden = length === 0;
    showList(body, this.#users, {
      key: ({ name }) => name,
      make: (user) => this.#makeRow(user),
      update: (row, user) => this.#updateRow(row, user),
    });
  }

  /** @param {User} user */
  #makeRow({ name }) {
    const row = make(
      "tr",
      {},
      make("th", { scope: "row" }, bdi(name)),
      make("td", {}, make("span", { class: "badge" })),
    );
    for (const wide of [false, true, true, true]) {
      row.append(make("td", { class: wide ? "number wide" : "number" }));
    }
    const open = button("Manage", () => this.#open(name), { "aria-label": `Manage ${name}` });
    row.append(make("td", { class: "wide" }), make("td", { class: "number" }, open));
    return row;
  }

  /** @param {HTMLElement} row @param {User} user */
  #updateRow(row, user) {
    const badge = row.querySelector(".badge");
    if (badge instanceof HTMLElement) {
      setText(badge, stateText(user.state));
      badge.dataset["state"] = user.state;
    }
    const texts = [user.sessions, user.devices, user.contacts, user.events].map(countText);
    [...texts, dateText(user.createdAt).slice(0, 10)].forEach((text, i) => {
      const cell = row.children[i + 2];
      if (cell !== undefined) setText(cell, text);
    });
  }

  // ---- one user

  /** @param {string} name */
  async #open(name) {
    byId("user-name", HTMLElement).replaceChildren(bdi(name));
    byId("user-devices", HTMLElement).replaceChildren();
    byId("user-actions", HTMLElement).replaceChildren();
    byId("user-facts", HTMLElement).replaceChildren();
    setText(this.#dialogError, "");
    this.#dialog.showModal();
    await this.#show(name);
  }

  /** @param {string} name */
  async #show(name) {
    try {
      const [user, devices] = await Promise.all([this.#api.user(name), this.#api.devices(name)]);
      this.#users = this.#users.map((known) => known.name === name ? user : known);
      this.#render(this.#find.value.trim());
      this.#showFacts(user);
      this.#showDevices(user, devices);
      const actions = this.#deeds(user).map((deed) => {
        const kind = deed.action === "Remove" ? "danger for-operator" : "for-operator";
        return button(deed.label, () => this.#do(name, deed), { class: kind });
      });
      byId("user-actions", HTMLElement).replaceChildren(...actions);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      setText(this.#dialogError, refusalText(error));
    }
  }

  /** @param {User} user */
  #showFacts(user) {
    const facts = /** @type {const} */ ([
      ["State", stateText(user.state)],
      ["Since", dateText(user.createdAt)],
      ["Sessions now", countText(user.sessions)],
      ["Contacts", countText(user.contacts)],
      ["Events kept", countText(user.events)],
    ]);
    byId("user-facts", HTMLElement).replaceChildren(
      ...facts.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))),
    );
  }

  /** @param {User} user @param {readonly Device[]} devices */
  #showDevices({ name }, devices) {
    const items = devices.map((device) => {
      const label = oneLine(device.label) || device.device;
      const end = {
        label: "Sign out",
        title: ["Sign “", bdi(label), "” of ", bdi(name), " out?"],
        text: "Its session ends, and it needs the password to return.",
        action: "Sign out",
        run: () => this.#api.endDevice(name, device.device),
      };
      const about =
        `${device.online ? "Online" : "Offline"} · since ${
          dateText(device.createdAt).slice(0, 10)
        }` +
        ` · until ${dateText(device.expiresAt).slice(0, 10)}`;
      return make(
        "li",
        {},
        make(
          "span",
          { class: "lines" },
          make("strong", {}, bdi(label)),
          make("span", { class: "quiet" }, about),
        ),
        button("Sign out", () => this.#do(name, end), {
          "aria-label": `Sign out ${label}`,
          class: "for-operator",
        }),
      );
    });
    const none = make("li", { class: "quiet" }, "None is signed in.");
    byId("user-devices", HTMLElement).replaceChildren(...(items.length === 0 ? [none] : items));
  }

  /** What can be done about a user. @param {User} user @returns {readonly Deed[]} */
  #deeds({ name, state }) {
    const api = this.#api;
    const signOut = {
      label: "Sign out everywhere …",
      title: ["Sign ", bdi(name), " out everywhere?"],
      text: "All sessions end at once, and every device needs the password to return.",
      action: "Sign out",
      run: () => api.change(name, "sign-out"),
    };
    const disable = {
      label: "Disable …",
      title: ["Disable ", bdi(name), "?"],
      text: "All sessions end at once and nobody can sign in. What is sent to the account is kept.",
      action: "Disable",
      run: () => api.change(name, "disable"),
    };
    const enable = {
      label: "Enable …",
      title: ["Enable ", bdi(name), "?"],
      text: "The account can be signed in to again, with the same password and devices.",
      action: "Enable",
      run: () => api.change(name, "enable"),
    };
    const remove = {
      label: "Remove …",
      title: ["Remove ", bdi(name), " for ever?"],
      text: "The account and all it holds are deleted; nothing brings them back. The name stays " +
        "closed, so that nobody can take it over.",
      action: "Remove",
      run: () => api.removeUser(name),
    };
    const release = {
      label: "Release the name …",
      title: ["Release the name ", bdi(name), "?"],
      text: "Anybody can register it then, and be taken for who had it before.",
      action: "Release",
      run: () => api.change(name, "release"),
    };
    if (state === "active") return [signOut, disable, remove];
    if (state === "disabled") return [enable, remove];
    return state === "deleted" ? [release] : [];
  }

  /** @param {string} name @param {Deed} deed */
  async #do(name, { title, text, action, run }) {
    setText(this.#dialogError, "");
    if (!await confirm({ title, text, action })) return;
    try {
      await run();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return setText(this.#dialogError, refusalText(error));
    }
    if (action !== "Release") return await this.#show(name);
    this.#dialog.close();
    await this.load();
  }

  // ---- a new one

  #openNew() {
    byId("new-user", HTMLFormElement).reset();
    setText(byId("new-user-error", HTMLElement), "");
    this.#newDialog.showModal();
    byId("new-user-name", HTMLElement).focus();
  }

  async #addUser() {
    const name = byId("new-user-name", HTMLInputElement).value;
    const password = byId("new-user-password", HTMLInputElement).value;
    try {
      await this.#api.addUser(name, password);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return setText(byId("new-user-error", HTMLElement), refusalText(error));
    }
    byId("new-user", HTMLFormElement).reset();
    this.#newDialog.close();
    await this.load();
  }
}
