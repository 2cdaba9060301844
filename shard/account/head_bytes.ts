/** What a change adds to an account's head: the head itself is measured only at checkpoints. */
import type { Account } from "./account.ts";
import type { AccountName } from "../name/ids.ts";
import type { Entry } from "./records.ts";
import { ByteWriter } from "../record/bytes.ts";
import { ROSTER_ITEM } from "../roster/roster.ts";
import { writeIndexed } from "./head_items.ts";

/** Bytes that a new conversation may grow by before a checkpoint measures it. */
const GROWTH_BYTES = 16;
/** Bytes of a new conversation of an imported account, at most about. */
const IMPORTED_BYTES = 1500;

/** Bytes that the contact of a roster entry takes at present; 0 where the entry is of another kind. */
export function contactBytes(account: Account, entry: Entry): number {
  if (entry.kind !== "roster" && entry.kind !== "roster_removed") return 0;
  const contact = entry.kind === "roster" ? entry.item.contact : entry.contact;
  const item = account.roster.get(contact);
  if (item === undefined) return 0;
  const w = new ByteWriter(256);
  ROSTER_ITEM.write(w, item);
  return w.length;
}

function peerOf(entry: Entry): AccountName | null {
  switch (entry.kind) {
    case "sent":
    case "sent_waiting":
    case "pair_out":
      return entry.to;
    case "received":
    case "pair_in":
      return entry.from;
    default:
      return null;
  }
}

/** Bytes of the conversation that the entry has begun. */
export function conversationBytes(account: Account, entry: Entry): number {
  const peer = peerOf(entry);
  const c = peer === null ? undefined : account.conversations.get(peer);
  if (c === undefined) return IMPORTED_BYTES;
  const w = new ByteWriter(128);
  writeIndexed(w, c);
  return w.length + GROWTH_BYTES;
}
