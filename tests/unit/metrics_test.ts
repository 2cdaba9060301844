import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type Counters,
  createCounters,
  Histogram,
  OutcomeCounts,
  signInResult,
} from "../../server/http/counters.ts";
import { createMetrics, type Gauges } from "../../server/ops/metrics.ts";
import { ERROR_CODES, type ErrorCode } from "../../shard/errors.ts";

const GAUGES: Gauges = {
  watchedUsers: () => 11,
  watchers: () => 12,
  interests: () => 13,
  connections: () => 14,
  outboxBytes: () => 15,
  cachedUsers: () => 16,
  commitQueue: () => 17,
  loopLagMs: () => 1500,
  storeFailing: () => true,
  ready: () => false,
  bugs: () => 21,
  rssBytes: () => 18,
  cpuMs: () => 19,
  behind: () => 20,
};

/** Scrapes: sample with labels → value, and metric → its help and type. */
async function scrape(counters: Counters) {
  const metrics = createMetrics(counters, GAUGES, 1_000_500);
  await metrics.text();
  // A second scrape must not count anything twice.
  const text = await metrics.text();
  const samples = new Map<string, number>();
  const types = new Map<string, string>();
  const helps = new Map<string, string>();
  for (const line of text.split("\n")) {
    const meta = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line);
    if (meta !== null) (meta[1] === "HELP" ? helps : types).set(meta[2]!, meta[3]!);
    else if (line !== "") {
      const sample = /^(\S+(?:\{.*\})?) (\S+)$/.exec(line);
      assert.ok(sample !== null, line);
      assert.ok(!samples.has(sample[1]!), `${line} comes twice`);
      samples.set(sample[1]!, Number(sample[2]));
    }
  }
  return { text, samples, types, helps };
}

Deno.test("Histogram puts a value into the first bucket whose bound is not below it", () => {
  const histogram = new Histogram([1, 2.5, 10]);
  for (const value of [0, 1, 1.1, 2.5, 10, 11, 1e9]) histogram.observe(value);
  histogram.observe(2, 3);
  assert.deepEqual([...histogram.counts], [2, 5, 1, 2]);
  assert.equal(histogram.sum, 0 + 1 + 1.1 + 2.5 + 10 + 11 + 1e9 + 6);
});

Deno.test("Histogram loses no observation", () => {
  const values = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }));
  fc.assert(fc.property(values, (observed) => {
    const histogram = new Histogram([-5, 0, 5]);
    for (const value of observed) histogram.observe(value);
    const total = histogram.counts.reduce((sum, count) => sum + count, 0);
    assert.equal(total, observed.length);
    assert.equal(histogram.counts[0], observed.filter((value) => value <= -5).length);
  }));
});

Deno.test("OutcomeCounts adds up by name and outcome", () => {
  const outcomes = new OutcomeCounts();
  for (const outcome of ["ok", "busy", "ok"] as const) outcomes.add("send", outcome);
  outcomes.add("ack", "ok");
  assert.deepEqual([...outcomes.entries()], [["send", "ok", 2], ["send", "busy", 1], [
    "ack",
    "ok",
    1,
  ]]);
});

Deno.test("signInResult sorts every error code", () => {
  const codes = Object.keys(ERROR_CODES) as ErrorCode[];
  const sorted = Object.groupBy(codes, (code) => signInResult(code) ?? "none");
  assert.equal(signInResult("ok"), "ok");
  assert.deepEqual(sorted.limited, ["rate_limited"]);
  assert.deepEqual(sorted.busy, ["busy"]);
  assert.deepEqual(sorted.failed, ["unavailable"]);
  assert.ok(sorted.refused!.includes("unauthorized"));
  assert.deepEqual(sorted.none, ["bad_request", "unsupported", "too_large"]);
});

