/**
 * Bugs in the steps of a shard and in the callbacks of its callers: the shard that has met one
 * loses what it has left half done, everything else goes on.
 */
import assert from "node:assert/strict";
import type { AccountName, DeviceId, NodeId } from "../../shard/name/ids.ts";
import type { OpName, Ops } from "../../shard/ops.ts";
import { failing } from "./failing.ts";
import { GRACE_MS } from "../../shard/presence/returning.ts";
import { LogTail } from "../../shard/step/log_tail.ts";
import { NodeFixture } from "../sim/node_fixture.ts";
import { OpenBatch } from "../../shard/step/open_batch.ts";
import { ShardTurn } from "../../shard/step/shard_turn.ts";
import { AccountCache } from "../../shard/step/account_cache.ts";

/** The codes of replies, `ok` for successes, by the order of the requests; "" before a reply. */
class Replies {
  readonly codes: string[] = [];

  constructor(readonly fixture: NodeFixture) {}

  request<K extends OpName>(name: string, op: K, input: Ops[K]["in"], then = () => {}): void {
    const at = this.codes.push("") - 1;
    this.fixture.node.request(name as AccountName, op, input, (result) => {
      assert.equal(this.codes[at], "", "a second reply");
      this.codes[at] = result.ok ? "ok" : result.code;
      then();
    });
  }

  send(from: string, to: string, id: string): void {
    const device = "phone" as DeviceId;
    this.request(from, "message.send", { device, to: to as AccountName, id, body: id, ext: "" });
  }
}

function nodeOf(shards: number, ...names: readonly string[]): NodeFixture {
  const fixture = new NodeFixture({ shards });
  for (const name of names) fixture.account(name);
  fixture.settle(5000);
  return fixture;
}

/** What was logged of bugs: where, and the kind of the input. */
function bugs(fixture: NodeFixture): readonly (readonly [unknown, unknown])[] {
  return fixture.logged("node.bug").map(({ fields }) =>
    [fields["where"], fields["input"]] as const
  );
}

const SETTINGS = { messagesFrom: "anyone" } as const;

Deno.test("a bug in one input's step: the others of the turn go on, nothing half done is kept", () => {
  const fixture = nodeOf(1, "alice", "bob", "carol");
  fixture.befriend("alice", "bob");
  const replies = new Replies(fixture);
  failing(OpenBatch, "append", () => {
    // Inputs that a reply causes are of the same turn.
    replies.request("carol", "account.info", {}, () => {
      replies.request("carol", "account.info", {});
      replies.send("alice", "bob", "m1");
      replies.request("carol", "account.info", {});
      replies.request("bob", "settings.set", SETTINGS);
    });
    fixture.settle(1000);
  }, (_account, entry) => (entry as { kind: string }).kind === "sent");
  assert.deepEqual(replies.codes, ["ok", "ok", "unavailable", "ok", "ok"]);
  assert.deepEqual(bugs(fixture), [["shard", "request"]]);
  assert.equal(fixture.node.bugs, 1);
  assert.deepEqual(fixture.bodies("alice"), []);
  fixture.send("alice", "bob", "m1");
  fixture.settle(1000);
  assert.deepEqual([fixture.bodies("alice"), fixture.bodies("bob")], [["m1"], ["m1"]]);
  fixture.kill();
  fixture.start();
  assert.deepEqual([fixture.bodies("alice"), fixture.bodies("bob")], [["m1"], ["m1"]]);
});

Deno.test("what was open in a shard at a bug is not committed, its callers get unavailable", () => {
  const fixture = nodeOf(1, "alice", "bob");
  fixture.befriend("alice", "bob");
  fixture.disk.stall(300);
  const replies = new Replies(fixture);
  // In flight at the bug: its outcome counts.
  replies.request("bob", "settings.set", SETTINGS);
  fixture.settle(50);
  replies.send("alice", "bob", "open");
  failing(ShardTurn, "sendOwed", () => replies.send("alice", "bob", "bug"));
  assert.deepEqual(replies.codes, ["", "unavailable", "unavailable"]);
  replies.request("alice", "account.info", {});
  fixture.settle(1000);
  assert.deepEqual(replies.codes, ["ok", "unavailable", "unavailable", "ok"]);
  assert.deepEqual(fixture.bodies("alice"), []);
  assert.equal(fixture.must("bob", "mailbox.snapshot", {}).snapshot.messagesFrom, "anyone");
});

