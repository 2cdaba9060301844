import assert from "node:assert/strict";
import { registerPush } from "../../server/push/series.ts";
import fc from "fast-check";
import { registerReloads } from "../../server/http/reload_counters.ts";
import {
  createCounters,
  Histogram,
  OutcomeCounts,
  signInResult,
} from "../../server/http/counters.ts";
import type { Gateway } from "../../server/gateway/gateway.ts";
import type { Node } from "../../server/node/node.ts";
import { Exporter } from "../../server/ops/exporter.ts";
import { newFrontCounters, registerProcess } from "../../server/ops/front_metrics.ts";
import {
  registerAdmission,
  registerCounters,
  registerDoor,
  registerSignInQueue,
} from "../../server/http/series.ts";
import { registerEdge } from "../../server/edge/edge_series.ts";
import { registerExperiments, registerGateway } from "../../server/gateway/series.ts";
import { registerCells } from "../../server/peer/cells/cells_series.ts";
import { registerNode } from "../../server/node/node_series.ts";
import { registerRefused, registerStreams, registerWs } from "../../server/v1/series.ts";
import { registerStandby } from "../../server/standby/standby_series.ts";
import { SERIES } from "../../server/ops/series_table.ts";
import { type CellName, POINT_SPACE } from "../../shard/name/ids.ts";
import { type EvacuationOrder, remainingOf } from "../../server/node/evacuation.ts";
import { registerMoves } from "../../server/ops/moves_series.ts";
import type { MemberId } from "../../server/standby/role_types.ts";
import { simRetries } from "../sim/sim_ports.ts";
import { ERROR_CODES, type ErrorCode } from "../../shard/errors.ts";

const MEMBER = {
  member: "m" as MemberId,
  epoch: 1,
  mode: "sync",
  voters: [],
  registered: true,
  inSync: false,
  copy: null,
  standbys: [],
  wanted: null,
} as const;
/** The store of cell `a` has a standby; copies of those of `b` and `c` are here, `c` is served. */
const STORES = {
  own: {
    view: {
      ...MEMBER,
      cell: "a" as CellName,
      role: "primary",
      wanted: { cell: "b" as CellName, known: false },
      standbys: [
        { member: MEMBER.member, peer: null, state: "in sync", lagWrites: 3, lagMs: 250 },
      ],
    },
  },
  station: {
    views: [
      {
        ...MEMBER,
        cell: "b" as CellName,
        role: "standby",
        copy: { w: null, whole: false, following: true, comparedRows: 9, filledBytes: 500 },
        serves: false,
      },
      { ...MEMBER, cell: "c" as CellName, role: "primary", serves: true },
    ],
  },
} as const;

const EVACUATION: EvacuationOrder = {
  id: "one",
  to: ["b" as CellName],
  perSecond: 20,
  state: "running",
  after: ["u", POINT_SPACE / 4, "ann", 0],
  passes: 0,
  begun: 97,
  moved: 90,
  moving: 7,
  startedAt: 1,
  endedAt: 0,
};

/** What the parts of a node count, and their metrics; `says`: the platform says all of a process. */
function metered(says = true) {
  const counters = createCounters();
  const counts = newFrontCounters();
  const gauges = {
    users: 9,
    syntheticUsers: 4,
    sessions: 12,
    syntheticSessions: 5,
    lost: 3,
    syntheticLost: 1,
    polling: 2,
    syntheticPolling: 1,
    behind: 20,
    watched: 11,
    watches: 12,
    outboxBytes: 15,
    outboxBytesTop: 15,
    detaching: 0,
  };
  const node = {
    shards: [{ presence: { size: 6 } }, { presence: { size: 7 } }],
    committer: { stats: { failures: { full: 2 } }, failingSinceMs: 1 },
    nodes: [{ id: "a", clockOffsetMs: null }, { id: "b", clockOffsetMs: -1500 }],
    pending: 17,
    accountsInMemory: 16,
    settled: false,
    bugs: 21,
    requestsRefused: { full: 3, silent: 0 },
  };
  const retries = simRetries();
  const gateway = {
    attached: 2,
    hooks: { counters: { delivered: 0, failed: 0 }, status: () => [] },
  };
  let looks = 0;
  const to = new Exporter(SERIES);
  registerCounters(to, counters);
  registerNode(to, node as unknown as Node, retries);
  registerCells(to, null);
  registerMoves(to, counters, { cell: "a" as CellName, evacuation: { progress: EVACUATION } });
  registerStandby(to, STORES);
  registerPush(to, null);
  registerEdge(to, counts.edge, () => (looks++, gauges));
  registerWs(to, counts.ws);
  registerStreams(to, counts.streams);
  registerRefused(to, counts.protocol);
  registerDoor(to, counts.door, () => 14);
  registerReloads(to, counts.reloads);
  registerSignInQueue(to, { waiting: 1, refused: 2 });
  registerAdmission(to, { lagMs: () => 1500 });
  registerGateway(to, gateway as unknown as Gateway);
  registerExperiments(to, { counts: () => [["offline-grace", "short", "exposures", 3]] });
  registerProcess(to, { rssBytes: () => 18, cpuMs: () => says ? 19 : null }, {
    startedAtMs: 1_000_250,
    filesMax: says ? 1024 : null,
    filesOpen: () => says ? 30 : null,
    virtualBytes: () => says ? 4096 : null,
  }, 1_000_500);
  return { counters, counts, retries, to, looks: () => looks };
}

