/** Logs, claims, the shard table and registers of every store: the same tests run on each kind. */
import assert from "node:assert/strict";
import {
  type Claim,
  type LogBatch,
  type LogRecord,
  type Opening,
  type Owned,
  type StoreError,
  TABLE_REGISTER,
} from "../../server/node/ports.ts";
import { type Bench, del, type Medium, set, withBench } from "./store_media.ts";
import type { NodeId, NodeRef } from "../../shard/name/ids.ts";

const ME: NodeRef = { id: "node000000000001" as NodeId, incarnation: 1 };
const OTHER: NodeRef = { id: "node000000000002" as NodeId, incarnation: 7 };
const bytes = (...values: number[]) => new Uint8Array(values);

/** Begins shards with empty logs at epoch 1. */
async function open(bench: Bench, ...shards: readonly number[]): Promise<void> {
  const openings = shards.map((shard): Opening => ({ shard, epoch: 1, start: 1, owner: ME }));
  const change = { version: 0, table: bytes(1), seal: [], open: openings };
  const made = await bench.call<boolean>((done) => bench.store.reshape(change, done));
  assert.deepEqual(made, { error: null, value: true });
}

async function claim(bench: Bench, owner: NodeRef, ...claims: readonly Claim[]) {
  const called = await bench.call<readonly (Owned | null)[]>((done) =>
    bench.store.claim(claims, owner, done)
  );
  assert.equal(called.error, null);
  return called.value;
}

function batch(shard: number, epoch: number, from: number, ...records: Uint8Array[]): LogBatch {
  return { shard, epoch, from, records: records.length === 0 ? [bytes(from)] : records };
}

async function append(bench: Bench, ...batches: LogBatch[]): Promise<StoreError | null> {
  return (await bench.call<void>((done) => bench.store.append(batches, done))).error;
}

async function readLog(bench: Bench, log: number, after = 0, bytesMax = 1e6) {
  const called = await bench.call<
    { readonly records: readonly LogRecord[]; readonly end: boolean }
  >(
    (done) => bench.store.readLog(log, after, bytesMax, done),
  );
  assert.equal(called.error, null);
  return called.value;
}

async function lsns(bench: Bench, log: number): Promise<readonly number[]> {
  return (await readLog(bench, log)).records.map(({ lsn }) => lsn);
}

function fencedAt(error: StoreError | null): readonly number[] {
  assert.ok(error?.kind === "fenced", `wants fenced, got ${error?.kind}`);
  return error.shards;
}

async function register(bench: Bench, name: string) {
  return (await bench.call<unknown>((done) => bench.store.register(name, done))).value;
}

