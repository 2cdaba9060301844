// @ts-check
/** What is shown of a push message. Nothing here touches the page. */
import { oneLine } from "./rich_text.js";
import { t } from "./texts.js";

/** Of a message so many characters are shown. */
const LENGTH_MAX = 140;

/**
 * `tag`: of one conversation there is one notification. `peer`: null where the message does not say.
 * @typedef {{
 *   readonly to: string,
 *   readonly peer: string | null,
 *   readonly title: string,
 *   readonly body: string,
 *   readonly tag: string,
 *   readonly total: number
 * }} PushNote
 */

/** The tag of the notification of a conversation. @param {string | null} peer */
export const tagOf = (peer) => peer === null ? "roost" : `roost ${peer}`;

/**
 * Reads a push message; what is none says only that there is something, for a browser that gets one
 * has to show something.
 * @param {string} text
 * @returns {PushNote}
 */
export function noteOf(text) {
  /** @type {Record<string, unknown>} */
  let told = {};
  try {
    told = JSON.parse(text) ?? {};
  } catch {
    // Then nothing is known.
  }
  const { to, from, total, body, cut } = told;
  const peer = typeof from === "string" ? from : null;
  const count = typeof total === "number" && total > 0 ? total : 1;
  const line = typeof body === "string" ? oneLine(body) : null;
  const short = line !== null && (line.length > LENGTH_MAX || cut === true)
    ? `${line.slice(0, LENGTH_MAX)}…`
    : line;
  return {
    to: typeof to === "string" ? to : "",
    peer,
    title: peer === null ? "Roost" : oneLine(peer),
    body: peer === null ? t.push.unread(count) : short ?? t.push.wrote,
    tag: tagOf(peer),
    total: count,
  };
}
