/** Bits flipped at random in the rows of a simulated disk: what is served is what was written. */
import assert from "node:assert/strict";
import type { AccountName } from "../../shard/name/ids.ts";
import type { Result } from "../../shard/errors.ts";
import { NodeFixture } from "../sim/node_fixture.ts";

const USERS = ["alice", "bob", "carol", "dave"];
const FLIPS = 150;
const READ = { cursor: null, limit: 100, bytesMax: 65_536 } as const;

function filled(): NodeFixture {
  const w = new NodeFixture({ shards: 2, seed: 106 });
  for (const user of USERS) {
    w.account(user);
    w.must(user, "settings.set", { messagesFrom: "anyone" });
  }
  for (let i = 0; i < 12; i++) w.send("alice", "bob", `a${i}`, "x".repeat(2000));
  for (let i = 0; i < 4; i++) w.send("carol", "dave", `c${i}`);
  w.settle(20_000);
  // These are in the log only.
  w.send("bob", "carol", "late");
  w.send("dave", "alice", "later");
  w.settle(500);
  return w;
}

function textOf(result: Result<unknown>): string {
  return result.ok ? JSON.stringify(result.value) : result.message;
}

Deno.test("10.6: whichever bit of a row is flipped, no account is served altered data, others are served", () => {
  const w = filled();
  const ask = (user: string) =>
    [w.ask(user, "mailbox.read", READ), w.ask(user, "mailbox.snapshot", {})].map(textOf).join("\n");
  const expected = new Map(USERS.map((user) => [user, ask(user)]));
  w.kill();
  const rows = w.disk.stored([]).filter(({ key, value }) => key[0] !== "meta" && value.length > 0);
  for (let i = 0; i < FLIPS; i++) {
    const { key, value } = w.prng.pick(rows);
    const good = value.slice();
    const bit = w.prng.int(0, value.length * 8 - 1);
    value[bit >> 3]! ^= 1 << (bit & 7);
    w.start();
    const where = `bit ${bit} of ${key.join(" ")}`;
    const shards = new Set<number>();
    let refused = 0;
    for (const user of USERS) {
      const now = ask(user);
      if (now === expected.get(user)) continue;
      assert.match(now, /damaged: an administrator must repair it/, where);
      refused++;
      shards.add(w.node.shardOf(user as AccountName).id);
    }
    // A row is of one account, or a record of one shard's log.
    assert.ok(key[0] === "log" ? shards.size <= 1 : refused <= 1, `${where}: ${refused} refused`);
    w.kill();
    value.set(good);
  }
  w.start();
  for (const user of USERS) assert.equal(ask(user), expected.get(user), "all is as it was");
});
