import assert from "node:assert/strict";
import { FencedStore } from "../../server/store/fenced_store.ts";
import { FormerProcess } from "../../server/node/former_process.ts";
import { LEASE_MS, MEMBER_BEAT_MS, Members, TAKEOVER_MS } from "../../server/node/members.ts";
import { memoryLog } from "../sim/sim_ports.ts";
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
    new Members(
      node(n).id,
      { clock: time.global.clock, store },
      publicUrl === undefined ? {} : { publicUrl },
    );
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

Deno.test("11: a row that a former process has left on its way ends nobody, and hides nobody for long", () => {
  const { time, members, beat } = cell();
  const [a, former, next] = [members(1), members(2), members(2)];
  beat(former, node(2, 1));
  beat(next, node(2, 2));
  beat(a, node(1));
  beat(former, node(2, 1));
  beat(a, node(1));
  assert.deepEqual([a.isAlive(node(2, 2)), a.isAlive(node(2, 1))], [true, false]);
  assert.equal(a.rowOf(node(2, 2))?.beat, 1);
  for (let silentMs = 0; silentMs <= TAKEOVER_MS; silentMs += 500) {
    time.runFor(500);
    beat(a, node(1));
  }
  assert.ok(!a.isAlive(node(2, 2)), "it is silent");
  // A process that lives writes again: it is the one that goes on.
  beat(former, node(2, 1));
  beat(a, node(1));
  assert.ok(a.isAlive(node(2, 1)));
});

Deno.test("11: an owner whose row a former process hides may live, and be vouched for", () => {
  const { time, members, beat } = cell();
  const [a, b] = [members(1), members(2)];
  beat(b, node(2, 1));
  beat(a, node(1));
  assert.equal(a.rowOf(node(2, 2)), null);
  for (let silentMs = 0; silentMs < TAKEOVER_MS; silentMs += 500) {
    assert.ok(a.isAlive(node(2, 2)));
    time.runFor(450);
    beat(a, node(1));
  }
  const row = a.rowOf(node(2, 2));
  assert.deepEqual([row?.view, row?.beat], [[node(1).id, node(2).id], 0]);
  time.runFor(500);
  beat(a, node(1));
  assert.ok(!a.isAlive(node(2, 2)));
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

/** The links of a process that listens there; null: behind a translation. */
function linksAt(address: string | null) {
  const hasEnded = (of: string, done: (ended: boolean) => void) => done(of === "127.0.0.1:9");
  return { address: address ?? "", exclusive: address !== null, hasEnded };
}

/** A process of a node, as it looks at its own row. */
function processes() {
  const { time, members: _, ...rest } = cell();
  const store = new FencedStore(new MemoryDisk(time, new Prng(2)).open(time.process()));
  const open = (process: string) =>
    new Members(node(1).id, { clock: time.global.clock, store }, { process });
  const begin = (who: Members, address: string | null) => {
    let ended: { readonly error: string | null; readonly incarnation: number } | null = null;
    const beganMs = time.nowMs;
    new FormerProcess(who).await(time.global.timers, linksAt(address), (error, incarnation) => {
      ended = { error: error?.message ?? null, incarnation };
    });
    return () => ended === null ? null : { ...ended as object, tookMs: time.nowMs - beganMs };
  };
  /** Beats until `stop`, each time with a look at the row. */
  const run = (who: Members, self: NodeRef, address: string, beatMs = MEMBER_BEAT_MS) => {
    const former = new FormerProcess(who);
    const found: unknown[] = [];
    let running = true;
    const beat = () =>
      who.beat(self, address, (error) => {
        assert.equal(error, null);
        if (running) time.global.timers.after(beatMs, next);
      });
    const parts = {
      options: { usedTwice: (why: string) => void found.push(why) },
      ownership: { self },
      ports: { log: memoryLog().log },
    };
    const next = () => former.look(parts, () => running && beat());
    next();
    return { found, stop: () => void (running = false) };
  };
  return { time, open, begin, run, ...rest };
}

Deno.test("11: a process with the id of one that lives is refused, and that one goes on", () => {
  const { time, open, begin, run } = processes();
  const first = run(open("a"), node(1), "10.0.0.1:8422");
  time.runFor(100);
  const result = begin(open("b"), "10.0.0.9:8422");
  time.runFor(3000);
  const { error, tookMs } = result() as unknown as { error: string; tookMs: number };
  assert.match(
    error,
    /^Cannot run as node node0+1: another process with this id runs at 10\.0\.0\.1:8422\. /,
  );
  assert.match(error, /data directory of its own/);
  assert.ok(tookMs >= 2 * MEMBER_BEAT_MS);
  assert.deepEqual(first.found, []);
});

Deno.test("11: the next process of a node that was killed begins at once where it listens at the same place", () => {
  const { time, open, begin, run } = processes();
  const first = run(open("a"), node(1), "10.0.0.1:8422");
  time.runFor(1200);
  first.stop();
  time.runFor(MEMBER_BEAT_MS);
  const same = begin(open("b"), "10.0.0.1:8422");
  time.runFor(100);
  assert.equal((same() as { incarnation?: number } | null)?.incarnation, 1);
  // Elsewhere, or behind a translation, the row says whether it lives.
  const elsewhere = begin(open("c"), null);
  time.runFor(1000);
  assert.equal(elsewhere(), null);
  time.runFor(2000);
  const { error, incarnation } = elsewhere() as unknown as { error: null; incarnation: number };
  assert.deepEqual([error, incarnation], [null, 1]);
});

Deno.test("11: a process begins at once after one of this machine that is known to have ended", () => {
  const { time, open, begin, run } = processes();
  const first = run(open("a"), node(1), "127.0.0.1:9");
  time.runFor(100);
  first.stop();
  time.runFor(MEMBER_BEAT_MS);
  const next = begin(open("b"), "127.0.0.1:10");
  time.runFor(10);
  assert.equal((next() as { incarnation?: number } | null)?.incarnation, 1);
});

Deno.test("11: of two processes with one id that begin at once, the one that others see as later ends", () => {
  const { time, open, run } = processes();
  const a = run(open("a"), node(1), "10.0.0.1:8422");
  const b = run(open("b"), node(1), "10.0.0.2:8422", 0.9 * MEMBER_BEAT_MS);
  time.runFor(10_000);
  assert.deepEqual([a.found, b.found.length], [[], 1]);
  assert.match(String(b.found[0]), /another process with this id runs at 10\.0\.0\.1:8422/);
  b.stop();
  // A later incarnation is the later one, whatever its text is.
  const c = run(open("0"), node(1, 2), "10.0.0.3:8422", 0.9 * MEMBER_BEAT_MS);
  time.runFor(10_000);
  assert.match(String(c.found[0]), /runs at 10\.0\.0\.1:8422/);
});
