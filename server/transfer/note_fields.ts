/** What a message in an export says of others, and others of it: the inverse of `encodeEvent`. */
import { z } from "zod";
import { type Note, REACTIONS_MAX, withNote } from "../../shard/message/note.ts";

const uint = z.number().int().min(0).max(2 ** 50);
const emoji = z.array(z.string().max(64)).max(REACTIONS_MAX);
const named = z.object({ num: uint, out: z.boolean().default(false) });

/** Fields of the message besides those that every message has. */
export const NOTE_FIELDS = {
  reply: named.optional(),
  change: z.enum(["edit", "remove", "react", "past"]).optional(),
  of: named.optional(),
  emoji: emoji.optional(),
  edited: uint.optional(),
  edit: uint.optional(),
  removed: z.literal(true).optional(),
  own: emoji.optional(),
  peer: emoji.optional(),
} as const;

type Fields = z.output<z.ZodObject<typeof NOTE_FIELDS>>;

/** The message as it is stored. A change without all that it needs is none. */
export function storedContent<T extends Fields & { readonly body: string; readonly ext: string }>(
  { reply, change, of, emoji, edited, edit, removed, own, peer, ...message }: T,
): Omit<T, keyof Fields> {
  const kind = reply === undefined ? change : "reply";
  const names = reply ?? of;
  const whole = kind === "past" ||
    names !== undefined && (kind === "react") === (emoji !== undefined);
  const note: Note = {
    ...(kind === undefined || !whole ? {} : { kind }),
    ...(names === undefined || kind === undefined || kind === "past" || !whole
      ? {}
      : { num: names.num, mine: names.out, view: true }),
    ...(kind === "react" && whole ? { emoji: emoji! } : {}),
    ...(edited === undefined ? {} : { edited }),
    ...(edit === undefined ? {} : { edit }),
    ...(removed === undefined ? {} : { removed }),
    ...(own === undefined ? {} : { own }),
    ...(peer === undefined ? {} : { peer }),
    ...(message.ext === "" ? {} : { ext: message.ext }),
  };
  const body = removed === true || change === "past" ? "" : message.body;
  return { ...message, body, ext: withNote(note) };
}
