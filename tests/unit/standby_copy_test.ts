/** The copy of a store at a standby; the seeds of it with all faults are `deno task sim --standby`. */
import assert from "node:assert/strict";
import {
  decodeFromStandby,
  decodeToStandby,
  encodeFromStandby,
  encodeToStandby,
} from "../../server/standby/stream_frames.ts";
import { del, set } from "./store_media.ts";
import { liveStandbySeed } from "../sim/standby_seed.ts";
import type { Mutation } from "../../server/node/ports.ts";
import { NumberedRows } from "../../server/standby/numbered_rows.ts";
import { openKvRows, openKvStore, openStoredRows } from "../../server/store/kv_store.ts";
import { samePosition } from "../../server/standby/write_number.ts";
import { StandbyCopy } from "../../server/standby/standby_copy.ts";
import { StandbyPair } from "../sim/standby_pair.ts";
import { StandbySender } from "../../server/standby/standby_sender.ts";
import { type FileRow, StoreFile } from "../../server/store/store_file.ts";

Deno.test("12: a copy equals the store at equal positions after any writes, crashes, cuts and faults", () => {
  let compared = 0;
  for (let seed = 1; seed <= 10; seed++) compared += liveStandbySeed(new StandbyPair(seed));
  assert.ok(compared > 50, `compared ${compared} times`);
});

/** A primary with this many rows of 100 bytes, and an empty standby. */
function filled(rows: number, options: ConstructorParameters<typeof StandbyPair>[1] = {}) {
  const pair = new StandbyPair(1, options);
  pair.startPrimary();
  pair.time.runFor(50);
  for (let i = 0; i < rows; i++) {
    pair.write([{ kind: "set", key: ["u", i], value: new Uint8Array(100).fill(i) }]);
  }
  pair.time.runUntilIdle();
  return pair;
}

const counts = (pair: StandbyPair) => pair.standby!.copy!.counts;

Deno.test("12: a new standby is filled while writes go on, at the stated rate, with progress", () => {
  const fillBytesPerSecond = 50_000;
  const pair = filled(4000, { limits: { windowBytes: 100_000, fillBytesPerSecond } });
  pair.start();
  const beganMs = pair.time.nowMs;
  let halfMs = 0;
  for (let turns = 0; !pair.standby?.copy?.whole && turns < 4000; turns++) {
    pair.start();
    pair.write([{ kind: "set", key: ["u", turns * 7 % 4000], value: new Uint8Array(turns % 90) }]);
    pair.time.runFor(10);
    if (halfMs === 0 && (pair.standby?.copy?.counts.filledRows ?? 0) > 2000) {
      halfMs = pair.time.nowMs - beganMs;
    }
  }
  const tookMs = pair.time.nowMs - beganMs;
  // Rows are stored with eight bytes more, and counted with their keys.
  const { filledRows, filledBytes } = counts(pair);
  assert.ok(filledRows > 3500, `${filledRows} rows`);
  const leastMs = filledBytes / fillBytesPerSecond * 1000 * 0.85;
  assert.ok(tookMs > leastMs && tookMs < 2.5 * leastMs, `${tookMs} ms, at least ${leastMs}`);
  assert.ok(halfMs > tookMs / 4 && halfMs < tookMs * 3 / 4, `half after ${halfMs} of ${tookMs} ms`);
  pair.time.runFor(1000);
  assert.ok(pair.compare());
});

Deno.test("12: the filling of a standby goes on where it was after a crash of either", () => {
  const pair = filled(4000);
  pair.start();
  const cursor = () => Number(pair.standby?.copy?.filling?.after?.[1] ?? -1);
  const reach = (key: number) => {
    for (let turns = 0; cursor() < key && turns < 3000; turns++) {
      pair.start();
      pair.time.runFor(1);
    }
    assert.ok(cursor() >= key, `${cursor()}`);
  };
  reach(1000);
  pair.crashStandby();
  const settle = () => {
    for (let turns = 0; turns < 30; turns++) {
      pair.start();
      pair.time.runFor(1);
    }
  };
  settle();
  assert.ok(cursor() >= 1000, "the standby begins anew");
  assert.equal(counts(pair).sameRows, 0);
  reach(2500);
  const before = cursor();
  pair.cut();
  pair.time.runUntilIdle();
  pair.crashPrimary();
  settle();
  assert.ok(cursor() >= before, "a primary with no newer writes than the standby begins anew");
  for (let turns = 0; !pair.compare() && turns < 200; turns++) pair.time.runFor(20);
  assert.ok(pair.compare());
});

