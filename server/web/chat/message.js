// @ts-check
/** The lines of a conversation as elements. Texts become text nodes, whatever they contain. */
import { bdi, button, byId, icon, make, partsOf, setAttributes, setText } from "./dom.js";
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
 * the request that messages wait for, or accepts theirs where they have `requested`. `found`: the
 * position of the message that was searched for; 0 for none. `menu` opens the menu of a message beside
 * its button; `goTo` shows the message that a reply names.
 * @typedef {{
 *   readonly conversation: Api.Conversation | undefined, readonly title: string,
 *   readonly relation: import("./timeline.js").Relation, readonly notes: boolean,
 *   readonly retry: (key: string) => void, readonly drop: (key: string) => void,
 *   readonly ask: () => void, readonly requested: boolean, readonly found: number,
 *   readonly menu: (item: import("./timeline.js").Item, by: HTMLElement) => void,
 *   readonly goTo: (of: Api.Named) => void,
 *   readonly named: (of: Api.Named) => import("./timeline.js").Item | undefined
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

/** Characters of a message that a reply shows. */
const QUOTE_MAX = 120;

/**
 * Whether something can be done with a message: the server has it, and it is not removed.
 * @param {import("./timeline.js").Item} item
 * @param {Context} context
 */
const canAct = ({ seq, num, out, removed, failure }, { conversation }) =>
  seq > 0 && removed !== true && failure === null &&
  !(out && conversation?.waiting.includes(num) === true);

/**
 * The text, what it replies to, and the reactions.
 * @param {import("./timeline.js").Item} item
 * @param {Context} context
 */
function contentOf(item, context) {
  const { named, title, goTo } = context;
  const { body, removed, reply, own = [], peer = [] } = item;
  const parts = removed === true ? [t.message.removed] : splitMessage(body).map(partOf);
  const bubble = make("div", { class: "bubble", dir: "auto" }, ...parts);
  if (reply !== undefined) bubble.prepend(quoteOf(named(reply), () => goTo(reply)));
  const line = make("div", { class: "said" }, bubble);
  if (canAct(item, context)) {
    const acts = button("\u22ef", () => context.menu(item, acts), {
      class: "acts",
      tabindex: "-1",
      "aria-label": t.message.acts,
      "aria-haspopup": "menu",
    });
    line.append(acts);
  }
  const chips = [...new Set([...own, ...peer])].map((emoji) => {
    const both = own.includes(emoji) && peer.includes(emoji);
    const who = both ? t.message.both(title) : own.includes(emoji) ? t.common.you : title;
    const count = both ? " 2" : "";
    return make("li", { title: who }, `${emoji}${count}`, make("span", { class: "sr" }, ` ${who}`));
  });
  if (chips.length === 0) return [line];
  return [line, make("ul", { class: "chips", "aria-label": t.message.reactions }, ...chips)];
}

/**
 * @param {import("./timeline.js").Item | undefined} item
 * @param {() => void} go
 */
function quoteOf(item, go) {
  const text = item === undefined
    ? t.message.notLoaded
    : item.removed === true
    ? t.message.removed
    : item.body.slice(0, QUOTE_MAX);
  return button(text, go, { class: "quote", dir: "auto", "aria-label": t.message.replyTo(text) });
}

/**
 * @param {Row} row
 * @param {Context} context
 * @returns {HTMLElement}
 */
export function makeRow(row, context) {
  if (row.kind === "day") return make("li", { class: "day" });
  if (row.kind === "new") return make("li", { class: "new" }, make("span", {}, t.talk.unread));
  const { out } = row.item;
  const who = make("span", { class: "sr" }, out ? t.common.you : "");
  const element = make("li", {}, who, make("div"), make("div", { class: "meta" }));
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
  if (item.seq === context.found && item.seq > 0) names.push("found");
  setAttributes(element, {
    class: names.filter((name) => name !== "").join(" "),
    "data-seq": item.out ? null : item.seq,
    "data-mark": mark,
    "data-removed": item.removed === true ? "" : null,
  });
  showContent(element, item, context);
  const meta = /** @type {HTMLElement} */ (element.lastElementChild);
  const told = JSON.stringify([
    ...[mark, item.at, item.failure, item.seq > 0, item.edited, item.removed],
    ...[context.title, asks(item, context), context.requested],
  ]);
  if (meta.dataset["told"] === told) return;
  meta.dataset["told"] = told;
  meta.replaceChildren(...metaOf(item, mark, context));
}

/**
 * @param {HTMLElement} element
 * @param {import("./timeline.js").Item} item
 * @param {Context} context
 */
function showContent(element, item, context) {
  const { body, removed, reply, own, peer } = item;
  const named = reply === undefined ? undefined : context.named(reply);
  const said = [body, removed, own, peer, named?.body, named?.removed, context.title];
  const told = JSON.stringify([...said, canAct(item, context)]);
  const content = /** @type {HTMLElement} */ (element.children[1]);
  if (content.dataset["told"] === told) return;
  content.dataset["told"] = told;
  content.className = "content";
  const focused = content.contains(document.activeElement);
  content.replaceChildren(...contentOf(item, context));
  // What had the focus is another element now, or gone with the text.
  if (focused) {
    const acts = content.querySelector(".acts");
    (acts instanceof HTMLElement ? acts : byId("log", HTMLElement)).focus();
  }
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
  const stamp = make("time", { datetime: new Date(at).toISOString() }, timeText(at));
  const shownEdited = item.edited !== undefined && item.removed !== true;
  const time = make("span", {}, ...(shownEdited ? [`${t.message.edited} `] : []), stamp);
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
