// @ts-check
/** The second step of a sign-in: a passkey, a code of the authenticator app, or a recovery code. */
import { button, make, onSubmit, setText } from "./dom.js";
import { hasPasskeys, passkeyButton, passkeyErrorText } from "./passkeys.js";
import { errorText } from "./text.js";
import { t } from "./texts.js";

/**
 * A field for a code, with its label.
 * @param {string} id
 * @param {string} label
 */
export function codeField(id, label) {
  const field = make("input", {
    id,
    autocomplete: "one-time-code",
    autocapitalize: "none",
    spellcheck: "false",
    maxlength: 64,
    required: true,
  });
  return { field, label: make("label", { for: id }, label) };
}

/** What a field for a code asks for. @param {boolean} totp whether the account has an app */
export const codeLabel = (totp) => totp ? t.second.code : t.second.recovery;

/** Why a code was not taken. @param {unknown} error */
export function codeErrorText(error) {
  const { code } = /** @type {{ code?: string }} */ (error ?? {});
  const wrong = code === "unauthorized" || code === "forbidden";
  return wrong ? t.second.wrong : errorText(error) ?? t.common.failed;
}

/** What protects the account. @param {readonly string[]} methods */
function helpOf(methods) {
  if (!methods.includes("passkey")) return t.second.help;
  return methods.includes("totp") ? t.second.helpBoth : t.second.helpPasskey;
}

/**
 * The form. `prove` rejects where the code is not taken; `byPasskey` likewise.
 * @param {{
 *   methods: readonly string[], prove: (code: string) => Promise<void>,
 *   byPasskey: () => Promise<void>, again: () => void
 * }} how
 */
export function secondForm({ again, byPasskey, methods, prove }) {
  const totp = methods.includes("totp") || !methods.includes("passkey");
  const { field, label } = codeField("second-code", codeLabel(totp));
  const error = make("p", { class: "error", role: "alert" });
  const passkey = methods.includes("passkey") && hasPasskeys()
    ? passkeyButton("second-passkey", {
      enter: byPasskey,
      failed: (refused) => setText(error, refused === null ? "" : passkeyErrorText(refused)),
    })
    : null;
  const missing = methods.includes("passkey") && passkey === null;
  const form = make(
    "form",
    { id: "second", class: "card", "aria-labelledby": "second-title" },
    make("h1", { id: "second-title" }, t.second.title),
    make("p", { class: "quiet" }, helpOf(methods)),
    ...(missing ? [make("p", { class: "quiet" }, t.passkeys.codes.unsupported)] : []),
    ...(passkey === null ? [] : [passkey]),
    label,
    field,
    error,
    make("button", { type: "submit", class: passkey === null ? "main" : null }, t.second.go),
    button(t.second.again, again),
  );
  if (passkey !== null) passkey.classList.add("main");
  onSubmit(form, async () => {
    setText(error, "");
    try {
      await prove(field.value.trim());
    } catch (refused) {
      setText(error, codeErrorText(refused));
      field.focus();
      field.select();
    }
  });
  return { form, focus: () => (passkey ?? field).focus() };
}
