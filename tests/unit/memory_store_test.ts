/** The faults of the simulated disk; what all stores have in common is in store_contract_test. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Mutation } from "../../server/node/ports.ts";
import type { RowError, RowStore } from "../../server/store/row_store.ts";
import { MemoryDisk } from "../sim/memory_store.ts";
import { Prng } from "../sim/prng.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

const set = (n: number): Mutation => ({ kind: "set", key: ["log", n], value: new Uint8Array([n]) });

function fixture(seed: number | string = 1) {
  const time = new VirtualTime();
  const disk = new MemoryDisk(time, new Prng(seed));
  const process = time.process();
  return { time, disk, process, store: disk.open(process) };
}

/** What the writes 1 … count are answered, in order; lets time run until nothing is due. */
function writeAll(time: VirtualTime, store: RowStore, count: number): (string | null)[] {
  const kinds: (string | null)[] = [];
  for (let n = 1; n <= count; n++) {
    store.write([set(n)], (error: RowError | null) => kinds.push(error?.kind ?? null));
  }
  time.runUntilIdle();
  return kinds;
}

const numbers = (disk: MemoryDisk) => disk.rows(["log"]).map((row) => row.key[1]);

Deno.test("MemoryDisk fails the next writes as told, without doing them", () => {
  const { time, disk, store } = fixture();
  disk.failNext("full", "failed", "lost", "applied");
  assert.deepEqual(writeAll(time, store, 5), ["full", "failed", "unknown", "unknown", null]);
  assert.deepEqual(numbers(disk), [4, 5]);
});

Deno.test("MemoryDisk refuses writes while full and goes on reading", () => {
  const { time, disk, store } = fixture();
  writeAll(time, store, 1);
  disk.full = true;
  assert.deepEqual(writeAll(time, store, 2), ["full", "full"]);
  let read: readonly (Uint8Array | null)[] = [];
  store.read([["log", 1], ["log", 2]], (error, values) => {
    assert.equal(error, null);
    read = values;
  });
  time.runUntilIdle();
  assert.deepEqual(read, [new Uint8Array([1]), null]);
  disk.full = false;
  assert.deepEqual(writeAll(time, store, 2), [null, null]);
});

Deno.test("MemoryDisk faults come with their probability", () => {
  const { time, disk, store } = fixture();
  disk.faults = { failed: 0.2, unknown: 0.3, readFailed: 0.5 };
  const kinds = writeAll(time, store, 2000);
  const count = (kind: string | null) => kinds.filter((k) => k === kind).length;
  assert.ok(Math.abs(count("failed") - 400) < 80, `${count("failed")}`);
  assert.ok(Math.abs(count("unknown") - 480) < 80, `${count("unknown")}`);
  let failed = 0;
  for (let i = 0; i < 1000; i++) {
    const list = { prefix: ["log"], after: null, limit: 1 };
    store.list(list, (error, rows) => {
      if (error !== null) failed += 1;
      assert.equal(rows.length, error === null ? 1 : 0);
    });
  }
  time.runUntilIdle();
  assert.ok(Math.abs(failed - 500) < 80, `${failed}`);
});

Deno.test("MemoryDisk finishes nothing during a stall", () => {
  const { time, disk, store } = fixture();
  const answered: number[] = [];
  store.write([set(1)], () => answered.push(time.nowMs));
  disk.stall(1000);
  store.read([["log", 1]], () => answered.push(time.nowMs));
  time.runUntil(999);
  assert.equal(answered.length, 0);
  time.runUntilIdle();
  assert.equal(answered[0], 1000);
  assert.equal(answered.length, 2);
  for (const stallMs of [Infinity, 50]) {
    const fromMs = time.nowMs;
    store.write([set(2)], () => answered.push(time.nowMs));
    disk.stall(stallMs);
    time.runUntil(fromMs + 40);
    store.write([set(3)], () => answered.push(time.nowMs));
    time.runUntil(fromMs + 45);
    assert.ok(answered.every((atMs) => atMs <= fromMs), "answered during the stall");
    disk.unstall();
    time.runUntilIdle();
    const after = answered.filter((atMs) => atMs > fromMs);
    assert.equal(after.length, 2);
    assert.equal(after[0], fromMs + 45);
  }
});

