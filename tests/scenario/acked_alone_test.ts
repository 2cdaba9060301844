/** What the sender's shard makes of an ack that says nothing of the packets before it. */
import assert from "node:assert/strict";
import { NodeFixture } from "../sim/node_fixture.ts";
import type { ShardPacket } from "../../shard/message/packets.ts";

for (const as of ["upTo", "alone"] as const) {
  Deno.test(`an ack ${as}: what it does not cover is sent again until it is taken`, () => {
    const w = new NodeFixture({ shards: 64 });
    w.account("ann");
    w.account("bob");
    w.must("bob", "settings.set", { messagesFrom: "anyone" });
    let acks = 0;
    w.loses = (packet: ShardPacket) => {
      if (packet.kind === "pair") return packet.n === 1 && acks === 0;
      if (packet.kind !== "pair_ack" || acks++ > 0) return false;
      // What it says of the second packet, in place of asking for the first.
      assert.deepEqual([packet.as, packet.n], ["gap", 0]);
      Object.assign(packet, { as, n: 2 });
      return false;
    };
    w.send("ann", "bob", "m1");
    w.send("ann", "bob", "m2");
    w.settle(60_000);
    assert.deepEqual(w.bodies("bob"), as === "alone" ? ["m1", "m2"] : []);
  });
}
