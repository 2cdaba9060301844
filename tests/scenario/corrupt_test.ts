/** Stored bytes that cannot be read are the fault of one account, and stay there. */
import { deepEqual, equal, ok } from "node:assert/strict";
import type { AccountName } from "../../shard/name/ids.ts";
import { DEDUPE_SHAPE } from "../../shard/message/dedupe.ts";
import { NodeFixture } from "../sim/node_fixture.ts";

const name = (text: string) => text as AccountName;

const MESSAGE = { device: "phone", to: name("alice"), body: "x".repeat(2000), ext: "" };

/** Friends of alice, all on one shard; everything checkpointed, nothing in memory. */
function friends(dedupeShape = DEDUPE_SHAPE): NodeFixture {
  const w = new NodeFixture({ shards: 1, limits: { dedupeShape } });
  for (const user of ["alice", "bob", "carol"]) w.account(user);
  w.befriend("alice", "bob");
  w.befriend("alice", "carol");
  for (let i = 0; i < 10; i++) w.send("bob", "alice", `m${i}`, "x".repeat(2000));
  // Checkpoints for all, then a commit that cuts the log behind them.
  w.settle(20_000);
  w.send("alice", "carol", "last");
  w.settle(20_000);
  w.kill();
  return w;
}

/** A kind of stored rows: heads, mailbox blocks, dedupe blocks, rows of dedupe hashes. */
type Table = "u" | "m" | "d" | "h";

function rowsOf(w: NodeFixture, table: Table, user: string) {
  const account = w.disk.rows(["u"]).find((row) => row.key[2] === user)!;
  const rows = w.disk.rows([table]).filter((row) => row.key[1] === account.key[1]);
  ok(rows.length > 0, `${user} has no row in ${table}`);
  return rows;
}

function spoil(w: NodeFixture, table: Table, user: string): void {
  for (const { value } of rowsOf(w, table, user)) value[0] = 99;
}

/** Deletes the rows; no node runs. */
function lose(w: NodeFixture, table: Table, user: string): void {
  const store = w.disk.open(w.time.process());
  const mutations = rowsOf(w, table, user).map(({ key }) => ({ kind: "delete", key }) as const);
  let done = false;
  store.write(mutations, () => done = true);
  w.time.runWhile(() => !done, w.time.nowMs + 1000);
  store.close(() => {});
  w.time.runFor(100);
}

Deno.test("an account whose head is corrupt is unavailable, alone", () => {
  const w = friends();
  spoil(w, "u", "bob");
  w.start();
  const refused = w.ask("bob", "mailbox.snapshot", {});
  deepEqual([refused.ok, refused.ok || refused.code], [false, "unavailable"]);
  deepEqual(w.logged("account_corrupt").map(({ fields }) => fields?.["user"]), ["bob"]);
  // Others see everybody else, and write to each other.
  const alice = w.attach("alice");
  w.attach("carol");
  const seen = new Map(w.watch("alice", alice).map((a) => [String(a.watched), a.presence]));
  equal(seen.get("bob"), null);
  equal(seen.get("carol")?.devices.length, 1);
  w.send("alice", "carol", "m1", "hello");
  // What bob is owed is kept for a time when it can be taken.
  w.send("alice", "bob", "m2", "are you there?");
  w.settle(5000);
  ok(w.bodies("carol").includes("hello"));
  equal(w.logged("account_corrupt").length, 1);
});

Deno.test("an account whose head is corrupt keeps what only the log has, until it can be read", () => {
  const w = friends();
  w.start();
  // Committed, and no checkpoint has it.
  w.send("bob", "alice", "kept", "to be kept");
  w.kill();
  const head = w.disk.rows(["u"]).find((row) => row.key[2] === "bob")!;
  const good = head.value[0]!;
  head.value[0] = 99;
  w.start();
  const read = { cursor: null, limit: 100, bytesMax: 65_536 };
  const refused = w.ask("bob", "mailbox.read", read);
  deepEqual([refused.ok, refused.ok || refused.code], [false, "unavailable"]);
  ok(w.ask("alice", "mailbox.read", read).ok);
  // Many checkpoints later the rows exist still; and the head alone is not enough.
  for (let i = 0; i < 300; i++) w.send("alice", "carol", `a${i}`);
  w.settle(30_000);
  head.value[0] = good;
  w.settle(5000);
  equal(w.ask("bob", "mailbox.read", read).ok, false);
  w.kill();
  w.start();
  w.settle(5000);
  ok(w.bodies("bob").includes("to be kept"));
  equal(w.bodies("alice").filter((body) => body === "to be kept").length, 1);
});

Deno.test("a corrupt mailbox block makes that part of the mailbox unavailable, nothing else", () => {
  const w = friends();
  spoil(w, "m", "bob");
  w.start();
  const query = { with: name("alice"), before: 3, after: null, limit: 10, bytesMax: 65_536 };
  const refused = w.ask("bob", "conversation.history", query);
  deepEqual([refused.ok, refused.ok || refused.code], [false, "unavailable"]);
  w.send("bob", "alice", "new", "still here");
  w.settle();
  ok(w.bodies("alice").includes("still here"));
  equal(w.logged("account_corrupt").length, 1);
});

function sendAgain(w: NodeFixture, id: string) {
  const message = { device: "phone", to: name("alice"), id, body: "x".repeat(2000), ext: "" };
  const result = w.ask("bob", "message.send", message as never);
  return result.ok ? "ok" : result.code;
}

