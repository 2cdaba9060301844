import assert from "node:assert/strict";
import type { AccountName } from "../../shard/name/ids.ts";
import { openApi } from "./gateway_app.ts";
import { honoPath } from "../../server/v1/rest.ts";
import { gatewayRoutes } from "../../server/gateway/routes.ts";
import { gatewaySchemas } from "../../server/gateway/schemas.ts";
import { SCOPE_NAMES } from "../../server/gateway/service.ts";
import { PROTOCOL_LIMITS } from "../sim/limits.ts";

Deno.test("the gateway lets nobody in without a service's token, nor beyond its scopes", async () => {
  const { w, call } = openApi();
  const token = w.service("mail", ["send"]);
  const who = await call("GET /gateway/v1/service", token);
  assert.deepEqual(who.value, {
    service: "mail",
    account: "service.mail",
    scopes: ["send"],
    expiresAt: null,
  });
  assert.equal((await call("GET /gateway/v1/service", `${token.slice(0, -1)}_`)).status, 401);
  assert.equal((await call("GET /gateway/v1/service", "rs1_other_" + "A".repeat(43))).status, 401);
  assert.equal((await call("GET /gateway/v1/outcomes", token)).status, 403);
  assert.equal((await call("GET /gateway/v1/presence/events", token)).status, 403);
  w.must<null>((done) => w.gateway.registry.revoke("mail", done));
  assert.equal((await call("GET /gateway/v1/service", token)).status, 401);
});

Deno.test("a token that has expired is refused, and its service revoked", async () => {
  const { w, call } = openApi();
  const expiresAt = w.process.clock.wallMs() + 5000;
  const { token } = w.must<{ readonly token: string }>((done) =>
    w.gateway.registry.add("brief", ["send"], expiresAt, done)
  );
  assert.equal((await call("GET /gateway/v1/service", token)).status, 200);
  w.time.runFor(6000);
  assert.equal((await call("GET /gateway/v1/service", token)).status, 401);
  w.time.runFor(10_000);
  assert.equal(w.gateway.registry.list()[0]!.tokenHash, null);
});

Deno.test("messages of a service are sent once for each key, and their outcomes paged", async () => {
  const { w, call } = openApi();
  const token = w.service("mail", ["send", "outcomes"]);
  w.person("ann", "mail");
  const body = { to: "ann", body: "hello" };
  const missing = await call("POST /gateway/v1/messages", token, body);
  assert.deepEqual([missing.status, missing.value["code"]], [400, "bad_request"]);
  const key = { "idempotency-key": "one" };
  const first = await call("POST /gateway/v1/messages", token, body, key);
  assert.deepEqual(first.value["num"], 1);
  assert.deepEqual((await call("POST /gateway/v1/messages", token, body, key)).value, first.value);
  // Another content under the key is sent to nobody.
  const other = { ...body, body: "another" };
  const misused = await call("POST /gateway/v1/messages", token, other, key);
  assert.deepEqual([misused.status, misused.value["code"]], [409, "conflict"]);
  const page = await call("GET /gateway/v1/outcomes?limit=500", token);
  assert.deepEqual(
    (page.value["outcomes"] as readonly Record<string, unknown>[]).map((
      o,
    ) => [o["state"], o["key"]]),
    [["accepted", "one"]],
  );
  const next = await call(`GET /gateway/v1/outcomes?after=${page.value["cursor"]}`, token);
  assert.deepEqual(next.value["outcomes"], []);
  // A client that reconnects by itself repeats the address that it began with.
  const began = `GET /gateway/v1/outcomes?after=${String(page.value["cursor"]).split(":")[0]}:0`;
  const on = { "last-event-id": String(page.value["cursor"]) };
  assert.deepEqual((await call(began, token, undefined, on)).value["outcomes"], []);
  const wrong = await call("GET /gateway/v1/outcomes?after=AAAAAAAAAAAAAAAA:1", token);
  assert.equal(wrong.status, 410);
});

Deno.test("presence of unknown users and of those who did not agree is answered alike", async () => {
  const { w, call } = openApi();
  const token = w.service("mail", ["presence.read", "presence.set"]);
  w.ask("eve", "account.create", { credentials: null });
  w.person("ann", "mail");
  w.time.runFor(1000);
  const users = ["eve", "nobody", "Ann@example.org", "a/b"];
  const { value } = await call("POST /gateway/v1/presence/query", token, { users });
  assert.deepEqual(value["presence"], [
    { user: "eve", show: "offline" },
    { user: "nobody", show: "offline" },
    { user: "ann", show: "offline" },
    { user: "a/b", show: "offline" },
  ]);
  const set = users.map((user) => ({ user, show: "dnd", ttlSeconds: 60 }));
  const results = (await call("PUT /gateway/v1/presence", token, { users: set })).value["results"];
  assert.deepEqual(results, [
    { user: "eve", ok: false, code: "not_found" },
    { user: "nobody", ok: false, code: "not_found" },
    { user: "ann", ok: true },
    { user: "a/b", ok: false, code: "not_found" },
  ]);
  const show = async () => {
    const answer = await call("POST /gateway/v1/presence/query", token, { users: ["ann"] });
    return (answer.value["presence"] as readonly Record<string, unknown>[])[0]!;
  };
  assert.deepEqual([(await show())["show"], (await show())["device"]], ["dnd", "service:mail"]);
  assert.equal(w.gateway.presences.size, 1);
  w.time.runFor(60_000);
  assert.equal((await show())["show"], "offline");
  assert.equal(w.gateway.presences.size, 0);
});

