/** Two nodes on one PostgreSQL: claims fence writes of the other, and lost connections are unknown. */
import assert from "node:assert/strict";
// @ts-types="@types/pg"
import pg from "pg";
import type { LogBatch, Opening, Owned, StoreError } from "../../server/node/ports.ts";
import { openPgStore } from "../../server/store/pg_open.ts";
import { parsePgAddress } from "../../server/config/pg_url.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import type { PgStore } from "../../server/store/pg_store.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { systemTimers } from "../../server/system/timers.ts";

const A = { id: "node00000000000a" as NodeId, incarnation: 1 };
const B = { id: "node00000000000b" as NodeId, incarnation: 1 };
const bytes = (...values: number[]) => new Uint8Array(values);

const cluster = startCluster();
globalThis.addEventListener("unload", () => cluster.stop());
let databases = 0;

type Start<T> = (done: (error: StoreError | null, value: T) => void) => void;

function call<T>(
  start: Start<T>,
): Promise<{ readonly error: StoreError | null; readonly value: T }> {
  return new Promise((resolve) => start((error, value) => resolve({ error, value })));
}

function append(store: PgStore, ...batches: LogBatch[]): Promise<StoreError | null> {
  return call<void>((done) => store.append(batches, done)).then(({ error }) => error);
}

const batch = (shard: number, epoch: number, from: number): LogBatch => ({
  shard,
  epoch,
  from,
  records: [bytes(epoch, from)],
});

/** Resolves once a query has a row. */
async function until(sql: Cluster["sql"], query: string): Promise<void> {
  while ((await sql(query)).length === 0) await new Promise((done) => setTimeout(done, 20));
}

/** Two stores on a new database with the shards 0 and 1, which A owns at epoch 1. */
async function withTwo(
  test: (a: PgStore, b: PgStore, database: string) => Promise<void>,
): Promise<void> {
  databases++;
  const database = `fencing_${databases}`;
  const address = parsePgAddress(await cluster.database(database))!;
  const link = { address, rootCert: null, timers: systemTimers() };
  const [{ store: a }, { store: b }] = [await openPgStore(link), await openPgStore(link)];
  const open = [0, 1].map((shard): Opening => ({ shard, epoch: 1, start: 1, owner: A }));
  const change = { version: 0, table: bytes(1), seal: [], open };
  assert.equal((await call((done) => a.reshape(change, done))).value, true);
  await test(a, b, database);
  for (const store of [a, b]) await new Promise<void>((done) => store.close(done));
}

async function claim(store: PgStore, shard: number, epoch: number): Promise<Owned | null> {
  const { error, value } = await call<readonly (Owned | null)[]>((done) =>
    store.claim([{ shard, epoch }], B, done)
  );
  assert.equal(error, null);
  return value[0]!;
}

async function log(store: PgStore, shard: number): Promise<readonly number[][]> {
  const { value } = await call<{ readonly records: readonly { readonly bytes: Uint8Array }[] }>(
    (done) => store.readLog(shard, 0, 1e6, done),
  );
  return value.records.map((record) => [...record.bytes]);
}

Deno.test("a claim of another node refuses the whole append, and names the shard", () =>
  withTwo(async (a, b) => {
    assert.equal(await append(a, batch(0, 1, 1), batch(1, 1, 1)), null);
    assert.deepEqual(await claim(b, 0, 1), { shard: 0, epoch: 2, head: 1 });
    const refused = await append(a, batch(1, 1, 2), batch(0, 1, 2));
    assert.ok(refused?.kind === "fenced");
    assert.deepEqual(refused.shards, [0]);
    // Nothing of it exists, and no head has moved: not that of the shard that is current either.
    assert.deepEqual(await log(b, 1), [[1, 1]]);
    assert.equal(await append(a, batch(1, 1, 2)), null);
    assert.equal(await append(b, batch(0, 2, 2)), null);
    const { error } = await call<void>((done) =>
      a.checkpoint([{ shard: 0, epoch: 1 }], [], [{ log: 0, from: 1, below: 2 }], done)
    );
    assert.ok(error?.kind === "fenced" && error.shards[0] === 0);
    assert.deepEqual(await log(b, 0), [[1, 1], [2, 2]]);
  }));

Deno.test("a claim waits for an append under way, whose records are in its head", () =>
  withTwo(async (a, b) => {
    for (let round = 0; round < 20; round++) {
      const { value: holders } = await call<readonly { readonly epoch: number }[]>((done) =>
        b.holders(done)
      );
      const epoch = holders[0]!.epoch;
      const mine = await call<readonly (Owned | null)[]>((done) =>
        a.claim([{ shard: 0, epoch }], A, done)
      );
      const { head } = mine.value[0]!;
      const appended = append(a, batch(0, epoch + 1, head + 1));
      const taken = await claim(b, 0, epoch + 1);
      const outcome = await appended;
      assert.equal(taken!.head, outcome === null ? head + 1 : head);
      assert.equal((await log(b, 0)).length, taken!.head);
    }
  }));

