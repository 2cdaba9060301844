/** What a session asks its shard to show, whose owners may be asked for the same more than once. */
import { deepEqual } from "node:assert/strict";
import type { AccountName, SessionId } from "../../shard/name/ids.ts";
import { fail, ok, type Result } from "../../shard/errors.ts";
import type { EdgeRouter } from "../../server/node/router.ts";
import { OwnPresence } from "../../server/edge/own_presence.ts";
import { presenceOf } from "./edge_fixture.ts";

const [FIRST, SECOND, THIRD] = [presenceOf("chat"), presenceOf("away"), presenceOf("dnd")];

/** A session, its requests without a reply, and the results of those that have one. */
function asking(alive = false) {
  const asked: { readonly presence: unknown; readonly reply: (result: Result<null>) => void }[] =
    [];
  const request = (_user: AccountName, _op: string, input: unknown, done: unknown) => {
    const { presence } = input as { readonly presence: unknown };
    asked.push({ presence, reply: done as (result: Result<null>) => void });
    return () => {};
  };
  const owner = { id: "s1" as SessionId, user: "alice" as AccountName };
  const own = new OwnPresence(
    { request } as Pick<EdgeRouter, "request">,
    owner,
    FIRST,
    () => alive,
  );
  const results: string[] = [];
  const set = (presence: typeof FIRST, who: string) =>
    own.set(presence, (result) => results.push(`${who} ${result.ok ? "ok" : result.code}`));
  const reply = (result: Result<null>) => asked.shift()!.reply(result);
  return { own, set, asked, reply, results };
}

Deno.test("OwnPresence: of what is asked for while a request is under way the last is asked for next", () => {
  const { own, set, asked, reply, results } = asking();
  set(SECOND, "a");
  set(THIRD, "b");
  set(FIRST, "c");
  deepEqual([asked.map(({ presence }) => presence), own.wanted, own.said], [
    [SECOND],
    FIRST,
    SECOND,
  ]);
  reply(ok(null));
  deepEqual([asked.map(({ presence }) => presence), results], [[FIRST], ["a ok"]]);
  reply(ok(null));
  deepEqual([asked, results, own.wanted, own.said], [[], ["a ok", "b ok", "c ok"], FIRST, FIRST]);
});

Deno.test("OwnPresence: no two requests under way say different things, announcements included", () => {
  const { own, set, asked, reply } = asking();
  set(SECOND, "a");
  set(THIRD, "b");
  // Two nodes have taken the shard over, one after the other.
  const announced = [own.said, own.said];
  const replies = [own.saying(), own.saying()];
  reply(ok(null));
  replies[0]!(ok(null));
  deepEqual([announced, own.said, asked], [[SECOND, SECOND], SECOND, []]);
  replies[1]!(fail("unauthorized", "The session has ended"));
  deepEqual([asked.map(({ presence }) => presence), own.said], [[THIRD], THIRD]);
});

Deno.test("OwnPresence: a change waits for an announcement that was begun before it", () => {
  const { own, set, asked, reply, results } = asking();
  const replied = own.saying();
  set(SECOND, "a");
  deepEqual([asked, own.said, own.wanted], [[], FIRST, SECOND]);
  replied(ok(null));
  reply(ok(null));
  deepEqual([own.said, results], [SECOND, ["a ok"]]);
});

Deno.test("OwnPresence: what is refused leaves what was known; what waited is refused where no owner replies", () => {
  const { own, set, asked, reply, results } = asking();
  set(SECOND, "a");
  set(THIRD, "b");
  reply(fail("busy", "no"));
  deepEqual([results, asked.map(({ presence }) => presence)], [["a busy"], [THIRD]]);
  set(FIRST, "c");
  reply(fail("unavailable", "no owner", 100));
  deepEqual([results.slice(1), asked, own.wanted], [["c unavailable", "b unavailable"], [], FIRST]);
  set(SECOND, "d");
  deepEqual(asked.map(({ presence }) => presence), [SECOND]);
});

Deno.test("OwnPresence: where the shard does not know a session that lives, the client is to ask again", () => {
  const dead = asking();
  dead.set(SECOND, "a");
  dead.reply(fail("unauthorized", "The session has ended"));
  const { own, set, reply, results } = asking(true);
  set(SECOND, "a");
  reply(fail("unauthorized", "The session has ended"));
  deepEqual([dead.results, results, own.said], [["a unauthorized"], ["a unavailable"], FIRST]);
});
