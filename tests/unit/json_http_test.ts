import { hstsOf } from "../../server/http/response.ts";
import { deepEqual, equal, match, ok as truthy } from "node:assert/strict";
import fc from "fast-check";
import { ERROR_CODES, fail } from "../../shard/errors.ts";
import { openApp, throttle } from "./json_app.ts";
import type { RateThrottles } from "../../server/v1/rates.ts";
import { type Frame, TOKEN } from "./json_fakes.ts";

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

Deno.test("a body of unknown length is read no further than its bound", async () => {
  const { app, bearer } = openApp();
  let pulled = 0;
  const endless = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      pulled += 1000;
      controller.enqueue(new Uint8Array(1000).fill(0x20));
      if (pulled > 1_000_000) controller.error(new Error("read on and on"));
    },
  });
  const headers = { ...bearer, "content-type": "application/json" };
  const response = await app.request("/v1/ack", { method: "POST", headers, body: endless });
  equal(response.status, 413);
  truthy(pulled < 100_000, String(pulled));
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
  const open = openApp({ allowedOrigins: () => [origin] });
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
  const all = await openApp({ allowedOrigins: () => ["*"] }).call("GET /v1/info", undefined, {
    origin,
  });
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
  const { call } = openApp({
    throttles: { account: throttle(1000), address: throttle(10), device: devices },
  });
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
  const { call, bearer } = openApp({
    throttles: { account: throttle(1000), address: throttle(100), device: devices },
  });
  const statuses = [];
  for (let i = 0; i < 3; i++) {
    const headers = { ...bearer, "idempotency-key": `k${i}` };
    const sent = await call("POST /v1/messages", { to: "bob", body: "hi" }, headers);
    statuses.push(sent.status);
  }
  deepEqual(statuses, [200, 200, 429]);
  equal((await call("GET /v1/devices")).status, 200);
});

Deno.test("an address pays for what a signed-in device asks beyond its rate, and for nothing", async () => {
  const devices = { frames: throttle(2), sends: throttle(9), presence: throttle(9) };
  const throttles = {
    account: throttle(1000),
    address: throttle(5),
    device: { ...devices, signals: throttle(9) },
  };
  const { call } = openApp({ throttles });
  const statuses = [];
  for (let i = 0; i < 8; i++) statuses.push((await call("GET /v1/devices")).status);
  deepEqual(statuses, [200, 200, 429, 429, 429, 429, 429, 429]);
  // Two were given back, five paid for; where there is nothing an address pays as well.
  equal((await call("GET /nothing")).status, 429);
});

Deno.test("10.4: devices of an account have a rate together, whichever asks", async () => {
  const { app, bearer, node } = openApp({
    throttles: {
      account: throttle(3),
      address: throttle(100),
      device: Object.fromEntries(
        ["frames", "sends", "presence", "signals"].map((name) => [name, throttle(100)]),
      ) as RateThrottles,
    },
  });
  const status = async () => (await app.request("/v1/devices", { headers: bearer })).status;
  const statuses = [await status(), await status(), await status(), await status()];
  deepEqual(statuses, [200, 200, 200, 429]);
  node.time.runFor(100);
  equal(await status(), 200);
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

Deno.test("10.12: hstsOf declares days in seconds, and nothing without TLS or days", () => {
  equal(hstsOf({}, 365), "max-age=31536000");
  equal(hstsOf({}, 0), null);
  equal(hstsOf(null, 365), null);
});