Deno.test("11.6: a claim waits for no write of other shards, and for those of its own that are under way", () =>
  withTwo(async (a, _b, database) => {
    assert.equal(await append(a, batch(0, 1, 1)), null);
    const locker = new pg.Client({ host: cluster.dir, user: "roost", database });
    await locker.connect();
    await locker.query("BEGIN; LOCK roost_log, roost_row IN EXCLUSIVE MODE");
    const written: string[] = [];
    const appended = append(a, batch(0, 1, 2)).then((error) => {
      assert.equal(error, null);
      written.push("append");
    });
    const row = { kind: "set", key: ["x", 1], value: bytes(1) } as const;
    const checkpointed = call<void>((done) =>
      a.checkpoint([{ shard: 0, epoch: 1 }], [row], [], done)
    ).then(({ error }) => {
      assert.equal(error, null);
      written.push("checkpoint");
    });
    const claims = (shard: number) =>
      call<readonly (Owned | null)[]>((done) => a.claim([{ shard, epoch: 1 }], A, done));
    const own = claims(0).then(({ value: [owned] }) => {
      assert.deepEqual(owned, { shard: 0, epoch: 2, head: 2 });
      assert.deepEqual(written.toSorted(), ["append", "checkpoint"]);
    });
    const other = await claims(1);
    assert.deepEqual(other, { error: null, value: [{ shard: 1, epoch: 2, head: 0 }] });
    assert.deepEqual(written, []);
    await locker.end();
    await Promise.all([appended, checkpointed, own]);
  }));

Deno.test("an append whose connection is ended is unknown, and voids its claims", () =>
  withTwo(async (a, _b, database) => {
    assert.equal(await append(a, batch(0, 1, 1)), null);
    const locker = new pg.Client({ host: cluster.dir, user: "roost", database });
    await locker.connect();
    await locker.query("BEGIN; LOCK roost_log IN EXCLUSIVE MODE");
    const appended = append(a, batch(0, 1, 2));
    const waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' " +
      `AND datname = '${database}'`;
    await until(cluster.sql, waiting);
    await cluster.sql(`SELECT pg_terminate_backend((${waiting}))`);
    assert.equal((await appended)?.kind, "unknown");
    await locker.end();
    assert.equal((await append(a, batch(0, 1, 2)))?.kind, "fenced");
    const owned = await call<readonly (Owned | null)[]>((done) =>
      a.claim([{ shard: 0, epoch: 1 }], A, done)
    );
    assert.deepEqual(owned.value, [{ shard: 0, epoch: 2, head: 1 }]);
    assert.equal(await append(a, batch(0, 2, 2)), null);
  }));

Deno.test("a commit that has not waited for its standby is unknown, though it looks like success", () =>
  withTwo(async (a, b, database) => {
    await cluster.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    await cluster.sql("SELECT pg_reload_conf()");
    try {
      const appended = append(a, batch(0, 1, 1));
      const waits = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' " +
        `AND datname = '${database}'`;
      await until(cluster.sql, waits);
      await cluster.sql(`SELECT pg_cancel_backend((${waits}))`);
      assert.equal((await appended)?.kind, "unknown");
      assert.equal((await append(a, batch(0, 1, 2)))?.kind, "fenced");
    } finally {
      await cluster.sql("ALTER SYSTEM RESET synchronous_standby_names");
      await cluster.sql("SELECT pg_reload_conf()");
    }
    assert.deepEqual(await claim(b, 0, 1), { shard: 0, epoch: 2, head: 1 });
  }));

Deno.test("after the server was killed and started again everything acked is there", () =>
  withTwo(async (a, b) => {
    let acked = 200;
    for (let from = 1; from <= acked; from++) {
      assert.equal(await append(a, batch(0, 1, from)), null);
    }
    const last = append(a, batch(0, 1, acked + 1));
    cluster.kill();
    const outcome = await last;
    if (outcome === null) acked++;
    else assert.equal(outcome.kind, "unknown");
    cluster.start();
    const owned = await claim(b, 0, 1);
    assert.ok(owned!.head >= acked, `head ${owned!.head}, acked ${acked}`);
    assert.equal((await log(b, 0)).length, owned!.head);
    assert.equal((await append(a, batch(1, 1, 1)))?.kind ?? null, null);
  }));
