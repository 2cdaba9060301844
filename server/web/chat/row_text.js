// @ts-check
/** What the second line of a row in the list says. Nothing here touches the page. */
import { oneLine } from "./rich_text.js";
import { showText } from "./text.js";
import { t } from "./texts.js";

/**
 * @import * as Api from "../client.d.ts"
 * @import { Entry } from "./people.js"
 * @import { Preview } from "./previews.js"
 */

/**
 * A line: `kind` is its look, `label` the page's own word before a text.
 * @typedef {{ readonly kind: "" | "typing" | "draft", readonly label: string,
 *   readonly text: string }} Line
 */

/**
 * What is known besides the entry.
 * @typedef {{
 *   readonly client: Pick<Api.Client, "pending">,
 *   readonly peer: () => string | null,
 *   readonly typing: { has(name: string): boolean },
 *   readonly drafts: { of(name: string): string },
 *   readonly previews: { of(name: string): Preview | undefined }
 * }} Known
 */

/**
 * The most important of: blocked, typing, a draft, the last message, how available they are.
 * @param {Known} known
 * @param {Entry} entry
 * @returns {Line}
 */
export function lineOf({ client, peer, typing, drafts, previews }, entry) {
  const { name, presence, blocked, asked, at, self } = entry;
  const plain = (/** @type {string} */ text, label = "") => /** @type {Line} */ ({
    kind: "",
    label,
    text,
  });
  if (blocked) return plain(t.list.blocked);
  if (typing.has(name)) return { kind: "typing", label: "", text: t.list.typing };
  const draft = peer() === name ? "" : oneLine(drafts.of(name));
  if (draft !== "") return { kind: "draft", label: t.list.draft, text: draft };
  const mine = self ? "" : t.common.you;
  const pending = client.pending.findLast(({ to }) => to === name);
  if (pending !== undefined) return plain(oneLine(pending.body), mine);
  const last = previews.of(name);
  if (last !== undefined) return plain(oneLine(last.body), last.out ? mine : "");
  if (at > 0) return plain("");
  if (presence !== null) return plain(oneLine(presence.status) || showText(presence.show));
  if (self) return plain(t.list.ownNotes);
  return plain(asked ? t.list.notAccepted : t.list.hidden);
}
