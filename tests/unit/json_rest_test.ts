import { deepEqual, equal, match, ok as truthy } from "node:assert/strict";
import fc from "fast-check";
import { ERROR_CODES, fail, ok } from "../../shard/errors.ts";
import { Throttle } from "../../server/auth/throttle.ts";
import { STATUS_OF } from "../../server/json/http.ts";
import { createApp } from "../../server/json/rest.ts";
import type { EventsCall, RestDeps } from "../../server/json/rest_call.ts";
import { CURSOR, type Frame, openNode, TOKEN, UNKNOWN_TOKEN } from "./json_fakes.ts";

const throttle = (burst: number) => new Throttle({ burst, refillMs: 100, keysMax: 100 });

/** An app over a fake node. */
function openApp(change: Partial<RestDeps> = {}) {
  const node = openNode();
  const polls: EventsCall[] = [];
  const device = throttle(1000);
  const deps: RestDeps = {
    ...node.deps,
    info: { registration: "open", mechanisms: ["SCRAM-SHA-256"] },
    allowedOrigins: [],
    throttles: {
      address: throttle(1000),
      device: { frames: device, sends: device, presence: device, signals: device },
    },
    addressOf: () => "192.0.2.1",
    session: (id) => node.edge.session(id),
    events: (call) => {
      polls.push(call);
      return new Response("{}");
    },
    ...change,
  };
  const app = createApp(deps);
  const bearer = { authorization: `Bearer ${TOKEN}` };
  const call = async (
    line: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = bearer,
  ) => {
    const [method, path] = line.split(" ") as [string, string];
    const sent = body === undefined ? { method, headers } : {
      method,
      headers: { "content-type": "application/json", ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
    };
    const response = await app.request(path, sent);
    const text = await response.text();
    const value = text === "" ? null : JSON.parse(text) as Frame;
    return { status: response.status, headers: response.headers, value };
  };
  return { app, node, polls, call, bearer };
}

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
    { with: "bob", before: 41, after: null, limit: 20 },
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
  deepEqual([begun.status, begun.value?.["message"]], [200, "server-first"]);
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

Deno.test("sessions are opened, named by their own device only, and closed", async () => {
  const { call, node, bearer } = openApp();
  const opened = await call("POST /v1/sessions", { presence: null });
  equal(opened.status, 201);
  const session = String(opened.value?.["session"]);
  deepEqual(node.edge.sessions[0]?.happened, ["start"]);
  deepEqual([node.edge.opened[0]?.sink, node.edge.opened[0]?.presence], [null, null]);
  const named = { ...bearer, "roost-session": session };
  equal((await call("PUT /v1/presence", { show: "away" }, named)).status, 204);
  deepEqual(node.router.asked.at(-1)?.input, {
    session,
    presence: { show: "away", status: "", priority: 0, ext: "" },
  });
  equal((await call("PUT /v1/presence", { invisible: true }, named)).status, 204);
  deepEqual(node.router.asked.at(-1)?.input, { session, presence: null });
  const other = { authorization: "Bearer a.b.c", "roost-session": session };
  equal((await call("PUT /v1/presence", {}, other)).status, 404);
  equal((await call(`DELETE /v1/sessions/${session}`, undefined, other)).status, 404);
  equal((await call(`DELETE /v1/sessions/${session}`)).status, 204);
  deepEqual(node.edge.sessions[0]?.happened, ["start", "end signed_out"]);
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

Deno.test("bodies must be JSON objects of bounded size", async () => {
  const { app, call, bearer } = openApp();
  const body = async (text: string | Uint8Array<ArrayBuffer>, type = "application/json") => {
    const headers = { ...bearer, "content-type": type };
    const response = await app.request("/v1/ack", { method: "POST", headers, body: text });
    return [response.status, (await response.json() as Frame)["code"]];
  };
  deepEqual(await body('{"seq":1}', "text/plain"), [415, "unsupported"]);
  deepEqual(await body("{"), [400, "bad_request"]);
  deepEqual(await body("[]"), [400, "bad_request"]);
  deepEqual(await body("{}"), [400, "bad_request"]);
  deepEqual(await body(Uint8Array.of(0xff)), [400, "bad_request"]);
  deepEqual(await body(`{"seq":${"[".repeat(50)}`), [400, "bad_request"]);
  deepEqual(await body(`{"x":"${"x".repeat(70_000)}"}`), [413, "too_large"]);
  const announced = { ...bearer, "content-length": "70000" };
  equal((await call("POST /v1/ack", "{}", announced)).status, 413);
  const typed = { ...bearer, "content-type": "application/json; charset=utf-8" };
  equal((await call("POST /v1/ack", { seq: 1 }, typed)).status, 204);
});

Deno.test("a body cannot stand in for the path, nor change what it inherits", async () => {
  const { call, node } = openApp();
  await call("PUT /v1/blocked/bob", '{"blocked":false,"contact":"eve","__proto__":{"x":1}}');
  deepEqual(node.router.asked.at(-1)?.input, { contact: "bob", blocked: true });
});

Deno.test("other methods and paths are answered as JSON", async () => {
  const { call } = openApp();
  const put = await call("PUT /v1/messages", {});
  deepEqual([put.status, put.value?.["code"]], [405, "unsupported"]);
  equal(put.headers.get("allow"), "POST, OPTIONS");
  equal((await call("POST /openapi.json", {})).status, 405);
  const nowhere = await call("GET /v1/nowhere");
  deepEqual([nowhere.status, nowhere.value?.["code"]], [404, "not_found"]);
  const plain = await call("GET /v1/ws");
  deepEqual([plain.status, plain.headers.get("upgrade")], [426, "websocket"]);
});

Deno.test("HEAD answers as GET, without the body", async () => {
  const { call, bearer } = openApp();
  const head = await call("HEAD /v1/info", undefined, {});
  deepEqual([head.status, head.value], [200, null]);
  equal((await call("HEAD /v1/devices", undefined, bearer)).status, 200);
});

Deno.test("pages of other origins get no CORS headers unless allowed", async () => {
  const origin = "https://app.example.com";
  const asked = { origin, "access-control-request-method": "POST" };
  const closed = openApp();
  const refused = await closed.call("OPTIONS /v1/messages", undefined, asked);
  deepEqual([refused.status, refused.headers.get("allow")], [204, "POST, OPTIONS"]);
  equal(refused.headers.get("access-control-allow-origin"), null);
  equal(refused.headers.get("access-control-allow-methods"), null);
  const open = openApp({ allowedOrigins: [origin] });
  const preflight = await open.call("OPTIONS /v1/messages", undefined, asked);
  equal(preflight.headers.get("access-control-allow-origin"), origin);
  equal(preflight.headers.get("access-control-allow-methods"), "POST");
  match(String(preflight.headers.get("access-control-allow-headers")), /Idempotency-Key/);
  const actual = await open.call("GET /v1/nowhere", undefined, { origin });
  equal(actual.headers.get("access-control-allow-origin"), origin);
  equal(actual.headers.get("vary"), "Origin");
  const other = await open.call("GET /v1/info", undefined, { origin: "https://evil.example" });
  equal(other.headers.get("access-control-allow-origin"), null);
  equal(other.headers.get("vary"), "Origin");
  const all = await openApp({ allowedOrigins: ["*"] }).call("GET /v1/info", undefined, { origin });
  equal(all.headers.get("access-control-allow-origin"), "*");
  equal(all.headers.get("access-control-allow-credentials"), null);
});

Deno.test("every answer has the security headers, refusals included", async () => {
  const { call } = openApp();
  for (const line of ["GET /v1/info", "GET /nowhere", "GET /v1/devices", "PATCH /v1/ack"]) {
    const { headers } = await call(line, undefined, {});
    equal(headers.get("x-content-type-options"), "nosniff");
    equal(headers.get("cache-control"), "no-store");
    match(String(headers.get("content-security-policy")), /default-src 'none'/);
  }
});

Deno.test("routes added by the caller keep their own headers", async () => {
  const { app } = openApp();
  app.get("/page", () => new Response("x", { headers: { "cache-control": "max-age=60" } }));
  const { headers } = await app.request("/page");
  equal(headers.get("cache-control"), "max-age=60");
  equal(headers.get("x-content-type-options"), "nosniff");
});

Deno.test("an address pays for requests that nobody is signed in for", async () => {
  const device = throttle(1000);
  const devices = { frames: device, sends: device, presence: device, signals: device };
  const { call } = openApp({ throttles: { address: throttle(10), device: devices } });
  for (let i = 0; i < 20; i++) equal((await call("GET /v1/devices")).status, 200);
  const proof = { user: "alice", password: "no" };
  const codes = [];
  for (let i = 0; i < 3; i++) codes.push((await call("POST /v1/auth/password", proof, {})).status);
  deepEqual(codes, [401, 401, 429]);
  const refused = await call("GET /v1/devices");
  deepEqual([refused.status, refused.headers.get("retry-after")], [429, "1"]);
});

Deno.test("a device has the same rates over REST", async () => {
  const device = throttle(1000);
  const devices = { frames: device, sends: throttle(2), presence: device, signals: device };
  const { call, bearer } = openApp({ throttles: { address: throttle(100), device: devices } });
  const statuses = [];
  for (let i = 0; i < 3; i++) {
    const headers = { ...bearer, "idempotency-key": `k${i}` };
    const sent = await call("POST /v1/messages", { to: "bob", body: "hi" }, headers);
    statuses.push(sent.status);
  }
  deepEqual(statuses, [200, 200, 429]);
  equal((await call("GET /v1/devices")).status, 200);
});

Deno.test("sign-ins, new sessions and writes are refused where the node refuses them", async () => {
  const { call, node, bearer } = openApp();
  node.gate.refusal = fail("busy", "Too much to do", 2500);
  const key = { ...bearer, "idempotency-key": "k" };
  const proof = { user: "alice", password: "secret" };
  const refused = [
    await call("POST /v1/auth/password", proof, {}),
    await call("POST /v1/register", proof, {}),
    await call("POST /v1/auth/scram", { mechanism: "SCRAM-SHA-256", message: "first" }, {}),
    await call("POST /v1/sessions", {}),
    await call("GET /v1/events"),
    await call("POST /v1/messages", { to: "bob", body: "hi" }, key),
  ];
  deepEqual(refused.map((answer) => answer.status), [503, 503, 503, 503, 503, 503]);
  equal(refused[0]?.headers.get("retry-after"), "3");
  equal((await call("GET /v1/devices")).status, 200);
  deepEqual(node.gate.asked, ["signIn", "signIn", "signIn", "signIn", "signIn", "write"]);
});

Deno.test("a bug is logged and answered, and its message kept inside", async () => {
  const { call, node } = openApp();
  node.router.answers["mailbox.ack"] = () => {
    throw new Error("the secret plan");
  };
  const answer = await call("POST /v1/ack", { seq: 1 });
  deepEqual([answer.status, answer.value?.["code"]], [503, "unavailable"]);
  equal(JSON.stringify(answer.value).includes("secret"), false);
  equal(node.lines.find((line) => line.level === "error")?.event, "rest.bug");
});

Deno.test("GET /v1/info tells how to sign in", async () => {
  const { call } = openApp();
  const { value } = await call("GET /v1/info", undefined, {});
  deepEqual([value?.["v"], value?.["domain"], value?.["registration"]], [1, "example.com", "open"]);
  truthy((value?.["limits"] as Frame)["frameBytesMax"]);
});

Deno.test("any request is answered with JSON and a known code", async () => {
  const { app, node } = openApp();
  node.router.answers["conversation.history"] = () => ok({ events: [], more: false });
  const methods = ["GET", "POST", "PUT", "DELETE", "PATCH"];
  const segment = fc.oneof(
    fc.constantFrom("v1", "contacts", "messages", "auth", "scram", "events", "conversations"),
    fc.string({ unit: "binary", maxLength: 8 }).map((text) =>
      encodeURIComponent(text.toWellFormed())
    ),
    fc.constantFrom("%", "%ff", "%00", "..", "__proto__", ":contact"),
  );
  const request = fc.record({
    method: fc.constantFrom(...methods),
    path: fc.array(segment, { maxLength: 5 }).map((parts) => `/${parts.join("/")}`),
    authorization: fc.constantFrom(`Bearer ${TOKEN}`, "Bearer a.b.c", "x"),
    body: fc.oneof(fc.json(), fc.string()),
  });
  await fc.assert(
    fc.asyncProperty(request, async ({ method, path, authorization, body }) => {
      const headers = { authorization, "content-type": "application/json" };
      const sent = method === "GET" ? { method, headers } : { method, headers, body };
      const response = await app.request(`http://localhost${path}`, sent);
      const text = await response.text();
      if (response.status >= 400) {
        equal(String((JSON.parse(text) as Frame)["code"]) in ERROR_CODES, true);
      }
      deepEqual(node.lines.filter((line) => line.level === "error"), []);
    }),
    { numRuns: 200 },
  );
});
