/** Which pages of other servers of a federation may connect, and where this one's may. */
import assert from "node:assert/strict";
import { CellPages } from "../../server/http/cell_pages.ts";
import { configOf } from "../../server/config/config.ts";
import { createWebRules } from "../../server/http/web_rules.ts";

Deno.test("CellPages: origins and sources of the servers that are known, made again after a second", () => {
  let urls = ["https://b.test/roost", "http://127.0.0.1:8422", "http://127.0.0.1:8423", "no url"];
  let nowMs = 0;
  const pages = new CellPages(() => urls, { monoMs: () => nowMs });
  assert.deepEqual([...pages.origins], [
    "https://b.test",
    "http://127.0.0.1:8422",
    "http://127.0.0.1:8423",
  ]);
  assert.deepEqual(pages.sources, [
    "https://b.test:*",
    "wss://b.test:*",
    "http://127.0.0.1:*",
    "ws://127.0.0.1:*",
  ]);
  urls = ["https://c.test", "javascript:alert(1)", "https://d.test;script-src *"];
  assert.ok(pages.origins.has("https://b.test"));
  nowMs = 1000;
  assert.deepEqual([...pages.origins], ["https://c.test"]);
  assert.deepEqual(pages.sources, ["https://c.test:*", "wss://c.test:*"]);
});

Deno.test("CellPages: the policy of a page names a bounded number of hosts", () => {
  const urls = Array.from({ length: 500 }, (_, i) => `https://n${i}.test`);
  assert.equal(new CellPages(() => urls, { monoMs: () => 0 }).sources.length, 64);
});

Deno.test("12: pages of other cells may connect, and no others", () => {
  const pages = new CellPages(() => ["https://b.test/roost"], { monoMs: () => 0 });
  const rules = createWebRules(configOf("/data"), () => pages.origins);
  assert.equal(rules.originRefusal("https://b.test", "a.test"), null);
  assert.equal(rules.originRefusal("https://c.test", "a.test")?.code, "forbidden");
});