Deno.test("a failed commit of the batch that was in flight at a bug: its callers get unavailable", () => {
  const fixture = nodeOf(1, "alice", "bob");
  fixture.disk.stall(300);
  fixture.disk.failNext("failed");
  const replies = new Replies(fixture);
  replies.request("bob", "settings.set", SETTINGS);
  fixture.settle(50);
  failing(OpenBatch, "append", () => replies.request("alice", "settings.set", SETTINGS));
  fixture.settle(3000);
  assert.deepEqual(replies.codes, ["unavailable", "unavailable"]);
  const { snapshot } = fixture.must("bob", "mailbox.snapshot", {});
  assert.equal(snapshot.messagesFrom, "contacts");
});

Deno.test("a bug where the store calls back does not end the process", () => {
  const fixture = nodeOf(2, "alice", "bob");
  fixture.kill();
  fixture.start();
  const replies = new Replies(fixture);
  failing(AccountCache, "loaded", () => {
    replies.request("dave", "account.info", {});
    fixture.settle(1000);
  });
  assert.deepEqual(replies.codes, ["unavailable"]);
  assert.deepEqual(bugs(fixture), [["shard", "loaded"]]);
  assert.equal(fixture.ask("dave", "account.info", {}).ok, false);
  assert.equal(fixture.ask("alice", "account.info", {}).ok, true);
});

Deno.test("presence stays through a bug, and a change that was being pushed is pushed", () => {
  const fixture = nodeOf(1, "alice", "bob");
  fixture.befriend("alice", "bob");
  const { session } = fixture.attach("bob");
  const alice = fixture.attach("alice");
  fixture.watch("alice", alice);
  fixture.packets = [];
  const away = { show: "away", status: "", priority: 0, ext: "" } as const;
  failing(ShardTurn, "emit", () => {
    const input = { session, presence: away };
    assert.equal(fixture.ask("bob", "presence.set", input).ok, true);
    fixture.settle(1000);
  }, (_account, effect) => (effect as { packet?: { kind: string } }).packet?.kind === "presence");
  assert.deepEqual(bugs(fixture), [["shard", "end_of_turn"]]);
  const shown = fixture.packets.flatMap((p) => p.kind === "presence" ? [p.devices] : []);
  assert.deepEqual(shown, [[{ device: "phone", presence: away }]]);
  const seen = fixture.watch("alice", alice).find((a) => a.watched === "bob");
  assert.equal(seen?.presence?.devices.length, 1);
});

Deno.test("a session that a failed step has removed is closed at its edge", () => {
  const fixture = nodeOf(1, "alice");
  const { session } = fixture.attach("alice");
  fixture.packets = [];
  failing(ShardTurn, "emit", () => {
    const revoked = fixture.ask("alice", "device.revoke", { device: "phone" as DeviceId });
    assert.equal(revoked.ok, false);
  }, (_account, effect) => (effect as { packet?: { kind: string } }).packet?.kind === "closed");
  assert.deepEqual(fixture.packets, [{ kind: "closed", sessions: [session], reason: "shutdown" }]);
});

Deno.test("a registration of interest is tried again after a bug, and refused after several", () => {
  const fixture = nodeOf(1, "alice", "bob");
  fixture.befriend("alice", "bob");
  fixture.attach("bob");
  const alice = fixture.attach("alice");
  const isAnswer = (_account: unknown, effect: unknown) =>
    (effect as { kind: string }).kind === "interest_answer";
  const seen = () => fixture.watch("alice", alice).map((a) => a.presence?.devices.length);
  failing(ShardTurn, "emit", () => assert.deepEqual(seen(), [1, 1]), isAnswer);
  fixture.settle(15_000);
  failing(
    ShardTurn,
    "emit",
    () => {
      assert.deepEqual(seen(), [undefined, undefined]);
    },
    isAnswer,
    Infinity,
  );
  fixture.settle(40_000);
  assert.deepEqual(seen(), [1, 1]);
});

