/** What watchers see of users whose node has ended, and who may return (issue 11). */
import assert from "node:assert/strict";
import { GRACE_MS, PENDING } from "../../shard/presence/returning.ts";
import { NodeFixture } from "../sim/node_fixture.ts";

/** The presence of bob that ann gets when she begins to watch. */
function watched(w: NodeFixture) {
  return w.watch("ann", w.attach("ann")).find((a) => a.watched === "bob")!.presence!;
}

/** The presence of bob in the packets since they were looked at last. */
function pushed(w: NodeFixture): readonly (readonly [version: number, devices: number])[] {
  const packets = w.packets.flatMap((p) =>
    p.kind === "presence" && p.watched === "bob" ? [[p.version, p.devices.length] as const] : []
  );
  w.packets = [];
  return packets;
}

function restarted(end: "kill" | "stop" = "kill"): NodeFixture {
  const w = new NodeFixture();
  for (const name of ["ann", "bob"]) w.account(name);
  w.befriend("ann", "bob");
  w.attach("bob");
  w.settle();
  if (end === "stop") {
    let stopped = false;
    w.node.stop(() => stopped = true);
    w.time.runWhile(() => !stopped, w.time.nowMs + 10_000);
  }
  w.kill();
  w.start();
  w.packets = [];
  return w;
}

for (const end of ["kill", "stop"] as const) {
  Deno.test(`11: after a ${end} of the only node, who is back within the grace was never offline`, () => {
    const w = restarted(end);
    const { version, devices } = watched(w);
    assert.deepEqual([version, devices], [PENDING, []]);
    w.settle(13_000);
    assert.deepEqual(pushed(w), []);
    w.attach("bob");
    w.settle(10_000);
    const seen = pushed(w);
    assert.ok(
      seen.length > 0 && seen.every(([version, count]) => version > PENDING && count === 1),
    );
  });

  Deno.test(`11: after a ${end} of the only node, who is not back within the grace is offline then`, () => {
    const w = restarted(end);
    assert.equal(watched(w).version, PENDING);
    w.settle(16_000);
    const [[version, count]] = pushed(w) as [[number, number]];
    assert.ok(version > PENDING && count === 0);
    assert.ok(watched(w).version > PENDING, "nobody is pending any more");
  });
}

Deno.test("11: who signs out within the grace after a restart is offline at once", () => {
  const w = restarted();
  const bob = w.attach("bob");
  watched(w);
  w.must("bob", "session.detach", { session: bob.session });
  w.settle(100);
  assert.deepEqual(pushed(w).map(([, count]) => count), [0]);
  assert.ok(watched(w).version > PENDING);
});

Deno.test("11: in a new store nobody is pending: no process was there before", () => {
  const w = new NodeFixture();
  for (const name of ["ann", "bob"]) w.account(name);
  w.befriend("ann", "bob");
  assert.ok(watched(w).version > PENDING);
});

Deno.test("11: shards that change within the grace after a restart hand over who is pending", () => {
  const w = restarted();
  assert.equal(watched(w).version, PENDING);
  const id = w.node.shardOf("bob" as never).id;
  let done = false;
  const row = w.node.table.shards.find((s) => s.id === id)!;
  const at = [Math.floor((row.lo + row.hi) / 2)];
  w.node.reshape({ of: [id], at }, (result) => done = result.ok);
  w.settle(5000);
  assert.ok(done);
  assert.deepEqual(pushed(w), []);
  w.settle(12_000);
  assert.deepEqual(pushed(w).map(([, count]) => count), [0]);
});

Deno.test("11: a shard that is reloaded within the grace after a restart goes on waiting", () => {
  const w = restarted();
  w.deliver = (packet) => {
    w.packets.push(packet);
    if (packet.kind === "announce") w.node.announced(packet.lo, packet.hi, packet.epoch);
  };
  w.settle(5000);
  w.node.reload(w.node.shardOf("bob" as never).id, () => {});
  w.settle(1000);
  assert.equal(watched(w).version, PENDING);
});

Deno.test("11: a shard that is reloaded in a process that goes on has nobody pending", () => {
  const w = new NodeFixture();
  for (const name of ["ann", "bob"]) w.account(name);
  w.befriend("ann", "bob");
  w.deliver = (packet) => {
    w.packets.push(packet);
    if (packet.kind === "announce") w.node.announced(packet.lo, packet.hi, packet.epoch);
  };
  w.node.reload(w.node.shardOf("bob" as never).id, () => {});
  w.settle();
  const found = watched(w);
  assert.ok(found.version > PENDING, `${found.version}`);
});

Deno.test("11: the grace passes while a shard serves: nobody can return to one that does not", () => {
  const w = new NodeFixture({ shards: 1 });
  for (const name of ["ann", "bob"]) w.account(name);
  w.befriend("ann", "bob");
  w.attach("bob");
  w.settle();
  w.must("ann", "settings.set", { messagesFrom: "anyone" });
  w.kill();
  const row = w.disk.rows(["log"]).at(-1)!;
  const good = row.value[0]!;
  row.value[0] = 99;
  w.start();
  w.settle(GRACE_MS + 1000);
  assert.equal(w.node.ready, false);
  row.value[0] = good;
  w.time.runWhile(() => !w.node.ready, w.time.nowMs + 31_000);
  w.packets = [];
  assert.equal(watched(w).version, PENDING);
  w.settle(GRACE_MS - 2000);
  assert.deepEqual(pushed(w), []);
  w.settle(3000);
  assert.deepEqual(pushed(w).map(([, count]) => count), [0]);
});
