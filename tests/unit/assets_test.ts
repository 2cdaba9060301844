import assert from "node:assert/strict";
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
    const answer = ask(tag);
    assert.deepEqual([answer.status, await answer.text()], [304, ""]);
    assert.equal(answer.headers.get("etag"), etag);
  }
  for (const tag of [null, '"a"', etag.slice(1, -1)]) {
    const answer = ask(tag);
    assert.equal(answer.status, 200);
    assert.deepEqual(new Uint8Array(await answer.arrayBuffer()), asset.bytes);
  }
});
