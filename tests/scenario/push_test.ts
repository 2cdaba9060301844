/** When an account gets push messages: away, once for each burst, and never while a device is active. */
import { deepEqual, equal, ok } from "node:assert/strict";
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import { NodeFixture, ONLINE } from "../sim/node_fixture.ts";
import { PUSH_TARGETS_MAX, type PushTarget } from "../../shard/account/push_targets.ts";
import type { PushEffect } from "../../shard/effects.ts";

const name = (text: string) => text as AccountName;
const device = (text: string) => text as DeviceId;
const AWAY = { ...ONLINE, show: "away" } as const;

function target(of: string, more: Partial<PushTarget> = {}): Omit<PushTarget, "device" | "at"> {
  return {
    endpoint: `https://push.example/${of}`,
    p256dh: new Uint8Array(65).fill(4),
    auth: new Uint8Array(16),
    content: "full",
    service: "",
    ...more,
  };
}

/** Ann, who writes, and Bob, whose phone has a push subscription. */
function open(options: ConstructorParameters<typeof NodeFixture>[0] = {}) {
  const w = new NodeFixture(options);
  w.account("ann");
  w.account("bob");
  w.befriend("ann", "bob");
  const subscribe = (of = "phone", more: Partial<PushTarget> = {}) =>
    w.ask("bob", "push.set", { device: device(of), target: target(of, more) });
  equal(subscribe().ok, true);
  let sent = 0;
  const write = (from = "ann") => w.send(from, "bob", `m${++sent}`, `text ${sent}`);
  const settle = (push: PushEffect, outcome: "sent" | "later" | "gone", retryAfterMs = 0) =>
    w.must("bob", "push.settle", {
      with: push.with,
      seq: push.seq,
      targets: push.targets.map(({ device, endpoint }) => ({ device, endpoint, outcome })),
      retryAfterMs,
    });
  const read = () =>
    w.must("bob", "conversation.read", { with: name("ann"), upTo: w.mailbox("bob").at(-1)!.seq });
  return { w, subscribe, write, settle, read };
}

Deno.test("13: who is away gets one push message for a burst, and another after reading", () => {
  const { w, write, settle, read } = open();
  write();
  w.settle(3000);
  equal(w.pushes.length, 0, "within the grace");
  write();
  w.settle(10_000);
  equal(w.pushes.length, 1);
  const [push] = w.pushes;
  equal(push!.with, "ann");
  equal(push!.body, "text 2");
  equal(push!.unread, 2);
  equal(push!.unreadTotal, 2);
  deepEqual(push!.targets.map((t) => t.endpoint), ["https://push.example/phone"]);
  settle(push!, "sent");
  write();
  w.settle(600_000);
  equal(w.pushes.length, 1, "the burst has had its push message");
  read();
  w.settle(600_000);
  equal(w.pushes.length, 1);
  write();
  w.settle(10_000);
  equal(w.pushes.length, 2);
});

Deno.test("13: what is read within the grace is worth no push message", () => {
  const { w, write, read } = open();
  write();
  read();
  w.settle(600_000);
  equal(w.pushes.length, 0);
});

Deno.test("13: a part of a burst that is read leaves the push message that is owed", () => {
  const { w, write } = open();
  const { seq } = w.must("bob", "mailbox.snapshot", {}).snapshot;
  write();
  write();
  w.must("bob", "conversation.read", { with: name("ann"), upTo: seq + 1 });
  w.settle(10_000);
  deepEqual(w.pushes.map(({ unread }) => unread), [1]);
});

for (const show of ["online", "chat", "dnd"] as const) {
  Deno.test(`13: while a device is ${show} and confirms, there is no push message`, () => {
    const { w, write } = open();
    w.attach("bob", "desk", { ...ONLINE, show });
    write();
    w.must("bob", "mailbox.ack", { seq: w.mailbox("bob").at(-1)!.seq });
    w.settle(600_000);
    equal(w.pushes.length, 0);
  });
}

for (
  const [what, presence] of [["away", AWAY], ["xa", { ...ONLINE, show: "xa" }], [
    "invisible",
    null,
  ]] as const
) {
  Deno.test(`13: a device that is ${what} is not active, whatever it confirms`, () => {
    const { w, write } = open();
    w.attach("bob", "desk", presence);
    write();
    w.must("bob", "mailbox.ack", { seq: w.mailbox("bob").at(-1)!.seq });
    w.settle(10_000);
    equal(w.pushes.length, 1);
  });
}

Deno.test("13: a connection that is dead does not count once it has ended", () => {
  const { w, write } = open();
  const { session } = w.attach("bob", "desk");
  write();
  w.settle(60_000);
  equal(w.pushes.length, 0, "it may be slow");
  w.must("bob", "session.detach", { session });
  w.settle(120_000);
  equal(w.pushes.length, 1);
});

