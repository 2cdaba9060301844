/** The stored form of a mailbox event: one version byte, then the kind and its fields. */
import type { MailboxBody, MailboxEvent } from "../ops.ts";
import type { AccountName } from "../name/ids.ts";
import type { Subscription } from "../roster/subscription.ts";
import { ByteReader, ByteWriter, CorruptBytes } from "../record/bytes.ts";

const KINDS = [
  "message",
  "undelivered",
  "receipt",
  "read",
  "roster",
  "roster_removed",
  "request",
  "blocked",
  "settings",
] as const satisfies readonly MailboxBody["kind"][];

/** Order is part of the stored format. */
export const SUBSCRIPTIONS = ["none", "to", "from", "both"] as const satisfies Subscription[];

/** Appends the body's stored form. */
export function writeBody(w: ByteWriter, body: MailboxBody): void {
  w.u8(KINDS.indexOf(body.kind));
  switch (body.kind) {
    case "message":
      w.str(body.with).bool(body.out).uint(body.num).str(body.id).str(body.body).str(body.ext)
        .str(body.device);
      return;
    case "undelivered":
      w.str(body.with).uint(body.num).str(body.id).str(body.reason);
      return;
    case "receipt":
      w.str(body.with).uint(body.delivered).uint(body.read);
      return;
    case "read":
      w.str(body.with).uint(body.upTo).uint(body.unread);
      return;
    case "roster": {
      const i = body.item;
      w.str(i.contact).str(i.label).uint(i.groups.length);
      for (const g of i.groups) w.str(g);
      w.u8(SUBSCRIPTIONS.indexOf(i.subscription)).bool(i.pendingOut).bool(i.approved);
      return;
    }
    case "roster_removed":
      w.str(body.contact);
      return;
    case "request":
      w.str(body.from).bool(body.pending);
      return;
    case "blocked":
      w.str(body.contact).bool(body.blocked);
      return;
    case "settings":
      w.bool(body.messagesFrom === "anyone");
      return;
  }
}

/** Reads what `writeBody` wrote. */
export function readBody(r: ByteReader): MailboxBody {
  const kind = KINDS[r.u8()];
  const name = () => r.str() as AccountName;
  switch (kind) {
    case "message":
      return {
        kind,
        with: name(),
        out: r.bool(),
        num: r.uint(),
        id: r.str(),
        body: r.str(),
        ext: r.str(),
        device: r.str(),
      };
    case "undelivered":
      return { kind, with: name(), num: r.uint(), id: r.str(), reason: r.str() };
    case "receipt":
      return { kind, with: name(), delivered: r.uint(), read: r.uint() };
    case "read":
      return { kind, with: name(), upTo: r.uint(), unread: r.uint() };
    case "roster": {
      const contact = name();
      const label = r.str();
      const groups = r.list(() => r.str());
      const subscription = SUBSCRIPTIONS[r.u8()];
      if (subscription === undefined) throw new CorruptBytes("roster event: no such subscription");
      return {
        kind,
        item: { contact, label, groups, subscription, pendingOut: r.bool(), approved: r.bool() },
      };
    }
    case "roster_removed":
      return { kind, contact: name() };
    case "request":
      return { kind, from: name(), pending: r.bool() };
    case "blocked":
      return { kind, contact: name(), blocked: r.bool() };
    case "settings":
      return { kind, messagesFrom: r.bool() ? "anyone" : "contacts" };
    default:
      throw new CorruptBytes("mailbox event: no such kind");
  }
}

const EVENT_VERSION = 1;
/** Only a buffer: nothing in it outlives the call that fills it. */
const scratch = new ByteWriter(4096);

/** The bytes of one event in a mailbox block; valid until the next call. */
export function writeEvent(at: number, body: MailboxBody): ByteWriter {
  scratch.clear();
  scratch.u8(EVENT_VERSION).uint(at);
  writeBody(scratch, body);
  return scratch;
}

/** The bytes of one event in a mailbox block. */
export function encodeEvent(at: number, body: MailboxBody): Uint8Array {
  return writeEvent(at, body).take();
}

/** Reads an event back; its position is known from the block. */
export function decodeEvent(bytes: Uint8Array, seq: number): MailboxEvent {
  const r = new ByteReader(bytes);
  const version = r.u8();
  if (version !== EVENT_VERSION) {
    throw new CorruptBytes(`mailbox event of version ${version}, this program reads 1`);
  }
  const at = r.uint();
  return { seq, at, ...readBody(r) };
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
  const version = r.u8();
  if (version !== EVENT_VERSION) {
    throw new CorruptBytes(`mailbox block of version ${version}, this program reads 1`);
  }
  const count = r.uint();
  for (let i = 0; i < count; i++) r.skip(r.uint());
  return count;
}

/**
 * What `packBlock` packed, and where in it the events are: the beginning and the end of the first,
 * then those of the second, and so on.
 */
export function unpackBlock(
  block: Uint8Array,
): { readonly packed: Uint8Array; readonly spans: number[] } {
  const r = new ByteReader(block);
  const version = r.u8();
  if (version !== EVENT_VERSION) {
    throw new CorruptBytes(`mailbox block of version ${version}, this program reads 1`);
  }
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
  return cutSpans(packed, spans, 0);
}

/** Views of the events in `packed` from the one with this index on. */
export function cutSpans(
  packed: Uint8Array,
  spans: readonly number[],
  from: number,
): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (let i = from * 2; i < spans.length; i += 2) {
    out.push(packed.subarray(spans[i]!, spans[i + 1]!));
  }
  return out;
}