Deno.test("a shard that was stopped by bugs while nodes were to announce waits for them anew", () => {
  const fixture = nodeOf(1, "alice", "bob");
  fixture.befriend("alice", "bob");
  fixture.attach("bob");
  const { id, watch } = fixture.attach("alice");
  const shard = fixture.node.shards[0]!;
  const node = "other.1" as NodeId;
  const begun = { kind: "taken_over", nodes: [node], lost: [], returning: false } as const;
  const now = { mono: fixture.process.clock.monoMs(), wall: fixture.process.clock.wallMs() };
  shard.step(now, { ...begun, epoch: shard.row.epoch, graceMs: GRACE_MS });
  failing(
    OpenBatch,
    "append",
    () => {
      for (const endMs = fixture.time.nowMs + GRACE_MS; fixture.time.nowMs < endMs;) {
        fixture.ask("alice", "settings.set", SETTINGS);
        fixture.settle(300);
      }
    },
    () => true,
    Infinity,
  );
  fixture.time.runWhile(() => !shard.ready, fixture.time.nowMs + 31_000);
  let answers = 0;
  const watcher = { watcher: "alice" as AccountName, watcherId: id };
  const items = watch.map((t) => ({ ...watcher, watched: t.name, watchedId: t.id }));
  fixture.node.interest(items, (some) => answers += some.length);
  fixture.settle(GRACE_MS - 2000);
  assert.equal(answers, 0, "sessions of the other node may be unknown");
  fixture.settle(3000);
  assert.equal(answers, 2);
});

Deno.test("a bug in a checkpoint: the shard reloads, and writes it later", () => {
  const fixture = nodeOf(1, "alice");
  failing(AccountCache, "checkpoint", () => {
    fixture.must("alice", "settings.set", SETTINGS);
    fixture.settle(5000);
  });
  assert.deepEqual(bugs(fixture), [["shard", "checkpoint"]]);
  fixture.settle(5000);
  const { snapshot } = fixture.must("alice", "mailbox.snapshot", {});
  assert.equal(snapshot.messagesFrom, "anyone");
});

Deno.test("10.7: a bug while a checkpoint is written: the log and heads are read once it is stored", () => {
  const w = new NodeFixture({ shards: 1, limits: { checkpointMs: 100 } });
  w.account("ann");
  w.settle(10_000);
  const { store } = w.ports;
  const checkpoint = store.checkpoint.bind(store);
  const readLog = store.readLog.bind(store);
  let finish: (() => void) | null = null;
  let read = 0;
  store.checkpoint = (claims, rows, cuts, done) =>
    checkpoint(claims, rows, cuts, (error) => finish = () => done(error));
  store.readLog = (...args) => {
    read++;
    readLog(...args);
  };
  w.must("ann", "settings.set", { messagesFrom: "anyone" });
  w.time.runWhile(() => finish === null, w.time.nowMs + 10_000);
  assert.ok(finish !== null, "a checkpoint is on its way");
  store.checkpoint = checkpoint;
  failing(ShardTurn, "append", () => {
    w.node.request("ann" as AccountName, "settings.set", { messagesFrom: "contacts" }, () => {});
    w.settle(1000);
  });
  assert.equal(read, 0);
  (finish as () => void)();
  w.settle(1000);
  assert.equal(read, 1);
  assert.equal(w.must("ann", "mailbox.snapshot", {}).snapshot.messagesFrom, "anyone");
});

Deno.test("what a caller throws harms neither the shard nor the turn", () => {
  const fixture = nodeOf(1, "alice", "bob");
  fixture.befriend("alice", "bob");
  fixture.attach("bob");
  const replies = new Replies(fixture);
  fixture.deliver = (packet) => {
    if (packet.kind === "events") throw new Error("bug at the edge");
  };
  replies.request("alice", "account.info", {}, () => {
    replies.send("alice", "bob", "m1");
    replies.request("bob", "account.info", {});
    throw new Error("bug of the caller");
  });
  fixture.settle(1000);
  assert.deepEqual(replies.codes, ["ok", "ok", "ok"]);
  assert.deepEqual(fixture.bodies("bob"), ["m1"]);
  assert.deepEqual(bugs(fixture), [["reply", undefined], ["effect edge", undefined]]);
  fixture.node.listAccounts(null, 10, () => {
    throw new Error("bug of the caller");
  });
  fixture.settle(1000);
  assert.deepEqual(bugs(fixture).slice(2), [["list", undefined]]);
});

