// @ts-check
/** The page's elements. Whatever comes from people becomes text nodes and nothing else. */

/**
 * The element with an id, which the page has.
 * @template {HTMLElement} T
 * @param {string} id
 * @param {{ new (): T }} kind
 * @returns {T}
 */
export function byId(id, kind) {
  const element = document.getElementById(id);
  if (!(element instanceof kind)) throw new Error(`The page has no ${kind.name} #${id}`);
  return element;
}

/**
 * Makes an element. Properties that are `null` or `false` are left out.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Readonly<Record<string, string | number | boolean | null>>} attributes
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  setAttributes(element, attributes);
  element.append(...children);
  return element;
}

/**
 * @param {Element} element
 * @param {Readonly<Record<string, string | number | boolean | null>>} attributes
 */
export function setAttributes(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === false) element.removeAttribute(name);
    else if (element.getAttribute(name) !== String(value)) {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
}

/** Sets a text where it is another, so that nothing is announced twice. @param {Element} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A text of a user within another text: the directions of the two do not mix. @param {string} text */
export const bdi = (text) => make("bdi", {}, text);

/**
 * The parts of a text with one value, which an element stands for.
 * @template {Node} T
 * @param {(value: string) => string} text
 * @param {T} element
 * @returns {(string | T)[]}
 */
export function partsOf(text, element) {
  const [before = "", after = ""] = text("\0").split("\0");
  return [before, element, after].filter((part) => part !== "");
}

/**
 * Sets a text of which some parts are texts of users, where it is another.
 * @param {Element} element
 * @param {readonly (string | HTMLElement)[]} parts
 */
export function setParts(element, parts) {
  const text = parts.map((part) => typeof part === "string" ? part : part.textContent).join("");
  if (element.textContent !== text) element.replaceChildren(...parts);
}

/** Whether a key belongs to an input method that composes text, as `Enter` that takes a word. @param {KeyboardEvent} event */
export const isComposing = (event) => event.isComposing || event.keyCode === 229;

/**
 * A button.
 * @param {string} text
 * @param {() => void} run
 * @param {Readonly<Record<string, string | boolean | null>>} attributes
 */
export function button(text, run, attributes = {}) {
  const element = make("button", { type: "button", ...attributes }, text);
  element.addEventListener("click", run);
  return element;
}

/** One of the page's icons. @param {string} name */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  setAttributes(svg, { "aria-hidden": "true", class: "icon" });
  const use = document.createElementNS(space, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/**
 * Makes the children of an element those of a list, in its order. Elements are kept by key, so that
 * focus and what is selected stay where they are.
 * @template T
 * @param {Element} parent
 * @param {readonly T[]} items
 * @param {{ key: (item: T) => string, make: (item: T) => HTMLElement, update: (element: HTMLElement, item: T) => void }} how
 */
export function showList(parent, items, how) {
  /** @type {Map<string, HTMLElement>} */
  const old = new Map();
  for (const child of parent.children) {
    if (child instanceof HTMLElement) old.set(child.dataset["key"] ?? "", child);
  }
  /** @type {Element | null} */
  let next = parent.firstElementChild;
  for (const item of items) {
    const key = how.key(item);
    const element = old.get(key) ?? how.make(item);
    old.delete(key);
    element.dataset["key"] = key;
    how.update(element, item);
    if (element === next) next = element.nextElementSibling;
    else place(parent, element, next);
  }
  for (const element of old.values()) element.remove();
}

/**
 * Puts an element before another. Where the browser can, one that moves keeps the focus.
 * @param {Element} parent
 * @param {HTMLElement} element
 * @param {Element | null} next
 */
function place(parent, element, next) {
  const { moveBefore } =
    /** @type {{ moveBefore?: (node: Node, next: Node | null) => void }} */ (parent);
  if (element.parentElement === parent && moveBefore !== undefined) {
    moveBefore.call(parent, element, next);
  } else parent.insertBefore(element, next);
}

/**
 * A dialog of the page: what stands on its own can be closed by its buttons of class `close`, by
 * Escape and by a click beside it.
 * @param {string} id
 */
export function dialog(id) {
  const element = byId(id, HTMLDialogElement);
  for (const close of element.querySelectorAll(".close")) {
    close.addEventListener("click", () => element.close());
  }
  element.addEventListener("click", ({ target }) => {
    if (target === element) element.close();
  });
  return element;
}

/**
 * Takes a form's submission over; it can be sent again when `run` is done.
 * @param {HTMLFormElement} form
 * @param {() => Promise<void>} run
 */
export function onSubmit(form, run) {
  let busy = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (busy) return;
    busy = true;
    form.setAttribute("aria-busy", "true");
    run().finally(() => {
      busy = false;
      form.removeAttribute("aria-busy");
    });
  });
}
