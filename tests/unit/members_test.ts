import assert from "node:assert/strict";
import { FencedStore } from "../../server/store/fenced_store.ts";
import { LEASE_MS, Members, TAKEOVER_MS } from "../../server/node/members.ts";
import { MemoryDisk } from "../sim/memory_store.ts";
import type { NodeId, NodeRef } from "../../shard/name/ids.ts";
import { Prng } from "../sim/prng.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

const node = (n: number, incarnation = 1): NodeRef => ({
  id: `node${String(n).padStart(12, "0")}` as NodeId,
  incarnation,
});

/** Nodes over one store. */
function cell() {
  const time = new VirtualTime();
  const store = new FencedStore(new MemoryDisk(time, new Prng(1)).open(time.process()));
  const members = (n: number, publicUrl?: string) =>
    new Members(node(n).id, { clock: time.global.clock, store }, undefined, publicUrl);
  const beat = (who: Members, self: NodeRef) => {
    who.beat(self, `10.0.0.${self.id.slice(-1)}:8422`, (error) => assert.equal(error, null));
    time.runFor(50);
  };
  return { time, members, beat };
}

Deno.test("11: a node is alive while its row changes, and not once it has not for the takeover's time", () => {
  const { time, members, beat } = cell();
  const [a, b] = [members(1), members(2)];
  for (let i = 0; i < 3; i++) {
    beat(b, node(2));
    beat(a, node(1));
    assert.ok(a.isAlive(node(2)));
    time.runFor(TAKEOVER_MS / 2);
  }
  // Without a reading nobody counts as dead: it is this node that may have been away.
  time.runFor(2 * TAKEOVER_MS);
  assert.ok(a.isAlive(node(2)));
  for (let silentMs = 0; silentMs <= TAKEOVER_MS; silentMs += 500) {
    beat(a, node(1));
    assert.ok(a.isAlive(node(2)));
    time.runFor(450);
  }
  beat(a, node(1));
  assert.ok(!a.isAlive(node(2)));
  // Another process of the node is another one.
  beat(b, node(2, 2));
  beat(a, node(1));
  assert.deepEqual([a.isAlive(node(2)), a.isAlive(node(2, 2))], [false, true]);
});

Deno.test("11: an owner that is newer than the rows that were read is not dead before they are read again", () => {
  const { time, members, beat } = cell();
  const [a, b] = [members(1), members(2)];
  beat(b, node(2, 1));
  beat(a, node(1));
  // Its next process claims a shard, which is known here before its row.
  assert.ok(a.isAlive(node(2, 2)));
  assert.ok(a.isAlive(node(3)));
  beat(b, node(2, 2));
  beat(a, node(1));
  assert.deepEqual([a.isAlive(node(2, 2)), a.isAlive(node(2, 1))], [true, false]);
  // Nobody has written a row of this one.
  assert.ok(!a.isAlive(node(3)));
  time.runFor(1);
});

Deno.test("11: after the store was away for all, nobody is dead before all could write their rows", () => {
  const { time, members, beat } = cell();
  const [a, b] = [members(1), members(2)];
  beat(b, node(2));
  beat(a, node(1));
  time.runFor(10 * TAKEOVER_MS);
  beat(a, node(1));
  assert.ok(a.isAlive(node(2)));
  time.runFor(TAKEOVER_MS / 2);
  beat(b, node(2));
  beat(a, node(1));
  assert.ok(a.isAlive(node(2)));
});

Deno.test("11: a lease ends by itself, before others take over", () => {
  const { time, members } = cell();
  const a = members(1);
  assert.ok(!a.leased);
  a.renew(time.global.clock.monoMs());
  time.runFor(LEASE_MS - 1);
  assert.ok(a.leased);
  time.runFor(1);
  assert.ok(!a.leased);
  // Also where two clocks differ by a tenth.
  assert.ok(TAKEOVER_MS * 0.9 >= LEASE_MS * 1.1);
});

Deno.test("11: a node that has left is not among the others, and its next process has another number", () => {
  const { time, members, beat } = cell();
  const [a, b] = [members(1), members(2)];
  beat(b, node(2, 3));
  beat(a, node(1));
  assert.deepEqual(a.others.map(({ id }) => id), [node(2).id]);
  b.leave(node(2, 3), () => {});
  time.runFor(50);
  beat(a, node(1));
  assert.deepEqual([a.others.length, a.isAlive(node(2, 3))], [0, false]);
  let last = 0;
  members(2).read((error, incarnation) => {
    assert.equal(error, null);
    last = incarnation;
  });
  time.runFor(50);
  assert.equal(last, 3);
});

Deno.test("11: rows of any number of former nodes hide nobody, and are forgotten after a day", () => {
  const { time, members, beat } = cell();
  const a = members(9999);
  // The last one by id is read with the last page.
  for (let n = 1; n <= 1100; n++) beat(members(n), node(n));
  beat(a, node(9999));
  assert.equal(a.others.length, 1100);
  assert.ok(a.isAlive(node(1100)));
  time.runFor(86_400_001);
  beat(members(1100), node(1100, 2));
  for (let i = 0; i < 4; i++) beat(a, node(9999));
  assert.deepEqual(a.others.map(({ id }) => id), [node(1100).id]);
});

Deno.test("11: a node's row says where clients reach it", () => {
  const { members, beat } = cell();
  const [a, b] = [members(1, "https://a.test"), members(2)];
  beat(a, node(1));
  beat(b, node(2));
  beat(a, node(1));
  assert.deepEqual(b.others.map(({ publicUrl }) => publicUrl), ["https://a.test"]);
  assert.deepEqual(a.others.map(({ publicUrl }) => publicUrl), [""]);
});
