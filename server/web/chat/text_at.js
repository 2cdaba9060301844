// @ts-check
/** Texts by their name, as the page's elements name them. Nothing here touches the page. */
import { t } from "./texts.js";

/**
 * The text that a page's element names, as `signIn.title`; throws where there is none.
 * @param {string} path
 */
export function textAt(path) {
  /** @type {unknown} */
  let found = t;
  for (const key of path.split(".")) {
    found = /** @type {Record<string, unknown> | undefined} */ (found)?.[key];
  }
  if (typeof found !== "string") throw new Error(`There is no text ${path}`);
  return found;
}