Deno.test("a corrupt dedupe block refuses sends that might be repetitions, and no others", () => {
  const w = friends({ blockEntries: 4, rowBlocks: 4, hashBits: 64 });
  spoil(w, "d", "bob");
  w.start();
  equal(sendAgain(w, "m1"), "unavailable");
  equal(sendAgain(w, "m9"), "ok", "it is in the open block, in the head");
  equal(sendAgain(w, "new"), "ok");
  ok(w.ask("bob", "mailbox.snapshot", {}).ok);
  equal(w.logged("account_corrupt").length, 1);
});

Deno.test("a corrupt or missing row of dedupe hashes refuses all sends of that account", () => {
  for (const spoilt of [spoil, lose]) {
    const w = friends({ blockEntries: 2, rowBlocks: 2, hashBits: 64 });
    spoilt(w, "h", "bob");
    w.start();
    equal(sendAgain(w, "m1"), "unavailable");
    equal(sendAgain(w, "new"), "unavailable");
    ok(w.ask("bob", "mailbox.snapshot", {}).ok);
    equal(w.logged("account_corrupt").length, 1);
  }
});

Deno.test("10.6: a flipped bit in any row of an account is named with its owner, whose requests are refused", () => {
  for (const table of ["u", "m", "d", "h"] as const) {
    const w = friends({ blockEntries: 2, rowBlocks: 2, hashBits: 64 });
    for (const { value } of rowsOf(w, table, "bob")) value[value.length >> 1]! ^= 8;
    w.start();
    const query = { with: name("alice"), before: 3, after: null, limit: 10, bytesMax: 65_536 };
    const answers = [
      w.ask("bob", "mailbox.snapshot", {}),
      w.ask("bob", "conversation.history", query),
      w.ask("bob", "message.send", { ...MESSAGE, id: "m1" } as never),
    ];
    const refused = answers.filter((answer) => !answer.ok);
    ok(refused.length > 0, table);
    for (const answer of refused) {
      deepEqual([answer.ok || answer.code, answer.ok || answer.retryAfterMs], [
        "unavailable",
        undefined,
      ]);
      ok(/damaged: an administrator must repair it/.test(answer.ok ? "" : answer.message));
    }
    const [line, ...others] = w.logged("account_corrupt");
    deepEqual([line?.fields?.["user"], others.length], ["bob", 0]);
    equal(line?.fields?.["shard"], 0);
    w.send("alice", "carol", "others", "go on");
    w.settle(5000);
    ok(w.bodies("carol").includes("go on"));
    w.kill();
  }
});

Deno.test("10.6: a mailbox block that is missing is named, and not unavailable without a reason", () => {
  const w = friends();
  lose(w, "m", "bob");
  w.start();
  const query = { with: name("alice"), before: 3, after: null, limit: 10, bytesMax: 65_536 };
  const refused = w.ask("bob", "conversation.history", query);
  ok(!refused.ok && /damaged/.test(refused.message));
  ok(/block m 1 is missing/.test(String(w.logged("account_corrupt")[0]?.fields?.["error"])));
});

Deno.test("10.6: a shard with a damaged or missing log record is down, named once, and the others serve", () => {
  for (const fault of ["flipped", "truncated", "missing"]) {
    const w = new NodeFixture({ shards: 4 });
    const users = ["alice", "bob", "carol", "dave", "erin"];
    for (const user of users) w.account(user);
    const shard = w.node.shardOf(name("alice"));
    const settings = { messagesFrom: "anyone" } as const;
    for (let i = 0; i < 5; i++) w.must("alice", "settings.set", settings);
    w.kill();
    const rows = w.disk.stored(["log", shard.id]);
    const { key, value } = rows.at(-3)!;
    if (fault === "flipped") value[20]! ^= 1;
    else if (fault === "truncated") w.disk.store(key, value.subarray(0, 12));
    else w.disk.store(key, null);
    w.start();
    equal(w.node.ready, false);
    const refused = w.ask("alice", "account.info", {});
    ok(!refused.ok && /part of the server is damaged/.test(refused.message), fault);
    w.settle(120_000);
    const lines = w.logged("shard_damaged").map((
      { fields },
    ) => [fields?.["shard"], fields?.["lsn"]]);
    deepEqual(lines, [[shard.id, key[2]]], fault);
    for (const user of users) {
      if (w.node.shardOf(name(user)).id !== shard.id) ok(w.ask(user, "account.info", {}).ok, user);
    }
    w.kill();
  }
});

Deno.test("10.6: an account whose checkpoint is later than the log is unavailable, alone", () => {
  const w = friends();
  const log = w.disk.stored(["log", 0]);
  for (const { key } of log.slice(1)) w.disk.store(key, null);
  const [head] = w.disk.rows(["u"]).filter((row) => row.key[2] === "bob");
  ok(head !== undefined);
  // Its checkpoint says: version 1, then the LSN in one byte each of seven bits.
  const value = head.value.slice();
  value[1] = 0x7f;
  w.disk.put(head.key, value);
  w.start();
  const refused = w.ask("bob", "account.info", {});
  ok(!refused.ok && /damaged/.test(refused.message));
  ok(/log ends before/.test(String(w.logged("account_corrupt")[0]?.fields?.["error"])));
  ok(w.ask("alice", "account.info", {}).ok);
  equal(w.logged("node.bug").length, 0);
});
