import assert from "node:assert/strict";
import fc from "fast-check";
import { Hono } from "hono";
import { Histogram } from "../../server/http/counters.ts";
import { addLiveRoute } from "../../server/ops/cell_view.ts";
import { LiveFeed } from "../../server/ops/live/feed.ts";
import { healthOf, type Signs } from "../../server/ops/live/health.ts";
import { History } from "../../server/ops/live/history.ts";
import { ShardMapper } from "../../server/ops/live/shard_map.ts";
import {
  LATENCIES,
  LEVELS,
  quantile,
  type Reading,
  RISING,
  Sampler,
} from "../../server/ops/live/series.ts";

const BOUNDS = [1, 2.5, 5, 10, 25, 50, 100];

/** A reading in which all that rises is at `count`, and all levels are `level`. */
function reading(count: number, level: number, histogram = new Histogram(BOUNDS)): Reading {
  const all = <T>(names: readonly string[], value: T) =>
    Object.fromEntries(names.map((name) => [name, value]));
  return {
    rising: all(RISING, count),
    levels: all(LEVELS, level),
    latencies: all(LATENCIES, histogram),
  } as unknown as Reading;
}

Deno.test("quantile: is in the bucket of the value that has this rank, and rises with q", () => {
  const values = fc.array(fc.double({ min: 0.01, max: 99, noNaN: true }), { minLength: 1 });
  const qs = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(fc.property(values, qs, qs, (observed, a, b) => {
    const histogram = new Histogram(BOUNDS);
    for (const value of observed) histogram.observe(value);
    const [low, high] = [Math.min(a, b), Math.max(a, b)];
    const [at, above] = [quantile(histogram, low)!, quantile(histogram, high)!];
    assert.ok(at <= above);
    const ranked = [...observed].sort((x, y) => x - y);
    const exact = ranked[Math.max(0, Math.ceil(low * ranked.length) - 1)]!;
    const upper = BOUNDS.findIndex((bound) => exact <= bound);
    assert.ok(at >= (BOUNDS[upper - 1] ?? 0) && at <= BOUNDS[upper]!, `${at} for ${exact}`);
  }));
});

Deno.test("quantile: of nothing there is none, and what is over all bounds counts as the last", () => {
  const histogram = new Histogram(BOUNDS);
  assert.equal(quantile(histogram, 0.5), null);
  histogram.observe(1e6);
  assert.equal(quantile(histogram, 0.5), 100);
});

Deno.test("Sampler: rates are of the time between samples, percentiles of what came in it", () => {
  const sampler = new Sampler();
  const histogram = new Histogram(BOUNDS);
  histogram.observe(90, 1000);
  const first = sampler.sample(10_000, reading(500, 7, histogram));
  assert.deepEqual([first.users, first.messagesAccepted, first.commitP99], [7, null, null]);
  histogram.observe(2, 100);
  const second = sampler.sample(12_000, reading(700, 8, histogram));
  assert.deepEqual([second.users, second.messagesAccepted], [8, 100]);
  assert.ok(second.commitP99! <= 2.5, "what came before does not count");
  const third = sampler.sample(13_000, reading(700, 8, histogram));
  assert.deepEqual([third.messagesAccepted, third.commitP50], [0, null]);
});

Deno.test("History: keeps the newest samples, and gives those after a number", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 60 }), (n, after) => {
      const history = new History(16);
      const sampler = new Sampler();
      for (let i = 1; i <= n; i++) history.add(i * 1000, sampler.sample(i * 1000, reading(0, i)));
      const { first, at, series } = history.since(after);
      const oldest = Math.max(1, n - 15);
      const from = after > n ? oldest : Math.max(after + 1, oldest);
      const expected = Array.from({ length: Math.max(0, n - from + 1) }, (_, i) => from + i);
      assert.equal(first, from);
      assert.deepEqual(series.users, expected);
      assert.deepEqual(at, expected.map((i) => i * 1000));
      assert.equal(history.last, n);
    }),
  );
});

Deno.test("History: numbers are short, and what is none is null", () => {
  const history = new History(4);
  const sample = new Sampler().sample(0, reading(0, 1.23456));
  history.add(0, { ...sample, users: 1234.56, behind: Infinity });
  const { series } = history.since(0);
  assert.deepEqual([series.sessions[0], series.users[0], series.behind[0]], [1.23, 1235, null]);
  assert.equal(series.signals[0], null);
});

const FINE: Signs = {
  damaged: 0,
  shardsDown: 0,
  draining: false,
  ready: true,
  storeFailing: false,
  overloaded: { connection: false, signIn: false, write: false },
  connections: 10,
  connectionsMax: 100,
  waiting: 0,
  lagMs: 1,
};

