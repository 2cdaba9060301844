// @ts-check
/** The lines of a conversation as elements. Texts become text nodes, whatever they contain. */
import { bdi, button, icon, make, partsOf, setAttributes, setText } from "./dom.js";
import { looksElsewhere, splitMessage } from "./rich_text.js";
import { dayText, timeText } from "./text.js";
import { t } from "./texts.js";
import { markOf } from "./timeline.js";

/**
 * @import * as Api from "../client.d.ts"
 * @import { Part } from "./rich_text.js"
 * @import { Row } from "./timeline.js"
 */

/**
 * What all lines of a conversation have. `notes`: it is the conversation with oneself. `ask` sends
 * the request that messages wait for, or accepts theirs where they have `requested`.
 * @typedef {{
 *   readonly conversation: Api.Conversation | undefined, readonly title: string,
 *   readonly relation: import("./timeline.js").Relation, readonly notes: boolean,
 *   readonly retry: (key: string) => void, readonly drop: (key: string) => void,
 *   readonly ask: () => void, readonly requested: boolean
 * }} Context
 */

/** @param {Part} part */
function partOf(part) {
  if (part.kind === "code") return make("code", { dir: "ltr" }, part.text);
  if (part.kind === "block") return make("pre", { dir: "ltr" }, make("code", {}, part.text));
  const { href, text } = part;
  if (href === undefined) return text;
  return make(
    "a",
    {
      href,
      dir: "ltr",
      target: "_blank",
      rel: "noopener noreferrer nofollow",
      // Letters of other scripts may look like those of another host.
      title: looksElsewhere(part) ? href : null,
    },
    text,
  );
}

/** @param {string} body */
const bubble = (body) =>
  make("div", { class: "bubble", dir: "auto" }, ...splitMessage(body).map(partOf));

/**
 * @param {Row} row
 * @param {Context} context
 * @returns {HTMLElement}
 */
export function makeRow(row, context) {
  if (row.kind === "day") return make("li", { class: "day" });
  if (row.kind === "new") return make("li", { class: "new" }, make("span", {}, t.talk.unread));
  const { out, body } = row.item;
  const who = make("span", { class: "sr" }, out ? t.common.you : "");
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
  if (row.kind === "new") return;
  if (row.kind === "day") return setText(element, dayText(row.at, Date.now()));
  const { item, first, last } = row;
  const mark = markFor(item, context);
  const names = ["message", item.out ? "out" : "in", first ? "first" : "", last ? "last" : ""];
  setAttributes(element, {
    class: names.filter((name) => name !== "").join(" "),
    "data-seq": item.out ? null : item.seq,
    "data-mark": mark,
  });
  const meta = /** @type {HTMLElement} */ (element.lastElementChild);
  const told = JSON.stringify([
    ...[mark, item.at, item.failure, item.seq > 0],
    ...[context.title, asks(item, context), context.requested],
  ]);
  if (meta.dataset["told"] === told) return;
  meta.dataset["told"] = told;
  meta.replaceChildren(...metaOf(item, mark, context));
}

/**
 * Whether the message has the button for the request: the last of those that wait has.
 * @param {import("./timeline.js").Item} item
 * @param {Context} context
 */
const asks = ({ num }, { conversation }) => num === conversation?.waiting.at(-1);

/**
 * @param {import("./timeline.js").Item} item
 * @param {Context} context
 */
function markFor(item, { conversation, relation, notes }) {
  if (!item.out) return null;
  const mark = markOf(item, conversation, relation);
  // A note is where it belongs as soon as the server has it.
  return notes && mark !== "failed" && mark !== "waiting" ? null : mark;
}

/**
 * @param {import("./timeline.js").Item} item
 * @param {ReturnType<typeof markOf> | null} mark
 * @param {Context} context
 * @returns {(Node | string)[]}
 */
function metaOf(item, mark, context) {
  const { at, seq, key, failure } = item;
  const { title, retry, drop, ask, requested } = context;
  const time = make("time", { datetime: new Date(at).toISOString() }, timeText(at));
  if (mark === null) return [time];
  if (mark === "asked") {
    const text = make("span", {}, ...partsOf(t.message.asked, bdi(title)));
    return [time, icon("waiting"), text];
  }
  if (mark === "unasked") {
    const text = make("span", {}, ...partsOf(t.message.unasked, bdi(title)));
    const acts = asks(item, context)
      ? [button(requested ? t.message.acceptRequest : t.message.sendRequest, ask)]
      : [];
    return [time, icon("waiting"), text, ...acts];
  }
  if (mark !== "failed") return [time, icon(mark), t.message[mark]];
  const acts = seq > 0 ? [] : [
    button(t.common.tryAgain, () => retry(key)),
    button(t.common.remove, () => drop(key)),
  ];
  return [icon(mark), make("span", {}, failure ?? t.message.failed), ...acts];
}
