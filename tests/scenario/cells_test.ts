/** Cells that find each other and keep links, over a simulated WAN in virtual time. */
import assert from "node:assert/strict";
import { type CellName, POINT_SPACE } from "../../shard/name/ids.ts";
import { QUEUE_BYTES, SILENT_MS, someFrame, Wan, type WanNode } from "./wan.ts";
import { withEpochs } from "../../shard/table/table.ts";

const [A, B, C] = ["a", "b", "c"] as readonly string[] as readonly [CellName, CellName, CellName];
const HOUR_MS = 3_600_000;
const COUNT_WAN_SEEDS = 40;

/** Three cells of one node each; B and C know A. */
function three(wan: Wan): readonly [WanNode, WanNode, WanNode] {
  const a = wan.node({ cell: "a" });
  const nodes = [a, ...["b", "c"].map((cell) => wan.node({ cell, join: ["a-1"] }))] as const;
  joined(wan, ...nodes);
  return nodes as never;
}

/** Runs until these cells are the members. */
function joined(wan: Wan, ...nodes: readonly WanNode[]): void {
  const cells = nodes.map(({ mesh }) => mesh.self).sort();
  const missing = () =>
    nodes.some(({ mesh }) =>
      [...mesh.voters].sort().join() !== cells.join() ||
      mesh.peers.some((cell) => !mesh.isLinked(cell))
    );
  assert.ok(wan.time.runWhile(missing, wan.time.nowMs + 20_000), `${cells} are no members`);
}

Deno.test("12: cells find all others from one address, and carry frames to each other", () => {
  const wan = new Wan();
  const nodes = three(wan);
  for (const { mesh, events, linked } of nodes) {
    const others = ["a", "b", "c"].filter((cell) => cell !== mesh.self);
    assert.deepEqual(mesh.peers, others);
    assert.deepEqual([...events].sort(), others.map((cell) => `linked ${cell}`));
    assert.deepEqual(linked, others.map((cell) => `${cell}-1`));
    for (const cell of mesh.peers) {
      assert.notEqual(mesh.directory.tableOf(cell), null, `${mesh.self} knows no table of ${cell}`);
      assert.deepEqual(mesh.addressesOf(cell), [`https://${cell}-1.example.org`]);
    }
  }
  const [, b, c] = nodes;
  const sentMs = wan.time.nowMs;
  b.mesh.send(C, 77, someFrame());
  wan.time.runFor(1000);
  assert.deepEqual(c.frames.map(({ from, point }) => [from, point]), [["b", 77]]);
  const tookMs = c.frames[0]!.atMs - sentMs;
  assert.ok(tookMs < 1.2 * wan.tripMs, `${tookMs} ms`);
  const [{ nodes: [seen] }] = b.mesh.view().cells as never as [
    { readonly nodes: readonly [{ readonly rttMs: number; readonly users: number }] },
  ];
  assert.ok(seen.rttMs > 1.6 * wan.tripMs && seen.rttMs < 2.4 * wan.tripMs, `${seen.rttMs} ms`);
  assert.equal(seen.users, 7);
});

Deno.test("12: nodes that dial each other at once keep one link, the same at both", () => {
  for (let seed = 1; seed <= COUNT_WAN_SEEDS; seed++) {
    const wan = new Wan(seed);
    wan.found("a");
    const a = wan.node({ cell: "a", join: ["b-1"] });
    const b = wan.node({ cell: "b", join: ["a-1"] });
    joined(wan, a, b);
    const lost = () => [...a.logged, ...b.logged].filter((event) => event === "cell not linked");
    for (let times = 0; times < 5; times++) {
      wan.cut("a-1", "b-1");
      wan.time.runFor(3 * SILENT_MS);
      wan.cut("a-1", "b-1", false);
      const before = lost().length;
      wan.time.runFor(2 * SILENT_MS);
      assert.equal(lost().length, before, `seed ${seed}`);
    }
    a.frames.length = b.frames.length = 0;
    const wiresMs = wan.time.nowMs;
    a.mesh.send(B, 1, someFrame());
    b.mesh.send(A, 2, someFrame());
    wan.time.runFor(30_000);
    assert.deepEqual([a.frames.length, b.frames.length], [1, 1], `seed ${seed} at ${wiresMs}`);
    assert.deepEqual([a.events.at(-1), b.events.at(-1)], ["linked b", "linked a"]);
    const live = [a, b].map(({ mesh }) => mesh.linksOf(mesh.peers[0]!)[0]!.link.wire.role).sort();
    assert.deepEqual(live, ["dialler", "listener"], `seed ${seed}`);
  }
});

