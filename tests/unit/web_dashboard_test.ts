import assert from "node:assert/strict";
import fc from "fast-check";
import {
  aboutText,
  lineOf,
  queryOf,
  timeText,
  visible as visibleInPage,
} from "../../server/web/admin/audit_text.js";
import { dashboard } from "../../server/web/assets.ts";
import { CHARTS } from "../../server/web/admin/charts.js";
import {
  linePath,
  logMarks,
  marks,
  nearest,
  niceAbove,
  scalesOf,
  timeMarks,
} from "../../server/web/admin/scale.js";
import { OwnerChanges } from "../../server/ops/live/owner_changes.ts";
import { Store } from "../../server/web/admin/store.js";
import {
  bytesText,
  changeText,
  countText,
  durationText,
  msText,
  nodeName,
  refusalText,
  toneOf,
  valueText,
} from "../../server/web/admin/text.js";
import { SERIES } from "../../server/ops/live/series.ts";
import { visible, visibleJson } from "../../server/text/visible.ts";

type Live = Parameters<Store["take"]>[0];

/** An answer with samples from `first` on, a second apart; the series `users` is their number. */
function answer(first: number, last: number, startedAt = 0): Live {
  const numbers = Array.from({ length: last - first + 1 }, (_, i) => first + i);
  return {
    node: { version: "1", domain: "d", startedAt },
    stepMs: 1000,
    health: { state: "healthy", reasons: [] },
    shards: { version: 1, fields: [], rows: [], changes: [] },
    first,
    last,
    at: numbers.map((n) => startedAt + n * 1000),
    series: { users: numbers },
  };
}

Deno.test("niceAbove, marks: an axis has few steps that people like, and room for all of it", () => {
  assert.deepEqual([0.3, 1, 1.1, 3, 7, 99, 100].map(niceAbove), [0.5, 1, 2, 5, 10, 100, 100]);
  fc.assert(fc.property(fc.double({ min: 0, max: 1e9, noNaN: true }), (max) => {
    const levels = marks(max, 4);
    assert.ok(levels.length >= 2 && levels.length <= 6, String(levels));
    assert.ok(levels[0] === 0 && levels.at(-1)! >= Math.max(max, 4) * (1 - 1e-6));
    assert.deepEqual([...levels].sort((a, b) => a - b), levels);
  }));
});

Deno.test("timeMarks: round times within the window, no more than asked for", () => {
  const from = new Date(2026, 4, 20, 12, 0, 7).getTime();
  const times = timeMarks(from, from + 60_000, 4);
  assert.deepEqual(times.map((t) => (t - from) / 1000), [8, 23, 38, 53]);
  assert.equal(timeMarks(from, from + 900_000, 3).length, 3);
});

Deno.test("scalesOf: fits values into the box, evenly or by logarithms (9 B8)", () => {
  const box = { left: 10, right: 110, top: 0, bottom: 100 };
  const even = scalesOf({ box, from: 1, to: 3, levels: [0, 2, 4] });
  assert.deepEqual([1, 2, 3].map(even.x), [10, 60, 110]);
  assert.deepEqual([0, 1, 4].map(even.y), [100, 75, 0]);
  const levels = logMarks(0.5, 800);
  assert.deepEqual(levels.map((v) => Number(v.toPrecision(6))), [0.1, 1, 10, 100, 1000]);
  const log = scalesOf({ box, from: 0, to: 1, levels, logarithmic: true });
  assert.deepEqual([0, 0.1, 10, 1000].map((v) => Math.round(log.y(v))), [100, 100, 50, 0]);
});

Deno.test("linePath: is broken at gaps and where nothing was measured", () => {
  const scale = { x: (t: number) => t, y: (v: number) => v, gapMs: 3 };
  assert.equal(linePath([1, 2, 3], [1, 2, 3], scale), "M1,1L2,2L3,3");
  assert.equal(linePath([1, 2, 3, 4], [1, null, 3, 4], scale), "M1,1L3,3L4,4");
  assert.equal(linePath([1, 2, 9, 10], [1, 2, 3, 4], scale), "M1,1L2,2M9,3L10,4");
  assert.equal(linePath([1, 9], [1, 2], scale), "M1,1h0.1M9,2h0.1", "single values are dots");
  assert.equal(linePath([1, 2], [null, null], scale), "");
});

Deno.test("nearest: is the index of the closest moment", () => {
  const moments = fc.uniqueArray(fc.integer({ min: 0, max: 1000 }), { minLength: 1 });
  fc.assert(fc.property(moments, fc.integer({ min: -10, max: 1010 }), (all, time) => {
    const at = [...all].sort((a, b) => a - b);
    const best = Math.min(...at.map((t) => Math.abs(t - time)));
    assert.equal(Math.abs(at[nearest(at, time)]! - time), best);
  }));
  assert.equal(nearest([], 5), -1);
});

