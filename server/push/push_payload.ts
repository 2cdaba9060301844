/** What a push message says, as the device that decrypts it reads it. */
import type { PushContent } from "../../shard/account/push_targets.ts";
import type { PushEffect } from "../../shard/effects.ts";

/** Bytes of the text of a message in a push message: the whole of it must fit in 3,993. */
const TEXT_BYTES_MAX = 2400;

const utf8 = new TextEncoder();

/** As much of a text as fits, without half of a character. */
function cut(text: string): string {
  const room = new Uint8Array(TEXT_BYTES_MAX);
  const { read } = utf8.encodeInto(text, room);
  return text.slice(0, read);
}

/** JSON: see "Push messages" in the README of protocol v1. */
export function pushPayload(push: PushEffect, content: PushContent): string {
  const { name: to, with: from, last: seq, at, unread, unreadTotal: total } = push;
  const base = { t: "message", to, total };
  if (content === "none") return JSON.stringify(base);
  const sender = { ...base, from, seq, at, unread };
  if (content === "sender" || push.body === "") return JSON.stringify(sender);
  const body = cut(push.body);
  const text = JSON.stringify({ ...sender, body, ...(body === push.body ? {} : { cut: true }) });
  // Control characters take six bytes each: rather none of the text than no push message.
  return utf8.encode(text).length <= PAYLOAD_BYTES_MAX ? text : JSON.stringify(sender);
}

/** Bytes of a payload: with header, padding and tag they make the 4,096 that services must take. */
export const PAYLOAD_BYTES_MAX = 3993;
