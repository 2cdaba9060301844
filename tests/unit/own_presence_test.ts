/** What a session asks its shard to show, where requests are not taken in the order in which they were made. */
import { deepEqual, equal } from "node:assert/strict";
import type { AccountName, SessionId } from "../../shard/name/ids.ts";
import { fail, ok, type Result } from "../../shard/errors.ts";
import type { EdgeRouter } from "../../server/node/router.ts";
import { OwnPresence } from "../../server/edge/own_presence.ts";
import { presenceOf } from "./edge_fixture.ts";

const [FIRST, SECOND, THIRD] = [presenceOf("chat"), presenceOf("away"), presenceOf("dnd")];

/** A session, what it has asked for, and a way to reply. */
function asking() {
  const asked: { readonly presence: unknown; readonly reply: (result: Result<null>) => void }[] =
    [];
  const request = (_user: AccountName, _op: string, input: unknown, done: unknown) => {
    const { presence } = input as { readonly presence: unknown };
    asked.push({ presence, reply: done as (result: Result<null>) => void });
    return () => {};
  };
  const owner = { id: "s1" as SessionId, user: "alice" as AccountName, alive: true };
  const own = new OwnPresence({ request } as Pick<EdgeRouter, "request">, owner, FIRST);
  return { own, owner, asked };
}

Deno.test("OwnPresence: what may have been taken last is corrected", () => {
  const { own, owner, asked } = asking();
  own.set(SECOND, () => {});
  own.set(THIRD, () => {});
  asked[1]!.reply(ok(null));
  asked[0]!.reply(ok(null));
  deepEqual([own.wanted, asked.slice(2).map(({ presence }) => presence)], [THIRD, [THIRD]]);
  asked[2]!.reply(ok(null));
  // So is an announcement that was begun before a change.
  const announced = own.sent(own.wanted);
  own.set(SECOND, () => {});
  asked[3]!.reply(ok(null));
  announced();
  deepEqual(asked.slice(4).map(({ presence }) => presence), [SECOND]);
  // A session that has ended asks for nothing.
  owner.alive = false;
  own.set(FIRST, () => {});
  asked[5]!.reply(ok(null));
  asked[4]!.reply(ok(null));
  equal(asked.length, 6);
});

Deno.test("OwnPresence: replies in order, and what was refused, need no correction", () => {
  const { own, asked } = asking();
  const announced = own.sent(own.wanted);
  own.set(SECOND, () => {});
  announced();
  own.set(THIRD, () => {});
  asked[1]!.reply(fail("busy", "no"));
  asked[0]!.reply(ok(null));
  deepEqual([own.wanted, asked.length], [SECOND, 2]);
});
