/**
 * An account's head on its way to another cell: everything of it but the rows that move beside it, the
 * register of its name, and what is left to be deleted where it was.
 */
import type { Account, AccountState } from "./account.ts";
import { blockCodec, conversationCodec, freeOf } from "./page_items.ts";
import { ByteReader, ByteWriter } from "../record/bytes.ts";
import {
  FORMER,
  HEAD_START,
  MAILBOX,
  readEnd,
  readOutbox,
  writeEndOf,
  writeOutbox,
} from "./head.ts";
import { Mailbox } from "../mailbox/mailbox.ts";
import type { MailboxId } from "../name/ids.ts";
import { readVersion } from "../record/struct.ts";
import { ROSTER_ITEM } from "../roster/roster.ts";

const VERSION = 1;
const BLOCKED = blockCodec();

/** In the order of their indexes: a head in one piece may not name them. */
function writeConversations(w: ByteWriter, a: AccountState): void {
  const codec = conversationCodec(a, null);
  const all = [...a.conversations].sort(([, b], [, c]) => b.index - c.index);
  w.uint(all.length);
  for (const [name, conversation] of all) codec.write(w, name, conversation);
}

function readConversations(r: ByteReader, a: AccountState): void {
  const used = new Set<number>();
  const codec = conversationCodec(a, used);
  for (let left = r.count(); left > 0; left--) {
    const { at } = r;
    // It notes who is owed a receipt, and what no device has.
    codec.load(r);
    r.back(at);
    const [name, conversation] = codec.read(r);
    a.conversations.set(name, conversation);
  }
  a.freeIndexes = freeOf(used, a.conversations.size);
}

/** The head of an account that moves to another cell. */
export function encodeAway(of: Account): Uint8Array {
  const a = of as AccountState;
  const w = new ByteWriter(2048);
  w.u8(VERSION).uint(a.pairGeneration).uint(a.pairOutFloor);
  HEAD_START.write(w, a);
  for (const d of a.devices) w.uint(d.usedAt);
  MAILBOX.write(w, a.mailbox);
  w.bytes(a.mailbox.encodeTail());
  w.uint(a.roster.size);
  for (const [, item] of a.roster) ROSTER_ITEM.write(w, item);
  w.uint(a.blocked.size);
  for (const [name, block] of a.blocked) BLOCKED.write(w, name, block);
  writeConversations(w, a);
  writeOutbox(w, a);
  FORMER.write(w, a.dedupe.former);
  writeEndOf(w, a, []);
  return w.take();
}

/** Fills an account that does not exist from what `encodeAway` wrote. Throws `CorruptBytes`. */
export function decodeAway(a: AccountState, bytes: Uint8Array): void {
  const r = new ByteReader(bytes);
  readVersion(r, "head of a moved account", VERSION);
  a.pairGeneration = r.uint();
  a.pairOutFloor = r.uint();
  HEAD_START.fill(r, a);
  a.devices = a.devices.map((d) => ({ ...d, usedAt: r.uint() }));
  a.mailbox = MAILBOX.fill(r, new Mailbox("" as MailboxId));
  a.mailbox.decodeTail(r.view());
  for (let left = r.count(); left > 0; left--) {
    const item = ROSTER_ITEM.read(r);
    if (item.withheld) a.withheldRequests++;
    a.roster.set(item.contact, item);
  }
  for (let left = r.count(); left > 0; left--) a.blocked.set(...BLOCKED.read(r));
  readConversations(r, a);
  readOutbox(r, a);
  readEnd(r, a, FORMER.read(r));
}
