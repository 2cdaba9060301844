import { deepEqual, equal, match } from "node:assert/strict";
import { ERROR_CODES, fail, ok } from "../../shard/errors.ts";
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import { mintToken } from "../../server/auth/token.ts";
import { STATUS_OF } from "../../server/http/response.ts";
import { openApp, throttle } from "./json_app.ts";
import { CURSOR, ID, TOKEN, UNKNOWN_TOKEN } from "./json_fakes.ts";

Deno.test("POST /v1/messages sends under its Idempotency-Key", async () => {
  const { call, node, bearer } = openApp();
  const body = { to: "bob@example.com", body: "hi", ext: "<x/>", key: "in the body" };
  const answer = await call("POST /v1/messages", body, { ...bearer, "idempotency-key": "k1" });
  deepEqual([answer.status, answer.value], [200, { seq: 8, at: 1000, num: 3 }]);
  deepEqual(node.router.asked.at(-1), {
    name: "alice",
    op: "message.send",
    input: { device: "phone", to: "bob", id: "k1", body: "hi", ext: "<x/>" },
  });
});

Deno.test("POST /v1/messages without Idempotency-Key is refused", async () => {
  const { call } = openApp();
  const answer = await call("POST /v1/messages", { to: "bob", body: "hi" });
  deepEqual([answer.status, answer.value?.["code"]], [400, "bad_request"]);
  match(String(answer.value?.["message"]), /Idempotency-Key/);
});

/** Request line, body, status, and the operation with its input. */
const ROUTED: readonly [string, unknown, number, string, unknown][] = [
  ["GET /v1/devices", undefined, 200, "device.list", {}],
  ["DELETE /v1/devices/old-one", undefined, 204, "device.revoke", { device: "old-one" }],
  ["DELETE /v1/auth", undefined, 204, "device.revoke", { device: "phone" }],
  [
    "GET /v1/conversations/bob/messages?before=41&limit=20",
    undefined,
    200,
    "conversation.history",
    { with: "bob", before: 41, after: null, limit: 20, bytesMax: 262_144 },
  ],
  [
    "PUT /v1/conversations/bob%40example.com/read",
    { upTo: 41 },
    200,
    "conversation.read",
    { with: "bob", upTo: 41 },
  ],
  ["GET /v1/snapshot", undefined, 200, "mailbox.snapshot", {}],
  ["POST /v1/ack", { seq: 41 }, 204, "mailbox.ack", { seq: 41 }],
  [
    "POST /v1/signals",
    { to: "bob", type: "typing", device: "desk" },
    204,
    "signal.send",
    { device: "phone", to: "bob", toDevice: "desk", type: "typing", body: "", id: "" },
  ],
  [
    "PUT /v1/contacts/bob",
    { label: "Bob" },
    200,
    "roster.set",
    { contact: "bob", label: "Bob", groups: [] },
  ],
  ["PUT /v1/contacts/bob", undefined, 200, "roster.set", { contact: "bob", label: "", groups: [] }],
  ["DELETE /v1/contacts/bob", undefined, 204, "roster.remove", { contact: "bob" }],
  [
    "POST /v1/contacts/bob/subscription",
    { type: "subscribe" },
    204,
    "roster.subscription",
    { contact: "bob", type: "subscribe" },
  ],
  ["PUT /v1/blocked/bob", undefined, 204, "roster.block", { contact: "bob", blocked: true }],
  [
    "DELETE /v1/blocked/bob",
    undefined,
    204,
    "roster.block",
    { contact: "bob", blocked: false },
  ],
  ["PUT /v1/settings", { messagesFrom: "anyone" }, 204, "settings.set", {
    messagesFrom: "anyone",
  }],
];

for (const [line, body, status, op, input] of ROUTED) {
  Deno.test(`${line} asks for ${op}`, async () => {
    const { call, node } = openApp();
    const answer = await call(line, body);
    equal(answer.status, status, JSON.stringify(answer.value));
    equal(answer.value === null, status === 204);
    deepEqual(node.router.asked.at(-1), { name: "alice", op, input });
  });
}

Deno.test("PUT /v1/password changes it and keeps the device", async () => {
  const { call, node } = openApp();
  equal((await call("PUT /v1/password", { old: "secret", new: "better" })).status, 204);
  deepEqual(node.signIn.asked.at(-1), {
    user: "alice",
    oldPassword: "secret",
    newPassword: "better",
    keepDevice: "phone",
    address: "192.0.2.1",
  });
  equal((await call("PUT /v1/password", { old: "no", new: "better" })).status, 403);
});