Deno.test("12: a cell that is cut off for hours is linked again within seconds, and others do not notice", () => {
  const wan = new Wan();
  const [a, b, c] = three(wan);
  for (const other of ["a-1", "b-1"]) wan.cut("c-1", other);
  wan.time.runFor(3 * SILENT_MS);
  assert.deepEqual([a.linked, b.linked, c.linked], [["b-1"], ["a-1"], []]);
  wan.time.runFor(5 * HOUR_MS);
  for (const node of [a, b]) {
    assert.equal(node.events.filter((event) => event.endsWith(" c")).length, 2);
    assert.ok(node.mesh.peers.includes(C), "the cut cell is forgotten");
  }
  for (const other of ["a-1", "b-1"]) wan.cut("c-1", other, false);
  wan.time.runFor(30_000);
  assert.deepEqual([a.linked, b.linked, c.linked], [["b-1", "c-1"], ["a-1", "c-1"], [
    "a-1",
    "b-1",
  ]]);
  assert.deepEqual(a.events.filter((event) => event.endsWith(" b")), ["linked b"]);
});

Deno.test("12: a cell that takes nothing costs its queue, and does not slow the others", () => {
  const wan = new Wan();
  const [a, b] = three(wan);
  wan.stick("c-1");
  const text = "x".repeat(1000);
  for (let i = 0; i < 4000; i++) a.mesh.send(C, i, someFrame(text));
  wan.time.runFor(100);
  const [, seen] = a.mesh.view().cells;
  assert.equal(seen!.cell, C);
  assert.ok(
    seen!.nodes[0]!.queueBytes <= 2 * QUEUE_BYTES + 65_536,
    `${seen!.nodes[0]!.queueBytes}`,
  );
  assert.ok(seen!.sent.dropped > 1000, `${seen!.sent.dropped} dropped`);
  const sentMs = wan.time.nowMs;
  a.mesh.send(B, 1, someFrame());
  wan.time.runFor(1000);
  assert.ok(b.frames[0]!.atMs - sentMs < 1.2 * wan.tripMs);
  wan.time.runFor(2 * SILENT_MS);
  assert.ok(a.events.includes("unlinked c"), a.events.join());
  assert.ok(!a.events.includes("unlinked b"), a.events.join());
  wan.stick("c-1", false);
  wan.time.runFor(60_000);
  assert.equal(a.events.at(-1), "linked c");
});

Deno.test("12: a link that has dropped what nobody sends again ends at once", () => {
  const wan = new Wan();
  const [a] = three(wan);
  wan.stick("c-1");
  const text = "x".repeat(1000);
  const dropped = () => a.mesh.countsOf(C).dropped;
  while (dropped() === 0) a.mesh.send(C, 1, someFrame(text));
  wan.time.runFor(1);
  while (dropped() === 1) a.mesh.send(C, 1, someFrame(text));
  assert.ok(a.mesh.isLinked(C));
  // There is room for some that are shorter.
  for (let i = 0; i < 100; i++) a.mesh.tell(C, { kind: "announce", lo: 0, hi: POINT_SPACE });
  assert.equal(a.events.at(-1), "unlinked c");
});