Deno.test("healthOf: tells the worst that there is, and every reason", () => {
  const overloaded = { connection: false, signIn: true, write: true };
  const cases: readonly [Partial<Signs>, string, RegExp][] = [
    [{}, "healthy", /^$/],
    [{ waiting: 64 }, "busy", /64 sign-ins wait/],
    [{ lagMs: 80 }, "busy", /80 ms late/],
    [{ connections: 90 }, "busy", /Nearly full: 90 of 100/],
    [{ connections: 100 }, "degraded", /^Full: 100 of 100/],
    [{ overloaded, waiting: 99 }, "degraded", /refuses new sign-ins, writes.*99 sign-ins/],
    [{ shardsDown: 1, damaged: 1 }, "failing", /1 shard does not serve.*1 record/],
    [{ damaged: 1 }, "degraded", /1 record is damaged: stop it and run roost check/],
    [{ damaged: 2 }, "degraded", /2 records are damaged/],
    [{ storeFailing: true, overloaded }, "failing", /store takes no writes/],
    [{ ready: false }, "starting", /reading its log/],
    [{ draining: true, storeFailing: true }, "draining", /stopping.*no writes/],
  ];
  for (const [signs, state, reasons] of cases) {
    const health = healthOf({ ...FINE, ...signs });
    assert.equal(health.state, state);
    assert.match(health.reasons.join("; "), reasons);
  }
});

function shard(id: number, lo: number, hi: number, inputs: number) {
  return {
    id,
    lo,
    hi,
    inputs,
    ready: true,
    ending: false,
    accountsInMemory: 5,
    logRows: 3,
    openBytes: 0,
    presence: { size: 2 },
    row: { inherits: [] },
  };
}

Deno.test("ShardMapper: tells what each shard had to do since the last look, and of new ones not", () => {
  const node = {
    shards: [shard(0, 0, 50, 100)],
    table: { version: 1 },
    reshaped: [],
  };
  const mapper = new ShardMapper(node);
  mapper.look(1000);
  node.shards[0]!.inputs = 300;
  mapper.look(3000);
  const rates = () => mapper.map().rows.map((row) => [row[0], row[3], row.at(-1)]);
  assert.deepEqual(rates(), [[0, 1, 100]]);
  node.shards = [shard(1, 0, 25, 10), { ...shard(2, 25, 50, 0), ending: true }];
  assert.deepEqual(rates(), [[1, 1, -1], [2, 2, -1]]);
  assert.equal(mapper.map().rows[0]!.length, mapper.map().fields.length);
});

Deno.test("LiveFeed: samples every second until it is stopped, and makes a text once a second", async () => {
  const time = { monoMs: 0, run: () => {}, reads: 0, maps: 0, watched: false };
  const mapper = new ShardMapper({ shards: [], table: { version: 1 }, reshaped: [] });
  const feed = new LiveFeed({
    clock: { monoMs: () => time.monoMs, wallMs: () => 1_000_000 + time.monoMs },
    timers: {
      after: (_ms, run) => {
        time.run = run;
        return () => time.run = () => {};
      },
      soon: (run) => run(),
    },
    version: "1",
    domain: "example.org",
    startedAtMs: 1_000_000,
    owners: () => [],
    mapper,
    read(watched) {
      time.reads++;
      time.watched = watched;
      return reading(time.reads, time.reads);
    },
    health: () => {
      time.maps++;
      return { state: "healthy", reasons: [] };
    },
  });
  const step = () => {
    time.monoMs += 1000;
    time.run();
  };
  feed.start();
  for (let i = 0; i < 4; i++) step();
  assert.deepEqual([time.reads, time.watched], [5, false]);
  const app = new Hono();
  addLiveRoute(app, (_node, after, done) => done({ ok: true, value: feed.text(after) }));
  const ask = async (query: string) => await (await app.request(`/admin/live${query}`)).json();
  const all = await ask("");
  assert.deepEqual([all.last, all.first, all.series.users], [5, 1, [1, 2, 3, 4, 5]]);
  assert.deepEqual(all.node, { version: "1", domain: "example.org", startedAt: 1_000_000 });
  for (let i = 0; i < 50; i++) assert.deepEqual((await ask("?after=4")).series.users, [5]);
  assert.equal(time.maps, 2, "a text for each question, however many ask it");
  step();
  assert.equal(time.watched, true);
  assert.deepEqual((await ask("?after=5")).at, [1_005_000]);
  assert.equal((await app.request("/admin/live?after=-1")).status, 400);
  feed.stop();
  step();
  assert.equal(time.reads, 6);
});

Deno.test("LiveFeed: rates and times of samples agree where a reading takes a while", () => {
  const time = { monoMs: 0, run: () => {}, happened: 0, readMs: 0 };
  const feed = new LiveFeed({
    clock: { monoMs: () => time.monoMs, wallMs: () => 1_000_000 + time.monoMs },
    timers: {
      after: (_ms, run) => {
        time.run = run;
        return () => {};
      },
      soon: (run) => run(),
    },
    version: "1",
    domain: "example.org",
    startedAtMs: 1_000_000,
    owners: () => [],
    mapper: new ShardMapper({ shards: [], table: { version: 1 }, reshaped: [] }),
    read() {
      time.monoMs += time.readMs;
      return reading(time.happened, 0);
    },
    health: () => ({ state: "healthy", reasons: [] }),
  });
  feed.start();
  for (const readMs of [800, 0]) {
    time.monoMs += 1000;
    Object.assign(time, { readMs, happened: time.happened + 7 });
    time.run();
  }
  const { at, series } = JSON.parse(feed.text(0));
  const name = RISING[0]!;
  const counts = [1, 2].map((i) => series[name][i] * (at[i] - at[i - 1]) / 1000);
  assert.deepEqual(counts.map(Math.round), [7, 7]);
});
