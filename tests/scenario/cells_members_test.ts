/** Who is a member of a federation, over a simulated WAN in virtual time. */
import assert from "node:assert/strict";
import type { AccountName, CellName } from "../../shard/name/ids.ts";
import type { Members } from "../../shard/federation/members.ts";
import type { Result } from "../../shard/errors.ts";
import type { NameReport } from "../../server/peer/cells/name_check.ts";
import { Wan, type WanNode } from "./wan.ts";

const LIMIT_MS = 60_000;
const SEEDS = 25;
const CELLS = ["a", "b", "c", "d", "e"] as readonly string[] as readonly CellName[];

/** Runs until all nodes know the same members, with these cells. */
function settled(wan: Wan, nodes: readonly WanNode[], cells: readonly string[], why = ""): void {
  const other = () =>
    nodes.some(({ mesh: { membership: { current } } }) =>
      current.cells.map(({ cell }) => cell).sort().join() !== cells.join()
    );
  const known = nodes.map(({ mesh }) => JSON.stringify(mesh.membership.current));
  assert.ok(
    wan.time.runWhile(other, wan.time.nowMs + LIMIT_MS),
    `${why} members are not ${cells}: ${known.join(" ")}`,
  );
}

function cellsOf(wan: Wan, count: number): WanNode[] {
  return CELLS.slice(0, count).map((cell, i) => wan.node({ cell, join: i === 0 ? [] : ["a-1"] }));
}

/** The result of a change, once it has one. */
function result(
  wan: Wan,
  run: (done: (result: Result<Members>) => void) => void,
): Result<Members> {
  let got: Result<Members> | null = null;
  run((result) => got = result);
  wan.time.runWhile(() => got === null, wan.time.nowMs + LIMIT_MS);
  assert.ok(got !== null, "the change has no result");
  return got;
}

Deno.test("12: cells that start at once become members one after another, whatever comes first", () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const wan = new Wan(seed);
    const nodes = cellsOf(wan, 4);
    settled(wan, nodes, ["a", "b", "c", "d"], `seed ${seed}:`);
    assert.deepEqual([...wan.versions.keys()].sort(), [1, 2, 3, 4]);
    for (const { mesh } of nodes) {
      assert.equal(mesh.version, 4);
      assert.equal(mesh.peers.length, 3);
    }
  }
});

Deno.test("12: any node of a cell makes it a member, and compares its names: replies are for it", () => {
  for (const id of ["c-1", "c-2"]) {
    const wan = new Wan(id);
    const [a, b] = cellsOf(wan, 2) as [WanNode, WanNode];
    settled(wan, [a, b], ["a", "b"]);
    const nodes = ["c-1", "c-2"].map((id) => wan.node({ cell: "c", id, join: ["a-1"] }));
    settled(wan, [a, b, ...nodes], ["a", "b", "c"]);
    const { mesh } = nodes.find(({ self }) => self.id === id)!;
    let report: NameReport | null = null;
    mesh.nameCheck.run(null, (got) => report = got);
    wan.time.runWhile(() => report === null, wan.time.nowMs + LIMIT_MS);
    assert.equal((report as NameReport | null)?.fault, null);
    // Its own attempt to join ends.
    wan.time.runWhile(() => true, wan.time.nowMs + LIMIT_MS);
    const left = result(wan, (done) => mesh.membership.remove("b" as CellName, true, done));
    assert.ok(left.ok, `${id}: ${left.ok ? "" : left.message}`);
  }
});

Deno.test("12: versions of the members are decided once, through cuts, deaths and duelling changes", () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const wan = new Wan(`members ${seed}`);
    const nodes = cellsOf(wan, 5);
    const { random } = wan;
    for (let step = 0; step < 40; step++) {
      const i = random.int(0, 4);
      const [one, other] = [nodes[i]!, random.pick(nodes)];
      if (random.chance(0.3) && one !== other) {
        wan.cut(one.self.id, other.self.id, random.chance(0.6));
      } else if (random.chance(0.2)) {
        one.kill();
        const { incarnation } = one.self;
        // Only the first start of a cell can found a federation.
        const join = i === 0 ? ["b-1", "c-1"] : ["a-1", "b-1"];
        nodes[i] = wan.node({ cell: CELLS[i]!, incarnation: incarnation + 1, join });
      } else if (random.chance(0.4)) {
        one.mesh.membership.remove(other.mesh.self, random.chance(0.2), () => {});
      } else one.mesh.membership.join(true, () => {});
      wan.time.runFor(random.int(0, 4000));
    }
    for (const one of nodes) for (const two of nodes) wan.cut(one.self.id, two.self.id, false);
    wan.time.runFor(40_000);
    for (const { mesh } of nodes) {
      if (!mesh.membership.joined) {
        const joined = result(wan, (done) => mesh.membership.join(true, done));
        assert.ok(joined.ok, `seed ${seed}: ${JSON.stringify(joined)}`);
      }
    }
    settled(wan, nodes, [...CELLS], `seed ${seed}:`);
    const lists = [...wan.versions].sort(([a], [b]) => a - b).map(([, cells]) => cells.split(","));
    for (const [at, cells] of lists.entries()) {
      if (at < 2) continue;
      const before = lists[at - 1]!;
      const differ = [...before, ...cells].filter((c) => !before.includes(c) || !cells.includes(c));
      assert.equal(differ.length, 1, `seed ${seed}: ${before} then ${cells}`);
    }
  }
});