Deno.test("MemoryDisk keeps a prefix of the open writes at a crash and answers none", () => {
  const survivors = new Set<number>();
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 0, max: 6 }), fc.nat(4), (seed, open, runMs) => {
      const { time, disk, process, store } = fixture(seed);
      let acked = 0;
      for (let n = 1; n <= open; n++) store.write([set(n), set(n + 100)], () => acked = n);
      time.runUntil(runMs);
      process.kill();
      disk.crash();
      const ackedAtCrash = acked;
      time.runUntilIdle();
      assert.equal(acked, ackedAtCrash);
      const all = numbers(disk) as number[];
      const kept = all.filter((n) => n < 100);
      assert.deepEqual(kept, kept.map((_, i) => i + 1));
      assert.ok(kept.length >= acked, `${acked} were acked, ${kept.length} exist`);
      // Each write whole.
      assert.deepEqual(all.filter((n) => n > 100), kept.map((n) => n + 100));
      survivors.add(kept.length - acked);
      const reopened = disk.open(time.process());
      assert.deepEqual(writeAll(time, reopened, 1), [null]);
    }),
    { numRuns: 300 },
  );
  assert.ok(survivors.has(0) && survivors.size > 2, "crashes should let some writes through");
});

Deno.test("MemoryDisk a ghost returns after a crash, unless a later write succeeded", () => {
  const seen = { without: new Set<boolean>(), later: new Set<boolean>() };
  for (let seed = 0; seed < 30; seed++) {
    for (const later of [false, true]) {
      const { time, disk, process, store } = fixture(seed);
      disk.failNext("ghost");
      assert.deepEqual(writeAll(time, store, 1), ["unknown"]);
      assert.deepEqual(numbers(disk), []);
      if (later) {
        store.write([set(2)], () => {});
        time.runUntilIdle();
      }
      process.kill();
      disk.crash();
      seen[later ? "later" : "without"].add(numbers(disk).includes(1));
    }
  }
  assert.deepEqual(seen.without, new Set([true, false]));
  assert.deepEqual(seen.later, new Set([false]));
});

Deno.test("MemoryDisk can be opened by one living process at a time", () => {
  const { time, disk, process, store } = fixture();
  const other = time.process();
  assert.throws(() => disk.open(other), /another process has this disk open/);
  let closed = false;
  store.close(() => closed = true);
  time.runUntilIdle();
  assert.equal(closed, true);
  const second = disk.open(other);
  assert.deepEqual(writeAll(time, second, 1), [null]);
  other.kill();
  const third = disk.open(process);
  assert.deepEqual(writeAll(time, third, 2), [null, null]);
  assert.deepEqual(numbers(disk), [1, 2]);
});

Deno.test("MemoryDisk answers a paused process when it goes on", () => {
  const { time, disk, process, store } = fixture();
  let answered = false;
  store.write([set(1)], () => answered = true);
  process.pause();
  time.runUntilIdle();
  assert.deepEqual([answered, numbers(disk)], [false, [1]]);
  process.resume();
  time.runUntilIdle();
  assert.equal(answered, true);
});

Deno.test("MemoryDisk repeats itself for a seed", () => {
  const run = (seed: number) => {
    const { time, disk, store } = fixture(seed);
    disk.faults = { failed: 0.1, unknown: 0.2, readFailed: 0 };
    const kinds = writeAll(time, store, 200);
    return [kinds, numbers(disk), time.nowMs];
  };
  assert.deepEqual(run(3), run(3));
  assert.notDeepEqual(run(3), run(4));
});