Deno.test("createMetrics exports what was counted, however often it is asked", async () => {
  const counters = createCounters();
  counters.presence.deliveries += 40;
  counters.presence.fanOut.observe(40);
  counters.presence.latencyMs.observe(2.5, 40);
  counters.messages.refused.busy++;
  counters.sessions.live.sse.false += 3;
  counters.sessions.live.sse.false--;
  counters.sessions.users.true = 4;
  counters.sessions.ended.slow += 7;
  counters.admissionRefused.signIn.overload += 5;
  counters.signIns.scram.ok += 6;
  counters.outcomes.add("send", "too_large");
  const { samples } = await scrape(counters);
  const expected = {
    "roost_presence_deliveries_total": 40,
    'roost_presence_fan_out_sessions_bucket{le="20"}': 0,
    'roost_presence_fan_out_sessions_bucket{le="40"}': 1,
    'roost_presence_fan_out_sessions_bucket{le="+Inf"}': 1,
    'roost_presence_latency_seconds_bucket{le="0.001"}': 0,
    'roost_presence_latency_seconds_bucket{le="0.0025"}': 40,
    'roost_presence_latency_seconds_bucket{le="60"}': 40,
    "roost_presence_latency_seconds_sum": 0.1,
    "roost_presence_latency_seconds_count": 40,
    'roost_messages_refused_total{code="busy"}': 1,
    'roost_messages_refused_total{code="forbidden"}': 0,
    'roost_sessions{transport="sse",synthetic="false"}': 2,
    'roost_sessions{transport="sse",synthetic="true"}': 0,
    'roost_sessions{transport="poll",synthetic="false"}': 0,
    'roost_users_online{synthetic="true"}': 4,
    'roost_sessions_ended_total{reason="slow"}': 7,
    'roost_sessions_ended_total{reason="lost"}': 0,
    'roost_admission_refused_total{kind="signIn",reason="overload"}': 5,
    'roost_sign_ins_total{kind="scram",result="ok"}': 6,
    'roost_requests_total{name="send",outcome="too_large"}': 1,
    "roost_presence_watched_users": 11,
    "roost_outbox_bytes": 15,
    "roost_loop_lag_average_seconds": 1.5,
    "roost_store_failing": 1,
    "roost_ready": 0,
    "roost_bugs_total": 21,
    "roost_start_time_seconds": 1000.5,
  };
  for (const [sample, value] of Object.entries(expected)) {
    assert.equal(samples.get(sample), value, sample);
  }
});

Deno.test("createMetrics names and documents metrics as Prometheus wants them", async () => {
  const { text, types, helps, samples } = await scrape(createCounters());
  assert.match(text, /^# HELP roost_presence_deliveries_total /);
  for (const [name, type] of types) {
    assert.match(name, /^roost_[a-z]+(_[a-z]+)*$/);
    assert.match(helps.get(name)!, /^[A-Z0-9].*\.$/, name);
    assert.equal(name.endsWith("_total"), type === "counter", `${name} is a ${type}`);
    assert.doesNotMatch(name, /_(ms|millis|kb|mb)(_|$)/);
  }
  assert.ok([...types.values()].filter((type) => type === "histogram").length >= 7);
  for (const sample of samples.keys()) assert.doesNotMatch(sample, /undefined|NaN/);
});

Deno.test("createMetrics exports cumulative buckets that end with the count", async () => {
  const counters = createCounters();
  for (let ms = 0; ms < 200; ms += 7) counters.commits.latencyMs.observe(ms * ms);
  const { samples } = await scrape(counters);
  const buckets = [...samples].filter(([name]) =>
    name.startsWith("roost_commit_latency_seconds_bucket")
  );
  const bounds = buckets.map(([name]) =>
    Number(/le="(.*)"/.exec(name)![1]!.replace("+Inf", "Infinity"))
  );
  assert.deepEqual(bounds, bounds.toSorted((a, b) => a - b));
  const values = buckets.map(([, value]) => value);
  assert.deepEqual(values, values.toSorted((a, b) => a - b));
  assert.equal(values.at(-1), 29);
  assert.equal(samples.get("roost_commit_latency_seconds_count"), 29);
});
