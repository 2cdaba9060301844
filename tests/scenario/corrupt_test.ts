/** Stored bytes that cannot be read are the fault of one account, and stay there. */
import { deepEqual, equal, ok } from "node:assert/strict";
import type { AccountName } from "../../shard/name/ids.ts";
import { NodeWorld } from "../sim/node_world.ts";

const name = (text: string) => text as AccountName;

/** Friends of alice, all on one shard; everything checkpointed, nothing in memory. */
function friends(): NodeWorld {
  const w = new NodeWorld({ shards: 1 });
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

/** Spoils a stored row of the kind: heads are `u`, mailbox blocks `m`, dedupe blocks `d`. */
function spoil(w: NodeWorld, table: "u" | "m" | "d", user: string): void {
  const account = w.disk.rows(["u"]).find((row) => row.key[2] === user)!;
  const rows = w.disk.rows([table]).filter((row) => row.key[1] === account.key[1]);
  ok(rows.length > 0, `${user} has no row in ${table}`);
  for (const { value } of rows) value[0] = 99;
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
  // Many checkpoints later the rows are there still; and the head alone is not enough.
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
  const query = { with: name("alice"), before: 3, after: null, limit: 10 };
  const refused = w.ask("bob", "conversation.history", query);
  deepEqual([refused.ok, refused.ok || refused.code], [false, "unavailable"]);
  w.send("bob", "alice", "new", "still here");
  w.settle();
  ok(w.bodies("alice").includes("still here"));
  equal(w.logged("account_corrupt").length, 1);
});

Deno.test("a corrupt dedupe block refuses sends, for they might be repetitions", () => {
  const w = friends();
  spoil(w, "d", "bob");
  w.start();
  const message = { device: "phone", to: name("alice"), id: "m1", body: "again", ext: "" };
  const refused = w.ask("bob", "message.send", message as never);
  deepEqual([refused.ok, refused.ok || refused.code], [false, "unavailable"]);
  ok(w.ask("bob", "mailbox.snapshot", {}).ok);
  equal(w.logged("account_corrupt").length, 1);
});
