// @ts-check
/** The form to sign in and up. */
import { byId, onSubmit, setText } from "./dom.js";
import { SERVER } from "./server.js";
import { signInErrorText } from "./text.js";

/**
 * @typedef {(
 *   account: { user: string, password: string, invite?: string },
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
  #error = byId("sign-in-error", HTMLElement);
  #go = byId("sign-in-go", HTMLButtonElement);
  #switch = byId("sign-in-switch", HTMLButtonElement);
  #options;
  #isNew = false;
  /** @type {"open" | "invite" | "closed"} */
  #registration = "open";

  /** @param {{ remember: boolean, told: string, run: Run }} options */
  constructor(options) {
    this.#options = options;
  }

  start() {
    const { remember, told } = this.#options;
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
    this.#askServer();
  }

  async #askServer() {
    try {
      const response = await fetch(new URL("v1/info", SERVER));
      const { domain, registration } = await response.json();
      if (typeof domain === "string") setText(this.#domain, domain);
      this.#registration = registration;
      this.#show();
    } catch {
      // Whoever submits the form hears of it.
    }
  }

  #show() {
    const isNew = this.#isNew;
    setText(this.#title, isNew ? "Make an account" : "Sign in");
    setText(this.#go, isNew ? "Make the account" : "Sign in");
    setText(this.#switch, isNew ? "I have an account" : "Make an account");
    this.#switch.hidden = this.#registration === "closed";
    this.#password.autocomplete = isNew ? "new-password" : "current-password";
    const invited = isNew && this.#registration === "invite";
    this.#inviteRow.hidden = !invited;
    this.#invite.required = invited;
  }

  async #submit() {
    setText(this.#error, "");
    const label = this.#go.textContent ?? "";
    setText(this.#go, "One moment …");
    const invite = this.#invite.required ? { invite: this.#invite.value.trim() } : {};
    const account = { user: this.#user.value.trim(), password: this.#password.value, ...invite };
    try {
      const how = { isNew: this.#isNew, remember: this.#remember.checked };
      await this.#options.run(account, how);
      this.#form.reset();
    } catch (error) {
      setText(this.#error, signInErrorText(error));
      this.#password.focus();
      this.#password.select();
    } finally {
      setText(this.#go, label);
    }
  }
}
