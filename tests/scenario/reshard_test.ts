/** Changes of the shard table on a whole node; at random moments they are the simulator's work. */
import { deepEqual, equal, ok } from "node:assert/strict";
import {
  evenBounds,
  planTo,
  type Reshape,
  reshapeOf,
  type ShardTable,
} from "../../shard/table/table.ts";
import { keepShardsEven } from "../../server/node/shard_keeper.ts";
import type { AccountName } from "../../shard/name/ids.ts";
import { memoryLog } from "../sim/sim_ports.ts";
import { NodeFixture } from "../sim/node_fixture.ts";
import type { Result } from "../../shard/errors.ts";
import { SMALL_PAGES } from "../sim/config.ts";
import type { Reshaping } from "../../server/node/resharder.ts";

function reshape(w: NodeFixture, change: Reshape): Result<Reshaping> {
  let result: Result<Reshaping> | null = null;
  w.node.reshape(change, (r) => result = r);
  w.time.runWhile(() => result === null, w.time.nowMs + 10_000);
  ok(result, "the change was not answered");
  return result;
}

/** Follows the plan for a number of shards. */
function setNumber(w: NodeFixture, count: number): void {
  for (const step of planTo(w.node.table, count)) {
    // Busy while a log that nobody needs any more is deleted.
    for (let result = reshape(w, reshapeOf(w.node.table, step)!); !result.ok;) {
      equal(result.code, "busy", result.message);
      w.settle(300);
      result = reshape(w, reshapeOf(w.node.table, step)!);
    }
  }
  deepEqual(w.node.shards.map((s) => s.lo), evenBounds(count));
}

/** Without what every start changes: epochs and owners. */
function ranges({ version, nextId, shards }: ShardTable) {
  const rows = shards.map(({ id, lo, hi, start, inherits }) => ({ id, lo, hi, start, inherits }));
  return { version, nextId, rows };
}

const inherited = ({ shards }: ShardTable) => shards.some((s) => s.inherits.length > 0);

function friends(): NodeFixture {
  const w = new NodeFixture({ shards: 4 });
  for (let i = 0; i < 12; i++) w.account(`user${i}`);
  for (let i = 1; i < 12; i++) w.befriend("user0", `user${i}`);
  return w;
}

Deno.test("any number of shards: mailboxes, rights and presence stay, before and after a crash", () => {
  const w = friends();
  const session = w.attach("user1");
  w.watch("user0", w.attach("user0"));
  const sent: string[] = [];
  for (const count of [9, 2, 1, 5]) {
    setNumber(w, count);
    for (let i = 1; i < 12; i++) {
      w.send(`user${i}`, "user0", `${count} ${i}`, `${count} of ${i}`);
      sent.push(`${count} of ${i}`);
    }
    // The presence tables have moved along.
    const before = w.packets.length;
    w.must("user1", "presence.set", {
      session: session.session,
      presence: { show: "away", status: `at ${count}`, priority: 0, ext: "" },
    });
    w.settle(100);
    ok(w.packets.slice(before).some((p) => p.kind === "presence" && p.watched === "user1"));
    w.kill();
    w.start();
    w.settle();
    deepEqual(new Set(w.bodies("user0")), new Set(sent));
    equal(w.bodies("user0").length, sent.length);
    w.must("user1", "mailbox.snapshot", {});
    Object.assign(session, w.attach("user1"));
    w.watch("user0", w.attach("user0"));
  }
  // Nothing is needed of former shards in the end, and nothing of them is left.
  w.settle(60_000);
  equal(inherited(w.node.table), false);
  const ids = new Set(w.node.shards.map(({ id }) => id));
  for (const { key } of w.disk.rows(["log"])) ok(ids.has(key[1] as number));
});

