// @ts-check
/** What edits, removals and reactions make of messages that an application shows. */

/**
 * @import * as Api from "../client.d.ts"
 */

/**
 * Whether a change is of this message.
 * @param {Api.Change} change
 * @param {Pick<Api.Message, "k" | "num" | "out"> | Api.Undelivered} message
 */
export function isOf({ of }, message) {
  return message.k === "message" && message.num === of?.num &&
    (message.out === true) === (of.out === true);
}

/**
 * The message after the change.
 * @template {Omit<Api.Message, "k">} M
 * @param {M} message
 * @param {Api.Change} event
 * @returns {M}
 */
export function changed(message, { change, body, at, seq, out, emoji = [] }) {
  if (change === "edit") return { ...message, body, edited: at, edit: seq };
  if (change === "react") return { ...message, [out === true ? "own" : "peer"]: emoji };
  if (change !== "remove") return message;
  const { edited: _1, edit: _2, own: _3, peer: _4, ...rest } = message;
  return /** @type {M} */ ({ ...rest, body, removed: true });
}