Deno.test("12: of changes at one moment one comes after the other, also where a proposer dies", () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const wan = new Wan(`duel ${seed}`);
    const nodes = cellsOf(wan, 5);
    settled(wan, nodes, [...CELLS]);
    wan.time.runFor(3000);
    const [a, b, c, d, e] = nodes as [WanNode, WanNode, WanNode, WanNode, WanNode];
    let over = 0;
    const done = (result: Result<Members>) => {
      assert.ok(result.ok, `seed ${seed}: ${JSON.stringify(result)}`);
      over++;
    };
    e.mesh.membership.remove(c.mesh.self, false, () => {});
    wan.time.runFor(wan.random.int(0, 60));
    a.mesh.membership.remove(d.mesh.self, true, done);
    b.mesh.membership.remove(e.mesh.self, true, done);
    wan.time.runFor(wan.random.int(60, 200));
    e.kill();
    assert.ok(wan.time.runWhile(() => over < 2, wan.time.nowMs + LIMIT_MS), `seed ${seed}`);
    wan.time.runFor(2000);
    for (const { mesh } of [a, b]) {
      assert.ok(["a,b", "a,b,c"].includes(mesh.voters.join()), `seed ${seed}: ${mesh.voters}`);
    }
  }
});

Deno.test("12: a cell that is taken out stays out until an operator wants it back", () => {
  const wan = new Wan();
  const nodes = cellsOf(wan, 3);
  const [a, b, c] = nodes as [WanNode, WanNode, WanNode];
  settled(wan, nodes, ["a", "b", "c"]);
  wan.time.runFor(3000);
  // A dead cell is removed by another one.
  b.kill();
  wan.time.runFor(1000);
  assert.ok(result(wan, (done) => c.mesh.membership.remove(b.mesh.self, false, done)).ok);
  settled(wan, [a, c], ["a", "c"]);
  assert.deepEqual([a.mesh.peers, a.events.at(-1)], [["c"], "unlinked b"]);
  const again = wan.node({ cell: "b", incarnation: 2, join: ["a-1"] });
  wan.time.runFor(20_000);
  assert.equal(again.mesh.membership.joined, false);
  assert.deepEqual([again.mesh.voters, again.mesh.version, again.mesh.peers], [[], 0, []]);
  assert.ok(result(wan, (done) => again.mesh.membership.join(true, done)).ok);
  settled(wan, [a, again, c], ["a", "b", "c"]);
  wan.time.runFor(3000);
  assert.equal(a.events.at(-1), "linked b");
  const last = result(wan, (done) => a.mesh.membership.remove("x" as CellName, false, done));
  assert.equal(last.ok ? "" : last.code, "not_found");
});

Deno.test("12: without a majority nothing is decided, and the change says so", () => {
  const wan = new Wan();
  const nodes = cellsOf(wan, 3);
  const [a, b, c] = nodes as [WanNode, WanNode, WanNode];
  settled(wan, nodes, ["a", "b", "c"]);
  wan.time.runFor(3000);
  for (const other of [b, c]) wan.cut(a.self.id, other.self.id);
  const cut = result(wan, (done) => a.mesh.membership.remove(c.mesh.self, false, done));
  assert.equal(cut.ok ? "" : cut.code, "unavailable");
  wan.time.runFor(20_000);
  const [unlinked] = [result(wan, (done) => a.mesh.membership.remove(c.mesh.self, false, done))];
  assert.match(unlinked.ok ? "" : unlinked.message, /The cell b is not linked/);
  assert.equal(b.mesh.version, 3);
  // The others go on.
  assert.ok(result(wan, (done) => b.mesh.membership.remove(a.mesh.self, false, done)).ok);
  wan.time.runFor(1000);
  assert.equal(c.mesh.version, 4);
});

Deno.test("12: a third cell joins once all members have acknowledged all names of before", () => {
  const wan = new Wan();
  const [a, b] = cellsOf(wan, 2) as [WanNode, WanNode];
  a.names = Array.from({ length: 250 }, (_, i) => `user${i}`);
  settled(wan, [a, b], ["a", "b"]);
  const c = wan.node({ cell: "c", join: ["a-1"] });
  wan.time.runFor(60_000);
  assert.equal(c.mesh.membership.joined, false);
  const refused = result(wan, (done) => c.mesh.membership.join(true, done));
  assert.match(refused.ok ? "" : refused.message, /The cell a has names that not all members know/);
  assert.deepEqual([a.owed.size, ...a.owed.get("user249" as AccountName)!], [250, "b"]);
  for (const owed of a.owed.values()) owed.clear();
  settled(wan, [a, b, c], ["a", "b", "c"]);
  assert.equal(wan.sharedOf("a").state.version, 2);
  // The third one learns them too, the second one not again.
  wan.time.runFor(40_000);
  assert.deepEqual([...a.owed.get("user0" as AccountName)!], ["c"]);
});

