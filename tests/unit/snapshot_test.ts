import { deepEqual } from "node:assert/strict";
import type { AccountId, AccountName, MailboxId } from "../../shard/name/ids.ts";
import type { Entry } from "../../shard/account/records.ts";
import { AccountState } from "../../shard/account/account.ts";
import { apply } from "../../shard/account/apply.ts";
import { snapshotOf } from "../../shard/handlers/snapshot.ts";

const AL = "al" as AccountName;
const AL_ID = "AAAAAAAAAAAAAAAA" as AccountId;
const MAILBOX = "MMMMMMMMMMMMMMMM" as MailboxId;

Deno.test("snapshotOf: a message to oneself that an earlier version delivered is not unread (A5)", () => {
  const account = new AccountState(AL, 7);
  const message = { num: 1, id: "k1", body: "note", ext: "" };
  const received = { kind: "received", fromId: AL_ID, n: 1, at: 1, ...message } as const;
  const life: readonly Entry[] = [
    { kind: "created", id: AL_ID, mailboxId: MAILBOX, at: 1, credentials: null },
    { ...received, from: AL, seq: 1 },
    { ...received, from: "bo" as AccountName, seq: 2 },
  ];
  for (const entry of life) apply(account, entry);
  const { conversations } = snapshotOf(account, []);
  deepEqual(conversations.map(({ with: peer, unread }) => [peer, unread]), [[AL, 0], ["bo", 1]]);
});