Deno.test("Store: samples come once and in order, whichever answers come twice or late", () => {
  const store = new Store();
  store.take(answer(1, 5));
  store.take(answer(4, 7));
  store.take(answer(6, 7));
  store.take(answer(3, 4));
  store.take(answer(8, 8));
  assert.deepEqual(store.series("users"), [1, 2, 3, 4, 5, 6, 7, 8]);
  assert.deepEqual([store.last, store.now, store.value("users")], [8, 8000, 8]);
  assert.equal(store.since(2500), 5);
  assert.equal(store.value("nothing"), null);
});

Deno.test("Store: a server that was started anew goes on where the one before ended", () => {
  const store = new Store();
  store.take(answer(1, 3));
  store.take(answer(1, 2, 60_000));
  assert.deepEqual(store.at, [1000, 2000, 3000, 61_000, 62_000]);
  assert.equal(store.last, 2);
  store.clear();
  assert.deepEqual([store.last, store.at.length], [0, 0]);
});

Deno.test("Store: keeps a quarter of an hour", () => {
  const store = new Store();
  store.take(answer(1, 900));
  store.take(answer(901, 950));
  assert.deepEqual([store.at.length, store.series("users")[0]], [900, 51]);
});

Deno.test("texts: numbers, sizes, durations, refusals", () => {
  assert.deepEqual([0, 0.04, 3.14, 9, 12_345].map(countText), ["0", "0", "3.1", "9", "12,345"]);
  assert.deepEqual([0.31, 12.4, 1500, 12_000].map(msText), ["0.3 ms", "12 ms", "1.50 s", "12 s"]);
  assert.deepEqual([0, 999, 1500, 1.64e8].map(bytesText), ["0 B", "999 B", "1.5 kB", "164 MB"]);
  assert.deepEqual(
    [0, 59_000, 61_000, 3_600_000, 90_061_000].map(durationText),
    ["0 s", "59 s", "1 min 1 s", "1 h", "1 d 1 h"],
  );
  assert.deepEqual([valueText(null, "ms"), valueText(0.5, "cores")], ["–", "50 %"]);
  assert.equal(changeText({ of: [3], shards: [16, 17] }), "Shard 3 cut into 16, 17");
  assert.equal(changeText({ of: [1, 2], shards: [9] }), "Shards 1, 2 merged into 9");
  assert.match(refusalText({ code: "rate_limited", retryAfterMs: 5500 }), /Wait 6 s/);
  assert.equal(refusalText({ code: "conflict", message: "It is used" }), "It is used.");
});

Deno.test("the plots show series that there are, and each has a name of its own", () => {
  const charts = CHARTS.flatMap((group) => group.charts);
  assert.equal(new Set(charts.map(({ id }) => id)).size, charts.length);
  const shown = charts.flatMap(({ lines }) => lines.map(({ name }) => name));
  assert.deepEqual(shown.filter((name) => !(SERIES as readonly string[]).includes(name)), []);
});

