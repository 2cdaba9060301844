// @ts-check
/** The passkeys of the account, in the settings. */
import { button, byId, make, onSubmit, setText } from "./dom.js";
import { hasPasskeys, passkeyErrorText } from "./passkeys.js";
import { codesList, proofForm } from "./proof_form.js";
import { dayText, deviceLabel } from "./text.js";
import { t } from "./texts.js";

/**
 * @import * as Api from "../client.d.ts"
 * @import { FactorProof, Means, Proof } from "./proof_form.js"
 */

/** Longest name of a passkey that servers take (bytes). */
const NAME_BYTES_MAX = 64;

/** @param {string} name */
function nameField(name) {
  const field = make("input", { id: "passkey-name", maxlength: 64, value: name, required: true });
  field.addEventListener("input", () => {
    const bytes = new TextEncoder().encode(field.value.trim()).length;
    const fault = bytes > NAME_BYTES_MAX ? t.passkeys.nameLong : bytes === 0 ? t.passkeys.name : "";
    field.setCustomValidity(fault);
  });
  return { field, label: make("label", { for: "passkey-name" }, t.passkeys.name) };
}

/** See the head of this file. */
export class PasskeyPart {
  #part = byId("passkeys", HTMLElement);
  #client;
  #reload;
  /** Recovery codes are shown: they stay until the user has them. */
  #keeps = false;
  /**
   * What a form that has ended has done, said once; null: none has ended.
   * @type {string | null}
   */
  #told = null;

  /**
   * @param {Api.Client} client
   * @param {() => void} reload has all of the account's second factors loaded and shown again
   */
  constructor(client, reload) {
    this.#client = client;
    this.#reload = reload;
  }

  /** @param {...Node} nodes */
  #show(...nodes) {
    this.#part.replaceChildren(...nodes);
  }

  /**
   * Shows the list.
   * @param {Means} means
   * @param {readonly Api.Passkey[]} passkeys
   */
  show(means, passkeys) {
    if (this.#keeps) return;
    const told = this.#told ?? "";
    const items = passkeys.map((passkey) => this.#item(means, passkey));
    this.#show(
      make("p", { class: "quiet" }, passkeys.length === 0 ? t.passkeys.none : t.passkeys.some),
      ...(items.length === 0 ? [] : [make("ul", { class: "facts" }, ...items)]),
      make("p", { role: "status" }, told),
      hasPasskeys()
        ? button(t.passkeys.add, () => this.#askAdd(means), { id: "passkey-add" })
        : make("p", { class: "quiet" }, t.passkeys.codes.unsupported),
    );
    // Where a form has ended, the focus stays here.
    if (this.#told !== null) this.#part.querySelector("button")?.focus();
    this.#told = null;
  }

  /** Back to the list. @param {string} told what was done */
  #done(told = "") {
    this.#keeps = false;
    this.#told = told;
    this.#reload();
  }

  /**
   * @param {Means} means
   * @param {Api.Passkey} passkey
   */
  #item(means, passkey) {
    const { domain, name, usedAt } = passkey;
    const used = usedAt === null ? t.passkeys.unused : t.passkeys.used(dayText(usedAt, Date.now()));
    const here = location.hostname === domain || location.hostname.endsWith(`.${domain}`);
    const about = here ? used : `${used} ${t.passkeys.elsewhere(domain)}`;
    return make(
      "li",
      {},
      make(
        "span",
        { class: "lines" },
        make("bdi", {}, name),
        make("span", { class: "quiet" }, about),
      ),
      make(
        "span",
        { class: "keys" },
        button(t.passkeys.rename, () => this.#askName(passkey), {
          "aria-label": t.passkeys.renameNamed(name),
        }),
        button(t.common.remove, () => this.#askRemove(means, passkey), {
          "aria-label": t.passkeys.removeNamed(name),
        }),
      ),
    );
  }

  /** @param {Means} means */
  #askAdd(means) {
    const name = nameField(deviceLabel(navigator.userAgent));
    const { focus, form } = proofForm({
      id: "passkey-proof",
      client: this.#client,
      means,
      above: [name.label, name.field],
      go: t.factors.go,
      run: (proof) => this.#add(name.field.value.trim(), proof),
      cancel: () => this.#done(),
      errors: { conflict: t.passkeys.known, limit_reached: t.passkeys.many },
    });
    this.#show(form);
    focus();
  }

  /**
   * @param {string} name
   * @param {Proof} proof
   */
  async #add(name, proof) {
    const { recoveryCodes } = await this.#client.passkeys.add({ ...proof, name });
    if (recoveryCodes === undefined) return this.#done(t.passkeys.added);
    this.#show(...codesList(recoveryCodes, () => this.#done(t.passkeys.added)));
    this.#part.querySelector("button")?.focus();
    this.#keeps = true;
    this.#reload();
  }

  /** @param {Api.Passkey} passkey */
  #askName({ name, passkey }) {
    const { field, label } = nameField(name);
    const error = make("p", { class: "error", role: "alert" });
    const form = make(
      "form",
      {},
      label,
      field,
      error,
      make("button", { type: "submit" }, t.common.save),
      button(t.common.cancel, () => this.#done()),
    );
    onSubmit(form, async () => {
      try {
        await this.#client.passkeys.rename(passkey, field.value.trim());
        this.#done();
      } catch (refused) {
        setText(error, passkeyErrorText(refused));
      }
    });
    this.#show(form);
    field.focus();
    field.select();
  }

  /**
   * @param {Means} means
   * @param {Api.Passkey} passkey
   */
  #askRemove(means, { name, passkey }) {
    const { focus, form } = proofForm({
      id: "passkey-proof",
      client: this.#client,
      means,
      above: [make("p", {}, t.passkeys.removeNamed(name))],
      go: t.common.remove,
      run: async (proof) => {
        await this.#client.passkeys.remove(passkey, /** @type {FactorProof} */ (proof));
        this.#done(t.passkeys.removed);
      },
      cancel: () => this.#done(),
      errors: { conflict: t.passkeys.last },
    });
    this.#show(form);
    focus();
  }
}
