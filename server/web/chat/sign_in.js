// @ts-check
/** The form to sign in and up. */
import { byId, onSubmit, setText } from "./dom.js";
import { issuerButtons, issuersOf } from "./issuers.js";
import { homeLinks } from "./moved.js";
import { hasPasskeys, passkeyButton, passkeyErrorText } from "./passkeys.js";
import { nameFault } from "./names.js";
import { revealPassword } from "./password_field.js";
import { SERVER } from "./server.js";
import { passwordFault, passwordRule, signInErrorText } from "./text.js";
import { t } from "./texts.js";

/**
 * @typedef {(
 *   account: { user: string, password: string, invite?: string, plain?: boolean },
 *   how: { isNew: boolean, remember: boolean }
 * ) => Promise<void>} Run
 */

/** See the head of this file. */
export class SignIn {
  #form = byId("sign-in", HTMLFormElement);
  #title = byId("sign-in-title", HTMLElement);
  #domain = byId("sign-in-domain", HTMLElement);
  #user = byId("user", HTMLInputElement);
  #password = byId("password", HTMLInputElement);
  #inviteRow = byId("invite-row", HTMLElement);
  #invite = byId("invite", HTMLInputElement);
  #remember = byId("remember", HTMLInputElement);
  #rule = byId("password-rule", HTMLElement);
  #error = byId("sign-in-error", HTMLElement);
  #go = byId("sign-in-go", HTMLButtonElement);
  #switch = byId("sign-in-switch", HTMLButtonElement);
  #options;
  #passkey;
  #isNew = false;
  /** @type {"open" | "invite" | "closed"} */
  #registration = "open";
  #lengthMin = 1;
  /** @type {string | null} */
  #domainName = null;
  /** A directory checks passwords: they have to be sent. */
  #plain = false;
  /** Somebody is signed in: the form says nothing of the network any more. */
  #left = new AbortController();

  /**
   * @param {{
   *   remember: boolean, told: string, invite: string | null, run: Run,
   *   runPasskey: (remember: boolean, signal: AbortSignal) => Promise<void>
   * }} options
   */
  constructor(options) {
    this.#options = options;
    this.#passkey = passkeyButton("passkey-go", {
      enter: () => this.#byPasskey(),
      failed: (error) => {
        setText(this.#error, error === null ? "" : passkeyErrorText(error));
        for (const link of homeLinks(error)) this.#error.append(" ", link);
      },
    });
  }

  start() {
    const { remember, told, invite } = this.#options;
    if (invite !== null) {
      this.#isNew = true;
      this.#invite.value = invite;
    }
    revealPassword("password", "password-reveal");
    byId("remember-row", HTMLElement).hidden = !remember;
    if (!remember) this.#remember.checked = false;
    this.#switch.addEventListener("click", () => {
      this.#isNew = !this.#isNew;
      setText(this.#error, "");
      this.#show();
      this.#user.focus();
    });
    onSubmit(this.#form, () => this.#submit());
    setText(this.#error, told);
    this.#show();
    this.#user.focus();
    const { signal } = this.#left;
    for (const event of ["online", "offline"]) {
      addEventListener(event, () => this.#tellNetwork(), { signal });
    }
    this.#tellNetwork();
    if (hasPasskeys()) this.#go.after(this.#passkey);
    this.#askServer();
  }

  /** Says that there is no network, and takes that back. */
  #tellNetwork() {
    if (!navigator.onLine) setText(this.#error, t.start.offlineForm);
    else if (this.#error.textContent === t.start.offlineForm) {
      setText(this.#error, "");
      this.#askServer();
    }
  }

  async #askServer() {
    try {
      const response = await fetch(new URL("v1/info", SERVER));
      const told = await response.json();
      const { domain, registration, passwordLengthMin } = told;
      if (typeof domain === "string") this.#domainName = domain;
      setText(this.#domain, this.#domainName ?? "");
      if (typeof passwordLengthMin === "number") this.#lengthMin = passwordLengthMin;
      this.#registration = registration;
      this.#plain = told.directory === true;
      const issuers = issuersOf(told.issuers);
      if (issuers.length > 0) this.#offer(issuers);
      this.#show();
    } catch {
      // Submitting the form fails, and says so.
    }
  }

  /** @param {ReturnType<typeof issuersOf>} issuers */
  #offer(issuers) {
    const failed = (/** @type {string} */ text) => setText(this.#error, text);
    const remember = () => this.#remember.checked;
    this.#switch.after(issuerButtons(issuers, { failed, remember }));
  }

  #show() {
    const isNew = this.#isNew;
    setText(this.#title, isNew ? t.signIn.titleNew : t.signIn.title);
    setText(this.#go, isNew ? t.signIn.goNew : t.signIn.go);
    setText(this.#switch, isNew ? t.signIn.toOld : t.signIn.toNew);
    this.#passkey.hidden = isNew;
    this.#switch.hidden = this.#registration === "closed";
    this.#password.autocomplete = isNew ? "new-password" : "current-password";
    const rule = isNew ? passwordRule(this.#lengthMin) : "";
    setText(this.#rule, rule);
    const invited = isNew && this.#registration === "invite";
    this.#inviteRow.hidden = !invited;
    this.#invite.required = invited;
  }

  /** What is wrong with a new account before the server is asked. */
  #fault() {
    if (!this.#isNew) return null;
    const name = nameFault(this.#user.value, this.#domainName);
    if (name !== null) {
      this.#user.focus();
      return name;
    }
    const password = passwordFault(this.#password.value, this.#lengthMin);
    if (password !== null) this.#password.focus();
    return password;
  }

  async #byPasskey() {
    await this.#options.runPasskey(this.#remember.checked, this.#left.signal);
    this.#left.abort();
    this.#form.reset();
  }

  async #submit() {
    setText(this.#error, this.#fault() ?? "");
    if (this.#error.textContent !== "") return;
    const label = this.#go.textContent ?? "";
    setText(this.#go, t.start.wait);
    const invite = this.#invite.required ? { invite: this.#invite.value.trim() } : {};
    const account = { user: this.#user.value.trim(), password: this.#password.value, ...invite };
    const plain = !this.#isNew && this.#plain ? { plain: true } : {};
    try {
      const how = { isNew: this.#isNew, remember: this.#remember.checked };
      await this.#options.run({ ...account, ...plain }, how);
      this.#left.abort();
      this.#form.reset();
    } catch (error) {
      const how = { isNew: this.#isNew, invited: this.#invite.required };
      setText(this.#error, signInErrorText(error, how));
      for (const link of homeLinks(error)) this.#error.append(" ", link);
      this.#password.focus();
      this.#password.select();
    } finally {
      setText(this.#go, label);
    }
  }
}
