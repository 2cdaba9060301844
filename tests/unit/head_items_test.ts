import assert from "node:assert/strict";
import fc from "fast-check";
import { AccountState } from "../../shard/account/account.ts";
import {
  forEachSince,
  holdConversations,
  writeConversations,
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
  const conversations = fc.array(CONVERSATION, { maxLength: 8 });
  fc.assert(fc.property(conversations, NUMBER, fc.nat(1), (items, firstSeq, generation) => {
    const w = new ByteWriter();
    const before = new AccountState("hub" as AccountName, 0);
    before.pairGeneration = generation;
    items.forEach((item, i) => {
      const name = `user${i}` as AccountName;
      const c = Object.assign(new Conversation(name, generation > 0 ? 2 * i + 1 : i), item);
      c.peerId = item.peerId as AccountId;
      before.conversations.set(name, c);
    });
    writeConversations(w, before);
    const account = new AccountState("hub" as AccountName, 0);
    account.pairGeneration = generation;
    holdConversations(new ByteReader(w.take()), account);
    const stored = shown(account, firstSeq);
    assert.ok(account.lazyConversations.bytes !== null);
    assert.equal(account.conversations.size, items.length);
    assert.deepEqual(stored, shown(account, firstSeq));
    const indexes = (of: AccountState) => [...of.conversations.values()].map((c) => c.index);
    assert.deepEqual(indexes(account), indexes(before));
    const wanted = items.filter(({ lastSeq }) => lastSeq >= Math.max(1, firstSeq));
    assert.equal(stored.length, wanted.length);
  }));
});
