// @ts-check
/** The second step of a sign-in: a code of the authenticator app, or a recovery code. */
import { button, make, onSubmit, setText } from "./dom.js";
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

/** Why a code was not taken. @param {unknown} error */
export function codeErrorText(error) {
  const { code } = /** @type {{ code?: string }} */ (error ?? {});
  const wrong = code === "unauthorized" || code === "forbidden";
  return wrong ? t.second.wrong : errorText(error) ?? t.common.failed;
}

/**
 * The form. `prove` rejects where the code is not taken.
 * @param {{ prove: (code: string) => Promise<void>, again: () => void }} how
 */
export function secondForm({ again, prove }) {
  const { field, label } = codeField("second-code", t.second.code);
  const error = make("p", { class: "error", role: "alert" });
  const form = make(
    "form",
    { id: "second", class: "card", "aria-labelledby": "second-title" },
    make("h1", { id: "second-title" }, t.second.title),
    make("p", { class: "quiet" }, t.second.help),
    label,
    field,
    error,
    make("button", { type: "submit", class: "main" }, t.second.go),
    button(t.second.again, again),
  );
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
  return { form, focus: () => field.focus() };
}
