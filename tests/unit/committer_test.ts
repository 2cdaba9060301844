/** How often a node writes to its store under load, by what its committer counts (issue 9 C2). */
import assert from "node:assert/strict";
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import { NodeFixture } from "../sim/node_fixture.ts";

const USERS = 200;
const BODY = "x".repeat(4000);

const user = (i: number) => `user${i % USERS}` as AccountName;

/** A node whose accounts all have more to checkpoint than a few writes hold. */
function busyNode(checkpointMs: number, writers = 1): NodeFixture {
  const w = new NodeFixture({ limits: { checkpointMs, inboundMessageBurst: 1e9 }, writers });
  for (let i = 0; i < USERS; i++) {
    w.account(user(i));
    w.must(user(i), "settings.set", { messagesFrom: "anyone" });
  }
  return w;
}

/** Sends a message every 2 ms, for so long. */
function sendFor(w: NodeFixture, ms: number, id: string, body = BODY): void {
  for (let i = 0; i < ms / 2; i++) {
    const input = { to: user(i * 7 + 1), id: `${id}${i}`, body, ext: "" };
    const device = "phone" as DeviceId;
    w.node.request(user(i), "message.send", { ...input, device }, (sent) => assert.ok(sent.ok));
    w.time.runFor(2);
  }
}

/** What the committer counts meanwhile. */
function counted(w: NodeFixture, run: () => void): { commits: number; checkpointWrites: number } {
  const before = { ...w.node.committer.stats };
  run();
  const { commits, checkpointWrites } = w.node.committer.stats;
  return {
    commits: commits - before.commits,
    checkpointWrites: checkpointWrites - before.checkpointWrites,
  };
}

Deno.test("9 C2: commits under load are 30 ms apart, checkpoint writes 100 ms", () => {
  const w = busyNode(1000);
  sendFor(w, 2000, "warm");
  const { commits, checkpointWrites } = counted(w, () => sendFor(w, 1000, "m"));
  assert.ok(commits >= 20 && commits <= 34, `${commits} commits`);
  assert.ok(checkpointWrites >= 5 && checkpointWrites <= 10, `${checkpointWrites} checkpoints`);
});

Deno.test("11.9: for processes that write into one store the rate of bytes counts as load", () => {
  const commitsOf = (writers: number) => {
    const w = busyNode(1000, writers);
    const body = "x".repeat(350);
    sendFor(w, 300, "warm", body);
    return counted(w, () => sendFor(w, 500, "m", body)).commits;
  };
  const [alone, shared] = [commitsOf(1), commitsOf(2)];
  assert.ok(alone > 100, `${alone} commits of one`);
  assert.ok(shared >= 10 && shared <= 18, `${shared} commits of each of two`);
});

Deno.test("9 C2: a checkpoint write follows every commit while accounts have waited for five intervals", () => {
  const w = busyNode(100);
  sendFor(w, 2000, "warm");
  const { commits, checkpointWrites } = counted(w, () => sendFor(w, 1000, "m"));
  assert.ok(checkpointWrites > 15, `${checkpointWrites} checkpoints after ${commits} commits`);
});

Deno.test("9 C2: a write deletes none of a shard's log rows, or sixteen and more", () => {
  const w = busyNode(500);
  const deleted: number[] = [];
  const submit = w.disk.submitWrite.bind(w.disk);
  w.disk.submitWrite = (mutations, done) => {
    const byShard = new Map<unknown, number>();
    for (const { kind, key } of mutations) {
      if (kind === "delete" && key[0] === "log") {
        byShard.set(key[1], (byShard.get(key[1]) ?? 0) + 1);
      }
    }
    deleted.push(...byShard.values());
    submit(mutations, done);
  };
  sendFor(w, 6000, "m");
  assert.ok(deleted.length > 4, `${deleted.length} cuts`);
  assert.ok(deleted.every((rows) => rows >= 16), deleted.join(" "));
});

Deno.test("11.6: what a held shard has open is committed after the write under way, not 50 ms later", () => {
  const w = new NodeFixture({ shards: 2 });
  const names = Array.from({ length: 8 }, (_, i) => user(i));
  for (const name of names) {
    w.account(name);
    w.must(name, "settings.set", { messagesFrom: "anyone" });
  }
  w.settle();
  const [from] = names;
  const shard = w.node.shardOf(from!);
  const to = names.find((name) => w.node.shardOf(name) !== shard)!;
  let acked = () => {};
  w.loses = ({ kind }, arrive) => {
    if (kind === "pair_ack") acked = arrive;
    return kind === "pair_ack";
  };
  w.send(from!, to, "m1");
  w.time.runFor(20);
  w.node.request(to, "settings.set", { messagesFrom: "contacts" }, () => {});
  w.time.runWhile(() => w.node.committer.writingSinceMs === 0, w.time.nowMs + 100);
  // Nobody waits for what follows from it.
  acked();
  assert.deepEqual([shard.open, shard.urgent], [true, false]);
  let pauseMs = Infinity;
  const at = [(shard.lo + shard.hi) >>> 1];
  w.node.reshape({ of: [shard.id], at }, (made) => pauseMs = made.ok ? made.value.pauseMs : NaN);
  w.time.runFor(200);
  assert.ok(pauseMs < 30, `held up for ${pauseMs} ms`);
});

Deno.test("12.3: accounts are listed several times at once under traffic: one write is under way at a time", () => {
  const w = busyNode(1000);
  const listed: number[] = [];
  for (let round = 0; round < 20; round++) {
    for (let i = 0; i < 3; i++) {
      w.node.listAccounts(null, 10, (error, names) => {
        assert.equal(error, null);
        listed.push(names.length);
      });
    }
    sendFor(w, 40, `r${round} m`);
  }
  w.settle();
  assert.deepEqual(listed, listed.map(() => 10));
  assert.equal(listed.length, 60);
});

Deno.test("12.3: accounts are listed within a second under traffic that leaves the store no rest", () => {
  const w = busyNode(1000);
  sendFor(w, 2000, "warm", "short");
  let listed = 0;
  w.node.listAccounts(null, 10, (_, names) => listed = names.length);
  sendFor(w, 1000, "m", "short");
  assert.equal(listed, 10);
});

Deno.test("12: names are listed as the store has them, without writing what is in memory", () => {
  const w = new NodeFixture({ limits: { checkpointMs: 5000 } });
  w.account(user(1));
  const listed: (readonly string[])[] = [];
  const written = (list: "listStored" | "listAccounts") =>
    counted(w, () => {
      w.node[list](null, 10, (_, names) => listed.push(names));
      w.time.runFor(500);
    }).checkpointWrites;
  assert.deepEqual([written("listStored"), written("listAccounts")], [0, 1]);
  assert.deepEqual(listed, [[], [user(1)]]);
});
