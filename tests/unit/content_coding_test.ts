import assert from "node:assert/strict";
import { brotliCompressSync, brotliDecompressSync, constants, gunzipSync } from "node:zlib";
import {
  COMPRESSED_BYTES_MIN,
  compressResponse,
  contentCoding,
} from "../../server/text/content_coding.ts";
import { CompressionRate } from "../../server/text/compression_rate.ts";
import { openApp } from "./json_app.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

Deno.test("contentCoding: prefers by weight, then brotli; identity and refusals count (A18)", () => {
  const cases: readonly (readonly [string | null, string | null])[] = [
    [null, null],
    ["", null],
    ["gzip, deflate, br, zstd", "br"],
    ["gzip", "gzip"],
    ["GZip", "gzip"],
    ["br;q=0.5, gzip;q=0.8", "gzip"],
    ["br;q=0, gzip", "gzip"],
    ["br;q=0, gzip;q=0", null],
    ["*", "br"],
    ["*;q=0", null],
    ["br;q=0, *", "gzip"],
    ["identity, gzip;q=0.5", null],
    ["identity;q=0.2, gzip;q=0.5", "gzip"],
    ["gzip;q=7, br;q=x", null],
    ["deflate", null],
  ];
  for (const [accept, coding] of cases) assert.equal(contentCoding(accept), coding, String(accept));
});

Deno.test("compressResponse: compresses what is large and wanted, and varies in any case (A18)", async () => {
  const text = "a presence ".repeat(1000);
  const ask = (accept: string | null, body = text) => {
    const headers = new Headers(accept === null ? {} : { "accept-encoding": accept });
    const made = new Response(body, { status: 201, headers: { vary: "Origin", "x-own": "1" } });
    return compressResponse(new Request("http://localhost/", { headers }), made, () => true);
  };
  const decode = { br: brotliDecompressSync, gzip: gunzipSync };
  for (const coding of ["br", "gzip"] as const) {
    const response = await ask(coding);
    assert.equal(response.headers.get("content-encoding"), coding);
    const bytes = await response.bytes();
    assert.ok(bytes.length < 300);
    assert.equal(decode[coding](bytes).toString(), text);
  }
  for (const response of [await ask(null), await ask("br", "a".repeat(COMPRESSED_BYTES_MIN - 1))]) {
    assert.equal(response.headers.get("content-encoding"), null);
    assert.deepEqual([response.status, response.headers.get("x-own")], [201, "1"]);
    assert.equal(response.headers.get("vary"), "Origin, Accept-Encoding");
  }
});

Deno.test("REST: the document is compressed when asked for, beside what CORS says (A18)", async () => {
  const app = openApp({ allowedOrigins: () => ["https://app.example.org"] });
  const plain = await app.call("GET /openapi.json", undefined, {
    origin: "https://app.example.org",
  });
  const headers = { origin: "https://app.example.org", "accept-encoding": "gzip" };
  const answer = await app.app.request("/openapi.json", { headers });
  assert.equal(answer.headers.get("content-encoding"), "gzip");
  assert.equal(answer.headers.get("vary"), "Accept-Encoding, Origin");
  assert.equal(answer.headers.get("access-control-allow-origin"), "https://app.example.org");
  const bytes = await answer.bytes();
  assert.deepEqual(JSON.parse(gunzipSync(bytes).toString()), plain.value);
});

Deno.test("10.4: CompressionRate: large responses leave as they are once much was compressed", () => {
  const time = new VirtualTime();
  const rate = new CompressionRate(time.global.clock);
  const large = () => rate.take(2_400_000);
  assert.deepEqual(Array.from({ length: 7 }, large), [true, true, true, true, true, true, false]);
  assert.equal(rate.take(1000), true);
  assert.equal(rate.take(16_000_001), false);
  time.runFor(600);
  assert.deepEqual([large(), large()], [true, false]);
});

Deno.test("10.1: the document is compressed once: each request without a sign-in made it anew", async () => {
  const app = openApp();
  const headers = { "accept-encoding": "br" };
  const ask = async () => await (await app.app.request("/openapi.json", { headers })).bytes();
  const [first, second] = [await ask(), await ask()];
  const whole = brotliDecompressSync(first);
  // Only what is kept is worth the greatest effort.
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11 };
  assert.ok(first.length <= brotliCompressSync(whole, { params }).length);
  assert.deepEqual(first, second);
});

Deno.test("REST: an answer with a token is never compressed, nor are events (A18)", async () => {
  const { app, bearer } = openApp();
  const headers = { ...bearer, "accept-encoding": "br", "content-type": "application/json" };
  const opened = await app.request("/v1/sessions", { method: "POST", headers, body: "{}" });
  const polled = await app.request("/v1/events", { headers });
  for (const response of [opened, polled]) {
    assert.equal(response.headers.get("content-encoding"), null);
    assert.equal(response.headers.get("vary"), null);
    await response.body?.cancel();
  }
});
