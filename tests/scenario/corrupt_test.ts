/** Stored bytes that cannot be read are the fault of one account, and stay there. */
import { deepEqual, equal, ok } from "node:assert/strict";
import type { AccountName } from "../../shard/name/ids.ts";
import { DEDUPE_SHAPE } from "../../shard/message/dedupe.ts";
import { NodeFixture } from "../sim/node_fixture.ts";

const name = (text: string) => text as AccountName;

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
