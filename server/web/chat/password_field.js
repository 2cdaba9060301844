// @ts-check
/** A button that shows what is typed into the field of a password. */
import { byId, setAttributes, setText } from "./dom.js";
import { t } from "./texts.js";

/**
 * Makes the button `toggle` show and hide the password in `field`; both are ids.
 * @param {string} field
 * @param {string} toggle
 */
export function revealPassword(field, toggle) {
  const input = byId(field, HTMLInputElement);
  const button = byId(toggle, HTMLButtonElement);
  const show = (/** @type {boolean} */ shown) => {
    input.type = shown ? "text" : "password";
    setText(button, shown ? t.common.hide : t.common.show);
    setAttributes(button, { "aria-pressed": String(shown) });
  };
  button.addEventListener("click", () => {
    show(input.type === "password");
    input.focus();
  });
  // A password that is sent is hidden again, so that browsers know what it is.
  input.form?.addEventListener("submit", () => show(false), { capture: true });
  show(false);
}
