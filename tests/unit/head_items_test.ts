import assert from "node:assert/strict";
import fc from "fast-check";
import { AccountState } from "../../shard/account/account.ts";
import {
  forEachSince,
  holdConversations,
  writeConversation,
} from "../../shard/account/head_items.ts";
import { Conversation, type ReadonlyConversation } from "../../shard/mailbox/conversation.ts";
import type { AccountId, AccountName } from "../../shard/name/ids.ts";
import { ByteReader, ByteWriter } from "../../shard/record/bytes.ts";

const NUMBER = fc.oneof(fc.nat(3), fc.maxSafeNat());
const CONVERSATION = fc.record({
  peerId: fc.string(),
  refusals: fc.array(fc.record({ n: NUMBER, reason: fc.string() }), { maxLength: 3 }),
  unread: fc.array(fc.record({ seq: NUMBER, num: NUMBER }), { maxLength: 3 }),
  lastSeq: NUMBER,
  lastAt: NUMBER,
  readUpTo: NUMBER,
  deliveredOut: NUMBER,
  readOut: NUMBER,
});

function shown(account: AccountState, firstSeq: number): object[] {
  const found: object[] = [];
  const view = (c: ReadonlyConversation) => {
    const { index: _, ...rest } = c;
    found.push(rest);
  };
  forEachSince(account, firstSeq, view);
  return found;
}

Deno.test("forEachSince takes the same of stored conversations as of those in memory", () => {
  fc.assert(fc.property(fc.array(CONVERSATION, { maxLength: 8 }), NUMBER, (items, firstSeq) => {
    const w = new ByteWriter();
    w.uint(items.length);
    items.forEach((item, i) => {
      const c = Object.assign(new Conversation(`user${i}` as AccountName, i), item);
      c.peerId = item.peerId as AccountId;
      writeConversation(w, c);
    });
    const account = new AccountState("hub" as AccountName, 0);
    holdConversations(new ByteReader(w.take()), account);
    const stored = shown(account, firstSeq);
    assert.ok(account.lazyConversations.bytes !== null);
    assert.equal(account.conversations.size, items.length);
    assert.deepEqual(stored, shown(account, firstSeq));
    const wanted = items.filter(({ lastSeq }) => lastSeq >= Math.max(1, firstSeq));
    assert.equal(stored.length, wanted.length);
  }));
});
