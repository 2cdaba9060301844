// @ts-check
/** The form that asks a user to prove a change of what signs them in: a password, a code or a passkey. */
import { hasPasskeys, passkeyErrorText } from "./passkeys.js";
import { button, make, onSubmit, setText } from "./dom.js";
import { codeField, codeLabel } from "./second.js";
import { t } from "./texts.js";

/**
 * @import * as Api from "../client.d.ts"
 */

/**
 * What an account has that can prove a change.
 * @typedef {{ readonly password: boolean, readonly totp: boolean, readonly passkeys: number }} Means
 */

/** @typedef {{ readonly code: string } | { readonly proof: Api.PasskeyProof }} FactorProof */
/** @typedef {FactorProof | { readonly password: string } | Record<never, never>} Proof */

/** Recovery codes, shown once. `kept`: the user has them. @param {readonly string[]} codes @param {() => void} kept */
export function codesList(codes, kept) {
  const items = codes.map((code) => make("li", {}, make("code", {}, code)));
  return [
    make("p", { role: "status" }, t.factors.codes),
    make("ul", { class: "codes" }, ...items),
    button(t.factors.kept, kept, { class: "main" }),
  ];
}

/**
 * The form. An account without second factors proves its password, or, without one, that it has just
 * signed in; others a code or a passkey. `run` gets the proof and rejects where it is refused.
 * @param {{
 *   id: string, client: Api.Client, means: Means, above?: readonly Node[], go: string,
 *   run: (proof: Proof) => Promise<void>, cancel: () => void,
 *   errors?: Readonly<Record<string, string>>
 * }} how
 */
export function proofForm({ above = [], cancel, client, errors = {}, go, id, means, run }) {
  const { asked, wrong } = askedOf(id, means);
  const byPasskey = means.passkeys > 0 && hasPasskeys();
  const error = make("p", { class: "error", role: "alert" });
  const form = make("form", {}, ...above);
  const own = { ...(wrong === "" ? {} : { forbidden: wrong }), ...errors };
  /** @param {() => Promise<Proof>} prove */
  const attempt = async (prove) => {
    setText(error, "");
    try {
      await run(await prove());
    } catch (refused) {
      setText(error, passkeyErrorText(refused, own));
      asked?.field.select();
    }
  };
  const use = button(t.passkeys.use, async () => {
    // What stands above has to be filled in; a code need not.
    const fields = [...form.querySelectorAll("input")].filter((each) => each !== asked?.field);
    if (!fields.every((each) => each.reportValidity())) return;
    use.disabled = true;
    await attempt(async () => ({ proof: await client.passkeys.prove() }));
    use.disabled = false;
  }, { class: "main" });
  if (byPasskey) form.append(use);
  if (asked !== null) form.append(asked.label, asked.field);
  form.append(error, make("button", { type: "submit" }, go), button(t.common.cancel, cancel));
  const typed = () => asked?.field.value ?? "";
  const isPassword = asked?.field.type === "password";
  onSubmit(form, () =>
    attempt(() => {
      if (asked === null) return Promise.resolve({});
      return Promise.resolve(isPassword ? { password: typed() } : { code: typed().trim() });
    }));
  const first = form.querySelector(":is(input,button.main)");
  return { form, focus: () => first instanceof HTMLElement && first.focus() };
}

/**
 * The field for the proof, and what a refusal of it says.
 * @param {string} id
 * @param {Means} means
 */
function askedOf(id, { passkeys, password, totp }) {
  if (passkeys > 0 || totp) {
    return { asked: codeField(id, codeLabel(totp)), wrong: t.second.wrong };
  }
  if (!password) return { asked: null, wrong: t.passkeys.codes.forbidden };
  const field = make("input", {
    id,
    type: "password",
    autocomplete: "current-password",
    maxlength: 1024,
    required: true,
  });
  const label = make("label", { for: id }, t.settings.passwordOld);
  return { asked: { field, label }, wrong: t.settings.passwordWrong };
}
