import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { ERROR_CODES } from "../../shard/errors.ts";
import { STATUS_OF } from "../../server/http/response.ts";
import { restRoutes } from "../../server/v1/rest.ts";
import { hasBody, type Route } from "../../server/v1/rest_call.ts";
import { Exchanges } from "../../server/v1/exchanges.ts";
import { throttle } from "../unit/json_app.ts";
import { openApp } from "../unit/json_app.ts";
import { openNode, PROTOCOL, TOKEN } from "../unit/json_fakes.ts";
import { hostile, runs } from "./hostile_bytes.ts";
import { codePoint } from "./schema_values.ts";
import { ODD_JSON, wrongFields } from "./wrong_fields.ts";
import { EXCHANGE_LIMITS } from "../sim/limits.ts";

const { clock } = openNode().time.global;
const ROUTES = restRoutes(
  PROTOCOL,
  new Exchanges(EXCHANGE_LIMITS, clock),
);

const free = throttle(1e9);
const device = { frames: free, sends: free, presence: free, signals: free };

/** An app whose rates limit nothing. */
const openFreeApp = () => openApp({ throttles: { account: free, address: free, device } });
type App = ReturnType<typeof openFreeApp>;

/** Answers of the API: JSON, no body, or a typed error under its status. */
async function checkAnswer(response: Response, method = ""): Promise<void> {
  const text = await response.text();
  ok(response.status < 500 || response.status === 503, `${response.status} ${text}`);
  if (response.status === 204 || method === "HEAD") return equal(text, "");
  if (response.headers.get("content-type") !== "application/json") return;
  const value = JSON.parse(text);
  if (response.status < 400) return;
  ok(Object.hasOwn(ERROR_CODES, value.code), text);
  const telling = [405, 415, 426].includes(response.status);
  ok(telling || response.status === STATUS_OF[value.code as keyof typeof STATUS_OF], text);
}

function noBugs({ node }: App): void {
  deepEqual(node.lines.filter((line) => line.level === "error"), []);
}

const asText = (value: unknown) => typeof value === "string" ? value : JSON.stringify(value);

/** The request of a route for an input, right or wrong. */
function requestOf(route: Route, input: Readonly<Record<string, unknown>>): Request {
  const headers = new Headers({ authorization: `Bearer ${TOKEN}` });
  const query = new URLSearchParams();
  const body: Record<string, unknown> = {};
  let path = route.path;
  for (const [name, value] of Object.entries(input)) {
    const source = route.from[name];
    if (source === undefined) body[name] = value;
    else if (source === "path") {
      path = path.replace(`{${name}}`, () => encodeURIComponent(asText(value).toWellFormed()));
    } else if (typeof source === "string") query.set(name, asText(value));
    else if (/^[\x20-\x7e]*$/.test(asText(value))) headers.set(source.header, asText(value));
  }
  const url = `http://localhost${path}?${query}`;
  if (!hasBody(route)) return new Request(url, { method: route.method, headers });
  headers.set("content-type", "application/json");
  return new Request(url, { method: route.method, headers, body: JSON.stringify(body) });
}

for (const route of ROUTES) {
  Deno.test(`${route.method} ${route.path}: wrong fields are answered, never thrown`, async () => {
    const app = openFreeApp();
    for (const input of wrongFields(route.example)) {
      await checkAnswer(await app.app.request(requestOf(route, input)));
    }
    if (hasBody(route)) {
      const { url, method, headers } = requestOf(route, route.example);
      for (const body of ODD_JSON) {
        await checkAnswer(await app.app.request(new Request(url, { method, headers, body })));
      }
    }
    noBugs(app);
  });
}

const line = fc.constantFrom(...ROUTES);
const bytes = hostile(line.map((r) => new TextEncoder().encode(JSON.stringify(r.example))));
const headerText = fc.string({
  unit: fc.integer({ min: 0x20, max: 0xff }).map((c) => String.fromCharCode(c)),
});
const anyHeaders = fc.dictionary(
  fc.constantFrom(
    "authorization",
    "content-type",
    "content-length",
    "idempotency-key",
    "roost-session",
    "roost-device",
    "last-event-id",
    "accept",
    "origin",
    "x-forwarded-for",
  ),
  fc.oneof(
    headerText,
    fc.constantFrom(
      "application/json",
      "application/json; charset=utf-16",
      `Bearer ${TOKEN}`,
      "Bearer a.b.c",
      "Bearer rt1_",
      "-1",
      "1e9",
    ),
  ),
);
const target = fc.oneof(
  line.map((r) => r.path.replaceAll(/\{\w+\}/g, "bob")),
  fc.tuple(line, fc.string({ unit: codePoint })).map(([r, s]) =>
    r.path.replaceAll(/\{\w+\}/g, () => encodeURIComponent(s))
  ),
  fc.string().map((s) => `/${encodeURI(s)}`),
  fc.constantFrom(
    "/v1//events",
    "/v1/%00",
    "/v1/contacts/%ff",
    "/v1/contacts/%",
    "/%2e%2e/x",
    "/v1/",
  ),
).chain((path) =>
  fc.oneof(
    fc.constant(path),
    fc.string().map((q) => `${path}?after=${q.replaceAll("#", "")}&wait=${q}&limit=99999999999`),
  )
);

Deno.test("REST: any method, target, headers and body bytes get a typed answer", async () => {
  const app = openFreeApp();
  const method = fc.constantFrom(
    "GET",
    "POST",
    "PUT",
    "DELETE",
    "PATCH",
    "HEAD",
    "OPTIONS",
    "BREW",
  );
  await fc.assert(
    fc.asyncProperty(method, target, anyHeaders, bytes, async (method, target, headers, body) => {
      const bare = method === "GET" || method === "HEAD";
      const url = `http://localhost${target}`;
      if (!URL.canParse(url)) return;
      let request: Request;
      try {
        request = new Request(url, {
          method,
          headers,
          ...(bare ? {} : { body: body as Uint8Array<ArrayBuffer> }),
        });
      } catch (error) {
        // The client's own library refuses to send it.
        return ok(error instanceof TypeError);
      }
      await checkAnswer(await app.app.request(request), method);
    }),
    runs(800),
  );
  noBugs(app);
});

Deno.test("REST: a body that never ends is refused at its bound, and read no further", async () => {
  const app = openFreeApp();
  let pulled = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      pulled++;
      controller.enqueue(new Uint8Array(16_384).fill(0x20));
    },
  });
  const headers = { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" };
  const response = await app.app.request(
    new Request("http://localhost/v1/ack", { method: "POST", headers, body }),
  );
  equal(response.status, 413);
  ok(pulled <= 8, `${pulled} chunks`);
});

Deno.test("REST: a body that breaks off is refused", async () => {
  const app = openFreeApp();
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.error(new Error("connection reset")),
  });
  const headers = { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" };
  const response = await app.app.request(
    new Request("http://localhost/v1/ack", { method: "POST", headers, body }),
  );
  equal(response.status, 400);
  await checkAnswer(response);
  noBugs(app);
});
