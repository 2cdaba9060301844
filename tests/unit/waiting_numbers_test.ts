/** Numbers of messages that wait for somebody who was taken for gone meanwhile. */
import type { AccountId, AccountName, MailboxId } from "../../shard/name/ids.ts";
import { AccountState } from "../../shard/account/account.ts";
import { apply } from "../../shard/account/apply.ts";
import { deepEqual } from "node:assert/strict";
import type { Entry } from "../../shard/account/records.ts";

const AL_ID = "AAAAAAAAAAAAAAAA" as AccountId;
const MAILBOX = "MMMMMMMMMMMMMMMM" as MailboxId;
const BO = "bo" as AccountName;
const BO_ID = "BBBBBBBBBBBBBBBB" as AccountId;

function waits(num: number): Entry {
  const message = { num, id: `m${num}`, body: "", ext: "", device: "d1" };
  return { kind: "sent_waiting", to: BO, toId: BO_ID, seq: num, at: 1, ...message } as Entry;
}

Deno.test("a message that waits keeps a number of its own where its recipient was taken for gone", () => {
  const account = new AccountState("al" as AccountName, 7);
  const life: readonly Entry[] = [
    { kind: "created", id: AL_ID, mailboxId: MAILBOX, at: 1, credentials: null },
    waits(1),
    waits(2),
    { kind: "pair_gone", to: BO, toId: BO_ID },
    {
      kind: "pair_out",
      to: BO,
      toId: BO_ID,
      n: 1,
      payload: { kind: "subscription", type: "subscribe", seen: 0 },
    } as Entry,
    { kind: "waiting_released", to: BO, toId: BO_ID },
  ];
  for (const entry of life) apply(account, entry);
  const c = account.conversations.get(BO)!;
  const told = account.outbox.get(BO)!.entries.flatMap(({ payload }) =>
    payload.kind === "message" ? payload.num : []
  );
  deepEqual(told.map((num) => c.ownNum(num)), [1, 2]);
});
