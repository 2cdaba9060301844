/** The stored form of a mailbox event: one version byte, then the kind and its fields. */
import type { AccountName } from "../name/ids.ts";
import { ByteReader, ByteWriter, CorruptBytes } from "../record/bytes.ts";
import { accountName, messagesFrom } from "../record/fields.ts";
import { bool, later, text, type TypeOf, uint } from "../record/schema.ts";
import { readVersion, union, variant } from "../record/struct.ts";
import { ROSTER_VIEW } from "../roster/roster.ts";

/** What happened, by kind. Numbers and fields are the stored format: only ever append kinds. */
export const BODY = union("mailbox event", {
  message: variant(0, {
    with: accountName,
    /** True where this account sent it. */
    out: bool,
    /** Number of the message among those its sender sent in this conversation: 1, 2, 3 … */
    num: uint,
    /** The sender's client message id. */
    id: text,
    body: text,
    /** Opaque text, carried untouched; "" for none. */
    ext: text,
    /** Device that sent it; "" on incoming messages. */
    device: text,
  }),
  undelivered: variant(1, { with: accountName, num: uint, id: text, reason: text }),
  /** How far `with` has got the messages this account sent: cumulative message numbers. */
  receipt: variant(2, { with: accountName, delivered: uint, read: uint }),
  /** This account has read the conversation up to mailbox position `upTo`. */
  read: variant(3, { with: accountName, upTo: uint, unread: uint }),
  roster: variant(4, { item: ROSTER_VIEW }),
  roster_removed: variant(5, { contact: accountName }),
  /** A subscription request came in (`pending`), or was answered, withdrawn or cut. */
  request: variant(6, { from: accountName, pending: bool }),
  blocked: variant(7, { contact: accountName, blocked: bool }),
  settings: variant(8, { messagesFrom }),
});

/** One event of a mailbox. `seq` counts 1, 2, 3 … without gaps; `at` (ms) never decreases. */
export type MailboxEvent =
  & { readonly seq: number; readonly at: number }
  & MailboxBody;

type Stored = TypeOf<typeof BODY>;
type StoredOf<K extends Stored["kind"]> = Extract<Stored, { readonly kind: K }>;

/** What happened: `BODY` describes each kind, and `MORE` the optional fields. */
export type MailboxBody =
  | Exclude<Stored, { readonly kind: "message" | "undelivered" }>
  | StoredOf<"message"> & {
    /** The message waits at the sender until the two accounts have a subscription. */
    readonly waits?: true;
  }
  | StoredOf<"undelivered"> & {
    /** The first of the messages that are not delivered, where there are more than `num`. */
    readonly from?: number;
  };

/**
 * What follows a body where it is not at its default: 1 for a message that waits, `from` for
 * `undelivered`. Earlier programs did not write it, and do not read so far.
 */
const MORE = later(uint, 0);

const EVENT_VERSION = 1;
/** Only a buffer: nothing in it outlives the call that fills it. */
const scratch = new ByteWriter(4096);

function moreOf(body: MailboxBody): number {
  if (body.kind === "message") return body.waits === true ? 1 : 0;
  return body.kind === "undelivered" ? body.from ?? 0 : 0;
}

/** The bytes of one event in a mailbox block; valid until the next call. */
export function writeEvent(at: number, body: MailboxBody): ByteWriter {
  scratch.clear();
  scratch.u8(EVENT_VERSION).uint(at);
  BODY.write(scratch, body);
  const more = moreOf(body);
  if (more > 0) MORE.write(scratch, more);
  return scratch;
}

/** The bytes of one event in a mailbox block. */
export function encodeEvent(at: number, body: MailboxBody): Uint8Array {
  return writeEvent(at, body).take();
}

/** Reads an event back; its position is known from the block. */
export function decodeEvent(bytes: Uint8Array, seq: number): MailboxEvent {
  const r = new ByteReader(bytes);
  readVersion(r, "mailbox event", EVENT_VERSION);
  const at = r.uint();
  const body = BODY.read(r);
  const more = MORE.read(r);
  if (more === 0) return { seq, at, ...body };
  if (body.kind === "message") return { seq, at, ...body, waits: true };
  return body.kind === "undelivered" ? { seq, at, ...body, from: more } : { seq, at, ...body };
}