Deno.test("every error code is answered with its status, and retryAfterMs as Retry-After", async () => {
  for (const code of Object.keys(ERROR_CODES) as (keyof typeof ERROR_CODES)[]) {
    const { call, node } = openApp();
    node.router.answers["mailbox.ack"] = () => fail(code, "For a reason", 1001);
    const answer = await call("POST /v1/ack", { seq: 1 });
    equal(answer.status, STATUS_OF[code]);
    deepEqual(answer.value, { code, message: "For a reason", retryAfterMs: 1001 });
    equal(answer.headers.get("retry-after"), "2");
  }
});

Deno.test("sign-in by password, and registration, give a token", async () => {
  const { call } = openApp();
  const proof = { user: "alice", password: "secret", device: "phone" };
  const signedIn = await call("POST /v1/auth/password", proof, {});
  equal(signedIn.status, 200);
  deepEqual(Object.keys(signedIn.value ?? {}), ["user", "device", "token", "expiresAt"]);
  equal((await call("POST /v1/auth/password", { ...proof, password: "no" }, {})).status, 401);
  equal((await call("POST /v1/register", { ...proof, user: "carol" }, {})).status, 201);
  equal((await call("POST /v1/register", { ...proof, user: "taken" }, {})).status, 409);
});

Deno.test("sign-in by SCRAM takes two requests, and its exchange once", async () => {
  const { call } = openApp();
  const first = { mechanism: "SCRAM-SHA-256", message: "first" };
  const begun = await call("POST /v1/auth/scram", first, {});
  deepEqual([begun.status, begun.value?.["message"]], [200, "server-first 1"]);
  const path = `POST /v1/auth/scram/${begun.value?.["exchange"]}`;
  const done = await call(path, { message: "good" }, {});
  deepEqual([done.status, done.value?.["scram"]], [200, "v=proof"]);
  match(String(done.value?.["token"]), /^rt1_/);
  equal((await call(path, { message: "good" }, {})).status, 404);
});

Deno.test("SCRAM exchanges end after a minute", async () => {
  const { call, node } = openApp();
  const first = { mechanism: "SCRAM-SHA-256", message: "first" };
  const begun = await call("POST /v1/auth/scram", first, {});
  node.time.runFor(60_000);
  const path = `POST /v1/auth/scram/${begun.value?.["exchange"]}`;
  equal((await call(path, { message: "good" }, {})).status, 404);
});

Deno.test("bearer routes refuse requests without a good token", async () => {
  const { call, node } = openApp();
  for (
    const authorization of ["", "Bearer", "Basic YTpi", "Bearer x", `Bearer ${UNKNOWN_TOKEN}`]
  ) {
    const headers: Record<string, string> = authorization === "" ? {} : { authorization };
    const answer = await call("GET /v1/devices", undefined, headers);
    deepEqual([answer.status, answer.value?.["code"]], [401, "unauthorized"]);
    match(String(answer.headers.get("www-authenticate")), /^Bearer/);
  }
  deepEqual(node.signIn.failures, ["192.0.2.1"]);
});

Deno.test("bearer routes take tokens of an outside issuer, with a device of choice", async () => {
  const { call, node } = openApp();
  const jwt = { authorization: "Bearer a.b.c" };
  await call("POST /v1/signals", { to: "bob", type: "x" }, jwt);
  await call("POST /v1/signals", { to: "bob", type: "x" }, { ...jwt, "roost-device": "desk" });
  const devices = node.router.asked.map((asked) => (asked.input as { device: string }).device);
  deepEqual(devices, ["rest", "desk"]);
  const bad = await call("GET /v1/devices", undefined, { ...jwt, "roost-device": "a b" });
  equal(bad.status, 400);
  equal((await call("GET /v1/devices", undefined, { authorization: "Bearer x.y.z" })).status, 401);
});

Deno.test("10.12: another device name gets no other budget from an issuer's token", async () => {
  const device = throttle(3);
  const { call } = openApp({
    throttles: {
      account: throttle(1000),
      address: throttle(1000),
      device: { frames: device, sends: device, presence: device, signals: device },
    },
  });
  const statuses: number[] = [];
  for (let i = 0; i < 4; i++) {
    const headers = { authorization: "Bearer a.b.c", "roost-device": `device${i}` };
    statuses.push((await call("GET /v1/devices", undefined, headers)).status);
  }
  deepEqual([statuses[2] === 429, statuses[3]], [false, 429]);
});

