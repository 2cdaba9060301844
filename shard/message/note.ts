/**
 * What a message says of another one, and what others have said of it: carried in front of its `ext`,
 * which every version of the program stores and passes on. A message with a note of the kinds `edit`,
 * `remove` and `react` is a change: it takes effect on the message that it names, and its body is for
 * clients that know no changes.
 */

/** What an `ext` with a note begins with. */
const PREFIX = "roost:note ";

/** Emoji of one person at one message, at most. */
export const REACTIONS_MAX = 10;
/** Longest `ext` of a client, in characters, and what a note adds at most. */
const EXT_MAX = 16_384;
/** Longest emoji, in characters: families of four have some twenty. */
const EMOJI_MAX = 64;

const CHANGES = ["edit", "remove", "react"] as const;
const KINDS = [...CHANGES, "reply", "past"] as const;

/** What a change does. */
export type ChangeKind = typeof CHANGES[number];

/** See the head of this file. Fields that say nothing are absent. */
export interface Note {
  /** `past`: an edit that another one, or a removal, has followed. */
  readonly kind?: typeof KINDS[number];
  /** The message that is named: its number among those of its sender … */
  readonly num?: number;
  /** … who is the sender of this message, too; or, with `view`, the owner of the mailbox. */
  readonly mine?: boolean;
  /** `num` and `mine` are as the owner of the mailbox counts, not as the sender does. */
  readonly view?: true;
  /** Of `react`: all of the sender's emoji from now on. */
  readonly emoji?: readonly string[];
  /** The `ext` that the client has given. */
  readonly ext?: string;
  /** When the text was edited last (ms), and the mailbox position of that edit. */
  readonly edited?: number;
  readonly edit?: number;
  readonly removed?: true;
  /** Emoji of the owner of the mailbox, and of the peer. */
  readonly own?: readonly string[];
  readonly peer?: readonly string[];
}

/** A note of a change. */
export type Change = Note & {
  readonly kind: ChangeKind;
  readonly num: number;
  readonly mine: boolean;
};

const isUint = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;
const isText = (value: unknown) => typeof value === "string" && value.length <= EXT_MAX;
const isTrue = (value: unknown) => value === true;
const isEmoji = (value: unknown) =>
  Array.isArray(value) && value.length <= REACTIONS_MAX &&
  value.every((e) => typeof e === "string" && e.length <= EMOJI_MAX);

const FIELDS: { readonly [K in keyof Note]-?: (value: unknown) => boolean } = {
  kind: (value) => (KINDS as readonly unknown[]).includes(value),
  num: isUint,
  mine: (value) => typeof value === "boolean",
  view: isTrue,
  emoji: isEmoji,
  ext: isText,
  edited: isUint,
  edit: isUint,
  removed: isTrue,
  own: isEmoji,
  peer: isEmoji,
};

function isNote(value: unknown): value is Note {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const fields = value as Record<string, unknown>;
  const known = Object.keys(fields).every((name) =>
    Object.hasOwn(FIELDS, name) && FIELDS[name as keyof Note](fields[name])
  );
  if (!known) return false;
  const { kind, num, mine, emoji } = value as Note;
  const names = num !== undefined && mine !== undefined;
  if (names !== (kind !== undefined && kind !== "past")) return false;
  return (kind === "react") === (emoji !== undefined);
}

/** The note of an `ext`; null where it has none. What is no note that a program makes is none. */
export function noteOf(ext: string): Note | null {
  if (!ext.startsWith(PREFIX)) return null;
  try {
    const value: unknown = JSON.parse(ext.slice(PREFIX.length));
    return isNote(value) ? value : null;
  } catch {
    return null;
  }
}

/** The `ext` with this note; the client's own where it says nothing else. */
export function withNote(note: Note): string {
  const { ext = "", ...rest } = note;
  if (Object.keys(rest).length === 0 && !ext.startsWith(PREFIX)) return ext;
  return PREFIX + JSON.stringify(ext === "" ? rest : { ...rest, ext });
}

/** An `ext` of a client as it is stored: one that looks like a note gets one around it. */
export function clientExt(ext: string): string {
  return withNote({ ext });
}

/** The change of an `ext`; null where it has none. */
export function changeOf(ext: string): Change | null {
  const note = noteOf(ext);
  return note !== null && isChange(note) ? note : null;
}

function isChange(note: Note): note is Change {
  return (CHANGES as readonly unknown[]).includes(note.kind);
}

/** Whether a message is a change, or was one: neither history nor unread counts have it. */
export function isChanging(ext: string): boolean {
  const note = noteOf(ext);
  return note !== null && (note.kind === "past" || isChange(note));
}

/**
 * The `ext` as the recipient gets it. `base`: how many of the sender's numbers come before those that
 * the recipient has got.
 */
export function sentExt(ext: string, base: number): string {
  if (base === 0) return ext;
  const note = noteOf(ext);
  if (note?.num === undefined || note.mine !== true) return ext;
  return withNote({ ...note, num: Math.max(0, note.num - base) });
}

/** The `ext` as the recipient stores it. `ownNum`: its own number of a message that it has sent. */
export function takenExt(ext: string, ownNum: (told: number) => number): string {
  const note = noteOf(ext);
  if (note === null) return ext;
  // What somebody else has said of the message is not the sender's to tell.
  const { kind, num, mine, emoji, ext: own } = note;
  const plain = own === undefined ? {} : { ext: own };
  if (kind === undefined || kind === "past" || num === undefined) return withNote(plain);
  const named = {
    num: mine === true ? num : ownNum(num),
    mine: mine !== true,
    view: true,
  } as const;
  return withNote({ kind, ...named, ...(emoji === undefined ? {} : { emoji }), ...plain });
}

/** The message that a note names, as the owner of the mailbox counts. `out`: of an own message. */
export function namedBy(
  { num, mine, view }: Note,
  out: boolean,
): { readonly num: number; readonly out: boolean } | null {
  if (num === undefined) return null;
  return { num, out: out || view === true ? mine === true : mine !== true };
}