/** A message at position `seq` with another text and `ext`. Throws `CorruptBytes` on anything else. */
export function rewritten(
  bytes: Uint8Array | undefined,
  seq: number,
  body: string,
  ext: string,
): Uint8Array {
  const event = bytes === undefined ? null : decodeEvent(bytes, seq);
  if (event?.kind !== "message") throw new CorruptBytes(`no message at position ${seq}`);
  return encodeEvent(event.at, { ...event, body, ext });
}

/** One block value of `count` events, each behind its length in `packed`. */
export function packBlock(count: number, packed: Uint8Array): Uint8Array {
  return new ByteWriter(packed.length + 8).u8(EVENT_VERSION).uint(count).raw(packed).take();
}

/** One block value of these events. */
export function encodeBlock(events: readonly Uint8Array[]): Uint8Array {
  const packed = new ByteWriter();
  for (const e of events) packed.bytes(e);
  return packBlock(events.length, packed.view());
}

/** How many events a block has; throws `CorruptBytes` where it is no block. */
export function countBlock(block: Uint8Array): number {
  const r = new ByteReader(block);
  readVersion(r, "mailbox block", EVENT_VERSION);
  const count = r.uint();
  for (let i = 0; i < count; i++) r.skip(r.uint());
  return count;
}

/** Encoded events one behind another. */
export interface PackedEvents {
  readonly packed: Uint8Array;
  /** Where in it the events are: begin and end of the first, then of the second, and so on. */
  readonly spans: readonly number[];
}

/** Takes a block apart, without a copy. Throws `CorruptBytes`. */
export function unpackBlock(block: Uint8Array): PackedEvents & { readonly spans: number[] } {
  const r = new ByteReader(block);
  readVersion(r, "mailbox block", EVENT_VERSION);
  const count = r.uint();
  const first = r.at;
  const spans: number[] = [];
  for (let i = 0; i < count; i++) {
    const length = r.uint();
    const start = r.at - first;
    r.skip(length);
    spans.push(start, start + length);
  }
  return { packed: block.subarray(first, r.at), spans };
}

/** The inverse of `encodeBlock`; views into the block. */
export function decodeBlock(bytes: Uint8Array): Uint8Array[] {
  const { packed, spans } = unpackBlock(bytes);
  const out: Uint8Array[] = [];
  for (let i = 0; i < spans.length; i += 2) out.push(packed.subarray(spans[i]!, spans[i + 1]!));
  return out;
}

/** Finds the messages of one conversation among encoded events without decoding the others. */
export class ConversationFilter {
  readonly #peer: Uint8Array;

  constructor(peer: AccountName) {
    this.#peer = new TextEncoder().encode(peer);
  }

  /**
   * Whether the event at `start` to `end` is a `message` or `undelivered` of the conversation. Throws
   * `CorruptBytes`.
   */
  matches(packed: Uint8Array, start: number, end: number): boolean {
    const r = new ByteReader(packed, start, end);
    readVersion(r, "mailbox event", EVENT_VERSION);
    r.skipUints(1);
    const kind = r.u8();
    if (kind !== BODY.variants.message.number && kind !== BODY.variants.undelivered.number) {
      return false;
    }
    // Both begin with the name of the peer.
    const peer = this.#peer;
    const length = r.uint();
    if (length !== peer.length || r.at + length > end) return false;
    for (let i = 0; i < length; i++) if (packed[r.at + i] !== peer[i]) return false;
    return true;
  }
}

/** Where an encoded `message` has the name of its peer and its text: UTF-8, ends exclusive. */
export interface MessageSpans {
  readonly peer: readonly [start: number, end: number];
  readonly body: readonly [start: number, end: number];
}

/**
 * Finds the text of the event at `start` to `end` without decoding the event; null where it is no
 * message. Throws `CorruptBytes`.
 */
export function messageSpans(
  packed: Uint8Array,
  start: number,
  end: number,
): MessageSpans | null {
  const r = new ByteReader(packed, start, end);
  readVersion(r, "mailbox event", EVENT_VERSION);
  r.skipUints(1);
  if (r.u8() !== BODY.variants.message.number) return null;
  const peer = spanOf(r);
  r.bool();
  r.skipUints(1);
  spanOf(r);
  return { peer, body: spanOf(r) };
}

function spanOf(r: ByteReader): readonly [number, number] {
  const length = r.uint();
  const start = r.at;
  r.skip(length);
  return [start, start + length];
}
