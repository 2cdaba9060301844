/** The part of the gateway for those who have users of their own. */
import assert from "node:assert/strict";
import { hashToken } from "../../server/auth/token.ts";
import { openApi } from "./gateway_app.ts";
import { WORK_MS } from "../../server/gateway/backend.ts";
import type { MailboxEvent } from "../../shard/ops.ts";
import { readReply, readStep } from "../../server/gateway/backend/steps.ts";

type Api = ReturnType<typeof openApi>;
type Fields = Readonly<Record<string, unknown>>;

const BACKEND = "/gateway/v1/backend";

function opened(burst = 1000, shard: Parameters<typeof openApi>[1] = {}) {
  const api = openApi(burst, shard);
  const token = api.w.service("app", ["users.manage"]);
  const call = (line: string, body?: unknown, headers = {}) =>
    api.call(line.replace(" ", ` ${BACKEND}`), token, body, headers);
  return { ...api, token, call };
}

async function users(call: ReturnType<typeof opened>["call"], ...names: string[]): Promise<void> {
  const made = await call("POST /users", { users: names });
  assert.ok(results(made).every(({ ok }) => ok === true), JSON.stringify(made));
}

function results({ value }: { readonly value: Fields }): readonly Fields[] {
  return value["results"] as readonly Fields[];
}

/** The contacts of a user, each with its subscription. */
function roster({ w }: Pick<Api, "w">, user: string): Readonly<Record<string, string>> {
  const { snapshot } = w.ask(user, "mailbox.snapshot", {});
  return Object.fromEntries(snapshot.roster.map((item) => [item.contact, item.subscription]));
}

/** All events of a user's mailbox. */
function events({ w }: Pick<Api, "w">, user: string): readonly MailboxEvent[] {
  const page = { cursor: null, limit: 500, bytesMax: 1_000_000 };
  return w.ask(user, "mailbox.read", page).events;
}

Deno.test("a token signs a user in who did not exist, and the next one of the device takes its place", async () => {
  const { w, call } = opened();
  const body = { user: "Ann@example.org", device: "web", label: "Shop", lifetimeSeconds: 60 };
  const { status, value } = await call("POST /tokens", body);
  assert.equal(status, 200, JSON.stringify(value));
  const { token, expiresAt, ...rest } = value;
  assert.deepEqual(rest, { user: "ann", device: "web", created: true });
  assert.ok(Number(expiresAt) - w.process.clock.wallMs() <= 60_000);
  const proved = w.ask("ann", "auth.token", { tokenHash: hashToken(String(token)) });
  assert.equal(proved.device, "web");
  // No password leads in.
  assert.equal(w.ask("ann", "account.credentials", {}), null);
  const next = (await call("POST /tokens", body)).value;
  assert.equal(next["created"], false);
  w.ask("ann", "auth.token", { tokenHash: hashToken(String(next["token"])) });
  assert.deepEqual(w.ask("ann", "device.list", {}).map(({ device }) => device), ["web"]);
  const other = await call("POST /tokens", { user: "bob", create: false });
  assert.deepEqual([other.status, other.value["code"]], [404, "not_found"]);
  const long = await call("POST /tokens", { user: "ann", lifetimeSeconds: 1_000_000_000 });
  const most = w.process.clock.wallMs() + w.limits.tokenLifetimeMs;
  assert.ok(Number(long.value["expiresAt"]) <= most);
});

Deno.test("who lacks the scope, was revoked, or names what is nobody's is refused", async () => {
  const { w, api, call, token } = { api: openApi(), ...opened() };
  const mail = api.w.service("mail", ["send", "watch", "outcomes", "presence.set"]);
  for (const line of ["POST /tokens", "POST /pairs", "DELETE /users/ann", "POST /messages"]) {
    const refused = await api.call(line.replace(" ", ` ${BACKEND}`), mail, {});
    assert.deepEqual([line, refused.status], [line, 403]);
  }
  for (const user of ["service.app", "roost.x", "a/b", "", "a b", "\ud800", "ann@other.org"]) {
    const { value } = await call("POST /tokens", { user });
    assert.equal(value["code"], "bad_request", user);
  }
  assert.equal((await call("POST /tokens", { user: "x".repeat(5000) })).status, 413);
  for (const body of [[], "x", 7, {}, { users: [] }, { users: [1] }, { users: {} }]) {
    assert.equal((await call("POST /users", body)).status, 400, JSON.stringify(body));
  }
  w.must<null>((done) => w.gateway.registry.revoke("app", done));
  const { status } = await api.call("POST /gateway/v1/backend/tokens", token, { user: "ann" });
  assert.equal(status, 401);
  assert.equal((await call("POST /tokens", { user: "ann" })).status, 401);
});

