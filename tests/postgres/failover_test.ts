/** The store follows its engine to another server, and never back to one that was replaced (issue 11). */
import assert from "node:assert/strict";
import type { LogBatch, Opening, Owned, StoreError } from "../../server/node/ports.ts";
import { openPgStore } from "../../server/store/pg_open.ts";
import { parsePgAddress } from "../../server/config/pg_url.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import type { PgStore } from "../../server/store/pg_store.ts";
import { type Pair, startPair } from "./pair.ts";
import { startCluster } from "./cluster.ts";
import { systemTimers } from "../../server/system/timers.ts";

const A = { id: "node00000000000a" as NodeId, incarnation: 1 };
const bytes = (...values: number[]) => new Uint8Array(values);
/** Longest time from a promotion until an append is acknowledged (ms). */
const BACK_MS = 5000;

type Start<T> = (done: (error: StoreError | null, value: T) => void) => void;

function call<T>(
  start: Start<T>,
): Promise<{ readonly error: StoreError | null; readonly value: T }> {
  return new Promise((resolve) => start((error, value) => resolve({ error, value })));
}

const batch = (epoch: number, from: number): LogBatch => ({
  shard: 0,
  epoch,
  from,
  records: [bytes(epoch, from)],
});

/** A log with what was acked into it. */
class Log {
  epoch = 1;
  head = 0;
  acked = 0;

  constructor(readonly store: PgStore) {}

  append(): Promise<StoreError | null> {
    return call<void>((done) => this.store.append([batch(this.epoch, this.head + 1)], done))
      .then(({ error }) => {
        if (error === null) this.acked = ++this.head;
        return error;
      });
  }

  /** Claims it again, as after an unknown outcome; whether that was possible. */
  async claim(): Promise<boolean> {
    const { value: [holder], error: failure } = await call<readonly { readonly epoch: number }[]>(
      (done) => this.store.holders(done),
    );
    if (failure !== null) return false;
    const { error, value } = await call<readonly (Owned | null)[]>((done) =>
      this.store.claim([{ shard: 0, epoch: holder!.epoch }], A, done)
    );
    const owned = value[0];
    if (error !== null || owned == null) return false;
    this.epoch = owned.epoch;
    this.head = owned.head;
    return true;
  }

  async stored(): Promise<number> {
    const { value } = await call<{ readonly records: readonly unknown[] }>((done) =>
      this.store.readLog(0, 0, 1e6, done)
    );
    return value.records.length;
  }
}

async function openLog(url: string): Promise<Log> {
  const address = parsePgAddress(url)!;
  const { store } = await openPgStore({ address, rootCert: null, timers: systemTimers() });
  const open: Opening[] = [{ shard: 0, epoch: 1, start: 1, owner: A }];
  const change = { version: 0, table: bytes(1), seal: [], open };
  assert.equal((await call((done) => store.reshape(change, done))).value, true);
  return new Log(store);
}

const close = (store: PgStore) => new Promise<void>((done) => store.close(done));
const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));

/** Appends while the primary is lost, promotes the standby, and goes on there. */
async function failOver(pair: Pair, lose: () => void): Promise<Log> {
  const log = await openLog(await pair.database("failover"));
  for (let i = 0; i < 50; i++) assert.equal(await log.append(), null);
  const last = log.append();
  lose();
  pair.standby.promote();
  const promotedMs = performance.now();
  const outcome = await last;
  assert.ok(outcome === null || outcome.kind === "unknown", String(outcome?.message));
  while (!await log.claim()) await pause(20);
  assert.equal(await log.append(), null);
  const tookMs = performance.now() - promotedMs;
  assert.ok(tookMs < BACK_MS, `an append was acknowledged ${Math.round(tookMs)} ms later`);
  assert.equal(await log.stored(), log.head);
  assert.ok(log.head >= 51, `${log.head} records, of which 51 were acked`);
  return log;
}

Deno.test("11: after kill -9 of the primary the store goes on at the promoted standby", async () => {
  const pair = await startPair(["fsync = off"]);
  try {
    const { store } = await failOver(pair, () => pair.primary.kill());
    await close(store);
  } finally {
    pair.stop();
  }
});

Deno.test("11: a silent primary is left for the promoted standby, and not used when it returns", async () => {
  const pair = await startPair(["fsync = off"]);
  try {
    const log = await failOver(pair, () => pair.primary.freeze(true));
    pair.primary.freeze(false);
    const { head } = log;
    // Each connection for reads is used: none is still at the server that was replaced.
    const reads = await Promise.all(Array.from({ length: 16 }, () => log.stored()));
    assert.deepEqual(new Set(reads), new Set([head]));
    // It takes writes, but no node connects to it, when the other one is away.
    pair.standby.freeze(true);
    assert.deepEqual(await pair.primary.sql("SELECT pg_is_in_recovery()"), ["false"]);
    const refused = await log.append();
    assert.equal(refused?.kind, "unknown");
    assert.equal(await log.claim(), false);
    pair.standby.freeze(false);
    while (!await log.claim()) await pause(20);
    assert.equal(await log.append(), null);
    await close(log.store);
  } finally {
    pair.stop();
  }
});

Deno.test("11: nothing is read from a server that takes no writes any more", async () => {
  const cluster = startCluster(["fsync = off"]);
  try {
    const log = await openLog(await cluster.database("demoted"));
    assert.equal(await log.append(), null);
    assert.equal(await log.stored(), 1);
    await cluster.sql("ALTER SYSTEM SET default_transaction_read_only = on");
    await cluster.sql("SELECT pg_reload_conf()");
    while ((await log.append()) === null) await pause(20);
    const { error } = await call((done) => log.store.readLog(0, 0, 1e6, done));
    assert.match(error?.message ?? "", /takes no writes/);
    await cluster.sql("ALTER SYSTEM RESET default_transaction_read_only");
    await cluster.sql("SELECT pg_reload_conf()");
    while (!await log.claim()) await pause(20);
    assert.equal(await log.append(), null);
    await close(log.store);
  } finally {
    cluster.stop();
  }
});
