import assert from "node:assert/strict";
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import { NodeFixture, ONLINE } from "../sim/node_fixture.ts";

const name = (text: string) => text as AccountName;

Deno.test("message.send delivers to a contact exactly once, in order, with receipts", () => {
  const w = new NodeFixture();
  w.account("alice");
  w.account("bob");
  w.befriend("alice", "bob");
  const first = w.send("alice", "bob", "m1", "hello");
  assert.equal(first.num, 1);
  assert.deepEqual(w.send("alice", "bob", "m1", "hello"), first);
  w.send("alice", "bob", "m2", "world");
  w.settle();
  assert.deepEqual(w.bodies("bob"), ["hello", "world"]);
  assert.deepEqual(w.bodies("alice"), ["hello", "world"]);
  const last = w.mailbox("bob").at(-1)!.seq;
  w.must("bob", "mailbox.ack", { seq: last });
  w.settle();
  const receipt = w.mailbox("alice").at(-1)!;
  assert.equal(receipt.kind, "receipt");
  assert.deepEqual({ ...receipt, seq: 0, at: 0 }, {
    kind: "receipt",
    with: "bob",
    delivered: 2,
    read: 0,
    seq: 0,
    at: 0,
  });
  w.must("bob", "conversation.read", { with: name("alice"), upTo: last });
  w.settle();
  const read = w.mailbox("alice").at(-1)!;
  assert.equal(read.kind === "receipt" ? read.read : 0, 2);
});

Deno.test("messages survive a kill, and what was owed is delivered after the restart", () => {
  const w = new NodeFixture();
  w.account("alice");
  w.account("bob");
  w.befriend("alice", "bob");
  for (let i = 0; i < 50; i++) w.send("alice", "bob", `a${i}`);
  w.kill();
  w.start();
  for (let i = 50; i < 100; i++) w.send("alice", "bob", `a${i}`);
  w.settle(10_000);
  w.kill();
  w.start();
  w.settle(5000);
  const wanted = Array.from({ length: 100 }, (_, i) => `a${i}`);
  assert.deepEqual(w.bodies("alice"), wanted);
  assert.deepEqual(w.bodies("bob"), wanted);
});

Deno.test("presence reaches the watchers' node, and stops with the subscription", () => {
  const w = new NodeFixture();
  w.account("alice");
  w.account("bob");
  w.befriend("alice", "bob");
  const alice = w.attach("alice");
  const bob = w.attach("bob");
  const answers = w.watch("alice", alice);
  assert.equal(answers.find((a) => a.watched === "bob")?.presence?.devices.length, 1);
  w.packets = [];
  w.must("bob", "presence.set", { session: bob.session, presence: { ...ONLINE, show: "away" } });
  const change = w.packets.find((p) => p.kind === "presence");
  assert.equal(change?.kind === "presence" && change.devices[0]?.presence.show, "away");
  w.must("bob", "roster.subscription", { contact: name("alice"), type: "unsubscribed" });
  w.settle();
  assert.ok(w.packets.some((p) => p.kind === "revoke" && p.watched === "bob"));
});

Deno.test("a stranger's message is acked and refused without a word", () => {
  const w = new NodeFixture();
  w.account("alice");
  w.account("mallory");
  w.send("mallory", "alice", "m1", "buy");
  w.send("mallory", "nobody", "m2", "buy");
  w.settle();
  assert.deepEqual(w.bodies("alice"), []);
  assert.deepEqual(w.mailbox("mallory").map((e) => e.kind), ["message", "message"]);
  w.must("alice", "settings.set", { messagesFrom: "anyone" });
  w.send("mallory", "alice", "m3", "hello");
  w.settle();
  assert.deepEqual(w.bodies("alice"), ["hello"]);
});

Deno.test("a removed, released and registered name leaks nothing and delivers both ways", () => {
  const w = new NodeFixture();
  w.account("alice");
  const old = w.account("bob");
  w.befriend("alice", "bob");
  w.send("alice", "bob", "m1", "for the old bob");
  w.settle();
  w.must("bob", "account.remove", {});
  assert.equal(w.ask("bob", "account.create", { credentials: null }).ok, false);
  w.send("alice", "bob", "m2", "to a removed account");
  w.settle(40_000);
  w.must("bob", "account.release", {});
  const fresh = w.account("bob");
  assert.notEqual(fresh, old);
  assert.deepEqual(w.mailbox("bob"), []);
  assert.equal(w.attach("bob").watch.length, 1);
  assert.equal(w.attach("alice").watch.length, 1);
  w.befriend("alice", "bob");
  w.send("alice", "bob", "m3", "for the new bob");
  w.send("bob", "alice", "m1", "from the new bob");
  w.settle();
  assert.deepEqual(w.bodies("bob").sort(), ["for the new bob", "from the new bob"]);
  assert.ok(w.bodies("alice").includes("from the new bob"));
});

Deno.test("a full store refuses writes with a retryable error, reads go on, and it recovers", () => {
  const w = new NodeFixture();
  w.account("alice");
  w.account("bob");
  w.befriend("alice", "bob");
  w.send("alice", "bob", "m1");
  w.settle();
  w.disk.full = true;
  const send = () =>
    w.ask("alice", "message.send", {
      device: "phone" as DeviceId,
      to: name("bob"),
      id: "m2",
      body: "m2",
      ext: "",
    });
  for (let i = 0; i < 3; i++) {
    const refused = send();
    assert.ok(!refused.ok && refused.code === "unavailable" && refused.retryAfterMs);
  }
  assert.deepEqual(w.bodies("alice"), ["m1"]);
  w.disk.full = false;
  w.settle(5000);
  assert.ok(send().ok);
  w.settle();
  assert.deepEqual(w.bodies("alice"), ["m1", "m2"]);
  assert.deepEqual(w.bodies("bob"), ["m1", "m2"]);
});

Deno.test("device.add is refused where the password was changed after it was checked", () => {
  const w = new NodeFixture();
  const key = (byte: number) => ({
    salt: new Uint8Array(16),
    iterations: 4096,
    storedKey: new Uint8Array(32).fill(byte),
    serverKey: new Uint8Array(32),
  });
  const credentials = (byte: number) => ({ sha256: key(byte), sha1: null });
  w.must("alice", "account.create", { credentials: credentials(1) });
  const proof = key(1).storedKey;
  const add = () =>
    w.ask("alice", "device.add", {
      device: "phone" as DeviceId,
      label: "",
      tokenHash: new Uint8Array(32),
      expiresAt: w.process.clock.wallMs() + 1000,
      proof,
    });
  assert.ok(add().ok);
  w.must("alice", "account.setCredentials", {
    credentials: credentials(2),
    keepDevice: null,
    proof,
  });
  const late = add();
  assert.ok(!late.ok && late.code === "unauthorized");
  const again = w.ask("alice", "account.setCredentials", {
    credentials: credentials(3),
    keepDevice: null,
    proof,
  });
  assert.ok(!again.ok && again.code === "unauthorized");
});
