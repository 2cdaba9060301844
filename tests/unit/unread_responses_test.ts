/** Responses that clients ask for and do not read. */
import { deepEqual, equal, match } from "node:assert/strict";
import { ok } from "../../shard/errors.ts";
import { openApp } from "./json_app.ts";
import { UnreadResponses } from "../../server/http/unread_responses.ts";

/** Counts responses that stay unread until `overs` are called. */
function unreadResponses(perAccount: number, perNetwork: number) {
  const overs: (() => void)[] = [];
  const unread = new UnreadResponses(
    { perAccount, perNetwork },
    (_, over) => void overs.push(over),
  );
  const request = new Request("http://localhost/");
  const code = (user: string, address: string, chars: number) =>
    unread.count(request, { user, address }, chars)?.code ?? "ok";
  return { unread, overs, code };
}

Deno.test("10.1: UnreadResponses: an account has its bound and one response more, until they are read", () => {
  const { overs, code } = unreadResponses(100_000, 1_000_000);
  const ann = (chars: number) => code("ann", "192.0.2.1", chars);
  // Small ones take less than their connections.
  for (let i = 0; i < 1000; i++) equal(ann(16_383), "ok");
  equal(overs.length, 0);
  deepEqual([90_000, 2_000_000, 20_000].map(ann), ["ok", "ok", "busy"]);
  equal(ann(100), "ok");
  overs[1]!();
  equal(ann(20_000), "ok");
  equal(ann(20_000), "busy");
  for (const over of overs) if (over !== overs[1]) over();
  equal(ann(20_000), "ok");
});

Deno.test("10.1: UnreadResponses: accounts of one network have a bound together, and others their own", () => {
  const { overs, code } = unreadResponses(100_000, 300_000);
  // One customer's /48.
  const crowd = Array.from({ length: 8 }, (_, i) => code(`a${i}`, `2001:db8:1:${i}::1`, 50_000));
  deepEqual(crowd, ["ok", "ok", "ok", "ok", "ok", "ok", "ok", "busy"]);
  equal(code("bob", "192.0.2.1", 50_000), "ok");
  overs[0]!();
  equal(code("carol", "2001:db8:1:9::1", 50_000), "ok");
});

Deno.test("10.1: REST: a client that reads no page gets no further one, but may do all else", async () => {
  const { unread, overs } = unreadResponses(20_000, 1_000_000);
  const { call, node, bearer } = openApp({ unread });
  const event = { seq: 1, at: 1, kind: "message", with: "bob", out: false, num: 1, id: "k" };
  const page = { events: [{ ...event, body: "x".repeat(30_000), ext: "", device: "d" }] };
  node.router.answers["conversation.history"] = () =>
    ok({ ...page, more: false, blocks: 1 } as never);
  const history = "GET /v1/conversations/bob/messages";
  equal((await call(history)).status, 200);
  const refused = await call(history);
  deepEqual([refused.status, refused.value?.["code"]], [503, "busy"]);
  match(String(refused.value?.["message"]), /Read the earlier responses/);
  const asked = node.router.asked.filter(({ op }) => op === "conversation.history");
  equal(asked.length, 1, "it costs nothing");
  const sent = await call("POST /v1/messages", { to: "bob", body: "hi" }, {
    ...bearer,
    "idempotency-key": "k1",
  });
  equal(sent.status, 200);
  overs[0]!();
  equal((await call(history)).status, 200);
});
