/** Messages that are refused without telling their sender are counted for operators (issue 9, A17). */
import { deepEqual } from "node:assert/strict";
import type { AccountName } from "../../shard/name/ids.ts";
import { NodeFixture } from "../sim/node_fixture.ts";

const name = (text: string) => text as AccountName;

/** Two contacts. */
function friends(options: ConstructorParameters<typeof NodeFixture>[0] = {}): NodeFixture {
  const w = new NodeFixture(options);
  for (const user of ["ann", "bob"]) w.account(user);
  w.befriend("ann", "bob");
  return w;
}

Deno.test("messages to a recipient that blocks the sender are counted as blocked (A17)", () => {
  const w = friends();
  w.must("bob", "roster.block", { contact: name("ann"), blocked: true });
  for (const id of ["m1", "m2"]) w.send("ann", "bob", id);
  w.settle();
  deepEqual(w.refused, { blocked: 2 });
});

Deno.test("messages that a later one leaves behind are counted as closed (A17)", () => {
  const w = new NodeFixture();
  for (const user of ["ann", "bob"]) w.account(user);
  for (const id of ["m1", "m2"]) w.send("ann", "bob", id);
  w.settle();
  // Those that wait are not refused.
  deepEqual(w.refused, {});
  w.must("bob", "settings.set", { messagesFrom: "anyone" });
  w.send("ann", "bob", "m3");
  w.settle();
  deepEqual(w.refused, { closed: 2 });
});

Deno.test("messages of strangers beyond the recipient's rate are counted as full (A17)", () => {
  const w = new NodeFixture({ limits: { inboundMessageMs: 1e9, inboundMessageBurst: 1 } });
  for (const user of ["ann", "bob"]) w.account(user);
  w.must("bob", "settings.set", { messagesFrom: "anyone" });
  for (const id of ["m1", "m2", "m3"]) w.send("ann", "bob", id);
  w.settle();
  deepEqual([w.bodies("bob"), w.refused], [["m1"], { full: 2 }]);
});

Deno.test("messages on their way to an account that is deleted are counted as gone (A17)", () => {
  const w = friends();
  let cut = true;
  w.loses = (packet) => cut && packet.kind === "pair";
  for (const id of ["m1", "m2"]) w.send("ann", "bob", id);
  w.must("bob", "account.remove", {});
  cut = false;
  w.settle(60_000);
  deepEqual(w.refused, { gone: 2 });
});
