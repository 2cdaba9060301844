/** Whether an account that arrives from another cell can be taken. */
import { equal } from "node:assert/strict";
import type { AccountId, AccountName, CellName, MailboxId } from "../../shard/name/ids.ts";
import { AccountState } from "../../shard/account/account.ts";
import { apply } from "../../shard/account/apply.ts";
import { headParts } from "../../shard/account/moved_rows.ts";
import { arrivalFault } from "../../shard/account/moving.ts";
import { isFormerId, isRestarted, restarted } from "../../shard/step/going.ts";

const MOVE = { move: "m1", attempt: 1, mailboxId: "MMMMMMMMMMMMMMMM" as MailboxId };

/** An account whose whole head has arrived. */
function arriving(bytes: Uint8Array): AccountState {
  const account = new AccountState("al" as AccountName, 0);
  const id = "AAAAAAAAAAAAAAAA" as AccountId;
  apply(account, { kind: "arriving", move: "m1", from: "aa" as CellName, id });
  const { attempt, mailboxId } = MOVE;
  apply(account, { kind: "arriving_head", attempt, part: 0, parts: 1, mailboxId, bytes });
  return account;
}

Deno.test("12: an account whose head this program cannot read is not taken, before it has left its cell", () => {
  const source = new AccountState("al" as AccountName, 0);
  const [head] = headParts(source, MOVE);
  if (head?.kind !== "head") throw new Error("a head has a part");
  equal(arrivalFault(arriving(head.bytes)), null);
  equal(arrivalFault(arriving(head.bytes.slice(0, 3))), "unreadable", "cut");
  const other = head.bytes.slice();
  other[0] = 99;
  equal(arrivalFault(arriving(other)), "unreadable", "of another version");
});

Deno.test("12: each time that a move begins anew it has another id, which tells the order", () => {
  const ids = ["m 1"];
  for (let i = 0; i < 11; i++) ids.push(restarted(ids.at(-1)!));
  equal(new Set(ids).size, ids.length);
  equal(isRestarted(ids[0]!), false);
  for (const [i, id] of ids.entries()) {
    equal(isRestarted(id), i > 0);
    for (const [j, other] of ids.entries()) equal(isFormerId(id, other), i < j, `${id}, ${other}`);
  }
  // Programs before this one have counted to one, without a number.
  equal(isRestarted("m 1*"), true);
  equal(restarted("m 1*"), ids[2]);
  equal(isFormerId("m 1", "m 2*1"), false, "of another move");
});