Deno.test("12: a cell with accounts does not join by itself", () => {
  const wan = new Wan();
  const [a, b] = cellsOf(wan, 2) as [WanNode, WanNode];
  b.names = ["bob"];
  b.unwritten.add("bob");
  wan.time.runFor(15_000);
  b.unwritten.clear();
  wan.time.runFor(15_000);
  assert.equal(b.mesh.membership.joined, false);
  assert.ok(result(wan, (done) => b.mesh.membership.join(true, done)).ok);
  settled(wan, [a, b], ["a", "b"]);
});

Deno.test("12: a lone cell does not look at its names, nor do cells that know all names", () => {
  const wan = new Wan();
  const a = wan.node({ cell: "a" });
  a.names = ["alice"];
  wan.time.runFor(60_000);
  assert.equal(a.mesh.membership.joined, true);
  assert.deepEqual(a.readings, { stored: 0, written: 0 });
  const b = wan.node({ cell: "b", join: ["a-1"] });
  settled(wan, [a, b], ["a", "b"]);
  wan.time.runFor(25_000);
  for (const owed of a.owed.values()) owed.clear();
  wan.time.runFor(10_000);
  assert.deepEqual([a, b].map(({ mesh }) => mesh.settled.version), [2, 2]);
  const before = [{ ...a.readings }, { ...b.readings }];
  wan.time.runFor(60_000);
  assert.deepEqual([a.readings, b.readings], before);
});

Deno.test("12: a cell with accounts that has not joined writes none of them to see that it has some", () => {
  const wan = new Wan();
  const [, b] = cellsOf(wan, 2) as [WanNode, WanNode];
  b.names = ["bob"];
  wan.time.runFor(60_000);
  assert.equal(b.mesh.membership.joined, false);
  assert.equal(b.readings.written, 0);
  // It joins by itself once the last one was removed.
  b.names = [];
  settled(wan, [b], ["a", "b"]);
});

Deno.test("12: names that two cells have are found among many, by whichever of them is asked", () => {
  const wan = new Wan();
  const [a, b] = cellsOf(wan, 2) as [WanNode, WanNode];
  const names = (prefix: string) => Array.from({ length: 1000 }, (_, i) => `${prefix}${i}`);
  a.names = ["both", ...names("a"), "twice"];
  b.names = [...names("b"), "twice", "both"];
  const check = (node: WanNode) => {
    let report: NameReport | null = null;
    node.mesh.nameCheck.run(null, (found) => report = found);
    wan.time.runWhile(() => report === null, wan.time.nowMs + LIMIT_MS);
    return report as NameReport | null;
  };
  assert.equal(check(b)!.fault, "No other cell is linked");
  wan.time.runFor(5000);
  for (const [node, other] of [[a, "b"], [b, "a"]] as const) {
    const found = check(node)!;
    assert.deepEqual([found.compared, found.fault, found.conflictsFound], [1002, null, 2]);
    assert.deepEqual(found.conflicts.map(({ name, cell }) => `${name} ${cell}`).sort(), [
      `both ${other}`,
      `twice ${other}`,
    ]);
  }
  wan.stick("a-1");
  assert.equal(check(b)!.fault, "The cell a has not replied");
});

Deno.test("12: a cell of several nodes without names does not keep the next one from joining", () => {
  const wan = new Wan();
  const [a, b] = cellsOf(wan, 2) as [WanNode, WanNode];
  settled(wan, [a, b], ["a", "b"]);
  const c = ["c-1", "c-2"].map((id) => wan.node({ cell: "c", id, join: ["a-1"], alone: false }));
  settled(wan, [a, b, ...c], ["a", "b", "c"]);
  const sinceMs = wan.time.nowMs;
  const d = wan.node({ cell: "d", join: ["a-1"] });
  settled(wan, [a, b, ...c, d], ["a", "b", "c", "d"]);
  const tookMs = wan.time.nowMs - sinceMs;
  assert.ok(tookMs < 8000, `${tookMs} ms`);
});

Deno.test("12: names of a cell that joins are compared, and reserved at a member", () => {
  const wan = new Wan();
  const [a, b] = cellsOf(wan, 2) as [WanNode, WanNode];
  b.names = ["bob", "both"];
  a.names = ["alice", "both"];
  wan.time.runFor(5000);
  const check = (reserveAt: CellName | null) => {
    let report: NameReport | null = null;
    b.mesh.nameCheck.run(reserveAt, (found) => report = found);
    wan.time.runWhile(() => report === null, wan.time.nowMs + LIMIT_MS);
    return report as NameReport | null;
  };
  assert.deepEqual([check(null)!.conflicts, a.reserved.size], [[{ name: "both", cell: "a" }], 0]);
  assert.equal(check(a.mesh.self)!.conflictsFound, 1);
  assert.deepEqual([...a.reserved], [["bob", "b"]]);
});
