/** Placement by load. */
import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { BALANCE, balanceMoves, type ShardLoad } from "../../shard/table/balance.ts";
import { BalancePolicy, STAY_MS } from "../../server/node/balance_policy.ts";
import { LoadMeter } from "../../server/node/load_meter.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import { Prng } from "../sim/prng.ts";

const nodes = ["a", "b", "c"] as NodeId[];

/** Shards with these loads, one after another at the nodes of the text. */
function loadsOf(at: string, perSecond: readonly number[]): ShardLoad[] {
  return [...at].map((node, shard) => ({
    shard,
    node: node as NodeId,
    perSecond: perSecond[shard] ?? 0,
    fixed: false,
  }));
}

function apply(loads: readonly ShardLoad[], moves: ReturnType<typeof balanceMoves>): ShardLoad[] {
  const to = new Map(moves.map((move) => [move.shard, move.to]));
  return loads.map((load) => ({ ...load, node: to.get(load.shard) ?? load.node }));
}

function sums(loads: readonly ShardLoad[], of = nodes): number[] {
  return of.map((node) =>
    loads.filter((load) => load.node === node)
      .reduce((sum, { perSecond }) => sum + perSecond + BALANCE.basePerSecond, 0)
  );
}

Deno.test("11: balanceMoves gives an empty node its share, without load and with it", () => {
  const idle = loadsOf("aaaaaabbbbbb", []);
  const spread = apply(idle, balanceMoves(idle, nodes, BALANCE));
  deepEqual(nodes.map((node) => spread.filter((l) => l.node === node).length), [4, 4, 4]);
  const many = loadsOf("a".repeat(1024), []);
  const thirds = sums(apply(many, balanceMoves(many, nodes, BALANCE)));
  ok(Math.max(...thirds) <= BALANCE.end * thirds.reduce((a, b) => a + b) / 3, thirds.join());
  const hot = loadsOf("aaaaaabbbbbb", [500, 500, 10, 10, 10, 10, 250, 250, 250, 250, 0, 0]);
  const even = sums(apply(hot, balanceMoves(hot, nodes, BALANCE)));
  ok(Math.max(...even) <= BALANCE.begin * even.reduce((a, b) => a + b) / 3, even.join());
});

Deno.test("11: balanceMoves leaves a shard alone that alone is more than a share", () => {
  const loads = loadsOf("abbbcccc", [5000, 1, 1, 1, 1, 1, 1, 1]);
  deepEqual(balanceMoves(loads, nodes, BALANCE), []);
  // Its neighbours go elsewhere, it stays.
  const crowded = loadsOf("aabbbccc", [5000, 300, 1, 1, 1, 1, 1, 1]);
  const moves = balanceMoves(crowded, nodes, BALANCE);
  equal(moves.some(({ shard }) => shard === 0), false);
  equal(moves.some(({ shard }) => shard === 1), true);
});

Deno.test("11: balanceMoves moves no fixed shard, and none of or to nodes that are not asked for", () => {
  const loads = loadsOf("aaaaaaddd", []).map((load) => ({ ...load, fixed: load.shard < 3 }));
  const moves = balanceMoves(loads, nodes, BALANCE);
  ok(moves.length > 0);
  ok(moves.every(({ shard, from, to }) => shard >= 3 && from === "a" && to !== "d"));
  deepEqual(balanceMoves(loads, ["a" as NodeId], BALANCE), []);
});

Deno.test("11: balanceMoves plans no more moves once its moves are made, whatever the loads", () => {
  fc.assert(fc.property(
    fc.array(fc.record({ at: fc.integer({ min: 0, max: 2 }), load: fc.nat(3000) }), {
      minLength: 1,
      maxLength: 64,
    }),
    (shards) => {
      const loads = shards.map(({ at, load }, shard) => ({
        shard,
        node: nodes[at]!,
        perSecond: load,
        fixed: false,
      }));
      const moves = balanceMoves(loads, nodes, BALANCE);
      equal(new Set(moves.map(({ shard }) => shard)).size, moves.length);
      const after = apply(loads, moves);
      ok(Math.max(...sums(after)) <= Math.max(...sums(loads)));
      deepEqual(balanceMoves(after, nodes, BALANCE), []);
    },
  ));
});

Deno.test("11: balanceMoves does not flap: loads that vary by a fifth move nothing for an hour", () => {
  const prng = new Prng("flap");
  const base = Array.from({ length: 24 }, () => 50 + prng.int(0, 200));
  let loads = loadsOf("abcabcabcabcabcabcabcabc", base);
  loads = apply(loads, balanceMoves(loads, nodes, { ...BALANCE, begin: BALANCE.end }));
  let moved = 0;
  for (let second = 0; second < 3600; second++) {
    const now = loads.map((load) => ({
      ...load,
      perSecond: base[load.shard]! * (0.8 + 0.4 * prng.number()),
    }));
    moved += balanceMoves(now, nodes, BALANCE).length;
  }
  equal(moved, 0);
});

Deno.test("11: BalancePolicy moves a shard whose load comes and goes once in five minutes at most", () => {
  const prng = new Prng("come and go");
  const policy = new BalancePolicy();
  const base = Array.from({ length: 24 }, () => 50 + prng.int(0, 200));
  let loads = loadsOf("abcabcabcabcabcabcabcabc", base);
  const movedMs = new Map<number, number>();
  let moved = 0;
  for (let nowMs = 0; nowMs < 3_600_000; nowMs += 2000) {
    const hot = Math.floor(nowMs / 60_000) % 2 === 0;
    const now = loads.map((load) => ({
      ...load,
      perSecond: load.shard === 3 && hot ? 1200 : base[load.shard]!,
    }));
    const moves = policy.plan(nowMs, now, nodes, false);
    for (const { shard } of moves) {
      ok(nowMs - (movedMs.get(shard) ?? -Infinity) >= STAY_MS, `shard ${shard} twice`);
      movedMs.set(shard, nowMs);
    }
    moved += moves.length;
    loads = apply(loads, moves);
  }
  ok(moved <= 60, `${moved} moves in an hour`);
});

Deno.test("11: BalancePolicy moves at the third look, and at once where an operator wants it", () => {
  const loads = loadsOf("aaaaaa", []);
  const policy = new BalancePolicy();
  const plan = (nowMs: number, even: boolean) => policy.plan(nowMs, loads, nodes, even).length;
  deepEqual([0, 2000, 4000, 6000].map((nowMs) => plan(nowMs, false)), [0, 0, 4, 0]);
  equal(plan(8000, true), 4);
});

Deno.test("11: LoadMeter averages the inputs of a shard over the last seconds", () => {
  const meter = new LoadMeter();
  const shard = { id: 4, inputs: 1000 };
  const sample = (nowMs: number) => {
    meter.sample(nowMs, [shard as never]);
    return Math.round(meter.loads[0]!.perSecond);
  };
  equal(sample(0), 0);
  shard.inputs += 200;
  equal(sample(2000), 100);
  shard.inputs += 400;
  equal(sample(4000), 150);
  for (let at = 6000; at <= 120_000; at += 2000) sample(at);
  equal(sample(122_000), 0);
  equal(meter.loads[0]!.measuredMs, 122_000);
  meter.sample(124_000, []);
  deepEqual(meter.loads, []);
});
