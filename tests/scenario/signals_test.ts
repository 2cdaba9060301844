/** Signals between accounts: which account of a name gets them (issue 9, A). */
import { deepEqual, notEqual } from "node:assert/strict";
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import { NodeFixture } from "../sim/node_fixture.ts";

const name = (text: string) => text as AccountName;

/** Two names in different shards, so that what they send each other can be late. */
function twoNames(w: NodeFixture): [string, string] {
  const names = Array.from({ length: 20 }, (_, i) => `user-${i}`);
  const [first] = names as [string];
  const other = names.find((n) => w.node.shardOf(name(n)) !== w.node.shardOf(name(first)))!;
  notEqual(other, undefined);
  return [first, other];
}

function signal(w: NodeFixture, from: string, to: string, body: string): void {
  w.must(from, "signal.send", {
    device: "phone" as DeviceId,
    to: name(to),
    toDevice: null,
    type: "typing",
    body,
    id: "",
  });
}

/** Bodies of the signals that reached sessions. */
function signals(w: NodeFixture): string[] {
  return w.packets.flatMap((p) => p.kind === "signal" ? [p.body] : []);
}

for (const from of ["contact", "stranger"] as const) {
  Deno.test(`a late signal of a ${from} does not reach the next account of the name (9.3)`, () => {
    const w = new NodeFixture();
    const [ann, bob] = twoNames(w);
    for (const user of [ann, bob]) w.account(user);
    const open = () => w.must(bob, "settings.set", { messagesFrom: "anyone" });
    if (from === "contact") w.befriend(ann, bob);
    open();
    w.attach(bob);
    const late: (() => void)[] = [];
    w.loses = (packet, arrive) => {
      if (packet.kind !== "signal") return false;
      late.push(arrive);
      return true;
    };
    signal(w, ann, bob, "for the former");
    w.must(bob, "account.remove", {});
    w.settle();
    w.must(bob, "account.release", {});
    w.account(bob);
    open();
    w.attach(bob);
    w.packets = [];
    for (const arrive of late) arrive();
    w.settle();
    deepEqual([late.length, signals(w)], [1, []]);
    // The next account gets what is sent to it.
    w.loses = () => false;
    signal(w, ann, bob, "for the next");
    w.settle();
    deepEqual(signals(w), ["for the next"]);
  });
}

Deno.test("signals reach strangers who take messages from anyone, and the user's other devices", () => {
  const w = new NodeFixture();
  const [ann, bob] = twoNames(w);
  for (const user of [ann, bob]) {
    w.account(user);
    w.attach(user, "desk");
  }
  signal(w, ann, bob, "refused");
  signal(w, ann, "nobody", "lost");
  w.must(bob, "settings.set", { messagesFrom: "anyone" });
  signal(w, ann, bob, "taken");
  signal(w, ann, ann, "own");
  w.settle();
  deepEqual(signals(w), ["taken", "own"]);
});
