/** Receipts to a blocked account are withheld, and are sent once it is unblocked (issue 9, B7). */
import { deepEqual, equal } from "node:assert/strict";
import type { AccountName } from "../../shard/name/ids.ts";
import { NodeFixture } from "../sim/node_fixture.ts";

const name = (text: string) => text as AccountName;

function friends(): NodeFixture {
  const w = new NodeFixture();
  for (const user of ["ann", "bob", "carl"]) w.account(user);
  w.befriend("ann", "bob");
  w.befriend("carl", "bob");
  return w;
}

const block = (w: NodeFixture, contact: string, blocked: boolean) =>
  w.must("bob", "roster.block", { contact: name(contact), blocked });

function ackAll(w: NodeFixture): void {
  w.must("bob", "mailbox.ack", { seq: w.mailbox("bob").at(-1)!.seq });
  w.settle(60_000);
}

/** Numbers up to which the sender's messages are delivered, as its receipts say. */
const delivered = (w: NodeFixture, sender: string) =>
  w.mailbox(sender).flatMap((e) => e.kind === "receipt" ? [e.delivered] : []);

Deno.test("9 B7: a receipt that a block withheld is sent after the unblock, as after a start", () => {
  const w = friends();
  w.send("ann", "bob", "a1");
  w.settle();
  block(w, "ann", true);
  ackAll(w);
  // Another ack during the block does not send it either, nor is it forgotten.
  w.send("carl", "bob", "c1");
  w.settle();
  ackAll(w);
  deepEqual([delivered(w, "ann"), delivered(w, "carl")], [[], [1]]);
  block(w, "ann", false);
  w.settle(60_000);
  deepEqual([delivered(w, "ann"), delivered(w, "carl")], [[1], [1]]);
});

Deno.test("9 B7: a restart during the block does not lose the receipt that it withheld", () => {
  const w = friends();
  w.send("ann", "bob", "a1");
  w.settle();
  block(w, "ann", true);
  ackAll(w);
  w.kill();
  w.start();
  block(w, "ann", false);
  w.send("carl", "bob", "c1");
  w.settle();
  ackAll(w);
  equal(delivered(w, "ann").at(-1), 1);
});