Deno.test("sessions are opened, named by their own device only, and closed", async () => {
  const { call, node, bearer } = openApp();
  const opened = await call("POST /v1/sessions", { presence: null });
  equal(opened.status, 201);
  const session = String(opened.value?.["session"]);
  deepEqual(node.edge.sessions[0]?.happened, ["start"]);
  deepEqual([node.edge.opened[0]?.sink, node.edge.opened[0]?.presence], [null, null]);
  const named = { ...bearer, "roost-session": session };
  equal((await call("PUT /v1/presence", { show: "away" }, named)).status, 204);
  const away = { show: "away", status: "", priority: 0, ext: "" };
  equal((await call("PUT /v1/presence", { invisible: true }, named)).status, 204);
  deepEqual(node.edge.sessions[0]?.presences, [away, null]);
  const other = { authorization: "Bearer a.b.c", "roost-session": session };
  equal((await call("PUT /v1/presence", {}, other)).status, 404);
  equal((await call(`DELETE /v1/sessions/${session}`, undefined, other)).status, 404);
  equal((await call(`DELETE /v1/sessions/${session}`)).status, 204);
  deepEqual(node.edge.sessions[0]?.happened, ["start", "end signed_out"]);
});

Deno.test("a session is not another user's, though the device has the same name", async () => {
  const { call, node } = openApp();
  const opened = await call("POST /v1/sessions", {});
  const token = mintToken("bob" as AccountName, node.deps.random);
  const phone = { id: ID, device: "phone" as DeviceId, expiresAt: 9000 };
  node.router.answers["auth.token"] = () => ok(phone);
  const bob = {
    authorization: `Bearer ${token}`,
    "roost-session": String(opened.value?.["session"]),
  };
  equal((await call("PUT /v1/presence", {}, bob)).status, 404);
  equal((await call("GET /v1/events", undefined, bob)).status, 404);
});

Deno.test("PUT /v1/presence needs a session", async () => {
  const { call, bearer } = openApp();
  equal((await call("PUT /v1/presence", {})).status, 400);
  const unknown = { ...bearer, "roost-session": "SSSSSSSSSSSSSSSS" };
  equal((await call("PUT /v1/presence", {}, unknown)).status, 404);
});

Deno.test("GET /v1/events is handed on checked", async () => {
  const { call, polls, bearer } = openApp();
  const { value } = await call("POST /v1/sessions", {});
  const session = String(value?.["session"]);
  const accept = "text/event-stream";
  await call(`GET /v1/events?after=${CURSOR}&wait=5&soft=3&presence=invisible`);
  await call("GET /v1/events", undefined, {
    ...bearer,
    accept,
    "roost-session": session,
    "last-event-id": CURSOR,
  });
  deepEqual(
    polls.map((poll) => [
      poll.session?.id ?? null,
      poll.after?.seq,
      poll.soft,
      poll.waitMs,
      poll.invisible,
      poll.stream,
    ]),
    [[null, 7, 3, 5000, true, false], [session, 7, 0, 30_000, false, true]],
  );
  equal(polls[0]?.caller.device, "phone");
  for (const query of ["wait=61", "wait=-1", "wait=x", "after=1", "soft=1.5"]) {
    equal((await call(`GET /v1/events?${query}`)).status, 400, query);
  }
  const unknown = { ...bearer, "roost-session": "SSSSSSSSSSSSSSSS" };
  equal((await call("GET /v1/events", undefined, unknown)).status, 404);
  equal((await call("HEAD /v1/events")).status, 405);
  equal(polls.length, 2);
});

Deno.test("a token is taken from the Authorization header only, never from address or cookie", async () => {
  const { call, node, polls } = openApp();
  const cookie = ["token", "access_token", "authorization", "session", "roost", "auth"]
    .map((name) => `${name}=${TOKEN}`).join("; ");
  const query = ["token", "access_token", "authorization", "jwt", "auth", "bearer"]
    .map((name) => `${name}=${TOKEN}`).join("&");
  const headers: readonly Readonly<Record<string, string>>[] = [
    {},
    { cookie },
    { "proxy-authorization": `Bearer ${TOKEN}`, "x-auth-token": TOKEN, "roost-token": TOKEN },
    { authorization: `Basic ${btoa(`alice:${TOKEN}`)}` },
    { authorization: TOKEN },
  ];
  for (const path of ["/v1/devices", "/v1/events", "/v1/snapshot"]) {
    for (const given of headers) {
      const answer = await call(`GET ${path}?${query}`, undefined, given);
      deepEqual([answer.status, answer.value?.["code"]], [401, "unauthorized"], path);
    }
    // Nor do they stand in the way of the header.
    const bearer = { cookie: "token=x", authorization: `Bearer ${TOKEN}` };
    equal((await call(`GET ${path}?token=x`, undefined, bearer)).status, 200, path);
  }
  const body = { to: "bob", body: "hi", token: TOKEN, auth: { token: TOKEN } };
  equal((await call("POST /v1/messages", body, { cookie, "idempotency-key": "k" })).status, 401);
  equal(node.router.asked.some(({ op }) => op === "message.send"), false);
  equal(polls.length, 1);
});