Deno.test("names of all scripts are one account in each of their spellings", async () => {
  const { call } = opened();
  const made = await call("POST /users", { users: ["ÉLODIE", "e\u0301lodie", "владимир", "张伟"] });
  assert.deepEqual(results(made).map(({ user, created }) => [user, created]), [
    ["élodie", true],
    ["élodie", false],
    ["владимир", true],
    ["张伟", true],
  ]);
  const out = await call(`DELETE /users/${encodeURIComponent("ÉLODIE")}/devices`);
  assert.deepEqual(out.value, { user: "élodie", devices: 0 });
});

Deno.test("pairs become contacts without a request, once, whatever was between them before", async () => {
  const api = opened();
  const { w, call } = api;
  await users(call, "ann", "bob", "eve");
  // Bob has asked already; Eve has denied what Ann asked.
  const subscription = (user: string, contact: string, type: "subscribe" | "unsubscribed") =>
    w.ask(user, "roster.subscription", { contact: contact as never, type });
  subscription("bob", "ann", "subscribe");
  subscription("ann", "eve", "subscribe");
  w.time.runFor(500);
  subscription("eve", "ann", "unsubscribed");
  w.time.runFor(500);
  const pairs = [{ users: ["ann", "bob"] }, { users: ["Eve", "ann"] }, { users: ["bob", "eve"] }];
  const made = await call("POST /pairs", { pairs });
  assert.deepEqual(results(made), [
    { users: ["ann", "bob"], ok: true },
    { users: ["eve", "ann"], ok: true },
    { users: ["bob", "eve"], ok: true },
  ]);
  w.time.runFor(1000);
  assert.deepEqual(roster(api, "ann"), { bob: "both", eve: "both" });
  assert.deepEqual(roster(api, "bob"), { ann: "both", eve: "both" });
  assert.deepEqual(roster(api, "eve"), { ann: "both", bob: "both" });
  const asked = events(api, "eve").filter((event) => event.kind === "request");
  assert.ok(asked.every((event) => event.kind === "request" && event.from === "ann"));
  // Again: nothing is said to anybody, nor written.
  const before = ["ann", "bob", "eve"].map((user) => events(api, user).length);
  w.time.runFor(60_000);
  let wrote = false;
  w.disk.afterWrites(0, () => wrote = true);
  assert.ok(results(await call("POST /pairs", { pairs })).every(({ ok }) => ok === true));
  w.time.runFor(1000);
  assert.deepEqual(["ann", "bob", "eve"].map((user) => events(api, user).length), before);
  assert.equal(wrote, false);
  const ends = pairs.map((pair) => ({ ...pair, contacts: false }));
  for (let i = 0; i < 2; i++) {
    assert.ok(results(await call("POST /pairs", { pairs: ends })).every(({ ok }) => ok === true));
    w.time.runFor(1000);
    for (const user of ["ann", "bob", "eve"]) assert.deepEqual(roster(api, user), {});
  }
});

Deno.test("pairs that a request has twice are made once, and those that it contradicts not at all", async () => {
  const api = opened();
  const { w, call } = api;
  await users(call, "ann", "bob");
  const twice = ["ann", "bob", "Ann", "bob"].map((user, i, all) => ({
    users: [user, all[(i + 1) % 4]!],
  }));
  const made = await Promise.all([
    call("POST /pairs", { pairs: twice }),
    call("PUT /users/bob/contacts", { contacts: [{ user: "ann" }] }),
  ]);
  assert.ok(made.flatMap(results).every(({ ok }) => ok === true), JSON.stringify(made));
  w.time.runFor(1000);
  assert.deepEqual([roster(api, "ann"), roster(api, "bob")], [{ bob: "both" }, { ann: "both" }]);
  const both = [{ users: ["ann", "bob"] }, { users: ["BOB", "ann"], contacts: false }];
  const refused = await call("POST /pairs", { pairs: both });
  assert.deepEqual([refused.status, refused.value["code"]], [400, "bad_request"]);
});

