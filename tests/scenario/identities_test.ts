import assert from "node:assert/strict";
import type { AccountId } from "../../shard/name/ids.ts";
import { IDENTITIES_MAX } from "../../shard/handlers/identity_ops.ts";
import { NodeFixture } from "../sim/node_fixture.ts";

function open() {
  const w = new NodeFixture();
  const look = (identity: string, name = "ann") => w.must(name, "account.identify", { identity });
  const link = (identity: string, id: AccountId, alone = false) =>
    w.ask("ann", "account.link", { identity, id, alone });
  return { w, look, link };
}

Deno.test("13: identities are kept by a kill, from the log and from checkpoints", () => {
  const { w, look, link } = open();
  assert.equal(look("i1"), null);
  const { id } = w.must("ann", "account.create", { credentials: null, identity: "i1" });
  assert.deepEqual(link("i2", id), { ok: true, value: null });
  const all = () => ["i1", "i2", "i3"].map((identity) => look(identity)!.linked);
  assert.deepEqual(all(), [true, true, false]);
  w.kill();
  w.start();
  assert.deepEqual(all(), [true, true, false]);
  // The account is checkpointed and leaves memory.
  w.settle(300_000);
  assert.deepEqual(all(), [true, true, false]);
  w.kill();
  w.start();
  assert.deepEqual(all(), [true, true, false]);
});

Deno.test("13: identities end with their account, and are bounded", () => {
  const { w, look, link } = open();
  const { id } = w.must("ann", "account.create", { credentials: null, identity: "i1" });
  assert.deepEqual(link("i2", "another-account1" as AccountId).ok, false);
  assert.deepEqual(link("i2", id, true).ok, false, "another identity has it");
  assert.equal(look("i1")!.outside, true);
  for (let i = 2; i <= IDENTITIES_MAX; i++) assert.equal(link(`i${i}`, id).ok, true);
  assert.deepEqual(link("i1", id), { ok: true, value: null }, "again is no error");
  const full = link("one too many", id);
  assert.equal(full.ok ? "ok" : full.code, "limit_reached");
  w.must("ann", "account.remove", {});
  assert.deepEqual([look("i1")!.linked, look("i1")!.outside], [false, false]);
  w.must("ann", "account.release", {});
  w.must("ann", "account.create", { credentials: null });
  assert.deepEqual([look("i1")!.linked, look("i1")!.outside], [false, false]);
  assert.notDeepEqual(look("i1")!.id, id);
});