/** Scrapes: sample with labels → value, and metric → its help and type. */
async function scrape(metrics: Exporter) {
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
  const none = ["bad_request", "unsupported", "second_factor_required", "too_large"];
  assert.deepEqual(sorted.none, none);
});

/** What the next test counts, as it is exported. */
const EXPECTED = {
  'roost_standby_in_sync{cell="a"}': 1,
  'roost_standby_in_sync{cell="b"}': 0,
  'roost_standby_in_sync{cell="c"}': undefined,
  'roost_standby_lag_writes{cell="a"}': 3,
  'roost_standby_lag_seconds{cell="a"}': 0.25,
  'roost_standby_filled_bytes{cell="b"}': 500,
  'roost_standby_known{cell="a"}': 0,
  'roost_standby_known{cell="b"}': undefined,
  'roost_standby_serves{cell="a"}': undefined,
  'roost_moves_total{outcome="left"}': 2,
  'roost_moves_total{outcome="cancelled"}': 0,
  'roost_evacuation_running{cell="a"}': 1,
  'roost_evacuation_moved_accounts{cell="a"}': 90,
  'roost_evacuation_moving_accounts{cell="a"}': 7,
  // A quarter is looked at.
  'roost_evacuation_remaining_accounts{cell="a"}': 7 + 3 * 97,
  'roost_standby_serves{cell="b"}': 0,
  'roost_standby_serves{cell="c"}': 1,
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
  'roost_sessions{transport="websocket",synthetic="false"}': 12 - 5 - 2 - 1 - 2 - 2,
  'roost_sessions{transport="websocket",synthetic="true"}': 5 - 1 - 1 - 1,
  'roost_sessions{transport="sse",synthetic="false"}': 2,
  'roost_sessions{transport="sse",synthetic="true"}': 1,
  'roost_sessions{transport="poll",synthetic="false"}': 1,
  'roost_sessions{transport="none",synthetic="false"}': 2,
  'roost_users_online{synthetic="false"}': 9 - 4 - 2,
  'roost_connections_bad_total{fault="unread"}': 5,
  'roost_admission_refused_total{kind="signIn",reason="full"}': 8,
  "roost_frames_sent_total": 42,
  'roost_retries_total{kind="probe"}': 1,
  'roost_retries_total{kind="webhook"}': 0,
  'roost_commit_failures_total{kind="full"}': 2,
  "roost_presence_interests": 13,
  "roost_connections": 14,
  "roost_process_cpu_seconds_total": 0.019,
  'roost_experiment_events_total{experiment="offline-grace",arm="short",what="exposures"}': 3,
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
  'roost_clock_offset_seconds{peer="b"}': -1.5,
  'roost_peer_requests_refused_total{cause="full"}': 3,
  'roost_peer_requests_refused_total{cause="silent"}': 0,
  "roost_bugs_total": 21,
  "roost_start_time_seconds": 1000.5,
  "process_cpu_seconds_total": 0.019,
  "process_resident_memory_bytes": 18,
  "process_virtual_memory_bytes": 4096,
  "process_open_fds": 30,
  "process_max_fds": 1024,
  "process_start_time_seconds": 1000.25,
};