Deno.test("addresses that are no names, and bodies that are no requests, are refused as what they are", async () => {
  const { call } = opened();
  for (const path of ["a%2Fb", "%00", "..%2F..", "%e2%80%ae", "a%20b", "__proto__%00"]) {
    for (const line of [`DELETE /users/${path}`, `DELETE /users/${path}/devices`]) {
      const { status, value } = await call(line);
      assert.deepEqual([line, status, value["code"]], [line, 400, "bad_request"]);
    }
  }
  assert.equal((await call("DELETE /users/ann/devices/a%20b")).status, 400);
  const deep = "[".repeat(5000) + "]".repeat(5000);
  const bodies = [
    "{",
    deep,
    '{"pairs":[{"users":["a","b"]}],"pairs":7}',
    '{"__proto__":{"pairs":[]}}',
  ];
  for (const body of bodies) {
    assert.equal((await call("POST /pairs", body)).status, 400, body.slice(0, 40));
  }
  const large = { pairs: [{ users: ["ann", "b".repeat(100_000)] }] };
  assert.equal((await call("POST /pairs", large)).status, 413);
  const three = await call("POST /pairs", { pairs: [{ users: ["ann", "bob", "eve"] }] });
  assert.equal(three.value["code"], "limit_reached");
  const odd = [{ users: ["ann"] }, { users: "ab" }, { users: { 0: "a", 1: "b" } }, null];
  for (const pair of odd) {
    assert.equal((await call("POST /pairs", { pairs: [pair] })).status, 400);
  }
  for (const lifetimeSeconds of [0, -1, 1.5, "60", 1e300, null]) {
    assert.equal((await call("POST /tokens", { user: "ann", lifetimeSeconds })).status, 400);
  }
});

Deno.test("a batch does what it can, and says of each part what was the matter", async () => {
  const api = opened();
  const { w, call } = api;
  await users(call, "ann", "bob", "eve", "mal", "gone");
  w.ask("eve", "roster.block", { contact: "ann" as never, blocked: true });
  w.ask("mal", "account.setDisabled", { disabled: true });
  assert.deepEqual((await call("DELETE /users/gone")).value, { user: "gone", removed: true });
  assert.deepEqual((await call("DELETE /users/gone")).value, { user: "gone", removed: false });
  assert.deepEqual((await call("DELETE /users/nobody")).value, { user: "nobody", removed: false });
  const others = ["bob", "eve", "mal", "gone", "nobody", "service.app", "ann", "a/b"];
  const pairs = others.map((other) => ({ users: ["ann", other] }));
  const made = results(await call("POST /pairs", { pairs }));
  assert.deepEqual(made.map(({ users, code }) => [(users as string[])[1], code ?? "ok"]), [
    ["bob", "ok"],
    ["eve", "forbidden"],
    ["mal", "conflict"],
    ["gone", "not_found"],
    ["nobody", "not_found"],
    ["service.app", "bad_request"],
    ["ann", "bad_request"],
    ["a/b", "bad_request"],
  ]);
  const ends = ["gone", "nobody"].map((other) => ({ users: [other, "ann"], contacts: false }));
  const ended = results(await call("POST /pairs", { pairs: ends }));
  assert.deepEqual(ended.map(({ ok }) => ok), [true, true]);
  const again = await call("POST /users", { users: ["gone", "ann"] });
  assert.deepEqual(results(again).map(({ code, created }) => code ?? created), ["conflict", false]);
  const token = await call("POST /tokens", { user: "gone" });
  assert.deepEqual([token.status, token.value["code"]], [409, "conflict"]);
  assert.equal((await call("POST /tokens", { user: "mal" })).value["code"], "conflict");
  assert.equal((await call("DELETE /users/nobody/devices")).value["code"], "not_found");
  assert.equal((await call("DELETE /users/nobody/devices/web")).value["code"], "not_found");
});

