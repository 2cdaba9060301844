// @ts-check
/** The account: devices, who may write, who is blocked, the password, and the way out. */
import { AlertSettings } from "./alert_settings.js";
import { ask } from "./ask.js";
import {
  bdi,
  button,
  byId,
  dialog,
  make,
  onSubmit,
  partsOf,
  setParts,
  setText,
  showList,
} from "./dom.js";
import { FactorsPart } from "./factors.js";
import { AWAY_MINUTES } from "./idle.js";
import { chooseLanguage, LANGUAGES } from "./language.js";
import { PushSettings } from "./push_settings.js";
import { revealPassword } from "./password_field.js";
import { oneLine } from "./rich_text.js";
import { SERVER } from "./server.js";
import { errorText, passwordFault, passwordRule, signOutText, sinceText } from "./text.js";
import { t } from "./texts.js";

/**
 * @import * as Api from "../client.d.ts"
 * @import { Chat } from "./app.js"
 */

/** How long a sign-out waits for the end of push messages in this browser (ms). */
const PUSH_MS = 2000;

/** See the head of this file. */
export class Settings {
  #dialog = dialog("settings-dialog");
  #devices = byId("devices", HTMLElement);
  #blocked = byId("blocked", HTMLElement);
  #error = byId("settings-error", HTMLElement);
  #told = byId("password-told", HTMLElement);
  #away = byId("away-after", HTMLSelectElement);
  #language = byId("language", HTMLSelectElement);
  #lengthMin = 1;
  #alerts;
  #push;
  #factors;
  #chat;

  /** @param {Chat} chat */
  constructor(chat) {
    this.#chat = chat;
    this.#alerts = new AlertSettings(chat.alerts());
    this.#push = new PushSettings(chat.push());
    this.#factors = new FactorsPart(chat.client);
    byId("settings-open", HTMLElement).addEventListener("click", () => this.open());
    for (const input of this.#dialog.querySelectorAll("input")) {
      if (input.type === "radio") {
        input.addEventListener("change", () => this.#setFrom(input.value));
      }
    }
    for (const minutes of AWAY_MINUTES) {
      const text = minutes === 0 ? t.settings.awayNever : t.settings.awayMinutes(minutes);
      this.#away.append(make("option", { value: minutes }, text));
    }
    this.#away.addEventListener("change", () => {
      const minutes = AWAY_MINUTES.find((each) => String(each) === this.#away.value);
      chat.idle.minutes = minutes ?? chat.idle.minutes;
    });
    for (const [language, name] of Object.entries(LANGUAGES)) {
      this.#language.append(make("option", { value: language, lang: language }, name));
    }
    this.#language.value = t.language;
    this.#language.addEventListener("change", () => {
      chooseLanguage(this.#language.value);
      location.reload();
    });
    revealPassword("password-new", "password-show");
    onSubmit(byId("password-form", HTMLFormElement), () => this.#changePassword());
    byId("sign-out", HTMLElement).addEventListener("click", () => this.#signOut());
  }

  /** Shows the settings. */
  open() {
    const { user, domain } = this.#chat.client.state;
    setParts(byId("settings-who", HTMLElement), partsOf(t.settings.who, bdi(`${user}@${domain}`)));
    this.#alerts.show();
    this.#push.show();
    this.#away.value = String(this.#chat.idle.minutes);
    byId("password-user", HTMLInputElement).value = user ?? "";
    for (const element of [this.#error, this.#told]) setText(element, "");
    this.#dialog.showModal();
    this.render();
    this.#loadDevices();
    this.#factors.load();
    this.#loadRule();
  }

  async #loadRule() {
    try {
      const { passwordLengthMin } = await (await fetch(new URL("v1/info", SERVER))).json();
      if (typeof passwordLengthMin === "number") this.#lengthMin = passwordLengthMin;
    } catch {
      // Then the server says it when the password is changed.
    }
    const rule = passwordRule(this.#lengthMin);
    const text = t.settings.passwordHelp;
    setText(byId("password-help", HTMLElement), rule === "" ? text : `${rule} ${text}`);
  }

  async #loadDevices() {
    const { client } = this.#chat;
    if (this.#devices.childElementCount === 0) setText(this.#devices, t.common.loading);
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
    const since = sinceText(createdAt, Date.now());
    const state = own
      ? t.settings.deviceOwn
      : online
      ? t.settings.deviceOnline
      : t.settings.deviceOffline;
    const text = make(
      "span",
      { class: "lines" },
      make("bdi", {}, oneLine(label) || device),
      make("span", { class: "quiet" }, state(since)),
    );
    const end = async () => {
      if (await attempt(client.revoke(device), this.#error)) await this.#loadDevices();
    };
    const name = t.settings.signOutDevice(oneLine(label) || device);
    return make(
      "li",
      {},
      text,
      ...own ? [] : [button(t.settings.signOut, end, { "aria-label": name })],
    );
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
    setText(this.#told, passwordFault(wanted.value, this.#lengthMin) ?? "");
    setText(this.#error, "");
    if (this.#told.textContent !== "") return wanted.focus();
    try {
      await client.changePassword({ old: old.value, new: wanted.value });
      form.reset();
      setText(this.#told, t.settings.passwordDone);
      await this.#loadDevices();
    } catch (error) {
      const { code } = /** @type {Api.RoostError} */ (error);
      const wrong = code === "unauthorized" || code === "forbidden";
      setText(this.#told, wrong ? t.settings.passwordWrong : errorText(error) ?? "");
      old.focus();
    }
  }

  async #signOut() {
    const { client, drafts, titleOf } = this.#chat;
    const { status, expiresAt } = client.state;
    const online = status === "online" && navigator.onLine;
    const { pending } = client;
    const text = signOutText({
      online,
      waiting: pending.length,
      drafts: drafts.peers.length,
      expiresAt,
    });
    const unsent = pending.map(({ to, body }) => ({ to: titleOf(to), body: oneLine(body) }));
    const question = { title: t.signOut.title, text, unsent, action: t.settings.signOut };
    if (text.length > 0 && !await ask(question)) return;
    // Before the page is loaded again; a browser that takes long does not hold the sign-out up.
    const late = new Promise((resolve) => setTimeout(resolve, PUSH_MS));
    await Promise.race([this.#chat.push().forget().catch(() => {}), late]);
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
          bdi(name),
          button(t.common.unblock, () => attempt(client.unblock(name), this.#error), {
            "aria-label": t.settings.unblockName(name),
          }),
        ),
      update: () => {},
    });
  }
}