Deno.test("12: frames go to the node that owns the point, and to another one where that is not linked", () => {
  const wan = new Wan();
  const a = wan.node({ cell: "a" });
  const b1 = wan.node({ cell: "b", id: "b-1", join: ["a-1"] });
  const b2 = wan.node({ cell: "b", id: "b-2", join: ["a-1"] });
  const half = POINT_SPACE / 2;
  const shared = withEpochs(
    b1.table,
    b1.table.shards.map(({ id, lo }) => ({
      shard: id,
      epoch: 5,
      owner: lo < half ? b1.self : b2.self,
    })),
  );
  b1.table = b2.table = shared;
  wan.time.runFor(3000);
  assert.deepEqual(a.linked, ["b-1", "b-2"]);
  for (const point of [0, half - 1, half, POINT_SPACE - 1]) a.mesh.send(B, point, someFrame());
  wan.time.runFor(1000);
  const points = (node: WanNode) => node.frames.map(({ point }) => point);
  assert.deepEqual([points(b1), points(b2)], [[0, half - 1], [half, POINT_SPACE - 1]]);
  // One of the two nodes is cut off; a later epoch counts, an earlier one does not.
  wan.cut("a-1", "b-2");
  wan.time.runFor(3 * SILENT_MS);
  a.mesh.send(B, half, someFrame());
  wan.time.runFor(1000);
  assert.deepEqual(points(b1), [0, half - 1, half]);
  // What was sent to that node may be lost: its cell is linked anew.
  const events = a.events.filter((event) => event.endsWith("linked b"));
  assert.deepEqual(events.slice(-2), ["unlinked b", "linked b"]);
});

Deno.test("12: another domain, and a name that two cells have, are refused", () => {
  const wan = new Wan();
  const a = wan.node({ cell: "a" });
  const other = wan.node({ cell: "o", join: ["a-1"], domain: "example.com" });
  const twin = wan.node({ cell: "a", id: "twin-1", join: ["a-1"], mark: "another store" });
  const own = wan.node({ cell: "a", id: "a-2", join: ["a-1"] });
  wan.time.runFor(20_000);
  assert.deepEqual([a.linked, other.linked, twin.linked, own.linked], [[], [], [], []]);
  const why = (node: WanNode) => node.mesh.view().unreached.map(({ fault }) => fault);
  assert.deepEqual(why(other), ["domain: its domain is example.org, not example.com"]);
  assert.deepEqual(why(twin), ["name: it is another cell with the name a"]);
  assert.deepEqual(why(own), []);
});

Deno.test("12: two cells with one name are found by a third one, which keeps the first", () => {
  const wan = new Wan();
  const a = wan.node({ cell: "a" });
  const b = wan.node({ cell: "b", join: ["a-1"] });
  wan.time.runFor(2000);
  const twin = wan.node({ cell: "b", id: "twin-1", join: ["a-1"], mark: "another store" });
  wan.time.runFor(20_000);
  assert.deepEqual([a.linked, b.linked, twin.linked], [["b-1"], ["a-1"], []]);
  assert.deepEqual(twin.mesh.view().unreached.map(({ fault }) => fault), [
    "name: another cell with the name b is linked already",
  ]);
});

Deno.test("12: a later process of a node takes the place of its former one, and a stop is known at once", () => {
  const wan = new Wan();
  const [a, b] = three(wan);
  wan.time.global.timers.after(20, b.kill);
  const again = wan.node({ cell: "b", incarnation: 2, join: ["a-1"] });
  wan.time.runFor(5000);
  assert.equal(a.mesh.linksOf(B)[0]!.node.node.incarnation, 2);
  a.mesh.send(B, 5, someFrame());
  wan.time.runFor(1000);
  assert.deepEqual([b.frames.length, again.frames.length], [0, 1]);
  again.mesh.stop(() => {});
  wan.time.runFor(1000);
  assert.equal(a.events.at(-1), "unlinked b");
  assert.equal(a.mesh.view().cells.find(({ cell }) => cell === B)!.state, "left");
});
