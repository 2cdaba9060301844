/** Edits, removals and reactions as the messages that they are: their notes, and texts for old clients. */
import { clientExt, withNote } from "../../shard/message/note.ts";
import { NO_REACTION, REMOVED } from "../text/event_json.ts";

/** The text and the `ext` of a message. */
export interface Content {
  readonly body: string;
  readonly ext: string;
}

/** A message that names another one of the conversation. `out`: of this account. */
export interface Named {
  readonly num: number;
  readonly out?: boolean | undefined;
}

/** A message, which may be a reply to another one. */
export function contentOf(body: string, ext = "", reply?: Named): Content {
  if (reply === undefined) return { body, ext: clientExt(ext) };
  const note = { kind: "reply", num: reply.num, mine: reply.out === true, ext } as const;
  return { body, ext: withNote(note) };
}

/** Another text in place of an own message's. */
export function editOf(num: number, body: string): Content {
  return { body, ext: withNote({ kind: "edit", num, mine: true }) };
}

/** Removes an own message. */
export function removalOf(num: number): Content {
  return { body: REMOVED, ext: withNote({ kind: "remove", num, mine: true }) };
}

/** All of the account's reactions at a message from now on. */
export function reactionOf({ num, out }: Named, emoji: readonly string[]): Content {
  const distinct = [...new Set(emoji)];
  const note = { kind: "react", num, mine: out === true, emoji: distinct } as const;
  return { body: distinct.length === 0 ? NO_REACTION : distinct.join(" "), ext: withNote(note) };
}