Deno.test("12: a standby whose writes are not kept any more gets only the ranges that differ", () => {
  const pair = filled(4000);
  for (let turns = 0; !pair.compare() && turns < 400; turns++) {
    pair.start();
    pair.time.runFor(20);
  }
  pair.cut();
  pair.time.runUntilIdle();
  const { filledRows } = counts(pair);
  // More than the ring keeps, all in one range of keys.
  for (let i = 0; i < 300; i++) pair.write([set(["u", 100 + i % 50], ...new Array(100).fill(i))]);
  pair.time.runUntilIdle();
  for (let turns = 0; !pair.compare() && turns < 400; turns++) {
    pair.start();
    pair.time.runFor(20);
  }
  assert.ok(pair.compare());
  assert.equal(counts(pair).filledRows - filledRows, 399);
  assert.equal(counts(pair).sameRows, 3601);
});

Deno.test("12: a short cut costs only the writes that were missed", () => {
  const pair = filled(500);
  for (let turns = 0; !pair.compare() && turns < 400; turns++) {
    pair.start();
    pair.time.runFor(20);
  }
  const { filledRows, writes } = counts(pair);
  pair.cut();
  for (let i = 0; i < 20; i++) pair.write([set(["v", i], i)]);
  pair.time.runUntilIdle();
  pair.start();
  pair.time.runFor(200);
  assert.ok(pair.compare());
  assert.equal(counts(pair).filledRows, filledRows);
  assert.equal(counts(pair).writes, writes + 20);
});

Deno.test("12: embedded stores: a copy on disk equals its primary, and serves as a store (real KV)", async () => {
  const dir = await Deno.makeTempDir();
  let numbered: NumberedRows | null = null;
  const primary = await openKvRows(`${dir}/primary.sqlite3`, {
    between: async (stored) => {
      numbered = await new Promise<NumberedRows>((resolve, reject) =>
        NumberedRows.open(
          stored,
          { ringBytesMax: 1_000_000, newRun: () => "run 1", later: queueMicrotask },
          (error, rows) => rows === null ? reject(error) : resolve(rows),
        )
      );
      return numbered;
    },
  });
  const write = (rows: readonly Mutation[]) =>
    new Promise<void>((resolve, reject) =>
      primary.write(rows, (error) => error === null ? resolve() : reject(error))
    );
  for (let i = 0; i < 60; i++) {
    await write(Array.from({ length: 20 }, (_, j) => set(["u", i, j], i, j)));
  }
  const paths = [`${dir}/standby.sqlite3`, `${dir}/standby.mark`] as const;
  const copy = await new Promise<StandbyCopy>((resolve, reject) => {
    void openStoredRows(...paths).then((rows) =>
      StandbyCopy.open(rows, (error, copy) => copy === null ? reject(error) : resolve(copy))
    );
  });
  const work = async () => {
    for (let i = 0; i < 200; i++) {
      await write([set(["u", i % 60, i % 20], i), del(["u", (i * 7) % 60, i % 19])]);
    }
  };
  await follow(numbered!, copy, work, () => write([set(["last"], 1)]));
  const rowsOf = (path: string) => {
    const file = new StoreFile(path);
    const rows: FileRow[] = [];
    assert.equal(file.rows((row) => rows.push(row)), null);
    file.close();
    return rows;
  };
  await new Promise<void>((done) => copy.close(done));
  await new Promise<void>((done) => primary.close(done));
  const [a, b] = [rowsOf(`${dir}/primary.sqlite3`), rowsOf(paths[0])];
  assert.ok(a.length > 900, `${a.length} rows`);
  assert.deepEqual(a.filter(({ kind }) => kind !== "whole"), []);
  assert.deepEqual(b, a);
  const store = await openKvStore(paths[0], { markPath: paths[1] });
  const list = await new Promise<number>((resolve) =>
    store.list({ prefix: ["u", 59], after: null, limit: 100 }, (_, rows) => resolve(rows.length))
  );
  assert.ok(list > 10);
  await new Promise<void>((done) => store.close(done));
  await Deno.remove(dir, { recursive: true });
});

/** Streams to a copy while `work` is under way, until the copy is whole and has also `last`. */
async function follow(
  rows: NumberedRows,
  copy: StandbyCopy,
  work: () => Promise<void>,
  last: () => Promise<void>,
): Promise<void> {
  let reached = () => {};
  const over = new Promise<void>((resolve) => reached = resolve);
  let worked = false;
  const sender = new StandbySender({
    rows,
    clock: { monoMs: () => performance.now(), wallMs: () => 0 },
    timers: {
      after: (ms, run) => {
        const timer = setTimeout(run, ms);
        return () => clearTimeout(timer);
      },
      soon: queueMicrotask,
    },
    limits: { windowBytes: 100_000, fillBytesPerSecond: 100_000_000 },
    send: (frame) => queueMicrotask(() => copy.take(decodeToStandby(encodeToStandby(frame)))),
    acked: (at, filling) => {
      if (worked && !filling && samePosition(at, rows.position)) reached();
    },
    end: (why) => assert.fail(why),
  });
  copy.connect({
    send: (frame) => queueMicrotask(() => sender.take(decodeFromStandby(encodeFromStandby(frame)))),
    end: (why) => assert.fail(why),
  });
  await work();
  worked = true;
  await last();
  await over;
  sender.stop();
}