Deno.test("a user has exactly the contacts that were set, on both sides; services stay", async () => {
  const api = opened();
  const { w, call } = api;
  await users(call, "bob", "eve", "fay");
  w.person("ann", "app");
  const put = (...contacts: object[]) => call("PUT /users/ann/contacts", { contacts });
  const first = await put({ user: "bob", label: "Bob", groups: ["Work"] }, { user: "eve" });
  assert.deepEqual(results(first), [
    { user: "bob", change: "add", ok: true },
    { user: "eve", change: "add", ok: true },
  ]);
  w.time.runFor(1000);
  assert.deepEqual(results(await put({ user: "bob" }, { user: "eve" })), []);
  const next = await put({ user: "fay" }, { user: "bob", label: "Bobby" }, { user: "nobody" });
  assert.deepEqual(results(next).map(({ user, change, code }) => [user, change, code ?? "ok"]), [
    ["eve", "remove", "ok"],
    ["fay", "add", "ok"],
    ["bob", "label", "ok"],
    ["nobody", "add", "not_found"],
  ]);
  w.time.runFor(1000);
  const { "service.app": service, ...people } = roster(api, "ann");
  assert.equal(typeof service, "string");
  assert.deepEqual(people, { bob: "both", fay: "both" });
  assert.deepEqual(roster(api, "eve"), {});
  assert.deepEqual(roster(api, "fay"), { ann: "both" });
  const { snapshot } = w.ask("ann", "mailbox.snapshot", {});
  const bob = snapshot.roster.find(({ contact }) => contact === "bob");
  assert.deepEqual([bob?.label, bob?.groups], ["Bobby", ["Work"]]);
  for (const contacts of [[{ user: "bob" }, { user: "BOB" }], [{ user: "ann" }]]) {
    assert.equal((await put(...contacts)).status, 400);
  }
  assert.deepEqual(results(await put()).length, 2);
});

Deno.test("contacts beyond the rate of requests are no matter, those beyond the roster are refused", async () => {
  const api = opened(10_000, { subscriptionRequestBurst: 2, rosterMax: 149 });
  const { call, w } = api;
  const names = Array.from({ length: 150 }, (_, i) => `u${i}`);
  await users(call, "ann", ...names);
  const contacts = names.map((user) => ({ user }));
  const set = await call("PUT /users/ann/contacts", { contacts });
  const refused = results(set).filter(({ ok }) => ok === false);
  assert.deepEqual(refused.map(({ code }) => code), ["limit_reached"]);
  w.time.runFor(2000);
  const states = Object.values(roster(api, "ann"));
  assert.equal(states.filter((state) => state === "both").length, 149);
  const many = Array.from({ length: 1001 }, (_, i) => ({ user: `u${i}` }));
  const over = await call("PUT /users/ann/contacts", { contacts: many });
  assert.deepEqual([over.status, over.value["code"]], [422, "limit_reached"]);
  const pairs = Array.from({ length: 201 }, () => ({ users: ["ann", "bob"] }));
  assert.equal((await call("POST /pairs", { pairs })).value["code"], "limit_reached");
});

Deno.test("a message of a user is sent once for its key, and another one under it refused", async () => {
  const api = opened();
  const { w, call } = api;
  await users(call, "ann", "bob");
  await call("POST /pairs", { pairs: [{ users: ["ann", "bob"] }] });
  w.time.runFor(1000);
  const key = { "idempotency-key": "order-1" };
  const body = { from: "ann", to: "bob", body: "Zdravo 👋" };
  assert.equal((await call("POST /messages", body)).status, 400);
  const first = await call("POST /messages", body, key);
  assert.equal(first.status, 200);
  assert.deepEqual((await call("POST /messages", body, key)).value, first.value);
  for (const other of [{ ...body, body: "x" }, { ...body, to: "ann" }, { ...body, ext: "1" }]) {
    const misused = await call("POST /messages", other, key);
    assert.deepEqual([misused.status, misused.value["code"]], [409, "conflict"]);
  }
  w.time.runFor(1000);
  const texts = events(api, "bob").filter((event) => event.kind === "message");
  assert.deepEqual(texts.map((e) => e.kind === "message" && [e.with, e.body]), [
    ["ann", "Zdravo 👋"],
  ]);
  const nobody = await call("POST /messages", { ...body, from: "nobody" }, key);
  assert.deepEqual([nobody.status, nobody.value["code"]], [404, "not_found"]);
});

