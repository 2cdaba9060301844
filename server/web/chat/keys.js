// @ts-check
/** The keyboard shortcuts on the page, and the sheet that names them. */
import { byId, dialog, isComposing, make } from "./dom.js";
import { actionOf, SHORTCUTS } from "./shortcuts.js";
import { t } from "./texts.js";

/**
 * @import { Action } from "./shortcuts.js"
 */

/** In the browser's storage: single keys are off. */
const OFF = "roost chat single keys off";

const isApple = /Mac|iPhone|iPad/.test(navigator.userAgent);

/** Whether keys write or choose something in an element. @param {EventTarget | null} target */
function isField(target) {
  return target instanceof HTMLElement &&
    (target.isContentEditable || target.matches("input, textarea, select"));
}

/** See the head of this file. */
export class Keys {
  #dialog = dialog("keys-dialog");
  #single = byId("keys-single", HTMLInputElement);
  #actions;

  /** @param {Readonly<Record<Exclude<Action, "help">, () => void>>} actions */
  constructor(actions) {
    this.#actions = actions;
    this.#single.checked = localStorage.getItem(OFF) === null;
    this.#single.addEventListener("change", () => {
      if (this.#single.checked) localStorage.removeItem(OFF);
      else localStorage.setItem(OFF, "1");
    });
    byId("keys-list", HTMLElement).append(...SHORTCUTS.map(lineOf), ...others());
    byId("keys-open", HTMLElement).addEventListener("click", () => {
      byId("settings-dialog", HTMLDialogElement).close();
      this.#help();
    });
    document.addEventListener("keydown", (event) => this.#pressed(event));
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    if (event.defaultPrevented || isComposing(event) || event.repeat && event.key.length === 1) {
      return;
    }
    if (document.querySelector("dialog[open]") !== null) return;
    const target = event.target;
    // A list of choices opens by Alt and an arrow.
    if (target instanceof HTMLSelectElement) return;
    const where = { inField: isField(target), apple: isApple, single: this.#single.checked };
    const action = actionOf(event, where);
    if (action === null) return;
    event.preventDefault();
    if (action === "help") this.#help();
    else this.#actions[action]();
  }

  #help() {
    this.#dialog.showModal();
  }
}

/** @param {readonly string[]} keys @param {string} text */
const line = (keys, text) =>
  make(
    "li",
    {},
    make("span", {}, text),
    make("span", { class: "keys" }, ...keys.map((key) => make("kbd", {}, nameOf(key)))),
  );

/** @param {string} key */
const nameOf = (key) =>
  Object.hasOwn(t.keys.names, key)
    ? t.keys.names[/** @type {keyof typeof t.keys.names} */ (key)]
    : key.toUpperCase();

/** @param {(typeof SHORTCUTS)[number]} shortcut */
const lineOf = ({ action, keys }) => line(keys, t.keys[action]);

/** Keys of the message field and the list. */
const others = () => [
  line(["Enter"], t.keys.send),
  line(["Shift", "Enter"], t.keys.newLine),
  line(["ArrowUp"], t.keys.editLast),
  line(["Escape"], t.keys.back),
  line(["ArrowUp", "ArrowDown"], t.keys.rows),
];