Deno.test("13: nobody who is blocked or not accepted causes a push message", () => {
  const { w, write } = open();
  w.account("mallory");
  write("mallory");
  w.settle(10_000);
  equal(w.pushes.length, 0);
  write();
  w.must("bob", "roster.block", { contact: name("ann"), blocked: true });
  write();
  w.settle(600_000);
  equal(w.pushes.length, 0);
});

Deno.test("13: what a push service does not take is asked for again, until it does or ends", () => {
  const { w, subscribe, write, settle } = open();
  subscribe("tablet");
  write();
  w.settle(10_000);
  equal(w.pushes.length, 1);
  const push = w.pushes[0]!;
  w.must("bob", "push.settle", {
    with: push.with,
    seq: push.seq,
    targets: push.targets.map(({ device, endpoint }, i) => ({
      device,
      endpoint,
      outcome: i === 0 ? "sent" : "later",
    })),
    retryAfterMs: 300_000,
  });
  w.settle(299_000);
  equal(w.pushes.length, 1, "it has asked for five minutes");
  w.settle(20_000);
  equal(w.pushes.length, 2);
  deepEqual(w.pushes[1]!.targets.map((t) => t.device), ["tablet"]);
  settle(w.pushes[1]!, "gone");
  deepEqual(w.must("bob", "push.list", {}).map((t) => t.device), ["phone"]);
  w.settle(600_000);
  equal(w.pushes.length, 2);
});

Deno.test("13: a push service that is away all day gets nothing more of the burst", () => {
  const { w, write, settle } = open({ limits: { pushAgeMaxMs: 3_600_000 } });
  write();
  let asked = 0;
  for (let i = 0; i < 20; i++) {
    w.settle(300_000);
    asked += w.pushes.length;
    if (i > 14) equal(w.pushes.length, 0);
    for (const push of w.pushes.splice(0)) settle(push, "later");
  }
  ok(asked > 5 && asked < 40, `${asked} times`);
});

Deno.test("13: a node that says nothing is asked again", () => {
  const { w, write } = open();
  write();
  w.settle(10_000);
  w.settle(130_000);
  equal(w.pushes.length, 2);
  equal(w.pushes[1]!.seq, w.pushes[0]!.seq);
});

Deno.test("13: what is owed outlives a kill, from the log and from checkpoints", () => {
  const { w, write, settle } = open();
  write();
  w.kill();
  w.start();
  w.settle(10_000);
  equal(w.pushes.length, 1, "from the log");
  // Time for a checkpoint; nobody looks at the account but for what it owes.
  w.settle(100_000);
  w.pushes = [];
  w.kill();
  w.start();
  w.settle(10_000);
  equal(w.pushes.length, 1, "from the checkpoint: once more, for nobody has said what came of it");
  settle(w.pushes[0]!, "sent");
  w.settle(300_000);
  w.pushes = [];
  w.kill();
  w.start();
  write();
  w.settle(600_000);
  equal(w.pushes.length, 0, "the mark of the burst is kept");
  deepEqual(w.must("bob", "push.list", {}).map((t) => t.device), ["phone"]);
});

Deno.test("13: push subscriptions end with their device, and are bounded", () => {
  const { w, subscribe, write } = open();
  const list = () => w.must("bob", "push.list", {}).map((t) => t.device);
  equal(subscribe().ok, true, "again is no error");
  equal(subscribe("phone", { endpoint: "https://push.example/new" }).ok, true);
  deepEqual(list(), ["phone"]);
  equal(subscribe("other", { endpoint: "https://push.example/new" }).ok, true);
  deepEqual(list(), ["other"], "the endpoint is another device's now");
  for (let i = 1; i < PUSH_TARGETS_MAX; i++) equal(subscribe(`d${i}`).ok, true);
  const full = subscribe("one too many");
  equal(full.ok ? "ok" : full.code, "limit_reached");
  w.must("bob", "device.revoke", { device: device("other") });
  ok(!list().includes(device("other")));
  write();
  w.must("bob", "account.signOut", {});
  w.settle(600_000);
  equal(w.pushes.length, 0);
  deepEqual(list(), []);
});

Deno.test("13: a token that has expired ends the push subscription of its device", () => {
  const { w, subscribe, write } = open();
  w.must("bob", "push.remove", { device: device("phone") });
  const at = w.process.clock.wallMs();
  w.must("bob", "device.add", {
    device: device("desk"),
    label: "",
    tokenHash: new Uint8Array(32),
    expiresAt: at + 3_600_000,
    proof: null,
  });
  subscribe("desk");
  w.settle(3_700_000);
  write();
  w.settle(600_000);
  equal(w.pushes.length, 0);
});