Deno.test("requests that sign in count once as sign-ins of their kind, and others do not", async () => {
  const { call, node } = openApp();
  const counted = async (...args: Parameters<typeof call>) => {
    await call(...args);
    return node.signIns.splice(0);
  };
  const alice = { user: "alice", password: "secret" };
  const scram = { mechanism: "SCRAM-SHA-256", message: "first" };
  const unknown = { authorization: `Bearer ${UNKNOWN_TOKEN}` };
  const jwt = (text: string) => ({ authorization: `Bearer ${text}` });
  deepEqual(await counted("POST /v1/register", alice), ["register ok"]);
  deepEqual(await counted("POST /v1/auth/password", alice), ["password ok"]);
  const wrong = { ...alice, password: "no" };
  deepEqual(await counted("POST /v1/auth/password", wrong), ["password unauthorized"]);
  const { value } = await call("POST /v1/auth/scram", scram);
  deepEqual(node.signIns, [], "a challenge is no end yet");
  const final = `POST /v1/auth/scram/${value?.["exchange"]}`;
  deepEqual(await counted(final, { message: "good" }), ["scram ok"]);
  deepEqual(await counted(final, { message: "good" }), ["scram not_found"]);
  deepEqual(await counted("POST /v1/sessions", {}), ["token ok"]);
  deepEqual(await counted("POST /v1/sessions", {}, unknown), ["token unauthorized"]);
  deepEqual(await counted("POST /v1/sessions", {}, jwt("a.b.c")), ["issuer ok"]);
  deepEqual(await counted("POST /v1/sessions", {}, jwt("x.y.z")), ["issuer unauthorized"]);
  deepEqual(await counted("POST /v1/sessions", {}, {}), []);
  deepEqual(await counted("GET /v1/events", undefined, unknown), ["token unauthorized"]);
  deepEqual(await counted("GET /v1/events"), [], "what opens its session counts it");
  const named = { ...unknown, "roost-session": "S000000000000000" };
  deepEqual(await counted("GET /v1/events", undefined, named), []);
  deepEqual(await counted("GET /v1/devices", undefined, unknown), []);
  node.gate.refusal = fail("busy", "Too much to do", 1500);
  deepEqual(await counted("POST /v1/auth/password", alice), ["password busy"]);
  deepEqual(await counted("POST /v1/auth/scram", scram), ["scram busy"]);
});

Deno.test("every refusal for a rate is counted once, by the rate", async () => {
  const { call, node } = openApp({
    throttles: {
      account: throttle(1000),
      address: throttle(11),
      device: {
        frames: throttle(12),
        sends: throttle(1),
        presence: throttle(1),
        signals: throttle(1),
      },
    },
  });
  const counted = async (...args: Parameters<typeof call>) => {
    const { status } = await call(...args);
    return [status, ...node.limits.splice(0)];
  };
  const signal = ["POST /v1/signals", { to: "bob", type: "typing" }] as const;
  deepEqual(await counted(...signal), [204]);
  deepEqual(await counted(...signal), [429, "signals"]);
  const ask = ["POST /v1/contacts/bob/subscription", { type: "subscribe" }] as const;
  node.router.answers["roster.subscription"] = () => fail("forbidden", "No");
  deepEqual(await counted(...ask), [403]);
  node.router.answers["roster.subscription"] = () => fail("rate_limited", "Too many", 1000);
  deepEqual(await counted(...ask), [429, "subscription_requests"]);
  deepEqual(await counted("PUT /v1/password", { old: "secret", new: "sesame!!" }), [204]);
  deepEqual(await counted("PUT /v1/password", { old: "secret", new: "sesame!!" }), [429, "frames"]);
  const alice = { user: "alice", password: "secret" };
  while ((await call("POST /v1/auth/password", alice)).status === 200) node.signIns.splice(0);
  deepEqual(node.signIns.splice(0), ["password rate_limited"]);
  deepEqual(node.limits.splice(0), ["address_requests"]);
  deepEqual(await counted("POST /v1/auth/password", alice), [429, "address_requests"]);
  deepEqual(node.signIns, ["password rate_limited"]);
});

Deno.test("10.4: a page of history charges its caller for the blocks that it has searched", async () => {
  const frames = throttle(100);
  const device = { frames, sends: frames, presence: frames, signals: frames };
  const { call, node } = openApp({
    throttles: { account: throttle(1000), address: throttle(100), device },
  });
  node.router.answers["conversation.history"] = () => ok({ events: [], more: true, blocks: 32 });
  equal((await call("GET /v1/conversations/bob/messages")).status, 200);
  equal(frames.waitMs(0, "alice/phone", 100), 32 * 100, "two for the request, thirty for blocks");
});

Deno.test("an export too many is counted", async () => {
  const { call, node } = openApp();
  for (let i = 0; i < 3; i++) equal((await call("GET /v1/export")).status, 404);
  deepEqual(node.limits, []);
  equal((await call("GET /v1/export")).status, 429);
  deepEqual(node.limits, ["exports"]);
});