Deno.test("dashboard: every file that the page loads is served, under the strictest policy", async () => {
  const served = dashboard();
  const ask = async (path: string) =>
    await served.get(path)!(new Request(`http://127.0.0.1${path}`));
  const page = await ask("/admin");
  assert.equal(
    page.headers.get("content-security-policy"),
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
      "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  );
  assert.equal(page.headers.get("referrer-policy"), "no-referrer");
  const named = [...(await page.text()).matchAll(/(?:src|href)="([^"#]+)"/g)]
    .map((match) => match[1]!).filter((name) => name !== "docs/");
  assert.ok(named.length >= 3);
  for (const name of new Set(named)) {
    const { pathname } = new URL(name, "http://127.0.0.1/admin");
    assert.equal((await ask(pathname)).status, 200, name);
  }
  for (const path of ["/", "/admin/"]) {
    const to = (await ask(path)).headers.get("location")!;
    // Below a prefix too.
    for (const prefix of ["", "/ops"]) {
      assert.equal(new URL(to, `http://h${prefix}${path}`).pathname, `${prefix}/admin`);
    }
  }
  const script = await (await ask("/admin/assets/main.js")).text();
  assert.doesNotMatch(script, /^\s*import\b|\bimport\(/m);
});

Deno.test("the dashboard's scripts make no markup of texts, and keep the token in this tab", () => {
  const dir = new URL("../../server/web/admin/", import.meta.url);
  for (const { name } of Deno.readDirSync(dir)) {
    if (!/\.(js|html)$/.test(name)) continue;
    const text = Deno.readTextFileSync(new URL(name, dir));
    const made = /innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|srcdoc|\beval\(/;
    assert.doesNotMatch(text, made, name);
    assert.doesNotMatch(text, /\sstyle="|<script>|\son\w+="|https?:\/\/(?!www\.w3\.org)\w/, name);
    assert.doesNotMatch(text, /localStorage|\.cookie/, name);
  }
});

Deno.test("11: nodes have short names that tell them apart, and a colour each", () => {
  assert.equal(nodeName("abc-2", ["abc-1", "abc-2"]), "Worker 2");
  assert.equal(nodeName("abcdefgh-2", ["abcdefgh-2", "xyzxyzxyz"]), "Node abcdef-2");
  assert.equal(nodeName("abcdefghijkl", ["abcdefghijkl"]), "Node abcdef");
  const nodes = ["b", "a", "c"].map((id) => ({ id }));
  assert.deepEqual(["a", "b", "c", "gone", null].map((id) => toneOf(nodes, id)), [1, 2, 3, 0, 0]);
});

Deno.test("11: OwnerChanges notes who owns a shard instead of whom, and no new shards", () => {
  const changes = new OwnerChanges();
  const row = (id: number, owner: string | null, epoch: number) => {
    return { id, epoch, owner: owner === null ? null : { id: owner as never, incarnation: 1 } };
  };
  changes.look([row(1, "a", 1), row(2, "b", 1)], 10);
  changes.look([row(1, "b", 2), row(2, "b", 5), row(3, "a", 1)], 20);
  changes.look([row(1, null, 2), row(2, "b", 5), row(3, "a", 1)], 30);
  assert.deepEqual(changes.latest, [
    { shard: 1, from: "a", to: "b", epoch: 2, at: 20 },
    { shard: 1, from: "b", to: null, epoch: 2, at: 30 },
  ]);
  for (let i = 0; i < 300; i++) changes.look([row(1, i % 2 === 0 ? "a" : "b", i)], i);
  assert.equal(changes.latest.length, 100);
});

Deno.test("13: the audit log in the page is escaped as on terminals, character by character", () => {
  for (let code = 0; code < 0x1_0000; code++) {
    const text = String.fromCharCode(code);
    assert.equal(visibleInPage(text), visible(text), code.toString(16));
  }
  const at = "2026-11-30T12:00:05.000Z";
  const entry = { id: "admin.a.1.0", at, log: "admin", node: "a", actor: "os:e\u202eve" };
  const whole = {
    ...entry,
    action: "createUser",
    outcome: "ok",
    target: "b\u0007\u009b",
    count: 3,
  };
  assert.equal(lineOf(whole), `${visibleJson(whole)}\n`);
  assert.equal(aboutText(whole), "b\\u0007\\u009b · 3 times");
  assert.equal(aboutText({ ...whole, target: "x", user: "ann", actor: "user:ann" }), "x · 3 times");
  assert.equal(aboutText({ ...whole, target: "x", user: "ann" }), "x · ann · 3 times");
  assert.equal(timeText(new Date(2026, 10, 3, 7, 8, 9, 10).toISOString()), "2026-11-03 07:08:09");
});

Deno.test("13: times of the audit log are taken as people write them, in their zone, or refused by field", () => {
  const none = { log: "", actor: "", user: "", action: "", from: "", to: "" };
  const now = Date.UTC(2026, 10, 30);
  const from = (text: string) => {
    const asked = queryOf({ ...none, from: text }, now);
    return asked.ok ? asked.query.from ?? null : asked.field;
  };
  const local = (...[month, ...rest]: [number, number, ...number[]]) =>
    new Date(2026, month - 1, ...rest).toISOString();
  assert.deepEqual(queryOf({ ...none, user: " ann ", log: "admin" }, now), {
    ok: true,
    query: { log: "admin", user: "ann" },
  });
  assert.deepEqual(["", " 7d ", "30m"].map(from), [null, "7d", "30m"]);
  assert.equal(from("2026-11-30"), local(11, 30));
  assert.equal(from("2026-11-30 17:45"), local(11, 30, 17, 45));
  assert.equal(from("2026-11-30T17:45:09"), local(11, 30, 17, 45, 9));
  assert.equal(from("2026-11-30T12:00:00Z"), "2026-11-30T12:00:00Z");
  const wrong = ["yesterday", "7 days", "7w", "2026-02-31", "2026-13-01", "2026-11-30 25:00", "12"];
  for (const text of [...wrong, "2026-11-30T99:00:00Z", "-1d"]) {
    assert.equal(from(text), "from", text);
  }
  const to = queryOf({ ...none, to: "soon" }, now);
  assert.ok(!to.ok && to.field === "to" && /“Before” is not a time/.test(to.why));
  for (
    const [from, to, ok] of [
      ["2h", "1h", true],
      ["1h", "2h", false],
      ["1d", "24h", false],
      ["2026-11-30", "2026-11-30", false],
      ["2026-11-30T00:00:00+02:00", "2026-11-30T00:00:00Z", true],
    ] as const
  ) assert.equal(queryOf({ ...none, from, to }, now).ok, ok, `${from} ${to}`);
});
