import assert from "node:assert/strict";
import { CURVE } from "../../server/load/latency.ts";
import { darkHtml } from "../../server/load/report_dark.ts";
import {
  duration,
  figures,
  grouped,
  progressLine,
  summaryText,
} from "../../server/load/report_text.ts";
import { escapeXml, plotSvg, ticks } from "../../server/load/plot.ts";
import { hintsOf, type Point, type RunResult, violationsOf } from "../../server/load/result.ts";
import { NO_COUNTS } from "../../server/load/tally.ts";
import { reportHtml } from "../../server/load/report_html.ts";

const LATENCY = {
  count: 1000,
  meanUs: 5000,
  p50Us: 4000,
  p90Us: 8000,
  p99Us: 20_000,
  p999Us: 30_000,
  maxUs: 40_000,
  curveUs: CURVE.map((_, i) => i * 1000),
};

const POINT: Point = {
  at: 12.3,
  phase: "presence storm",
  online: 1000,
  signIns: 0,
  presence: 100_000,
  messages: 0,
  events: 100_000,
  latencies: { presence: { p50Us: 4000, p99Us: 20_000 } },
  serverCpu: 0.8,
  serverRssBytes: 300e6,
  toolCpu: 0.3,
  toolRssBytes: 100e6,
};

const RESULT: RunResult = {
  v: 1,
  program: "Roost 0.1.0",
  command: "roost load presence",
  scenario: "presence",
  summary: "presence storm",
  target: "http://127.0.0.1:8420",
  startedAt: "2025-01-01T00:00:00.000Z",
  machine: { cpu: "Some <CPU>", cores: 2 },
  options: {
    users: 1000,
    contacts: 40,
    rate: 2500,
    seconds: 10,
    online: 0,
    presenceRate: 0,
    messageRate: 0,
    drop: 0,
    over: 0,
    processes: 1,
    auth: "token",
    bodyBytes: 100,
    ackMs: 1000,
    graceMs: 10_000,
  },
  stopped: false,
  phases: [
    { name: "bringing users online", measured: false, from: 0, to: 2, missing: 0 },
    { name: "presence storm", measured: true, from: 2, to: 12, missing: 0 },
  ],
  points: [0, 1, 2].map((i) => ({ ...POINT, at: i * 6 })),
  window: {
    seconds: 10,
    signIns: 0,
    presence: 1_000_000,
    messages: 0,
    serverCpuUs: 3_000_000,
    toolCpuUs: 2_000_000,
    events: 1_000_000,
    frames: 100_000,
  },
  latencies: { presence: LATENCY, lateness: { ...LATENCY, p99Us: 1000 } },
  counts: { ...NO_COUNTS, online: 1000 },
  presence: {
    delivered: 990_000,
    coalesced: 10_000,
    initial: 0,
    offline: 0,
    repeated: 0,
    backwards: 0,
    wrong: 0,
    compared: 40_000,
    missing: 0,
    stale: 0,
  },
  messages: {
    received: 0,
    outOfTurn: 0,
    skipped: 0,
    reordered: 0,
    undelivered: 0,
    wrong: 0,
    gaps: 0,
    accepted: 0,
    missing: 0,
    surplus: 0,
    unanswered: 0,
  },
  falseOffline: 0,
  awayMaxMs: 0,
  settledSeconds: 0.5,
  server: {
    pid: 1,
    rssBeforeBytes: 100e6,
    rssPeakBytes: 120e6,
    rssAfterBytes: 110e6,
    metrics: { roost_presence_deliveries_total: 1_000_000 },
  },
  faults: [],
  violations: [],
  hints: [],
};

