/** Whether an account that arrives from another cell can be taken. */
import { equal } from "node:assert/strict";
import type { AccountId, AccountName, CellName, MailboxId } from "../../shard/name/ids.ts";
import { AccountState } from "../../shard/account/account.ts";
import { apply } from "../../shard/account/apply.ts";
import { headParts } from "../../shard/account/moved_rows.ts";
import { isReadable } from "../../shard/account/moving.ts";

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
  equal(isReadable(arriving(head.bytes)), true);
  equal(isReadable(arriving(head.bytes.slice(0, 3))), false, "cut");
  const other = head.bytes.slice();
  other[0] = 99;
  equal(isReadable(arriving(other)), false, "of another version");
});
