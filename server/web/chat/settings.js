// @ts-check
/** The account: devices, who may write, who is blocked, the password, and the way out. */
import { button, byId, dialog, make, onSubmit, setText, showList } from "./dom.js";
import { dayText, errorText } from "./text.js";

/**
 * @import * as Api from "../client.d.ts"
 * @import { Chat } from "./app.js"
 */

/** See the head of this file. */
export class Settings {
  #dialog = dialog("settings-dialog");
  #devices = byId("devices", HTMLElement);
  #blocked = byId("blocked", HTMLElement);
  #error = byId("settings-error", HTMLElement);
  #told = byId("password-told", HTMLElement);
  #chat;

  /** @param {Chat} chat */
  constructor(chat) {
    this.#chat = chat;
    byId("settings-open", HTMLElement).addEventListener("click", () => this.#open());
    for (const input of this.#dialog.querySelectorAll("input")) {
      if (input.type === "radio") {
        input.addEventListener("change", () => this.#setFrom(input.value));
      }
    }
    onSubmit(byId("password-form", HTMLFormElement), () => this.#changePassword());
    byId("sign-out", HTMLElement).addEventListener("click", () => this.#signOut());
  }

  #open() {
    const { user, domain } = this.#chat.client.state;
    setText(byId("settings-who", HTMLElement), `Signed in as ${user}@${domain}`);
    byId("password-user", HTMLInputElement).value = user ?? "";
    for (const element of [this.#error, this.#told]) setText(element, "");
    this.#dialog.showModal();
    this.render();
    this.#loadDevices();
  }

  async #loadDevices() {
    const { client } = this.#chat;
    if (this.#devices.childElementCount === 0) setText(this.#devices, "Loading …");
    try {
      const devices = await client.devices();
      if (this.#devices.childElementCount === 0) setText(this.#devices, "");
      const own = client.state.device;
      const sorted = [...devices].sort((a, b) =>
        Number(b.device === own) - Number(a.device === own) || b.createdAt - a.createdAt
      );
      // Whether one is online is part of what is shown.
      showList(this.#devices, sorted, {
        key: ({ device, online }) => `${device} ${online}`,
        make: (device) => this.#makeDevice(device, device.device === own),
        update: () => {},
      });
    } catch (error) {
      setText(this.#devices, "");
      setText(this.#error, errorText(error) ?? "");
    }
  }

  /**
   * @param {Api.Device} device
   * @param {boolean} own
   */
  #makeDevice({ device, label, createdAt, online }, own) {
    const { client, attempt } = this.#chat;
    const now = own ? "this one" : online ? "online" : "offline";
    const since = dayText(createdAt, Date.now()).toLowerCase() === "today"
      ? "since today"
      : `since ${dayText(createdAt, Date.now())}`;
    const text = make(
      "span",
      { class: "lines" },
      make("span", {}, label || device),
      make("span", { class: "quiet" }, `${now}, ${since}`),
    );
    const end = async () => {
      if (await attempt(client.revoke(device), this.#error)) await this.#loadDevices();
    };
    const name = `Sign out ${label || device}`;
    return make("li", {}, text, ...own ? [] : [button("Sign out", end, { "aria-label": name })]);
  }

  /** @param {string} value */
  async #setFrom(value) {
    const { client, attempt } = this.#chat;
    const from = value === "contacts" ? "contacts" : "anyone";
    await attempt(client.setMessagesFrom(from), this.#error);
    this.render();
  }

  async #changePassword() {
    const form = byId("password-form", HTMLFormElement);
    const old = byId("password-old", HTMLInputElement);
    const wanted = byId("password-new", HTMLInputElement);
    const { client } = this.#chat;
    setText(this.#told, "");
    setText(this.#error, "");
    try {
      await client.changePassword({ old: old.value, new: wanted.value });
      form.reset();
      setText(this.#told, "The password was changed.");
      await this.#loadDevices();
    } catch (error) {
      const { code } = /** @type {Api.RoostError} */ (error);
      const wrong = code === "unauthorized" || code === "forbidden";
      setText(this.#told, wrong ? "The password you have now is another." : errorText(error) ?? "");
      old.focus();
    }
  }

  async #signOut() {
    const { client } = this.#chat;
    const waiting = client.pending.length;
    const question = `${waiting} unsent ${waiting === 1 ? "message" : "messages"} will be lost.`;
    if (waiting > 0 && !confirm(`Sign out? ${question}`)) return;
    await client.signOut();
  }

  render() {
    if (!this.#dialog.open) return;
    const { client, attempt } = this.#chat;
    for (const input of this.#dialog.querySelectorAll("input")) {
      if (input.type === "radio") input.checked = input.value === client.messagesFrom;
    }
    const names = [...client.blocked].sort();
    byId("blocked-part", HTMLElement).hidden = names.length === 0;
    showList(this.#blocked, names, {
      key: (name) => name,
      make: (name) =>
        make(
          "li",
          {},
          make("span", {}, name),
          button("Unblock", () => attempt(client.unblock(name), this.#error), {
            "aria-label": `Unblock ${name}`,
          }),
        ),
      update: () => {},
    });
  }
}
