/** FencedStore on a disk with faults; what all stores have in common is in store_fences_test. */
import assert from "node:assert/strict";
import type { Claim, Owned, StoreError } from "../../server/node/ports.ts";
import { FencedStore } from "../../server/store/fenced_store.ts";
import { MemoryDisk, type UnknownOutcome } from "../sim/memory_store.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import { Prng } from "../sim/prng.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

const ME = { id: "node000000000001" as NodeId, incarnation: 1 };

function fixture() {
  const time = new VirtualTime();
  const disk = new MemoryDisk(time, new Prng(1));
  const store = new FencedStore(disk.open(time.process()));
  const call = <T>(start: (done: (error: StoreError | null, value: T) => void) => void) => {
    let called: [string | null, T] | null = null;
    start((error, value) => called = [error?.kind ?? null, value]);
    time.runUntilIdle();
    assert.ok(called !== null, "it does not call back");
    return called as [string | null, T];
  };
  const append = (epoch: number, from: number) =>
    call<void>((done) =>
      store.append([{ shard: 0, epoch, from, records: [new Uint8Array([from])] }], done)
    )[0];
  const claim = (epoch: number) =>
    call<readonly (Owned | null)[]>((done) => store.claim([{ shard: 0, epoch }], ME, done));
  const opening = { shard: 0, epoch: 1, start: 1, owner: ME };
  const change = { version: 0, table: new Uint8Array(1), seal: [], open: [opening] };
  call<boolean>((done) => store.reshape(change, done));
  const lsns = () => disk.rows(["log", 0]).map(({ key }) => key[2]);
  const held = () => call<readonly Claim[]>((done) => store.holders(done))[1][0]?.epoch;
  return { disk, store, call, append, claim, lsns, held };
}

Deno.test("FencedStore goes on where it was after an append that certainly failed", () => {
  const { disk, append, lsns } = fixture();
  assert.equal(append(1, 1), null);
  disk.failNext("failed", "full");
  assert.deepEqual([append(1, 2), append(1, 2)], ["failed", "full"]);
  assert.equal(append(1, 2), null);
  assert.deepEqual(lsns(), [1, 2]);
});

for (const outcome of ["applied", "lost", "ghost"] as const satisfies UnknownOutcome[]) {
  Deno.test(`FencedStore wants a claim after an append of unknown outcome: ${outcome}`, () => {
    const { disk, append, claim, lsns } = fixture();
    assert.equal(append(1, 1), null);
    disk.failNext(outcome);
    assert.equal(append(1, 2), "unknown");
    for (const from of [2, 3]) assert.equal(append(1, from), "fenced");
    const head = outcome === "applied" ? 2 : 1;
    assert.deepEqual(claim(1), [null, [{ shard: 0, epoch: 2, head }]]);
    assert.equal(append(2, head + 1), null);
    // What was claimed over does not return after a crash.
    disk.crash();
    assert.deepEqual(lsns(), outcome === "applied" ? [1, 2, 3] : [1, 2]);
  });

  Deno.test(`FencedStore reads the claims after one of unknown outcome: ${outcome}`, () => {
    const { disk, append, claim, held } = fixture();
    disk.failNext(outcome);
    assert.equal(claim(1)[0], "unknown");
    assert.equal(append(1, 1), "fenced");
    const epoch = outcome === "applied" ? 2 : 1;
    assert.equal(held(), epoch);
    assert.deepEqual(claim(3 - epoch), [null, [null]]);
    assert.deepEqual(claim(epoch), [null, [{ shard: 0, epoch: epoch + 1, head: 0 }]]);
  });
}

Deno.test("FencedStore a claim that certainly failed leaves the former one current", () => {
  const { disk, append, claim } = fixture();
  disk.failNext("failed");
  assert.deepEqual(claim(1), ["failed", []]);
  assert.equal(append(1, 1), null);
});

Deno.test("FencedStore a reshape of unknown outcome leaves nobody with a claim", () => {
  for (const outcome of ["applied", "lost"] as const) {
    const { disk, store, call, append, held } = fixture();
    const seal = [{ shard: 0, epoch: 1, head: 0 }];
    const open = [{ shard: 1, epoch: 1, start: 1, owner: ME }];
    disk.failNext(outcome);
    const [kind] = call<boolean>((done) =>
      store.reshape({ version: 1, table: new Uint8Array(2), seal, open }, done)
    );
    assert.equal(kind, "unknown");
    assert.equal(append(1, 1), "fenced");
    const [, table] = call<{ readonly version: number } | null>((done) =>
      store.register("table", done)
    );
    assert.equal(table?.version, outcome === "applied" ? 2 : 1);
    assert.equal(held(), 1);
  }
});

Deno.test("FencedStore notes an append that is under way while the claims are read anew", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const time = new VirtualTime();
    const disk = new MemoryDisk(time, new Prng(seed));
    const store = new FencedStore(disk.open(time.process()));
    const open = [0, 1].map((shard) => ({ shard, epoch: 1, start: 1, owner: ME }));
    store.reshape({ version: 0, table: new Uint8Array(1), seal: [], open }, () => {});
    time.runUntilIdle();
    // A claim of unknown outcome: what the store has is read before the next one.
    disk.failNext("lost");
    store.claim([{ shard: 1, epoch: 1 }], ME, () => {});
    time.runUntilIdle();
    const errors: (string | null)[] = [];
    const append = (from: number) => {
      const batch = { shard: 0, epoch: 1, from, records: [new Uint8Array([from])] };
      store.append([batch], (error) => errors.push(error?.kind ?? null));
    };
    store.holders(() => {});
    append(1);
    time.runUntilIdle();
    append(2);
    time.runUntilIdle();
    assert.deepEqual(errors, [null, null], `seed ${seed}`);
  }
});
