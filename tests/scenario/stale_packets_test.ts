/** What a deleted account has sent is nothing to the next account of its name. */
import assert from "node:assert/strict";
import type { AccountName } from "../../shard/name/ids.ts";
import type { ShardPacket } from "../../shard/message/packets.ts";
import { NodeFixture } from "../sim/node_fixture.ts";

const name = (text: string) => text as AccountName;

/** Keeps a copy of each packet between the shards that `which` picks, to let it arrive again. */
function copies(w: NodeFixture, which: (packet: ShardPacket) => boolean): (() => void)[] {
  const kept: (() => void)[] = [];
  w.loses = (packet, arrive) => {
    if (which(packet)) kept.push(arrive);
    return false;
  };
  return kept;
}

function fixture(): NodeFixture {
  const w = new NodeFixture();
  for (const user of ["alice", "bob"]) w.account(user);
  assert.notEqual(w.node.shardOf(name("alice")), w.node.shardOf(name("bob")));
  return w;
}

function replace(w: NodeFixture, user: string): void {
  w.must(user, "account.remove", {});
  w.settle();
  w.must(user, "account.release", {});
  w.account(user);
}

const subscription = (w: NodeFixture, who: string, peer: string) =>
  w.must(who, "mailbox.snapshot", {}).snapshot.roster.find((i) => i.contact === peer)?.subscription;

for (const related of [false, true]) {
  const what = related ? "contact" : "stranger";
  Deno.test(`seed 2187: late packets of a deleted ${what} do not touch the next account`, () => {
    const w = fixture();
    if (related) w.befriend("alice", "bob");
    else w.must("alice", "settings.set", { messagesFrom: "anyone" });
    const late = copies(w, (p) => p.kind === "pair" && p.from === "bob");
    w.send("bob", "alice", "m1", "from the first bob");
    w.must("bob", "roster.subscription", { contact: name("alice"), type: "subscribe" });
    w.settle();
    replace(w, "bob");
    w.settle();
    w.befriend("alice", "bob");
    w.send("bob", "alice", "m2", "from the second bob");
    w.settle();
    const before = w.mailbox("alice");
    assert.equal(subscription(w, "alice", "bob"), "both");
    assert.ok(late.length >= 2);
    for (const arrive of late) {
      arrive();
      w.settle();
    }
    assert.deepEqual(w.mailbox("alice"), before);
    assert.equal(subscription(w, "alice", "bob"), "both");
    w.send("bob", "alice", "m3", "still a contact");
    w.settle();
    assert.equal(w.bodies("alice").at(-1), "still a contact");
  });
}

Deno.test("seed 2187: packets of the next account are taken, although the former is known", () => {
  const w = fixture();
  w.befriend("alice", "bob");
  w.send("bob", "alice", "m1", "from the first bob");
  w.settle();
  replace(w, "bob");
  w.must("alice", "settings.set", { messagesFrom: "anyone" });
  // Also where the answers to the question which account has the name get lost at first.

  let lost = 3;
  w.loses = (p) => (p.kind === "newest" || p.kind === "is_newest") && lost-- > 0;
  for (let i = 0; i < 5; i++) w.send("bob", "alice", `n${i}`, `second ${i}`);
  w.settle(30_000);
  assert.deepEqual(w.bodies("alice").slice(-5), [0, 1, 2, 3, 4].map((i) => `second ${i}`));
});
