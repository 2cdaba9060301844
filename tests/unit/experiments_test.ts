import assert from "node:assert/strict";
import * as fc from "fast-check";
import type { AccountId } from "../../shard/name/ids.ts";
import {
  armAt,
  EXPERIMENTS,
  Experiments,
  type ExperimentStatus,
} from "../../server/gateway/experiments.ts";
import { type Arms, formatArms, parseArms } from "../../server/config/arms.ts";
import { configOf } from "../../server/config/config.ts";
import { FencedStore } from "../../server/store/fenced_store.ts";
import { MemoryDisk } from "../sim/memory_store.ts";
import { Prng } from "../sim/prng.ts";
import type { Result } from "../../shard/errors.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

const HALVES: Arms = { control: 50, short: 50 };
const id = (n: number) => `account${String(n).padStart(9, "0")}` as AccountId;

function openStore() {
  const time = new VirtualTime();
  const disk = new MemoryDisk(time, new Prng(1));
  const store = new FencedStore(disk.open(time.process()));
  const open = (configured: Arms | null) => {
    const experiments = new Experiments({ registers: store, rows: store }, {
      "offline-grace": configured,
    });
    experiments.load((error) => assert.equal(error, null));
    time.runUntilIdle();
    return experiments;
  };
  const set = (experiments: Experiments, name: string, arms: string) => {
    const results: Result<ExperimentStatus>[] = [];
    experiments.set(name, arms, (result) => results.push(result));
    time.runUntilIdle();
    return results[0]!;
  };
  return { open, set };
}

Deno.test("parseArms takes percentages of known arms that make 100, and formatArms is its inverse", () => {
  const known = ["control", "short"];
  assert.deepEqual(parseArms("control=50, short=50", known), HALVES);
  for (
    const text of ["", "control", "control=100,short=1", "long=100", "control=50,control=50", "x"]
  ) assert.equal(parseArms(text, known), null, text);
  assert.deepEqual(parseArms(formatArms(HALVES), known), HALVES);
});

Deno.test("parseArms makes the same of the same arms in another order, so that nobody moves", () => {
  const known = ["control", "short", "long"];
  const arms = parseArms("long=10,control=70,short=20", known)!;
  assert.equal(formatArms(arms), "control=70,short=20,long=10");
  const same = parseArms("control=70,short=20,long=10", known)!;
  for (let n = 0; n < 500; n++) {
    assert.equal(armAt(arms, "offline-grace", id(n)), armAt(same, "offline-grace", id(n)));
  }
});

Deno.test("armAt gives each arm about its share, and always the same to an account", () => {
  const counts = new Map<string, number>();
  for (let i = 0; i < 10_000; i++) {
    const arm = armAt({ control: 80, short: 15, long: 5 }, "offline-grace", id(i));
    assert.equal(armAt({ control: 80, short: 15, long: 5 }, "offline-grace", id(i)), arm);
    counts.set(arm, (counts.get(arm) ?? 0) + 1);
  }
  for (const [arm, share] of [["control", 8000], ["short", 1500], ["long", 500]] as const) {
    assert.ok(Math.abs(counts.get(arm)! - share) < 200, `${arm}: ${counts.get(arm)}`);
  }
});

Deno.test("armAt moves only accounts between the old share and the new one", () => {
  fc.assert(fc.property(fc.nat(), fc.integer({ min: 0, max: 99 }), (n, percent) => {
    const before = armAt({ control: percent, short: 100 - percent }, "x", id(n));
    const after = armAt({ control: percent + 1, short: 99 - percent }, "x", id(n));
    assert.ok(before === after || (before === "short" && after === "control"));
  }));
});

Deno.test("an experiment that is off has no arms, counts nothing and changes nothing", () => {
  const experiments = openStore().open(null);
  assert.equal(experiments.arm("offline-grace", id(1)), null);
  experiments.count("offline-grace", id(1), "sessions");
  assert.deepEqual([...experiments.counts()], []);
});

Deno.test("Experiments counts by arm, with no more labels than there are arms", () => {
  const experiments = openStore().open(HALVES);
  for (let i = 0; i < 1000; i++) experiments.count("offline-grace", id(i), "sessions");
  const counts = [...experiments.counts()];
  assert.deepEqual(counts.map(([name, arm, what]) => `${name} ${arm} ${what}`).sort(), [
    "offline-grace control sessions",
    "offline-grace short sessions",
  ]);
  assert.equal(counts.reduce((sum, [, , , count]) => sum + count, 0), 1000);
});

Deno.test("Experiments.set holds at once and over restarts, until it is the default again", () => {
  const { open, set } = openStore();
  const first = open(HALVES);
  assert.ok(set(first, "offline-grace", "long=100").ok);
  assert.equal(first.arm("offline-grace", id(1)), "long");
  const second = open(HALVES);
  assert.deepEqual([second.list()[0]!.arms, second.list()[0]!.from], ["long=100", "set"]);
  assert.ok(set(second, "offline-grace", "off").ok);
  assert.equal(open(HALVES).arm("offline-grace", id(1)), null);
  assert.ok(set(second, "offline-grace", "default").ok);
  assert.deepEqual(open(HALVES).list()[0]!.arms, "control=50,short=50");
});

Deno.test("Experiments.set refuses unknown experiments and arms, and says what there is", () => {
  const { open, set } = openStore();
  const experiments = open(null);
  const unknown = set(experiments, "colour", "control=100");
  assert.equal(unknown.ok ? "" : unknown.code, "not_found");
  const wrong = set(experiments, "offline-grace", "control=10");
  assert.match(wrong.ok ? "" : wrong.message, /control, short, long that make 100/);
});

Deno.test("the configuration names the arms that the code has", () => {
  const arms = Object.keys(EXPERIMENTS["offline-grace"].arms);
  const text = arms.map((arm, i) => `${arm}=${i === 0 ? 100 : 0}`).join(",");
  const { experiments } = configOf("data", { "experiments.offlineGrace": text });
  assert.deepEqual(Object.keys(experiments.offlineGrace ?? {}), arms);
  assert.throws(() => configOf("data", { "experiments.offlineGrace": "control=1" }), /make 100/);
});
