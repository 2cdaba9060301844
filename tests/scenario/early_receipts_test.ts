/** A receipt that comes before the acks of what it covers. */
import assert from "node:assert/strict";
import type { AccountName } from "../../shard/name/ids.ts";
import { NodeFixture } from "../sim/node_fixture.ts";

const ANN = "ann" as AccountName;

Deno.test("12: a receipt waits for the acks of what it covers: one of them may be a refusal (seed 277)", () => {
  const w = new NodeFixture({ shards: 64 });
  w.account("ann");
  w.account("bob");
  w.befriend("ann", "bob");
  const block = (blocked: boolean) => w.must("bob", "roster.block", { contact: ANN, blocked });
  const marks = () =>
    w.mailbox("ann").flatMap((e) =>
      e.kind === "undelivered" ? [`not ${e.num}`] : e.kind === "receipt" ? [`${e.delivered}`] : []
    );
  w.loses = ({ kind }) => kind === "pair_ack";
  block(true);
  w.send("ann", "bob", "m1");
  w.settle(1000);
  block(false);
  w.send("ann", "bob", "m2");
  w.settle(10_000);
  w.must("bob", "mailbox.ack", { seq: w.mailbox("bob").at(-1)!.seq });
  w.settle(10_000);
  assert.deepEqual(marks(), []);
  w.loses = () => false;
  w.settle(60_000);
  assert.deepEqual(marks(), ["not 1", "2"]);
  assert.deepEqual(w.bodies("bob"), ["m2"]);
});