Deno.test("numbers are written for people", () => {
  assert.deepEqual([0, 999, 1000, 1234567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
  const times = [2.94, 150, 1500, 15_400, 250_000, 2_500_000].map(duration);
  assert.deepEqual(times, ["2.9 µs", "150 µs", "1.50 ms", "15.4 ms", "250 ms", "2.50 s"]);
});

Deno.test("figures say what was reached and what it cost", () => {
  const found = new Map(figures(RESULT).map(({ label, value }) => [label, value]));
  assert.equal(
    found.get("presence deliveries"),
    "1,000,000 in 10.0 s: 100,000/s, 3.0 µs of server CPU each",
  );
  assert.equal(found.get("server memory"), "100 MB before, 120 MB peak, 19.5 KiB a session");
  assert.equal(found.get("this tool's CPU"), "0.20 cores, 2.0 µs an event (10.0 events a frame)");
  assert.deepEqual(figures({ ...RESULT, window: null }), []);
});

Deno.test("summaryText tells a good run from a bad one", () => {
  const good = summaryText(RESULT);
  assert.match(good, /40,000 of 40,000 final states right/);
  assert.match(good, /10,000 were overtaken/);
  assert.match(good, /presence delivery +1,000 +4\.00 ms +8\.00 ms +20\.0 ms/);
  assert.match(good, /Everything that was sent arrived as promised\.\n$/);
  const bad = summaryText({ ...RESULT, violations: ["7 accepted messages did not arrive"] });
  assert.match(bad, /WRONG\n {2}7 accepted messages did not arrive\n/);
  assert.doesNotMatch(bad, /as promised/);
});

Deno.test("progressLine fits on one line and says what goes on", () => {
  const line = progressLine(POINT);
  assert.doesNotMatch(line, /\n/);
  assert.match(
    line,
    /12 s · presence storm · 1,000 on · 100,000 presence\/s · presence p99 20\.0 ms/,
  );
});

Deno.test("violationsOf is empty where all is well, and names each thing that is not", () => {
  assert.deepEqual(violationsOf(RESULT), []);
  const { presence, messages, counts } = RESULT;
  const cases: readonly (readonly [Partial<RunResult>, RegExp])[] = [
    [{ stopped: true, falseOffline: 4 }, /^The run was stopped/],
    [
      { phases: [{ ...RESULT.phases[0]!, missing: 3 }] },
      /^3 users who were to come online did not/,
    ],
    [{ presence: { ...presence, stale: 2 } }, /^2 watchers do not hold/],
    [{ presence: { ...presence, backwards: 2 } }, /^2 presence changes arrived after/],
    [{ messages: { ...messages, missing: 1 } }, /^1 accepted messages did not arrive/],
    [{ messages: { ...messages, skipped: 5, undelivered: 4 } }, /^1 messages were skipped/],
    [{ messages: { ...messages, unanswered: 1 } }, /^1 messages were never answered/],
    [{ falseOffline: 4 }, /^4 contacts were shown offline though back within 10000 ms/],
    [{ counts: { ...counts, malformed: 1 } }, /^1 frames were malformed/],
  ];
  for (const [change, wanted] of cases) {
    const found = violationsOf({ ...RESULT, ...change });
    assert.equal(found.length, 1, found.join());
    assert.match(found[0]!, wanted);
  }
  // Repetitions after a break may overtake each other, or have been accepted before.
  const repeated = { ...RESULT, counts: { ...counts, sendsRepeated: 2 } };
  assert.deepEqual(violationsOf({ ...repeated, messages: { ...messages, reordered: 2 } }), []);
  assert.equal(violationsOf({ ...repeated, messages: { ...messages, reordered: 3 } }).length, 1);
});

Deno.test("hintsOf tells when the figures are the tool's own, or a limit's", () => {
  assert.deepEqual(hintsOf(RESULT), []);
  const late = { ...LATENCY, p99Us: 50_000 };
  const limited = { what: "presence: rate_limited", count: 9, example: "" };
  const found = hintsOf({
    ...RESULT,
    latencies: { lateness: late },
    window: { ...RESULT.window!, toolCpuUs: 9_900_000 },
    faults: [limited],
    counts: { ...RESULT.counts, skipped: 1 },
  }).join("\n");
  for (
    const wanted of [/late by 50 ms/, /used all of its cores/, /limits\.presencePerSecond/, /1 op/]
  ) {
    assert.match(found, wanted);
  }
});

Deno.test("reportHtml is one whole page that needs nothing from elsewhere", () => {
  const html = reportHtml({ ...RESULT, faults: [{ what: "x", count: 1, example: "<script>" }] });
  assert.match(html, /^<!doctype html>/);
  assert.match(html, /<\/body><\/html>\n$/);
  assert.doesNotMatch(html, /<script|<link|<img|src=|url\(|@import|href=/);
  assert.match(html, /Some &#60;CPU&#62;/);
  assert.doesNotMatch(html, /NaN|undefined|Infinity/);
  for (const title of ["Throughput", "CPU", "Memory", "Latency by percentile"]) {
    assert.ok(html.includes(`>${title} <small>`), title);
  }
  const empty = reportHtml({ ...RESULT, points: [], latencies: {}, server: null, window: null });
  assert.doesNotMatch(empty, /NaN|undefined|Infinity/);
});

Deno.test("plotSvg draws gaps, logarithms and single points without falling over", () => {
  const plot = { title: "t", unit: "u", x: [0, 1, 2, 3], xUnit: "s" };
  const gap = plotSvg({ ...plot, lines: [{ name: "a<b", values: [1, null, 3, 4] }] });
  assert.match(gap, /d="M[\d.]+,[\d.]+h0\.1M[\d.]+,[\d.]+L[\d.]+,[\d.]+"/);
  assert.match(gap, /a&#60;b/);
  const values = [0, 0.5, 1000, 0];
  const log = plotSvg({ ...plot, logarithmic: true, lines: [{ name: "a", values }] });
  const nothing = plotSvg({ ...plot, x: [], lines: [{ name: "a", values: [] }] });
  const zero = plotSvg({ ...plot, x: [0], lines: [{ name: "a", values: [0] }], logarithmic: true });
  for (const svg of [gap, log, nothing, zero]) assert.doesNotMatch(svg, /NaN|Infinity|undefined/);
  const long = Array.from({ length: 50_000 }, (_, i) => i);
  assert.ok(plotSvg({ ...plot, x: long, lines: [{ name: "a", values: long }] }).length < 60_000);
});

Deno.test("ticks are round and cover the values", () => {
  assert.deepEqual(ticks(10), [0, 2, 4, 6, 8, 10]);
  assert.deepEqual(ticks(0.35), [0, 0.1, 0.2, 0.3, 0.4]);
  assert.deepEqual(ticks(0), [0, 1]);
  for (const max of [1, 7, 99, 12_345, 1e9, 3e-5]) {
    assert.ok(ticks(max).at(-1)! >= max && ticks(max).length <= 7, `${max}`);
  }
  assert.equal(escapeXml(`<a href="x">'&`), "&#60;a href=&#34;x&#34;&#62;&#39;&#38;");
});

Deno.test("darkHtml shows the objective, and which intervals missed it", () => {
  const standing = {
    expected: 100,
    arrived: 99,
    lost: 1,
    share: 0.99,
    p50Ms: 4,
    p99Ms: 120_000,
    held: false,
  };
  const report = {
    ...standing,
    at: "2025-01-01T00:05:00.000Z",
    online: 19,
    users: 20,
    broken: 1,
    overall: standing,
    faults: [{ what: "session: lost", count: 1, example: "x" }],
  };
  const html = darkHtml([report, { ...report, held: true }], { p99Ms: 100, share: 0.999 });
  assert.match(html, /The objective does not hold/);
  assert.match(html, /Intervals that missed it \(1 of 2\)/);
  assert.match(html, /99\.000 %/);
  assert.doesNotMatch(html, /NaN|undefined|Infinity/);
});