Deno.test("signing out ends one device or all, and no error comes of doing it again", async () => {
  const { w, call } = opened();
  for (const device of ["web", "phone", "desk"]) {
    await call("POST /tokens", { user: "ann", device });
  }
  const left = () => w.ask("ann", "device.list", {}).map(({ device }) => device).sort();
  const one = "DELETE /users/ann/devices/web";
  assert.deepEqual((await call(one)).value, { user: "ann", devices: 1 });
  assert.deepEqual((await call(one)).value, { user: "ann", devices: 0 });
  assert.deepEqual(left(), ["desk", "phone"]);
  const all = "DELETE /users/ann/devices";
  assert.deepEqual((await call(all)).value, { user: "ann", devices: 2 });
  assert.deepEqual((await call(all)).value, { user: "ann", devices: 0 });
  assert.deepEqual(left(), []);
});

Deno.test("a service has a rate for what it does to contacts", async () => {
  const { call, limits } = opened(40);
  const pairs = Array.from({ length: 100 }, () => ({ users: ["ann", "bob"] }));
  assert.equal((await call("POST /pairs", { pairs: pairs.slice(0, 50) })).status, 200);
  const refused = await call("POST /pairs", { pairs });
  assert.deepEqual([refused.status, refused.value["code"]], [429, "rate_limited"]);
  assert.deepEqual(limits, ["services"]);
});

Deno.test("a batch of a service that is revoked meanwhile begins nothing more", async () => {
  const { w, call } = opened();
  const names = Array.from({ length: 100 }, (_, i) => `u${i}`);
  const answer = call("POST /users", { users: names });
  w.gateway.registry.revoke("app", () => {});
  const all = results(await answer);
  const refused = all.filter(({ code }) => code === "unauthorized").length;
  assert.ok(refused > 0, `${refused} of ${all.length} are refused`);
});

Deno.test("a request that takes too long begins no more of its parts, and says which", async () => {
  const { w } = opened();
  const { backend } = w.gateway;
  const parts = Array.from({ length: 40 }, (_, i) => i);
  const until = { active: () => true, endMs: backend.endMs() };
  const run = async (part: number) => {
    await Promise.resolve();
    if (part === 20) w.time.runFor(WORK_MS + 1);
    return "done";
  };
  const results = await backend.all(parts, until, run, (_, { code }) => code);
  const late = results.filter((result) => result === "unavailable").length;
  assert.ok(late > 0 && late < 20, `${late} are late`);
  assert.deepEqual(results.slice(0, 21), Array.from({ length: 21 }, () => "done"));
});

Deno.test("every act of a service is recorded with the user and what came of it", async () => {
  const { w, call } = opened();
  await users(call, "ann");
  await call("POST /pairs", { pairs: [{ users: ["ann", "nobody"] }] });
  await call("DELETE /users/ann");
  const lines = w.logged("service action").map(({ service, action, user, contact, outcome }) => {
    return [service, action, user, contact, outcome].filter((field) => field !== undefined);
  });
  assert.deepEqual(lines, [
    ["app", "create", "ann", "ok"],
    ["app", "join", "ann", "nobody", "not_found"],
    ["app", "remove", "ann", "ok"],
  ]);
});

Deno.test("what comes of another cell is checked before anything is done", () => {
  const step = { service: "app", user: "ann", step: "look", input: {} };
  assert.deepEqual(readStep(JSON.stringify(step)), step);
  const wrong = [
    { ...step, user: "Ann" },
    { ...step, user: "" },
    { ...step, step: "account.release" },
    { ...step, step: "__proto__" },
    { ...step, step: "send" },
    { ...step, step: "forget", input: { contact: "A/B" } },
    { ...step, step: "token", input: { device: "a b", label: "", lifetimeMs: 1, create: true } },
    null,
    7,
  ];
  for (const each of wrong) assert.equal(readStep(JSON.stringify(each)), null);
  assert.equal(readStep("{"), null);
  for (const reply of ["", "null", "7", "{}", '{"ok":true}', '{"ok":false}']) {
    assert.equal(readReply(reply), null);
  }
});
