/** A store that several processes use over sockets: fences between them, lost connections, bounds. */
import assert from "node:assert/strict";
import { dialFramed } from "../../server/system/framed_socket.ts";
import type { LogBatch, Owned, Store, StoreError } from "../../server/node/ports.ts";
import { AppendQueue } from "../../server/store/append_queue.ts";
import { encodeRequest, STORE_FRAME_BYTES_MAX } from "../../server/store/store_frames.ts";
import type { NodeId, NodeRef } from "../../shard/name/ids.ts";
import { ServedFixture } from "./served_fixture.ts";

const A: NodeRef = { id: "node00000000000a-1" as NodeId, incarnation: 1 };
const B: NodeRef = { id: "node00000000000a-2" as NodeId, incarnation: 1 };

async function withServed(test: (fixture: ServedFixture) => Promise<void>): Promise<void> {
  const dir = Deno.makeTempDirSync();
  const fixture = await ServedFixture.open(dir);
  try {
    await test(fixture);
  } finally {
    await fixture.close();
    Deno.removeSync(dir, { recursive: true });
  }
}

function call<T>(start: (done: (error: StoreError | null, value: T) => void) => void) {
  return new Promise<{ error: StoreError | null; value: T }>((resolve) =>
    start((error, value) => resolve({ error, value }))
  );
}

const closed = (store: Store) => new Promise<void>((done) => store.close(done));
const batch = (shard: number, epoch: number, from: number, bytes = 1): LogBatch => ({
  shard,
  epoch,
  from,
  records: [new Uint8Array(bytes).fill(from)],
});
const append = async (store: Store, ...batches: LogBatch[]) =>
  (await call<void>((done) => store.append(batches, done))).error;
const claim = async (store: Store, owner: NodeRef, shard: number, epoch: number) =>
  (await call<readonly (Owned | null)[]>((done) => store.claim([{ shard, epoch }], owner, done)))
    .value[0];

/** Opens shards, of which `a` gets the first and `b` the second. */
async function share(a: Store, b: Store): Promise<void> {
  const open = [0, 1].map((shard) => ({ shard, epoch: 1, start: 1, owner: A }));
  const change = { version: 0, table: new Uint8Array([1]), seal: [], open };
  assert.equal((await call<boolean>((done) => a.reshape(change, done))).value, true);
  assert.deepEqual(await claim(b, B, 1, 1), { shard: 1, epoch: 2, head: 0 });
}

Deno.test("11: a claim of one process fences the appends and checkpoints of another", () =>
  withServed(async (fixture) => {
    const [a, b] = [fixture.client(A.id), fixture.client(B.id)];
    await share(a, b);
    assert.equal(await append(a, batch(0, 1, 1)), null);
    const both = await append(a, batch(0, 1, 2), batch(1, 1, 1));
    assert.ok(both?.kind === "fenced");
    assert.deepEqual(both.shards, [1]);
    assert.equal(await append(b, batch(1, 2, 1)), null);
    assert.deepEqual(await claim(b, B, 0, 1), { shard: 0, epoch: 2, head: 1 });
    assert.equal((await append(a, batch(0, 1, 2)))?.kind, "fenced");
    const claims = [{ shard: 0, epoch: 1 }];
    const checkpoint = await call<void>((done) => a.checkpoint(claims, [], [], done));
    assert.equal(checkpoint.error?.kind, "fenced");
    await closed(a);
    await closed(b);
  }));

Deno.test("11: the log of a shard that another process has taken and ended is cut without a claim", () =>
  withServed(async (fixture) => {
    const [a, b] = [fixture.client(A.id), fixture.client(B.id)];
    await share(a, b);
    assert.equal(await append(a, batch(0, 1, 1)), null);
    assert.deepEqual(await claim(b, B, 0, 1), { shard: 0, epoch: 2, head: 1 });
    const seal = [{ shard: 0, epoch: 2, head: 1 }, { shard: 1, epoch: 2, head: 0 }];
    const open = [{ shard: 2, epoch: 2, start: 2, owner: B }];
    const change = { version: 1, table: new Uint8Array([2]), seal, open };
    assert.equal((await call<boolean>((done) => b.reshape(change, done))).value, true);
    await call((done) => a.holders(done));
    const cuts = [{ log: 0, from: 1, below: 2 }];
    const cut = await call<void>((done) => a.checkpoint([], [], cuts, done));
    assert.equal(cut.error, null);
    await closed(a);
    await closed(b);
  }));

