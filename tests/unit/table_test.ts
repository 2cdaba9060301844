import assert from "node:assert/strict";
import fc from "fast-check";
import { ByteWriter, CorruptBytes } from "../../shard/record/bytes.ts";
import { type NodeId, POINT_SPACE } from "../../shard/name/ids.ts";
import {
  decodeTable,
  encodeTable,
  evenBounds,
  evenTable,
  planTo,
  type Reshape,
  reshaped,
  reshapeFault,
  reshapeOf,
  type ShardTable,
  withEpochs,
  withoutLogs,
} from "../../shard/table/table.ts";

function covers(table: ShardTable): void {
  let lo = 0;
  for (const s of table.shards) {
    assert.equal(s.lo, lo);
    assert.ok(s.hi > s.lo);
    lo = s.hi;
  }
  assert.equal(lo, POINT_SPACE);
  assert.equal(new Set(table.shards.map(({ id }) => id)).size, table.shards.length);
}

function make(table: ShardTable, change: Reshape, lsn = 10): ShardTable {
  const lastLsn = new Map(table.shards.map((s) => [s.id, Math.max(lsn, s.start)]));
  return reshaped(table, change, lastLsn);
}

/** Follows a plan as the node does. */
function follow(table: ShardTable, count: number): ShardTable {
  for (const step of planTo(table, count)) table = make(table, reshapeOf(table, step)!);
  return table;
}

Deno.test("planTo divides the space evenly from any number of shards to any other", () => {
  const number = fc.integer({ min: 1, max: 64 });
  fc.assert(fc.property(fc.array(number, { minLength: 1, maxLength: 4 }), (numbers) => {
    let table = evenTable(16);
    for (const count of numbers) {
      table = follow(table, count);
      covers(table);
      assert.deepEqual(table.shards.map(({ lo }) => lo), evenBounds(count));
      assert.deepEqual(decodeTable(encodeTable(table)), table);
      assert.deepEqual(planTo(table, count), []);
    }
  }));
});

Deno.test("reshaped makes successors that begin after all they inherit, each log once", () => {
  const two = make(evenTable(1), { of: [0], at: [1000, 2000] });
  assert.deepEqual(two.shards.map(({ id }) => id), [1, 2, 3]);
  for (const s of two.shards) {
    assert.deepEqual([s.start, s.inherits], [11, [{ log: 0, upTo: 10 }]]);
  }
  const merged = reshaped(two, { of: [1, 2], at: [] }, new Map([[1, 15], [2, 10]]));
  const [first] = merged.shards;
  // Nothing was written to log 2.
  assert.deepEqual(first!.inherits, [{ log: 0, upTo: 10 }, { log: 1, upTo: 15 }]);
  assert.equal(first!.start, 16);
  assert.deepEqual([merged.version, merged.nextId], [3, 5]);
  const cleaned = withoutLogs(merged, new Set([0]));
  assert.deepEqual(cleaned.shards[0]!.inherits, [{ log: 1, upTo: 15 }]);
});

Deno.test("reshapeFault says what does not fit", () => {
  const table = evenTable(4);
  const [quarter, half] = [POINT_SPACE / 4, POINT_SPACE / 2];
  const cases: readonly (readonly [Reshape, RegExp | null])[] = [
    [{ of: [1], at: [quarter + 5] }, null],
    [{ of: [0, 1, 2, 3], at: [] }, null],
    [{ of: [7], at: [5] }, /there is no shard 7/],
    [{ of: [0, 2], at: [] }, /shard 2 is not the next neighbour/],
    [{ of: [3, 4], at: [] }, /shard 4 is not the next neighbour/],
    [{ of: [1], at: [quarter] }, /cannot be cut at/],
    [{ of: [1], at: [half] }, /cannot be cut at/],
    [{ of: [1], at: [quarter + 2, quarter + 1] }, /cannot be cut at/],
    [{ of: [0], at: [1.5] }, /cannot be cut at/],
    [{ of: [0], at: Array.from({ length: 1021 }, (_, i) => i + 1) }, /1024 shards at most/],
  ];
  for (const [change, wanted] of cases) {
    const fault = reshapeFault(table, change);
    if (wanted === null) assert.equal(fault, null);
    else assert.match(fault!, wanted);
  }
});

Deno.test("decodeTable reads a table of version 1: epoch 1, claimed by no node", () => {
  // Two shards that inherit the log of shard 0 up to 10, as a program without epochs has stored them.
  const w = new ByteWriter().u8(1).uint(2).uint(3);
  w.uint(1).uint(1).uint(0).uint(10);
  w.uint(2).uint(1).uint(1000).uint(11).uint(0).uint(2).uint(POINT_SPACE).uint(11).uint(0);
  const table = decodeTable(w.take());
  covers(table);
  assert.deepEqual(table.shards.map(({ id, epoch, owner }) => ({ id, epoch, owner })), [
    { id: 1, epoch: 1, owner: null },
    { id: 2, epoch: 1, owner: null },
  ]);
  assert.deepEqual(decodeTable(encodeTable(table)), table);
});

Deno.test("withEpochs takes newer epochs with their owners, and reshaped keeps the highest", () => {
  const owner = (incarnation: number) => ({ id: "node" as NodeId, incarnation });
  const table = withEpochs(evenTable(3), [
    { shard: 1, epoch: 4, owner: owner(2) },
    { shard: 2, epoch: 0, owner: owner(1) },
    { shard: 9, epoch: 9, owner: owner(1) },
  ]);
  assert.deepEqual(table.shards.map(({ epoch }) => epoch), [1, 4, 1]);
  assert.deepEqual(table.shards.map((s) => s.owner), [null, owner(2), null]);
  assert.deepEqual(decodeTable(encodeTable(table)), table);
  const [merged] = make(table, { of: [0, 1], at: [] }).shards;
  assert.equal(merged!.epoch, 4);
});

Deno.test("decodeTable throws nothing but CorruptBytes", () => {
  const good = encodeTable(follow(evenTable(5), 7));
  fc.assert(fc.property(
    fc.nat(good.length - 1),
    fc.integer({ min: 1, max: 255 }),
    fc.nat(good.length),
    (at, change, length) => {
      const bytes = good.slice(0, Math.max(1, length));
      if (at < bytes.length) bytes[at]! ^= change;
      try {
        covers(decodeTable(bytes));
      } catch (error) {
        assert.ok(error instanceof CorruptBytes || error instanceof assert.AssertionError);
      }
    },
  ));
});
