/** Changes whose message went away after they were checked. */
import { deepEqual, equal } from "node:assert/strict";
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import { AccountState } from "../../shard/account/account.ts";
import { changeOwn } from "../../shard/handlers/own_changes.ts";
import { editOf } from "../../server/v1/changes.ts";
import type { Pending, Turn } from "../../shard/handlers/turn.ts";

Deno.test("13: a change of a message that is not there any more is refused, and appends nothing", () => {
  const account = new AccountState("alice" as AccountName, 0);
  const appended: unknown[] = [];
  const turn = {
    eventTime: () => 1,
    append: (_: unknown, entry: unknown) => void appended.push(entry),
  } as unknown as Turn;
  const of = { device: "phone" as DeviceId, to: "bob" as AccountName, id: "e1" };
  const pending = {} as Pending;
  const undone = changeOwn(turn, account, { ...of, ...editOf(1, "The second text") }, pending);
  equal(undone !== null && "code" in undone && undone.code, "not_found");
  deepEqual(appended, []);
});
