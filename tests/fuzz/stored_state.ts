/** What of an account a stored head must bring back. */
import type { AccountState } from "../../shard/account/account.ts";
import { ByteWriter } from "../../shard/record/bytes.ts";

function dedupeOf({ dedupe }: AccountState) {
  const w = new ByteWriter();
  dedupe.encode(w);
  return { former: dedupe.former, rest: w.take() };
}

/** All of it, in plain values. */
export function stored(a: AccountState) {
  const { mailbox: m } = a;
  return {
    state: a.state,
    id: a.id,
    createdAt: a.createdAt,
    credentials: a.credentials,
    devices: a.devices,
    messagesFrom: a.messagesFrom,
    lastSeen: a.lastSeen,
    ackedSeq: a.ackedSeq,
    invite: a.invite,
    roster: [...a.roster],
    blocked: [...a.blocked],
    conversations: [...a.conversations.values()].map((c) => ({ ...c })),
    undelivered: [...a.undelivered],
    unread: [...a.unread.values()],
    outbox: [...a.outbox.values()].map(({ to, toId, entries }) => ({ to, toId, entries })),
    dedupe: dedupeOf(a),
    purgedRanges: a.purgedRanges,
    purge: a.purge,
    mailbox: {
      id: m.id,
      blocks: m.blocks,
      gapsBefore: m.gapsBefore,
      tailFirst: m.tailFirst,
      tail: { ...m.tail(), packed: [...m.tail().packed] },
      tailBytes: m.tailBytes,
      lastAt: m.lastAt,
      conversations: [...m.tailConversations],
    },
  };
}