Deno.test("what comes while a shard is replaced waits and is done by its successors", () => {
  const w = friends();
  const answers: string[] = [];
  let pauseMs = NaN;
  for (let i = 1; i < 12; i++) w.send(`user${i}`, "user0", `a${i}`);
  const of = w.node.shards.map(({ id }) => id);
  w.node.reshape({ of, at: [5, 2 ** 30] }, (r) => pauseMs = r.ok ? r.value.pauseMs : NaN);
  for (let i = 1; i < 12; i++) {
    w.node.request(`user${i}` as never, "message.send", {
      device: "phone" as never,
      to: "user0" as never,
      id: `b${i}`,
      body: `b${i}`,
      ext: "",
    }, (result) => answers.push(result.ok ? "ok" : result.code));
  }
  equal(answers.length, 0);
  w.settle();
  deepEqual(answers, Array.from({ length: 11 }, () => "ok"));
  ok(pauseMs < 100, `held up for ${pauseMs} ms`);
  equal(w.bodies("user0").length, 22);
});

Deno.test("a change that does not fit, or that the store does not take, leaves all as it was", () => {
  const w = friends();
  const { table } = w.node;
  const refused = reshape(w, { of: [99], at: [] });
  deepEqual([refused.ok, refused.ok || refused.code], [false, "conflict"]);
  w.disk.failNext("failed");
  const failed = reshape(w, { of: [0, 1], at: [] });
  deepEqual([failed.ok, failed.ok || failed.code], [false, "busy"]);
  deepEqual(w.node.table, table);
  w.settle(5000);
  w.send("user1", "user0", "after");
  w.kill();
  w.start();
  deepEqual(ranges(w.node.table), ranges(table));
  ok(reshape(w, { of: [0, 1], at: [] }).ok);
});

Deno.test("keepShardsEven cuts a shard that is hot, and merges when all is quiet again", () => {
  const w = new NodeFixture({ shards: 4 });
  const { timers } = w.process;
  w.node.coordinator.start();
  keepShardsEven(w.node, { timers, log: memoryLog().log }, 4);
  w.settle(30_100);
  const hot = w.node.shards[1]!;
  hot.inputs += 100_000;
  w.settle(30_000);
  equal(w.node.shards.length, 5);
  ok(!w.node.shards.includes(hot));
  w.settle(30_000);
  for (const shard of w.node.shards) if (shard.id < 4) shard.inputs += 3000;
  w.settle(30_000);
  equal(w.node.shards.length, 4);
});

Deno.test("11: a shard is not split between the writes of a large head: no page of it is lost", () => {
  const limits = { headShape: SMALL_PAGES, checkpointMs: 100 };
  const w = new NodeFixture({ shards: 1, limits });
  w.account("ann");
  const set = (i: number, label: string) =>
    w.must("ann", "roster.set", { contact: `contact${i}` as AccountName, label, groups: [] });
  for (let i = 0; i < 40; i++) set(i, "x".repeat(50));
  w.settle(5000);
  const { store } = w.ports;
  const checkpoint = store.checkpoint.bind(store);
  let write: (() => void) | null = null;
  store.checkpoint = (claims, rows, cuts, done) => {
    const part = rows.length > 0 && !rows.some(({ key }) => key.at(-1) === 0 && key.length === 4);
    if (write === null && part) write = () => checkpoint(claims, rows, cuts, done);
    else checkpoint(claims, rows, cuts, done);
  };
  for (let i = 0; i < 40; i++) set(i, "new");
  w.time.runWhile(() => write === null, w.time.nowMs + 5000);
  ok(write !== null, "some pages are on their way, without the head");
  let result: Result<Reshaping> | null = null;
  w.node.reshape({ of: [0], at: [5] }, (r) => result = r);
  w.settle(100);
  (write as () => void)();
  w.settle(10_000);
  ok((result as Result<Reshaping> | null)?.ok);
  w.kill();
  w.start();
  const { snapshot } = w.must("ann", "mailbox.snapshot", {});
  deepEqual(new Set(snapshot.roster.map(({ label }) => label)), new Set(["new"]));
  equal(snapshot.roster.length, 40);
});
