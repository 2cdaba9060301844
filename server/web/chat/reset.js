// @ts-check
/** Setting a new password by a link of those who run the server. */
import { make, onSubmit, setText } from "./dom.js";
import { passwordFault, passwordRule } from "./text.js";
import { SERVER } from "./server.js";
import { t } from "./texts.js";

const RESET = "#reset=";

/** The code of the link that led here; it does not stay in the address. */
export function takeReset() {
  if (!location.hash.startsWith(RESET)) return null;
  const code = location.hash.slice(RESET.length);
  history.replaceState(null, "", location.pathname + location.search);
  return code;
}

/** The name that a code is for; empty where it has none. @param {string} code */
export function userOf(code) {
  const encoded = /^rp1_([\w-]+)_[\w-]{22}$/.exec(code)?.[1] ?? "";
  try {
    const bytes = Uint8Array.from(
      atob(encoded.replaceAll("-", "+").replaceAll("_", "/")),
      (char) => char.charCodeAt(0),
    );
    return new TextDecoder().decode(bytes).split("\0")[0] ?? "";
  } catch {
    // A part of the link is missing: the server says so.
    return "";
  }
}

/**
 * Why no password was set.
 * @param {string} code the refusal's
 */
export function resetErrorText(code) {
  switch (code) {
    case "forbidden":
      return t.reset.used;
    case "bad_request":
      return t.reset.cannotBeUsed;
    case "rate_limited":
      return t.reset.tooMany;
    default:
      return t.reset.later;
  }
}

/** @param {string} code @param {string} password */
async function send(code, password) {
  try {
    const response = await fetch(new URL("v1/auth/reset", SERVER), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ code, password }),
    });
    return response.ok ? null : String((await response.json()).code);
  } catch {
    return "offline";
  }
}

/**
 * The form. `done` is called with the user's name once the password is set.
 * @param {string} code
 * @param {(user: string) => void} done
 */
export async function resetForm(code, done) {
  const user = userOf(code);
  const lengthMin = await fetch(new URL("v1/info", SERVER)).then((response) => response.json())
    .then((info) => Number(info.passwordLengthMin ?? 1), () => 1);
  const field = make("input", {
    id: "reset-password",
    type: "password",
    autocomplete: "new-password",
    maxlength: 1024,
    required: true,
    "aria-describedby": "reset-rule",
  });
  const error = make("p", { class: "error", role: "alert" });
  const form = make(
    "form",
    { id: "reset", class: "card", "aria-labelledby": "reset-title" },
    make("h1", { id: "reset-title" }, t.reset.title),
    make("p", { class: "quiet" }, make("bdi", {}, user)),
    // So that browsers know whose password they keep.
    make("input", {
      type: "hidden",
      autocomplete: "username",
      value: user,
      "aria-label": t.reset.name,
    }),
    make("label", { for: "reset-password" }, t.reset.password),
    field,
    make("p", { id: "reset-rule", class: "quiet" }, passwordRule(lengthMin)),
    make("p", { class: "quiet" }, t.reset.help),
    error,
    make("button", { type: "submit", class: "main" }, t.reset.go),
  );
  onSubmit(form, async () => {
    const fault = passwordFault(field.value, lengthMin);
    const refused = fault === null ? await send(code, field.value) : null;
    if (fault === null && refused === null) return done(user);
    setText(error, fault ?? resetErrorText(refused ?? ""));
    field.focus();
  });
  return form;
}