Deno.test("11: appends of several processes that wait are one commit, each with its own outcome", async () => {
  const calls: (readonly LogBatch[])[] = [];
  const settle: ((error: StoreError | null) => void)[] = [];
  const queue = new AppendQueue({
    append: (batches, done) => {
      calls.push(batches);
      settle.push(done as (error: StoreError | null) => void);
    },
  });
  const outcomes: string[] = [];
  let wanted = true;
  const ask = (name: string, ...batches: LogBatch[]) =>
    queue.append(batches, () => name !== "gone" || wanted, (error) => {
      outcomes.push(`${name} ${error?.kind === "fenced" ? error.shards : error?.kind ?? "done"}`);
    });
  const shardsOf = () => calls.map((batches) => batches.map(({ shard }) => shard));
  ask("first", batch(0, 1, 1));
  ask("a", batch(1, 1, 1), batch(2, 1, 1));
  ask("b", batch(3, 1, 1));
  ask("gone", batch(4, 1, 1));
  // Of a shard that is among them already: it rests on what that appends.
  ask("later", batch(3, 1, 2));
  wanted = false;
  settle.shift()!(null);
  assert.deepEqual(shardsOf(), [[0], [1, 2, 3]]);
  settle.shift()!({ kind: "fenced", message: "", shards: [2] });
  assert.deepEqual(outcomes, ["first done", "a 2"]);
  assert.deepEqual(shardsOf().slice(2), [[3]]);
  settle.shift()!({ kind: "unknown", message: "" });
  settle.shift()!(null);
  assert.deepEqual(outcomes.slice(2), ["b unknown", "later done"]);
  assert.deepEqual(queue.counts, { appends: 4, asked: 5 });
  // What does not fit into one write is two.
  const records = Array.from({ length: 11 }, () => new Uint8Array(60_000));
  for (const shard of [5, 6, 7]) ask(`${shard}`, { shard, epoch: 1, from: 1, records });
  for (let i = 0; i < 3; i++) settle.shift()!(null);
  assert.deepEqual(shardsOf().slice(4), [[5], [6], [7]]);
  await Promise.resolve();
});

Deno.test("11: an append over a lost connection is unknown, and voids its claims until they are claimed again", () =>
  withServed(async (fixture) => {
    const [a, b] = [fixture.client(A.id), fixture.client(B.id)];
    await share(a, b);
    const lost = append(a, batch(0, 1, 1));
    const read = call((done) => a.read([["k"]], done));
    // The frames are sent at the end of this turn.
    await Promise.resolve();
    fixture.sockets[0]!.close("cut");
    assert.equal((await lost)?.kind, "unknown");
    assert.equal((await read).error?.kind, "failed");
    assert.equal((await append(a, batch(0, 1, 1)))?.kind, "fenced");
    const owned = await claim(a, A, 0, 1);
    assert.equal(owned?.epoch, 2);
    assert.equal(await append(a, batch(0, 2, owned!.head + 1)), null);
    await closed(a);
    await closed(b);
  }));

Deno.test("11: a client of a store whose process is gone fails, and goes on with its successor", () =>
  withServed(async (fixture) => {
    const a = fixture.client(A.id);
    const seen: number[] = [];
    a.watch("lease", (version) => seen.push(version));
    const cas = (version: number) =>
      call<boolean>((done) => a.cas("lease", version, new Uint8Array(), [], done));
    assert.equal((await cas(0)).value, true);
    fixture.server.drop(A.id);
    const interrupted = (await cas(1)).error?.kind;
    assert.ok(interrupted === "unknown" || interrupted === undefined);
    const { version } = (await call<{ version: number } | null>((done) =>
      a.register("lease", done)
    )).value!;
    // The new connection watches what the former one did.
    assert.equal((await cas(version)).value, true);
    await call((done) => a.read([], done));
    assert.equal(seen.at(-1), version + 1);
    await fixture.close();
    const after = await call((done) => a.write([], done as () => void));
    assert.ok(after.error?.kind === "failed" || after.error?.kind === "unknown");
    assert.equal((await call((done) => a.read([["k"]], done))).error?.kind, "failed");
    await closed(a);
  }));