Deno.test("an account at which replaying the log fails every time is given up, alone", () => {
  const fixture = nodeOf(1, "alice", "bob");
  for (const name of ["alice", "bob"]) fixture.must(name, "settings.set", SETTINGS);
  fixture.kill();
  failing(
    LogTail,
    "replay",
    () => {
      fixture.start();
      fixture.settle(2000);
      assert.equal(fixture.must("bob", "mailbox.snapshot", {}).snapshot.messagesFrom, "anyone");
      const refused = fixture.ask("alice", "account.info", {});
      assert.deepEqual([refused.ok, refused.ok || refused.code], [false, "unavailable"]);
    },
    (account) => (account as { name: string }).name === "alice",
    Infinity,
  );
  assert.deepEqual(bugs(fixture), [["shard", "loaded"], ["shard", "loaded"]]);
  assert.equal(fixture.logged("account_corrupt").length, 1);
  fixture.kill();
  fixture.start();
  assert.equal(fixture.must("alice", "mailbox.snapshot", {}).snapshot.messagesFrom, "anyone");
});

Deno.test("a successor that cannot take over what is in memory reads the logs", () => {
  const fixture = nodeOf(1, "alice", "bob");
  fixture.befriend("alice", "bob");
  fixture.send("alice", "bob", "m1");
  const replies = new Replies(fixture);
  failing(AccountCache, "inherit", () => {
    let made = false;
    const of = [fixture.node.shards[0]!.id];
    fixture.node.reshape({ of, at: [0x8000_0000] }, ({ ok }) => made = ok);
    replies.send("alice", "bob", "m2");
    fixture.settle(3000);
    assert.ok(made);
  });
  assert.equal(fixture.node.shards.length, 2);
  assert.ok(fixture.node.ready);
  assert.deepEqual(bugs(fixture).map(([where]) => where), ["inherit"]);
  assert.deepEqual(replies.codes, ["ok"]);
  assert.deepEqual(fixture.bodies("bob"), ["m1", "m2"]);
});

Deno.test("rows of an earlier reading of the log are not taken for those of the latest", () => {
  const fixture = new NodeFixture({ shards: 1, limits: { checkpointMs: 1e9 } });
  fixture.account("alice");
  // More rows than a page of a listing has.
  for (let i = 0; i < 600; i++) {
    const messagesFrom = i % 2 === 0 ? "anyone" : "contacts";
    fixture.must("alice", "settings.set", { messagesFrom });
  }
  const { seq } = fixture.must("alice", "mailbox.snapshot", {}).snapshot;
  fixture.kill();
  assert.ok(fixture.disk.rows(["log"]).length > 600);
  failing(LogTail, "add", () => fixture.start());
  assert.equal(bugs(fixture).at(-1)?.[1], "log_rows");
  assert.equal(fixture.must("alice", "mailbox.snapshot", {}).snapshot.seq, seq);
  assert.equal(fixture.mailbox("alice").length, seq);
});

Deno.test("a shard whose log cannot be replayed does not spin, and the others serve", () => {
  const fixture = nodeOf(4, "alice", "bob", "carol", "dave", "erin");
  const shard = fixture.node.shardOf("alice" as AccountName);
  const other = ["bob", "carol", "dave", "erin"].find((name) =>
    fixture.node.shardOf(name as AccountName) !== shard
  )!;
  fixture.must("alice", "settings.set", SETTINGS);
  fixture.kill();
  const row = fixture.disk.rows(["log", shard.id]).at(-1)!;
  const good = row.value[0]!;
  row.value[0] = 99;
  fixture.start();
  const refused = () => {
    const began = fixture.time.nowMs;
    const { ok } = fixture.ask("alice", "account.info", {});
    return !ok && fixture.time.nowMs - began < 100;
  };
  assert.ok(refused());
  assert.ok(fixture.ask(other, "account.info", {}).ok);
  assert.equal(fixture.node.ready, false);
  fixture.settle(600_000);
  assert.ok(refused());
  const tries = fixture.node.shardOf("alice" as AccountName).reading;
  assert.ok(tries > 10 && tries < 60, `${tries} tries in 10 minutes`);
  row.value[0] = good;
  fixture.settle(31_000);
  assert.equal(fixture.node.ready, true);
  assert.equal(fixture.must("alice", "mailbox.snapshot", {}).snapshot.messagesFrom, "anyone");
});
