/** The supervisor of worker processes, with processes that are made up. */
import assert from "node:assert/strict";
import { configOf } from "../../server/config/config.ts";
import { memoryLog } from "../sim/sim_ports.ts";
import { Prng } from "../sim/prng.ts";
import { retries } from "../../server/settings.ts";
import { Supervisor, type SupervisorDeps } from "../../server/workers/supervisor.ts";
import { VirtualTime } from "../sim/virtual_time.ts";
import type { ReloadInput, WorkerLine } from "../../server/workers/share.ts";
import type { ReloadReport } from "../../server/cli/launcher.ts";

const DRAIN_MS = 3000;

interface Fake {
  readonly number: number;
  stops: number;
  leaves: number;
  killed: boolean;
  readonly reloads: ReloadInput[];
  reloaded(report: ReloadReport): void;
  serve(): void;
  fail(message: string): void;
  exit(code: number): void;
}

function fixture(count: number) {
  const time = new VirtualTime();
  const { clock, timers } = time.process();
  const made: Fake[] = [];
  const ended: number[] = [];
  const spawn: SupervisorDeps["spawn"] = (number, { said, exited }) => {
    const line: WorkerLine = { kind: "serving", url: `at ${number}`, invite: null, admin: null };
    const fake: Fake = {
      number,
      stops: 0,
      leaves: 0,
      killed: false,
      reloads: [],
      reloaded: (report) => said({ kind: "reloaded", report }),
      serve: () => said(line),
      fail: (message) => said({ kind: "failed", message }),
      exit: (code) => exited(code),
    };
    made.push(fake);
    return {
      pid: 100 + made.length,
      stop: () => fake.stops++,
      reload: (wanted) => fake.reloads.push(wanted),
      leave: () => fake.leaves++,
      kill: () => fake.killed = true,
    };
  };
  const prng = new Prng(1);
  const supervisor = new Supervisor({
    clock,
    timers,
    random: { bytes: (n) => new Uint8Array(n), number: () => prng.number() },
    log: memoryLog().log,
    retries: retries(configOf("/data")),
    count,
    drainMs: DRAIN_MS,
    spawn,
    ended: (number, done) => {
      ended.push(number);
      timers.after(1, done);
    },
  });
  return { time, made, ended, supervisor };
}

Deno.test("11: a supervisor starts all workers at once, and serves when all do", async () => {
  const { made, supervisor } = fixture(3);
  const started = supervisor.start();
  assert.deepEqual(made.map(({ number }) => number), [1, 2, 3]);
  for (const n of [2, 0]) made[n]!.serve();
  assert.deepEqual(supervisor.serving, [1, 3]);
  made[1]!.serve();
  assert.equal((await started).url, "at 1");
});

Deno.test("11: a worker that has ended is settled, then started again, later with every failure", async () => {
  const { time, made, ended, supervisor } = fixture(2);
  const started = supervisor.start();
  for (const fake of made) fake.serve();
  await started;
  made[1]!.exit(137);
  assert.deepEqual([ended, supervisor.serving, made.length], [[2], [1], 2]);
  const waits: number[] = [];
  for (let i = 0; i < 12; i++) {
    const sinceMs = time.global.clock.monoMs();
    const before = made.length;
    while (made.length === before) time.runFor(1);
    waits.push(time.global.clock.monoMs() - sinceMs);
    made.at(-1)!.exit(1);
  }
  assert.ok(waits[0]! <= 210 && waits.every((ms) => ms <= 10_010), waits.join());
  assert.ok(Math.max(...waits.slice(6)) > 1000, waits.join());
  assert.ok(made.every(({ number, killed }, i) => !killed && (i === 0 || number === 2)));
  // One that has served for a while is replaced as quickly as the first.
  const before = made.length;
  time.runFor(20_000);
  made[before]!.serve();
  time.runFor(15_000);
  made[before]!.exit(137);
  time.runFor(300);
  assert.equal(made.length, before + 2);
});

