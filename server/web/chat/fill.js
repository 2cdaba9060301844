// @ts-check
/** Fills the page's own texts in: `data-t` names an element's text, `data-t-label` its label, `data-t-placeholder` its placeholder. */
import { textAt } from "./text_at.js";

/** @type {Readonly<Record<string, string>>} */
const ATTRIBUTES = { "data-t-label": "aria-label", "data-t-placeholder": "placeholder" };

/** Fills in all texts of the page. */
export function fillPage() {
  for (const element of document.querySelectorAll("[data-t]")) {
    element.textContent = textAt(element.getAttribute("data-t") ?? "");
  }
  for (const [named, attribute] of Object.entries(ATTRIBUTES)) {
    for (const element of document.querySelectorAll(`[${named}]`)) {
      element.setAttribute(attribute, textAt(element.getAttribute(named) ?? ""));
    }
  }
}