Deno.test("Exporter exports what was counted, however often it is asked", async () => {
  const { counters, counts, retries, to } = metered();
  counts.edge.presenceDeliveries += 40;
  counters.presence.fanOut.observe(40);
  counters.presence.latencyMs.observe(2.5, 40);
  counters.messages.refused.busy++;
  counters.moves.left += 2;
  counts.streams.open = 3;
  counts.streams.synthetic = 1;
  counts.edge.ended.slow += 7;
  counts.edge.refused += 8;
  counts.edge.stalled += 2;
  counts.ws.faults.unread += 3;
  counts.ws.framesSent += 30;
  counts.streams.sent += 12;
  retries.againMs("probe", 1, 0);
  counters.admissionRefused.signIn.overload += 5;
  counters.signIns.scram.ok += 6;
  counters.outcomes.add("send", "too_large");
  const { samples } = await scrape(to);
  for (const [sample, value] of Object.entries(EXPECTED)) {
    assert.equal(samples.get(sample), value, sample);
  }
});

Deno.test("Exporter names and documents metrics as Prometheus wants them", async () => {
  const { text, types, helps, samples } = await scrape(metered().to);
  assert.match(text, /^# HELP roost_presence_deliveries_total /);
  for (const [name, type] of types) {
    assert.match(name, /^(roost|process)_[a-z]+(_[a-z]+)*$/);
    assert.match(helps.get(name)!, /^[A-Z0-9].*\.$/, name);
    assert.equal(name.endsWith("_total"), type === "counter", `${name} is a ${type}`);
    assert.doesNotMatch(name, /_(ms|millis|kb|mb)(_|$)/);
  }
  assert.ok([...types.values()].filter((type) => type === "histogram").length >= 7);
  for (const sample of samples.keys()) assert.doesNotMatch(sample, /undefined|NaN/);
});

Deno.test("13: what the platform does not say of a process is absent", async () => {
  const { samples } = await scrape(metered(false).to);
  const of = [...samples.keys()].filter((name) => name.startsWith("process_"));
  assert.deepEqual(of, ["process_resident_memory_bytes", "process_start_time_seconds"]);
  assert.equal(samples.get("roost_process_cpu_seconds_total"), 0);
});

Deno.test("Exporter exports cumulative buckets that end with the count", async () => {
  const { counters, to } = metered();
  for (let ms = 0; ms < 200; ms += 7) counters.commits.latencyMs.observe(ms * ms);
  const { samples } = await scrape(to);
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

Deno.test("9 B6: parts register every series, and sessions are counted once for a reading", async () => {
  const { to, looks } = metered();
  assert.deepEqual(to.unregistered, []);
  await to.text();
  await to.text();
  assert.equal(looks(), 2);
});

Deno.test("9 B6: Exporter refuses series that it does not know, and histograms of two parts", () => {
  const { to, counters } = metered();
  const histogram = counters.loopLagMs;
  assert.throws(() => to.value("roost_nothing_total", () => 1), /no such series as roost_nothing/);
  assert.throws(() => to.value("roost_loop_lag_seconds", () => 1), /of another kind/);
  assert.throws(() => to.histogram("roost_ready", histogram), /of another kind/);
  assert.throws(() => to.histogram("roost_loop_lag_seconds", histogram), /two parts register/);
});

Deno.test("registerMoves counts nothing of a lone cell, nor of an evacuation that another node carries out", async () => {
  const names = async (evacuation: { readonly progress: EvacuationOrder | null } | null) => {
    const to = new Exporter(SERIES.filter(({ name }) => /roost_(moves|evacuation)/.test(name)));
    const own = evacuation === null ? null : { cell: "a" as CellName, evacuation };
    registerMoves(to, createCounters(), own);
    return [...(await scrape(to)).samples.keys()].map((name) => name.replace(/\{.*/, ""));
  };
  assert.deepEqual(await names(null), []);
  assert.deepEqual([...new Set(await names({ progress: null }))], ["roost_moves_total"]);
  // How many remain is known once some of a pass have begun to move.
  assert.equal(remainingOf({ ...EVACUATION, after: null }), null);
  assert.equal(remainingOf({ ...EVACUATION, begun: 0 }), null);
  assert.equal(remainingOf({ ...EVACUATION, state: "done" }), 0);
});
