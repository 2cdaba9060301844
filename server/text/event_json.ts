/**
 * Durable events as JSON: the same text in protocol v1, in exports and at webhooks. It is well-formed
 * UTF-8 when written (lone surrogates become escapes), has no line breaks, and has no fields at
 * their default.
 */
import { namedBy, type Note, noteOf } from "../../shard/message/note.ts";
import type { MailboxEvent, RosterItemView } from "../../shard/ops.ts";

/** The text of a removed message, and of its removal, for clients that do not know removals. */
export const REMOVED = "(message removed)";
/** The text of a reaction that was taken back, for clients that do not know reactions. */
export const NO_REACTION = "(reaction removed)";
/** The text of an edit that another one has followed. */
const PAST = "\u2026";

/** Characters that JSON and UTF-8 both take as they are; the others need a closer look. */
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/** A JSON string. Names, ids and most statuses are plain and need no escaping. */
export function quote(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}

/** What stands between the quotes of a JSON string. */
function inner(text: string): string {
  return PLAIN.test(text) ? text : JSON.stringify(text).slice(1, -1);
}

/** `,"name":"text"`, or nothing where the text is empty. */
export function optional(name: string, text: string): string {
  return text === "" ? "" : `,"${name}":${quote(text)}`;
}

/** A durable event: `MailboxBody` with its kind as `k`, and `seq` and `at`. */
export function encodeEvent(event: MailboxEvent): string {
  // Nearly all events are of these two kinds: each piece of a text costs an object.
  if (event.kind === "receipt") {
    return `{"k":"receipt","seq":${event.seq},"at":${event.at},"with":"${inner(event.with)}",` +
      `"delivered":${event.delivered},"read":${event.read}}`;
  }
  if (event.kind === "message") {
    return `{"k":"message","seq":${event.seq},"at":${event.at},"with":"${inner(event.with)}` +
      `${event.out ? '","out":true,"num":' : '","num":'}${event.num},"id":"${inner(event.id)}",` +
      (event.ext === "" ? `"body":"${inner(event.body)}"` : contentFields(event)) +
      `${optional("device", event.device)}${event.waits === true ? ',"waits":true}' : "}"}`;
  }
  const head = `{"k":"${event.kind}","seq":${event.seq},"at":${event.at}`;
  switch (event.kind) {
    case "undelivered":
      return `${head},"with":${quote(event.with)},"num":${event.num},"id":${quote(event.id)},` +
        `"reason":${quote(event.reason)}${
          event.from === undefined ? "" : `,"from":${event.from}`
        }}`;
    case "read":
      return `${head},"with":${quote(event.with)},"upTo":${event.upTo},"unread":${event.unread}}`;
    case "roster":
      return `${head},${encodeRosterItem(event.item).slice(1)}`;
    case "roster_removed":
      return `${head},"contact":${quote(event.contact)}}`;
    case "request":
      return `${head},"from":${quote(event.from)},"pending":${event.pending}}`;
    case "blocked":
      return `${head},"contact":${quote(event.contact)},"blocked":${event.blocked}}`;
    case "settings":
      return `${head},"messagesFrom":"${event.messagesFrom}"}`;
  }
}

/** Text, `ext`, and what the note of a message says. */
function contentFields(
  { body, ext, out }: MailboxEvent & { readonly kind: "message" },
): string {
  const note = noteOf(ext);
  if (note === null) return `"body":"${inner(body)}"${optional("ext", ext)}`;
  const text = note.removed === true ? REMOVED : note.kind === "past" ? PAST : body;
  return `"body":${quote(text)}${optional("ext", note.ext ?? "")}${noteFields(note, out)}`;
}

function noteFields(note: Note, out: boolean): string {
  const { kind, emoji, edited, edit = 0, removed, own, peer } = note;
  const named = namedBy(note, out);
  const fields = {
    ...(kind === undefined || kind === "reply" ? {} : { change: kind }),
    ...(named === null ? {} : {
      [kind === "reply" ? "reply" : "of"]: named.out ? named : { num: named.num },
    }),
    ...(emoji === undefined ? {} : { emoji }),
    ...(edited === undefined ? {} : { edited, edit }),
    ...(removed === true ? { removed } : {}),
    ...(own === undefined ? {} : { own }),
    ...(peer === undefined ? {} : { peer }),
  };
  const text = JSON.stringify(fields).slice(1, -1);
  return text === "" ? "" : `,${text}`;
}

/** A contact, without what is at its default: no label, no groups, nothing pending or approved. */
export function encodeRosterItem(item: RosterItemView): string {
  const groups = item.groups.length === 0 ? "" : `,"groups":${JSON.stringify(item.groups)}`;
  return `{"contact":${quote(item.contact)}${optional("label", item.label)}${groups}` +
    `,"subscription":"${item.subscription}"${item.pendingOut ? ',"pendingOut":true' : ""}` +
    `${item.approved ? ',"approved":true' : ""}}`;
}
