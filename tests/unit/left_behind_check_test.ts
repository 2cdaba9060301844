/** The simulator's check of what was acked knows which messages a later one leaves behind. */
import { doesNotThrow, throws } from "node:assert/strict";
import { checkReceived, type Folded } from "../sim/check_mail.ts";
import { type Life, Oracle } from "../sim/oracle.ts";
import type { Cluster } from "../sim/cluster.ts";
import { History } from "../sim/history.ts";
import { Register } from "../sim/register.ts";
import { View, type WireEvent } from "../sim/view.ts";

const BOTH = { k: "roster", subscription: "both" };
const NONE = { k: "roster", subscription: "none" };
const ASKED = { ...NONE, pendingOut: true };

/** Message `num` of carol to bob. */
function message(num: number, more: object): object {
  return { k: "message", num, id: `m${num}`, body: `body ${num}`, ext: "", ...more };
}

/** A mailbox of these events, as the checks get it. */
function folded(life: Life, peer: string, bodies: readonly object[]): Folded {
  const events = bodies.map((body, i) => ({ seq: i + 1, at: i + 1, ...body })) as WireEvent[];
  const view = new View(life.name, "box:0", null);
  const accepts = [view.accepts(peer)];
  for (const event of events) {
    view.apply(event);
    accepts.push(view.accepts(peer));
  }
  const dump = { mailboxId: "box" } as Folded["dump"];
  return {
    life,
    dump,
    events,
    shown: events,
    first: 1,
    whole: true,
    view,
    accepts: new Map([[peer, accepts]]),
  };
}

/**
 * Carol writes to bob, removes him, writes message 2, which waits, and then message 3, which goes at
 * once. Bob, who takes messages from anyone since `opensMs`, gets message 1 only then. Message 2 is
 * sent at 20 ms and acked at 30 ms.
 */
function check(opensMs: number, changes: { block?: boolean; asks?: boolean }): void {
  let nowMs = 0;
  const oracle = new Oracle(new History(() => nowMs), () => nowMs);
  const carol = oracle.born("carol", "");
  const bob = oracle.born("bob", "");
  const send = (num: number, sentMs: number, ackedMs: number): void => {
    nowMs = sentMs;
    const sent = oracle.sending(carol, "d1", {
      to: "bob",
      key: `m${num}`,
      body: `body ${num}`,
      ext: "",
    });
    nowMs = ackedMs;
    oracle.answered(sent, { seq: num, at: num, num }, null, sentMs);
  };
  Register.end(bob.anyone.begin(true, opensMs), "done", opensMs + 1);
  if (changes.block) {
    const blocks = oracle.block(bob, "carol");
    Register.end(blocks.begin(true, 18), "done", 19);
    Register.end(blocks.begin(false, 25), "done", 26);
  }
  send(1, 5, 9);
  send(2, 20, 30);
  send(3, 60, 70);
  const withBob = { with: "bob", out: true, device: "d1" };
  const all = [
    folded(carol, "bob", [
      { ...BOTH, contact: "bob" },
      message(1, withBob),
      { ...(changes.asks ? ASKED : NONE), contact: "bob" },
      message(2, { ...withBob, waits: true }),
      message(3, withBob),
    ]),
    folded(bob, "carol", [
      { ...BOTH, contact: "carol" },
      { k: "settings", messagesFrom: "anyone" },
      message(1, { with: "carol" }),
      message(3, { with: "carol" }),
    ]),
  ];
  checkReceived({ oracle, config: { trims: false } } as unknown as Cluster, all);
}

Deno.test("a message may be left behind that met a closed recipient before an earlier one arrived", () => {
  doesNotThrow(() => check(40, {}));
  doesNotThrow(() => check(25, {}), "the question may have been answered before");
  doesNotThrow(() => check(10, { block: true }), "a block gives the same answer");
});

Deno.test("no message is left behind by a recipient that took messages from anyone all the time", () => {
  throws(() => check(10, {}), /m2 from carol \(2\) never came/);
});

Deno.test("no message is left behind that waits with a request", () => {
  throws(() => check(40, { asks: true }), /m2 from carol \(2\) never came/);
});
