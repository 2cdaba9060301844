/** The stored form of the head of a large account: what of it is not in pages, and where they are. */
import type { Account, AccountState } from "./account.ts";
import { type ByteReader, ByteWriter } from "../record/bytes.ts";
import { FORMER, HEAD_START, PURGE, readEnd, readOutbox, setOf } from "./head.ts";
import { type FindPageRow, HeadPages } from "./head_pages.ts";
import { list, mapped, uint } from "../record/schema.ts";
import { Mailbox } from "../mailbox/mailbox.ts";
import { mailboxId } from "../record/fields.ts";
import type { MailboxId } from "../name/ids.ts";
import { HEAD_VERSION_PAGED, readHeadVersion, writeHeadVersion } from "./head_version.ts";
import { struct } from "../record/struct.ts";
import { writeEnd, writeOutbox } from "./head.ts";

/** A mailbox, but for its blocks, and for the events in its tail, which follow. */
const MAILBOX = struct({
  id: mailboxId,
  tailFirst: uint,
  lastAt: uint,
  tailConversations: mapped(list(uint), setOf, (set) => [...set]),
});

/** The head of an account in pages, without them. */
export function encodePagedHead(a: Account, lsn: number, pages: HeadPages): Uint8Array {
  const w = new ByteWriter(4096);
  writeHeadVersion(w, a, HEAD_VERSION_PAGED, lsn);
  w.uint(a.pairGeneration).uint(a.pairOutFloor);
  HEAD_START.write(w, a);
  for (const d of a.devices) w.uint(d.usedAt);
  MAILBOX.write(w, a.mailbox);
  w.bytes(a.mailbox.encodeTail());
  pages.encode(w);
  writeOutbox(w, a);
  FORMER.write(w, a.dedupe.former);
  PURGE.write(w, a.purge);
  writeEnd(w, a);
  return w.take();
}

/** Fills what stands before the pages: the mailbox but for its blocks, too. Throws `CorruptBytes`. */
export function decodePagedStart(account: AccountState, r: ByteReader): void {
  readHeadVersion(r, account, [HEAD_VERSION_PAGED]);
  account.pairGeneration = r.uint();
  account.pairOutFloor = r.uint();
  HEAD_START.fill(r, account);
  account.devices = account.devices.map((d) => ({ ...d, usedAt: r.uint() }));
  account.mailbox = MAILBOX.fill(r, new Mailbox("" as MailboxId));
  account.mailbox.decodeTail(r.view());
}

/** Fills `account` from its head and its pages, whose rows `find` returns. Throws `CorruptBytes`. */
export function decodePagedHead(account: AccountState, r: ByteReader, find: FindPageRow): void {
  decodePagedStart(account, r);
  const pages = HeadPages.decode(r, account, find);
  readOutbox(r, account);
  const former = FORMER.read(r);
  account.purge = [...PURGE.read(r)];
  readEnd(r, account, former);
  account.runtime.pages = pages;
}
