/** What an account keeps of its push messages. */
import { deepEqual, equal } from "node:assert/strict";
import type { AccountName } from "../../shard/name/ids.ts";
import { AccountState } from "../../shard/account/account.ts";
import { apply } from "../../shard/account/apply.ts";
import { decodeHead, encodeHead } from "../../shard/account/head.ts";
import type { Entry } from "../../shard/account/records.ts";
import { PUSH_SAMPLES } from "./push_samples.ts";

const { push_set, push_removed, push_owed, push_settled } = PUSH_SAMPLES;

function accountOf(...entries: readonly Entry[]): AccountState {
  const account = new AccountState("al" as AccountName, 0);
  for (const e of entries) apply(account, e);
  return account;
}

function readBack(account: AccountState): AccountState {
  const copy = new AccountState(account.name, 0);
  decodeHead(copy, encodeHead(account, 1));
  return copy;
}

Deno.test("13: an account without a push subscription owes no push message, and its head brings back as much", () => {
  // An order of records that a shard does not write, but a log could have.
  for (const life of [[push_owed, push_set], [push_set, push_removed, push_owed, push_set]]) {
    const account = accountOf(...life);
    equal(account.pushMarks.size, 0);
    deepEqual(encodeHead(readBack(account), 1), encodeHead(account, 1));
  }
});

Deno.test("13: what is owed is kept by the head, is settled once, and ends with the last subscription", () => {
  const owed = accountOf(push_set, push_owed);
  deepEqual([...readBack(owed).pushMarks], [["bo", { seq: 300, sent: false }]]);
  apply(owed, { ...push_settled, seq: 299 });
  deepEqual([...owed.pushMarks], [["bo", { seq: 300, sent: false }]], "of another message");
  apply(owed, push_settled);
  deepEqual([...readBack(owed).pushMarks], [["bo", { seq: 300, sent: true }]]);
  apply(owed, push_removed);
  equal(owed.pushMarks.size, 0);
  equal(accountOf(push_set, push_owed, { ...push_settled, sent: false }).pushMarks.size, 0);
});