Deno.test("11: long lists travel in parts, and many requests wait for each other", () =>
  withServed(async (fixture) => {
    const a = fixture.client(A.id);
    const value = new Uint8Array(60_000).fill(7);
    for (let i = 0; i < 40; i++) {
      a.write([{ kind: "set", key: ["row", i], value }], () => {});
    }
    const keys = Array.from({ length: 250 }, (_, i) => ["row", i % 50] as const);
    const read = await call<readonly (Uint8Array | null)[]>((done) => a.read(keys, done));
    assert.deepEqual(
      read.value.map((v) => v?.length ?? null),
      keys.map(([, i]) => i < 40 ? 60_000 : null),
    );
    const options = { prefix: ["row"], after: null, limit: 500 };
    const listed = await Promise.all(
      Array.from(
        { length: 300 },
        () => call<readonly unknown[]>((done) => a.list({ ...options, keysOnly: true }, done)),
      ),
    );
    assert.ok(listed.every(({ value }) => value.length === 40));
    const rows = await call<readonly unknown[]>((done) => a.list(options, done));
    assert.equal(rows.value.length, 40);
    await closed(a);
  }));

Deno.test("11: a connection that sends anything but requests within the limits is closed", () =>
  withServed(async (fixture) => {
    const hello = encodeRequest({ kind: "hello", version: 1, node: "node000000000001" });
    const big = { kind: "set", key: ["k"], value: new Uint8Array(70_000) } as const;
    const bad: readonly (readonly Uint8Array[])[] = [
      [new Uint8Array([250, 1])],
      [encodeRequest({ kind: "holders", n: 1 })],
      [encodeRequest({ kind: "hello", version: 9, node: "x" })],
      [hello, encodeRequest({ kind: "write", n: 1, rows: [big] })],
      [
        hello,
        encodeRequest({ kind: "cas", n: 1, name: "x", version: 0, value: big.value, rows: [] }),
      ],
      [hello, encodeRequest({ kind: "append", n: 1, batches: [batch(0, 1, 1), batch(0, 1, 2)] })],
      [
        hello,
        encodeRequest({ kind: "write", n: 1, rows: [{ kind: "delete", key: ["log", 0, 1] }] }),
      ],
      [
        hello,
        encodeRequest({ kind: "list", n: 1, prefix: [], after: null, limit: 0, keysOnly: false }),
      ],
      [new Uint8Array(STORE_FRAME_BYTES_MAX + 1)],
    ];
    for (const frames of bad) {
      await new Promise<void>((done) => {
        const socket = dialFramed(fixture.path, STORE_FRAME_BYTES_MAX, {
          frame: (frame) => assert.fail(`a reply of ${frame.length} bytes`),
          drained: () => {},
          closed: () => done(),
        });
        for (const frame of frames) socket.send(frame);
      });
    }
    // Others are served.
    const a = fixture.client(A.id);
    assert.equal((await call((done) => a.read([["k"]], done))).error, null);
    await closed(a);
  }));

Deno.test("11: only this user can use the socket of a store", () =>
  withServed(async (fixture) => {
    assert.equal((Deno.statSync(fixture.path).mode! & 0o777).toString(8), "600");
    await Promise.resolve();
  }));

Deno.test("11: damaged rows that are read over a socket are observed at the reader", () =>
  withServed(async (fixture) => {
    const seen: unknown[] = [];
    const a = fixture.client(A.id, (...damage: unknown[]) => void seen.push(damage[0]));
    const kv = await Deno.openKv(fixture.path.replace("store.sock", "kv.sqlite3"));
    await kv.set(["u", 1], new Uint8Array(20));
    kv.close();
    const read = await call((done) => a.read([["u", 1]], done));
    assert.equal(read.error?.kind, "damaged");
    assert.deepEqual(seen, [["u", 1]]);
    await closed(a);
  }));