Deno.test("11: a start that one worker refuses is refused as a whole, with its reason", async () => {
  const { time, made, supervisor } = fixture(2);
  const started = supervisor.start();
  made[0]!.serve();
  made[1]!.fail("Cannot listen there");
  assert.deepEqual(made.map(({ killed }) => killed), [true, true]);
  made[1]!.exit(1);
  made[0]!.exit(137);
  time.runFor(10);
  await assert.rejects(started, /Cannot listen there/);
  time.runFor(60_000);
  assert.equal(made.length, 2);
});

Deno.test("11: workers drain one after another, together at the limit, and are killed in the end", async () => {
  const { time, made, supervisor } = fixture(4);
  const started = supervisor.start();
  for (const fake of made) fake.serve();
  await started;
  const stops = () => made.map(({ stops }) => stops);
  supervisor.stop();
  supervisor.stop();
  assert.deepEqual(stops(), [0, 0, 0, 1]);
  made[3]!.exit(0);
  time.runFor(10);
  assert.deepEqual(stops(), [0, 0, 1, 1]);
  time.runFor(DRAIN_MS);
  assert.deepEqual(stops(), [1, 1, 2, 1]);
  for (const n of [2, 1]) made[n]!.exit(0);
  time.runFor(2 * DRAIN_MS + 5000);
  assert.deepEqual(made.map(({ killed }) => killed), [true, false, false, false]);
  made[0]!.exit(137);
  time.runFor(10);
  assert.equal(await supervisor.stopped, 1);
  assert.equal(made.length, 4);
});

const WANTED: ReloadInput = { kind: "faults", faults: ["none"] };
const REPORT: ReloadReport = { changed: ["log.level"], restart: [], faults: [] };

Deno.test("13: a supervisor reloads all workers, and says what has become of it at any of them", async () => {
  const { made, supervisor } = fixture(3);
  const started = supervisor.start();
  for (const fake of made) fake.serve();
  await started;
  const reloading = supervisor.reload(WANTED);
  assert.deepEqual(made.map(({ reloads }) => reloads), [[WANTED], [WANTED], [WANTED]]);
  made[0]!.reloaded(REPORT);
  made[1]!.reloaded({ ...REPORT, faults: ["bad"] });
  // It starts again with what all others have.
  made[2]!.exit(137);
  assert.deepEqual(await reloading, { changed: ["log.level"], restart: [], faults: ["bad"] });
});

Deno.test("13: a worker that does not reload does not keep the supervisor from the next time", async () => {
  const { made, supervisor, time } = fixture(2);
  const started = supervisor.start();
  for (const fake of made) fake.serve();
  await started;
  const late = supervisor.reload(WANTED);
  made[0]!.reloaded(REPORT);
  time.runFor(31_000);
  assert.deepEqual(await late, REPORT);
  // What it says of the first time counts as nothing.
  made[1]!.reloaded({ ...REPORT, faults: ["late"] });
  const next = supervisor.reload(WANTED);
  for (const fake of made) fake.reloaded(REPORT);
  assert.deepEqual(await next, REPORT);
});

Deno.test("12.4: workers of a cell that another place serves leave at once, and none starts again", async () => {
  for (const byOrder of [true, false]) {
    const { time, made, ended, supervisor } = fixture(3);
    const started = supervisor.start();
    for (const fake of made) fake.serve();
    await started;
    // One waits to be started again.
    made[2]!.exit(137);
    time.runFor(2);
    const settled = ended.length;
    supervisor.leave(byOrder);
    assert.deepEqual(made.map(({ leaves }) => leaves), byOrder ? [1, 1, 0] : [0, 0, 0]);
    assert.deepEqual(made.map(({ killed }) => killed), [!byOrder, !byOrder, false]);
    let over = false;
    supervisor.stopped.then(() => over = true);
    made[0]!.exit(0);
    await Promise.resolve();
    assert.equal(over, false);
    made[1]!.exit(0);
    await supervisor.stopped;
    time.runFor(60_000);
    assert.equal(made.length, 3);
    assert.deepEqual(made.map(({ stops }) => stops), [0, 0, 0]);
    // The store takes nothing any more: what they leave behind is settled by who serves.
    assert.equal(ended.length, settled);
  }
});
