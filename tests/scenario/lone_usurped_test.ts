/** Somebody else claims a shard of a lone node, which learns of it by a change of other shards. */
import { decodeTable, encodeTable, type Reshape, reshaped } from "../../shard/table/table.ts";
import { type Owned, type Register, TABLE_REGISTER } from "../../server/node/ports.ts";
import type { Result } from "../../shard/errors.ts";
import { NodeFixture } from "../sim/node_fixture.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import { equal, ok } from "node:assert/strict";

const OTHER = { id: "node999999999999" as NodeId, incarnation: 1 };

/** What a question to the store is answered with. */
function told<T>(w: NodeFixture, ask: (done: (answer: T) => void) => void): T {
  let answer: { readonly of: T } | null = null;
  ask((of) => answer = { of });
  w.time.runWhile(() => answer === null, w.time.nowMs + 10_000);
  ok(answer !== null);
  return (answer as { readonly of: T }).of;
}

Deno.test("a lone node claims a shard again whose claim it learns of by a change of unknown outcome", () => {
  const w = new NodeFixture({ shards: 2 });
  const [changed, claimed] = w.node.shards.map(({ id, row }) => ({ id, row }));
  let epoch: number | null = null;
  w.ports.store.claim([{ shard: claimed!.id, epoch: claimed!.row.epoch }], OTHER, (_, owned) => {
    epoch = owned[0]?.epoch ?? null;
  });
  w.settle(100);
  ok(epoch !== null && epoch > claimed!.row.epoch);
  const { lo, hi } = changed!.row;
  w.disk.failNext("applied");
  let done = false;
  w.node.reshape({ of: [changed!.id], at: [lo + Math.floor((hi - lo) / 2)] }, (r) => done = r.ok);
  w.settle();
  ok(done, "the change was made");
  const { row } = w.node.shards.find(({ id }) => id === claimed!.id)!;
  equal(row.owner?.id, w.node.id);
  ok(row.epoch > epoch, `it serves at epoch ${row.epoch}`);
});

Deno.test("a change of unknown outcome was not made where another node made one of its own", () => {
  const w = new NodeFixture({ shards: 2 });
  const { store } = w.ports;
  const [changed, claimed] = w.node.shards.map(({ id, row }) => ({ id, row }));
  const halves = ({ id, row: { lo, hi } }: typeof changed & object): Reshape => {
    return { of: [id], at: [lo + Math.floor((hi - lo) / 2)] };
  };
  const { epoch, head } = told<Owned>(w, (done) => {
    const claim = { shard: claimed!.id, epoch: claimed!.row.epoch };
    store.claim([claim], OTHER, (_, [owned]) => done(owned!));
  });
  const before = told<Register>(
    w,
    (done) => store.register(TABLE_REGISTER, (_, found) => done(found!)),
  );
  const table = reshaped(
    decodeTable(before.value),
    halves(claimed!),
    new Map([[claimed!.id, head]]),
  );
  w.disk.failNext("lost");
  let result: Result<unknown> | null = null;
  w.node.reshape(halves(changed!), (r) => result = r);
  // It is next in the store's queue, on the same table: both have shards of the same ids.
  const register = store.register.bind(store);
  store.register = (name, done) => w.time.global.timers.after(100, () => register(name, done));
  const made = told<boolean>(w, (done) => {
    store.reshape({
      version: before.version,
      table: encodeTable(table),
      seal: [{ shard: claimed!.id, epoch, head }],
      open: table.shards.filter(({ id }) => id >= table.nextId - 2).map(({ id, start }) => {
        return { shard: id, epoch, start, owner: OTHER };
      }),
    }, (_, made) => done(made));
  });
  equal(made, true);
  w.settle();
  equal(result!.ok, false);
  ok(w.node.shards.some(({ id }) => id === changed!.id), "its shards are as they were");
});