/** Makes the tests of one kind of store; their names begin with `name`. */
export function fencesContract(name: string, medium: () => Medium): void {
  const contract = (behaviour: string, test: (bench: Bench) => Promise<void>) =>
    Deno.test(`${name} ${behaviour}`, () => withBench(medium(), test));

  contract("appends to several logs in one step, each where it ends", async (bench) => {
    await open(bench, 0, 1);
    assert.equal(await append(bench, batch(0, 1, 1, bytes(7), bytes(8)), batch(1, 1, 1)), null);
    assert.equal(await append(bench, batch(0, 1, 3)), null);
    assert.deepEqual((await readLog(bench, 0)).records, [
      { lsn: 1, bytes: bytes(7) },
      { lsn: 2, bytes: bytes(8) },
      { lsn: 3, bytes: bytes(3) },
    ]);
    for (const from of [3, 5]) {
      const stale = fencedAt(await append(bench, batch(1, 1, 2), batch(0, 1, from)));
      assert.deepEqual(stale, [0]);
    }
    // Nothing of a refused append exists: not of the shards that were current either.
    assert.deepEqual([await lsns(bench, 0), await lsns(bench, 1)], [[1, 2, 3], [1]]);
    assert.equal(await append(bench, batch(1, 1, 2), batch(0, 1, 4)), null);
  });

  contract("takes one append at a time", async (bench) => {
    await open(bench, 0);
    const { store } = bench;
    const first = bench.call<void>((done) => {
      store.append([batch(0, 1, 1)], done);
      assert.throws(() => store.append([batch(0, 1, 2)], () => {}), /in flight/);
    });
    assert.equal((await first).error, null);
  });

  contract("reads a log in pages", async (bench) => {
    await open(bench, 0, 10);
    const records = Array.from({ length: 250 }, (_, i) => new Uint8Array(100).fill(i));
    assert.equal(await append(bench, batch(0, 1, 1, ...records), batch(10, 1, 1)), null);
    const found: number[] = [];
    for (let after = 0;;) {
      const page = await readLog(bench, 0, after, 5000);
      assert.ok(page.records.length > 0 || page.end);
      found.push(...page.records.map(({ lsn }) => lsn));
      if (page.end) break;
      after = found.at(-1)!;
    }
    assert.deepEqual(found, records.map((_, i) => i + 1));
    assert.deepEqual(await readLog(bench, 3), { records: [], end: true });
  });

  contract(
    "a claim raises the epoch, tells the head, and fences the former owner",
    async (bench) => {
      await open(bench, 0, 1);
      assert.equal(await append(bench, batch(0, 1, 1), batch(1, 1, 1)), null);
      assert.deepEqual(await claim(bench, OTHER, { shard: 0, epoch: 1 }), [
        { shard: 0, epoch: 2, head: 1 },
      ]);
      assert.deepEqual(fencedAt(await append(bench, batch(0, 1, 2), batch(1, 1, 2))), [0]);
      assert.equal(await append(bench, batch(0, 2, 2), batch(1, 1, 2)), null);
      // A writer that is too late gets nothing, and does not disturb earlier ones.
      const late = await claim(bench, ME, { shard: 0, epoch: 1 }, { shard: 1, epoch: 1 }, {
        shard: 9,
        epoch: 1,
      });
      assert.deepEqual(late, [null, { shard: 1, epoch: 2, head: 2 }, null]);
      const { value } = await bench.call((done) => bench.store.holders(done));
      assert.deepEqual(value, [
        { shard: 0, epoch: 2, owner: OTHER },
        { shard: 1, epoch: 2, owner: ME },
      ]);
    },
  );

  contract(
    "what is appended before a claim is in its head, what comes later is refused",
    async (bench) => {
      await open(bench, 0);
      const answers: unknown[] = [];
      const claimed = bench.call<unknown>((done) => {
        bench.store.append([batch(0, 1, 1)], (error) => {
          answers.push(error);
          bench.store.append([batch(0, 1, 2)], (error) => answers.push(error?.kind));
        });
        bench.store.claim([{ shard: 0, epoch: 1 }], OTHER, done);
      });
      const { value } = await claimed;
      const [owned] = value as Owned[];
      await bench.write([]);
      assert.equal(answers[0], null);
      const known = await lsns(bench, 0);
      // The second append was asked for before or after the claim took effect.
      assert.equal(known.at(-1), owned!.head);
      assert.equal(answers[1] ?? null, owned!.head === 2 ? null : "fenced");
      assert.equal(await append(bench, batch(0, 2, owned!.head + 1)), null);
    },
  );

  contract("claims and heads outlive the process", async (bench) => {
    await open(bench, 0, 1);
    await claim(bench, OTHER, { shard: 0, epoch: 1 });
    assert.equal(await append(bench, batch(0, 2, 1), batch(1, 1, 1)), null);
    await bench.reopen();
    // A new process has to claim before it appends.
    assert.deepEqual(fencedAt(await append(bench, batch(0, 2, 2))), [0]);
    assert.deepEqual(await claim(bench, ME, { shard: 0, epoch: 1 }), [null]);
    const mine = await claim(bench, ME, { shard: 0, epoch: 2 }, { shard: 1, epoch: 1 });
    assert.deepEqual(mine, [{ shard: 0, epoch: 3, head: 1 }, { shard: 1, epoch: 2, head: 1 }]);
    assert.equal(await append(bench, batch(0, 3, 2)), null);
  });

  contract("checkpoints rows and cuts logs of claimed shards, all or nothing", async (bench) => {
    await open(bench, 0, 1);
    const [a, b] = [{ shard: 0, epoch: 1 }, { shard: 1, epoch: 1 }];
    assert.equal(await append(bench, batch(0, 1, 1, bytes(1), bytes(2), bytes(3))), null);
    const checkpoint = (claims: readonly Claim[], below: number) =>
      bench.call<void>((done) =>
        bench.store.checkpoint(
          claims,
          [set(["u", below], below), del(["u", below - 1])],
          [{ log: 0, from: 1, below }],
          done,
        )
      );
    assert.equal((await checkpoint([a, b], 2)).error, null);
    assert.deepEqual(await lsns(bench, 0), [2, 3]);
    await claim(bench, OTHER, b);
    assert.deepEqual(fencedAt((await checkpoint([a, b], 3)).error), [1]);
    assert.deepEqual(await lsns(bench, 0), [2, 3]);
    assert.deepEqual(await bench.read([["u", 2], ["u", 3]]), [bytes(2), null]);
    assert.throws(() => bench.store.checkpoint([], [], [{ log: 0, from: 2, below: 3 }], () => {}));
    assert.equal((await checkpoint([a], 3)).error, null);
    assert.deepEqual(await lsns(bench, 0), [3]);
  });

  contract(
    "reshapes: table, seals and new shards in one step, where nothing has changed",
    async (bench) => {
      await open(bench, 0, 1);
      assert.equal(await append(bench, batch(0, 1, 1)), null);
      const heads = (head: number): Owned[] => [
        { shard: 0, epoch: 1, head },
        { shard: 1, epoch: 1, head: 0 },
      ];
      const child: Opening = { shard: 2, epoch: 5, start: 2, owner: OTHER };
      const reshape = (version: number, seal: readonly Owned[]) =>
        bench.call<boolean>((done) =>
          bench.store.reshape({ version, table: bytes(9), seal, open: [child] }, done)
        );
      assert.deepEqual(await reshape(0, heads(1)), { error: null, value: false });
      assert.deepEqual(await reshape(1, heads(0)), { error: null, value: false });
      assert.deepEqual(await register(bench, TABLE_REGISTER), { version: 1, value: bytes(1) });
      assert.equal(await append(bench, batch(1, 1, 1)), null);
      assert.deepEqual(await reshape(1, heads(1)), { error: null, value: false });
      const seal = [heads(1)[0]!, { shard: 1, epoch: 1, head: 1 }];
      assert.deepEqual(await reshape(1, seal), { error: null, value: true });
      assert.deepEqual(await register(bench, TABLE_REGISTER), { version: 2, value: bytes(9) });
      assert.deepEqual(fencedAt(await append(bench, batch(0, 1, 2), batch(1, 1, 2))), [0, 1]);
      assert.deepEqual(await claim(bench, ME, { shard: 0, epoch: 1 }), [null]);
      assert.equal(await append(bench, batch(2, 5, 2)), null);
      // The logs of shards that have ended are read and cut without a claim.
      assert.deepEqual(await lsns(bench, 0), [1]);
      const cut = await bench.call<void>((done) =>
        bench.store.checkpoint([], [], [{ log: 0, from: 1, below: 2 }], done)
      );
      assert.equal(cut.error, null);
      assert.deepEqual(await lsns(bench, 0), []);
      await bench.reopen();
      assert.deepEqual(await claim(bench, ME, { shard: 2, epoch: 5 }), [
        { shard: 2, epoch: 6, head: 2 },
      ]);
    },
  );

  contract("a new shard's head is before its start, until something is appended", async (bench) => {
    const child: Opening = { shard: 4, epoch: 3, start: 12, owner: ME };
    const change = { version: 0, table: bytes(1), seal: [], open: [child] };
    await bench.call<boolean>((done) => bench.store.reshape(change, done));
    await bench.reopen();
    assert.deepEqual(await claim(bench, ME, { shard: 4, epoch: 3 }), [
      { shard: 4, epoch: 4, head: 11 },
    ]);
  });

  contract("compares and sets registers, and tells those that watch", async (bench) => {
    const cas = (version: number, value: Uint8Array) =>
      bench.call<boolean>((done) => bench.store.cas("lease", version, value, [], done));
    const seen: number[] = [];
    const cancel = bench.store.watch("lease", (version) => seen.push(version));
    assert.equal(await register(bench, "lease"), null);
    assert.deepEqual(await cas(1, bytes(1)), { error: null, value: false });
    assert.deepEqual(await cas(0, bytes(2, 2)), { error: null, value: true });
    assert.deepEqual(await cas(0, bytes(3)), { error: null, value: false });
    assert.deepEqual(await cas(1, bytes()), { error: null, value: true });
    assert.deepEqual(await register(bench, "lease"), { version: 2, value: bytes() });
    assert.deepEqual(seen, [1, 2]);
    cancel();
    await cas(2, bytes(4));
    assert.deepEqual(seen, [1, 2]);
    await bench.reopen();
    assert.deepEqual(await register(bench, "lease"), { version: 3, value: bytes(4) });
    // Two at once: one of them finds what it compares with.
    const both = await Promise.all([cas(3, bytes(5)), cas(3, bytes(6))]);
    assert.deepEqual(both.map(({ value }) => value), [true, false]);
  });

  contract(
    "what an earlier version stored under a register's name is its first version",
    async (bench) => {
      assert.equal(await bench.write([set(["meta", "old"], 1, 2, 3)]), null);
      assert.deepEqual(await register(bench, "old"), { version: 1, value: bytes(1, 2, 3) });
    },
  );

  contract("records of logs are not written as rows", (bench) => {
    assert.throws(() => bench.store.write([set(["log", 0, 1], 1)], () => {}), /appended or cut/);
    return Promise.resolve();
  });
}
