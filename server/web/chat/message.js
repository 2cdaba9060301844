// @ts-check
/** The lines of a conversation as elements. Texts become text nodes, whatever they contain. */
import { button, icon, make, setAttributes, setText } from "./dom.js";
import { dayText, splitLinks, timeText } from "./text.js";
import { markOf } from "./timeline.js";

/**
 * @import * as Api from "../client.d.ts"
 * @import { Row } from "./timeline.js"
 */

/**
 * @typedef {{
 *   readonly conversation: Api.Conversation | undefined,
 *   readonly retry: (key: string) => void, readonly drop: (key: string) => void
 * }} Context
 */

const MARKS = {
  waiting: "Waiting",
  sent: "Sent",
  delivered: "Delivered",
  read: "Read",
  failed: "Not sent",
};

/** @param {string} body */
function bubble(body) {
  const parts = splitLinks(body).map(({ text, href }) =>
    href === undefined
      ? text
      : make("a", { href, target: "_blank", rel: "noopener noreferrer nofollow" }, text)
  );
  return make("div", { class: "bubble", dir: "auto" }, ...parts);
}

/**
 * @param {Row} row
 * @param {Context} context
 * @returns {HTMLElement}
 */
export function makeRow(row, context) {
  if (row.kind === "day") return make("li", { class: "day" });
  const { out, body } = row.item;
  const who = make("span", { class: "sr" }, out ? "You: " : "");
  const element = make("li", {}, who, bubble(body), make("div", { class: "meta" }));
  updateRow(element, row, context);
  return element;
}

/**
 * @param {HTMLElement} element
 * @param {Row} row
 * @param {Context} context
 */
export function updateRow(element, row, context) {
  if (row.kind === "day") return setText(element, dayText(row.at, Date.now()));
  const { item, first, last } = row;
  const mark = item.out ? markOf(item, context.conversation) : null;
  const names = ["message", item.out ? "out" : "in", first ? "first" : "", last ? "last" : ""];
  setAttributes(element, { class: names.filter((name) => name !== "").join(" ") });
  const meta = /** @type {HTMLElement} */ (element.lastElementChild);
  const told = `${mark} ${item.at} ${item.failure} ${item.seq > 0}`;
  if (meta.dataset["told"] === told) return;
  meta.dataset["told"] = told;
  setAttributes(element, { "data-mark": mark });
  const time = make("time", { datetime: new Date(item.at).toISOString() }, timeText(item.at));
  if (mark === null) return meta.replaceChildren(time);
  if (mark !== "failed") {
    return meta.replaceChildren(time, icon(mark), MARKS[mark]);
  }
  const acts = item.seq > 0 ? [] : [
    button("Try again", () => context.retry(item.key)),
    button("Remove", () => context.drop(item.key)),
  ];
  meta.replaceChildren(icon(mark), make("span", {}, item.failure ?? MARKS.failed), ...acts);
}
