import assert from "node:assert/strict";
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import { NodeFixture } from "../sim/node_fixture.ts";
import { OpenBatch } from "../../shard/step/open_batch.ts";
import { AccountState } from "../../shard/account/account.ts";
import { STORE_LIMITS } from "../../server/node/ports.ts";

Deno.test("OpenBatch splits what is too much for one write, and releases in order", () => {
  const batch = new OpenBatch();
  const account = new AccountState("a" as AccountName, 0);
  const body = "x".repeat(20_000);
  const held: number[] = [];
  for (let i = 0; i < 60; i++) {
    batch.append(account, {
      kind: "event",
      seq: i + 1,
      at: 1,
      body: { kind: "undelivered", with: account.name, num: i, id: body, reason: "" },
    }, false);
    assert.ok(batch.hold(account, { kind: "recover", reading: 1 }));
    held.push(account.runtime.batch);
  }
  let released = 0;
  let lsn = 0;
  while (batch.open) {
    const sealed = batch.seal()!;
    assert.throws(() => batch.open ? batch.seal() : assert.fail(), /in flight|Failed/);
    assert.ok(sealed.bytes < STORE_LIMITS.writeBytesMax / 2, `${sealed.bytes} bytes`);
    for (const row of sealed.rows) {
      assert.equal(row.lsn, ++lsn);
      assert.ok(row.bytes.length <= STORE_LIMITS.valueBytesMax);
    }
    released += batch.committed(sealed.batch).length;
    assert.equal(released, held.filter((b) => b <= sealed.batch).length);
  }
  assert.equal(released, 60);
});

Deno.test("a disk that stalls under load loses nothing and exceeds no limit of the store", () => {
  const w = new NodeFixture({ shards: 1, limits: { inboundMessageBurst: 1e6 } });
  w.account("bob");
  w.must("bob", "settings.set", { messagesFrom: "anyone" });
  const senders = Array.from({ length: 30 }, (_, i) => `user${i}`);
  for (const s of senders) w.account(s);
  w.disk.stall(5000);
  let acked = 0;
  for (let i = 0; i < 900; i++) {
    w.node.request(senders[i % 30]! as AccountName, "message.send", {
      device: "phone" as DeviceId,
      to: "bob" as AccountName,
      id: `m${i}`,
      body: "y".repeat(2000),
      ext: "",
    }, (r) => acked += r.ok ? 1 : 0);
  }
  w.settle(20_000);
  assert.equal(acked, 900);
  assert.equal(w.bodies("bob").length, 900);
});

Deno.test("an account never outgrows its bytes, and what fits is stored", () => {
  const w = new NodeFixture({ shards: 1, limits: { rosterMax: 10_000, headBytesMax: 450_000 } });
  w.account("alice");
  const groups = Array.from({ length: 16 }, (_, i) => `${i}`.repeat(64));
  const codes = new Set<string>();
  for (let i = 0; i < 400; i++) {
    const contact = `contact${i}` as AccountName;
    const r = w.ask("alice", "roster.set", { contact, label: "x".repeat(250), groups });
    codes.add(r.ok ? "ok" : r.code);
  }
  assert.deepEqual([...codes], ["ok", "limit_reached"]);
  w.settle(5000);
  w.kill();
  w.start();
  const { roster } = w.must("alice", "mailbox.snapshot", {}).snapshot;
  assert.ok(roster.length > 100, `${roster.length} contacts`);
});

Deno.test("messages of all sizes that pile up for a stalled peer are refused as busy", () => {
  const w = new NodeFixture({ shards: 2 });
  for (const n of ["alice", "bob"]) w.account(n);
  w.must("bob", "settings.set", { messagesFrom: "anyone" });
  w.disk.stall(3000);
  const codes: string[] = [];
  for (let i = 0; i < 40; i++) {
    w.node.request("alice" as AccountName, "message.send", {
      device: "phone" as DeviceId,
      to: "bob" as AccountName,
      id: `m${i}`,
      body: "\u{1f600}".repeat(5000),
      ext: "",
    }, (r) => codes.push(r.ok ? "ok" : r.code));
  }
  w.settle(20_000);
  assert.ok(codes.includes("ok") && codes.includes("busy"), codes.join());
  assert.equal(w.bodies("bob").length, codes.filter((c) => c === "ok").length);
});
