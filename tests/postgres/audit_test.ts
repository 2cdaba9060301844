/** The audit log in PostgreSQL: several nodes write at once, without waiting for each other (13). */
import assert from "node:assert/strict";
import type { AuditInput } from "../../server/audit/entry.ts";
import { AuditWriter } from "../../server/audit/writer.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import { openPgStore } from "../../server/store/pg_open.ts";
import { parsePgAddress } from "../../server/config/pg_url.ts";
import { readAudit, verifyAudit } from "../../server/audit/reader.ts";
import { removeOld } from "../../server/audit/retention.ts";
import { startCluster } from "./cluster.ts";
import type { Store, StoreError } from "../../server/node/ports.ts";
import { systemClock } from "../../server/system/clock.ts";
import { systemTimers } from "../../server/system/timers.ts";

const cluster = startCluster(["fsync = off"]);
globalThis.addEventListener("unload", () => cluster.stop());

const DID: AuditInput = { actor: "token", action: "removeUser", target: "bob", outcome: "ok" };
const ALL = { from: 0, to: 1e15, actor: null, user: null, action: null, stream: null } as const;
const NODES = ["a", "b", "c"] as const;

Deno.test("13: three nodes write to the audit log at once, and their chains hold", async () => {
  const address = parsePgAddress(await cluster.database("audit"))!;
  const timers = systemTimers();
  const stores: Store[] = [];
  for (const _ of NODES) {
    stores.push((await openPgStore({ address, rootCert: null, timers })).store);
  }
  const [store] = stores as [Store];
  const writers = stores.map((store, i) =>
    new AuditWriter({
      store,
      timers,
      clock: systemClock(),
      node: NODES[i] as NodeId,
      stream: "admin",
    })
  );
  const durably = (writer: AuditWriter, input: AuditInput) =>
    new Promise<StoreError | null>((done) => writer.addDurably(input, done));
  try {
    await Promise.all(writers.map(async (writer) => {
      for (let i = 0; i < 40; i++) {
        for (let k = 0; k < 5; k++) writer.add(DID);
        assert.equal(await durably(writer, { ...DID, detail: String(i) }), null);
      }
    }));
    const { entries, next } = await readAudit(store, ALL, null, 1000);
    assert.deepEqual([entries.length, next], [3 * 40 * 6, null]);
    for (const node of NODES) {
      const own = entries.filter((entry) => entry.node === node && entry.detail !== undefined);
      assert.deepEqual(
        own.map(({ detail }) => detail),
        Array.from({ length: 40 }, (_, i) => `${i}`),
      );
    }
    const checked = await verifyAudit(store);
    assert.deepEqual([checked.faults, checked.entries], [[], 3 * 40 * 6]);
    const keep = { ms: 1e12, bytes: 5000 };
    const removed = await removeOld(store, "admin", keep, systemClock().wallMs(), async (input) => {
      assert.equal(await durably(writers[0]!, input), null);
    });
    assert.ok(removed > 60, `${removed}`);
    assert.deepEqual((await verifyAudit(store)).faults, []);
  } finally {
    for (const store of stores) await new Promise<void>((done) => store.close(done));
  }
});
