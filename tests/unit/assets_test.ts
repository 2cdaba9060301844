import assert from "node:assert/strict";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { clientLibrary, readAsset, serveAsset } from "../../server/web/assets.ts";

Deno.test("readAsset: gives a file its type and a tag of its content; headers that are given win", () => {
  const script = readAsset("client.js", { "cache-control": "max-age=60" });
  const types = readAsset("client.d.ts");
  assert.equal(script.headers["content-type"], "text/javascript; charset=utf-8");
  assert.equal(script.headers["cache-control"], "max-age=60");
  assert.equal(types.headers["cache-control"], "no-cache");
  assert.notEqual(script.headers["etag"], types.headers["etag"]);
  assert.equal(readAsset("client.js").headers["etag"], script.headers["etag"]);
});

Deno.test("readAsset: throws for a file that is not there or has no type", () => {
  assert.throws(() => readAsset("missing.js"), Deno.errors.NotFound);
  assert.throws(() => readAsset("client/scram"), /its type is not known/);
  assert.throws(() => readAsset("notes.doc"), /its type is not known/);
});

Deno.test("serveAsset: says that nothing has changed where the client has it already", async () => {
  const asset = clientLibrary()["/client.js"]!;
  const etag = asset.headers["etag"]!;
  const ask = (tag: string | null) => {
    const headers = new Headers(tag === null ? {} : { "if-none-match": tag });
    return serveAsset(asset, new Request("http://localhost/client.js", { headers }));
  };
  for (const tag of [etag, `W/${etag}`, `"a", ${etag}`]) {
    const answer = await ask(tag);
    assert.deepEqual([answer.status, await answer.text()], [304, ""]);
    assert.equal(answer.headers.get("etag"), etag);
  }
  for (const tag of [null, '"a"', etag.slice(1, -1)]) {
    const answer = await ask(tag);
    assert.equal(answer.status, 200);
    assert.deepEqual(new Uint8Array(await answer.arrayBuffer()), asset.bytes);
  }
});

Deno.test("serveAsset: each coding has an entity tag and bytes of its own, made once (A18)", async () => {
  const asset = clientLibrary()["/client.js"]!;
  const ask = (coding: string, tag = "") => {
    const headers = { "accept-encoding": coding, "if-none-match": tag };
    return serveAsset(asset, new Request("http://localhost/client.js", { headers }));
  };
  const tags = new Set([asset.headers["etag"]]);
  for (const [coding, decode] of [["br", brotliDecompressSync], ["gzip", gunzipSync]] as const) {
    const answer = await ask(coding);
    assert.equal(answer.headers.get("content-encoding"), coding);
    assert.equal(answer.headers.get("vary"), "Accept-Encoding");
    const bytes = await answer.bytes();
    assert.ok(bytes.length < asset.bytes.length / 3);
    assert.deepEqual(new Uint8Array(decode(bytes)), asset.bytes);
    const tag = answer.headers.get("etag")!;
    assert.equal((await ask(coding, tag)).status, 304);
    assert.equal((await ask("identity", tag)).status, 200);
    tags.add(tag);
  }
  assert.equal(tags.size, 3);
  assert.equal(await asset.coded!("br"), await asset.coded!("br"));
});

Deno.test("serveAsset: what is too small for it is not compressed (A18)", async () => {
  const headers = { "accept-encoding": "br" };
  const icon = readAsset("chat/icon.svg");
  const answer = await serveAsset(icon, new Request("http://localhost/", { headers }));
  assert.equal(answer.headers.get("content-encoding"), null);
});