Deno.test("a service has its own rate, of which names of a batch take a part", async () => {
  const { w, call, limits } = openApi(10);
  const token = w.service("mail", ["presence.set"]);
  const other = w.service("other", ["send"]);
  const users = Array.from({ length: 100 }, (_, i) => ({ user: `u${i}`, clear: true }));
  const refused = await call("PUT /gateway/v1/presence", token, { users });
  assert.deepEqual([refused.status, refused.value["code"]], [429, "rate_limited"]);
  assert.deepEqual(limits, ["services"]);
  assert.equal((await call("GET /gateway/v1/service", other)).status, 200);
  const many = Array.from({ length: 201 }, (_, i) => ({ user: `u${i}`, clear: true }));
  const tooMany = await call("PUT /gateway/v1/presence", token, { users: many });
  assert.equal(tooMany.value["code"], "limit_reached");
});

Deno.test("webhooks go to public addresses only, and need the scopes of their topics", async () => {
  const { w, call } = openApi();
  const token = w.service("mail", ["outcomes"]);
  const put = (body: unknown) => call("PUT /gateway/v1/webhooks/main", token, body);
  const url = "https://mail.example.org/hook";
  assert.equal((await put({ url: "http://127.0.0.1/", topics: ["outcomes"] })).status, 400);
  assert.equal((await put({ url, topics: ["presence"] })).status, 403);
  const made = await put({ url, topics: ["outcomes"] });
  assert.match(String(made.value["secret"]), /^whsec_/);
  assert.equal((await put({ url, topics: ["outcomes"] })).value["secret"], undefined);
  const { value } = await call("GET /gateway/v1/webhooks", token);
  assert.equal((value["webhooks"] as readonly unknown[]).length, 1);
  assert.equal((await call("DELETE /gateway/v1/webhooks/main", token)).status, 204);
  assert.equal((await call("DELETE /gateway/v1/webhooks/main", token)).status, 404);
});

Deno.test("streams tell presence and outcomes as they happen, and end with the service", async () => {
  const { w, request } = openApi();
  const token = w.service("mail", ["watch", "outcomes", "send"]);
  w.person("ann", "mail");
  w.time.runFor(1000);
  const read = async (reader: ReadableStreamDefaultReader<Uint8Array>) => {
    const { value } = await reader.read();
    return value === undefined ? "" : new TextDecoder().decode(value);
  };
  const accept = { accept: "text/event-stream" };
  const presence = (await request("GET /gateway/v1/presence/events?users=ann", token))
    .body!.getReader();
  const outcomes = (await request("GET /gateway/v1/outcomes", token, undefined, accept))
    .body!.getReader();
  assert.equal((await request("GET /gateway/v1/presence/events", token)).status, 422);
  assert.equal(await read(presence), ": here\n\n");
  assert.equal(await read(outcomes), ": here\n\n");
  assert.match(await read(presence), /"user":"ann","show":"offline"/);
  w.ask("service.mail", "message.send", {
    device: "gateway" as never,
    to: "ann" as AccountName,
    id: "one",
    body: "x",
    ext: "",
  });
  w.time.runFor(1000);
  assert.match(await read(outcomes), /^event: outcomes\nid: \S+:\d+\ndata: .*"key":"one"/);
  w.must<null>((done) => w.gateway.registry.revoke("mail", done));
  assert.equal((await outcomes.read()).done, true);
  assert.equal((await presence.read()).done, true);
});

Deno.test("the gateway's document has every route, and says nothing of shards or nodes", async () => {
  const { app } = openApi();
  const response = await app.request("/gateway/v1/openapi.json");
  const text = await response.text();
  const document = JSON.parse(text) as {
    readonly openapi: string;
    readonly paths: Readonly<Record<string, Readonly<Record<string, { description: string }>>>>;
  };
  assert.equal(document.openapi, "3.1.0");
  for (const route of gatewayRoutes(gatewaySchemas(PROTOCOL_LIMITS))) {
    const operation = document.paths[route.path]?.[route.method.toLowerCase()];
    assert.ok(operation, route.id);
    for (const scope of route.scopes ?? []) assert.ok(operation.description.includes(scope));
    assert.ok(honoPath(route.path).startsWith("/gateway/v1/"));
  }
  assert.ok(!/shard|node|edge/i.test(text));
  assert.equal(SCOPE_NAMES.length, 6);
});
