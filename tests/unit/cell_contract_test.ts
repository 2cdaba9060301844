/**
 * What the nodes of a cell share, on every kind of store: changes by compare-and-set, none lost, and
 * noticed by other nodes within a stated time without hints (issue 9, B5).
 */
import assert from "node:assert/strict";
import type { Store, StoreError, Timers } from "../../server/node/ports.ts";
import { type Bench, MEDIA, set, withBench } from "./store_media.ts";
import { CellRows, type RowsById } from "../../server/node/cell_rows.ts";
import { cellText, CellValue } from "../../server/node/cell_value.ts";
import { Prng, simRandom } from "../sim/prng.ts";
import { REGISTER_POLL_MS, RegisterPoll } from "../../server/node/register_poll.ts";

const PLACE = { name: "things", prefix: ["meta", "thing"] } as const;
const random = simRandom(new Prng("cell contract"));
const json = (value: unknown) => [...new TextEncoder().encode(JSON.stringify(value))];

/** Rows as one node of several sees them. */
const rowsOf = (store: Store) => new CellRows<string>(store, random, PLACE);

const load = (bench: Bench, rows: CellRows<string>) =>
  bench.call<RowsById<string>>((done) => rows.load(done));

/** Timers that run when told, and a store whose hints all get lost. */
function deaf(store: Store) {
  const due: { readonly atMs: number; readonly run: () => void }[] = [];
  const timers: Timers = {
    after(delayMs, run) {
      due.push({ atMs: delayMs, run });
      return () => {};
    },
    soon: (run) => run(),
  };
  let reads = 0;
  const counted = <A extends unknown[]>(done: (...args: A) => void) => {
    reads++;
    return (...args: A) => {
      reads--;
      done(...args);
    };
  };
  const register: Store["register"] = (name, done) => store.register(name, counted(done));
  const cas: Store["cas"] = (...args) => store.cas(...args);
  const list: Store["list"] = (options, done) => store.list(options, counted(done));
  const silent = { register, cas, list, watch: () => () => {} };
  const idle = () => reads === 0;
  return { due, idle, poll: new RegisterPoll({ timers, random, store: silent }) };
}

for (const [name, medium] of MEDIA) {
  const contract = (behaviour: string, test: (bench: Bench) => Promise<void>) =>
    Deno.test(`${name} ${behaviour}`, () => withBench(medium(), test));

  contract("CellValue: of changes that nodes make at once none is lost", async (bench) => {
    const nodes = Array.from({ length: 6 }, () => new CellValue(bench.store, cellText("list")));
    const changes = nodes.map((node, i) =>
      bench.call<string | null>((done) => node.update((text) => `${text ?? ""}${i}`, done))
    );
    for (const { error } of await Promise.all(changes)) assert.equal(error, null);
    const { value } = await bench.call<string | null>((done) => nodes[0]!.load(done));
    assert.equal([...value!].toSorted().join(""), "012345");
  });

  contract(
    "CellRows: of rows that nodes add at once none is lost, also after reopening",
    async (bench) => {
      const changes = Array.from(
        { length: 6 },
        (_, i) =>
          bench.call<RowsById<string>>((done) =>
            rowsOf(bench.store).update(() => new Map([[`id${i}`, `row ${i}`]]), done)
          ),
      );
      for (const { error } of await Promise.all(changes)) {
        assert.equal(error, null);
      }
      await bench.reopen();
      const { value } = await load(bench, rowsOf(bench.store));
      assert.deepEqual([...value.keys()], ["id0", "id1", "id2", "id3", "id4", "id5"]);
    },
  );

  contract(
    "CellRows: of nodes that make the same row at once one sees the other's",
    async (bench) => {
      const seen: (string | undefined)[] = [];
      const make = (mine: string) =>
        bench.call<RowsById<string>>((done) =>
          rowsOf(bench.store).update((rows) => {
            seen.push(rows.get("id"));
            return rows.has("id") ? null : new Map([["id", mine]]);
          }, done)
        );
      const [one, two] = await Promise.all([make("one"), make("two")]);
      assert.deepEqual([one.error, two.error], [null, null]);
      assert.deepEqual([...one.value], [...two.value]);
      assert.ok(seen.includes(one.value.get("id")));
    },
  );

  contract("CellRows: rows of an earlier version are kept, changed and deleted", async (bench) => {
    await bench.write([
      set(["meta", "thing", "old"], ...json("a")),
      set(["meta", "thing", "older"], ...json("b")),
    ]);
    const rows = rowsOf(bench.store);
    const change = new Map([["old", null], ["older", "c"], ["new", "d"]]);
    const { error, value } = await bench.call<RowsById<string>>((done) =>
      rows.update(() => change, done)
    );
    assert.equal(error, null);
    const stored = (await load(bench, rowsOf(bench.store))).value;
    assert.deepEqual([...value].toSorted(), [["new", "d"], ["older", "c"]]);
    assert.deepEqual([...stored].toSorted(), [...value].toSorted());
    assert.equal((await bench.list(["meta", "thing"])).length, 2);
  });

  contract("cas: writes rows with the register or neither", async ({ store, call, read }) => {
    const cas = (version: number, ...bytes: number[]) =>
      call<boolean>((done) =>
        store.cas("guard", version, new Uint8Array(bytes), [set(["row"], ...bytes)], done)
      );
    assert.deepEqual(await cas(0, 1), { error: null, value: true });
    assert.deepEqual(await cas(0, 2), { error: null, value: false });
    assert.deepEqual(await read([["row"]]), [new Uint8Array([1])]);
    assert.deepEqual(await cas(1, 3), { error: null, value: true });
    assert.deepEqual(await read([["row"]]), [new Uint8Array([3])]);
  });

  contract(
    "RegisterPoll: a change of another node is noticed without hints in the stated time",
    async (bench) => {
      const { due, idle, poll } = deaf(bench.store);
      const seen: string[] = [];
      const mine = new CellValue(poll, cellText("text"));
      const rows = new CellRows<string>(poll, random, PLACE);
      mine.onChange = (text) => seen.push(`text ${text}`);
      rows.onChange = (rows) => seen.push(`rows ${[...rows.keys()]}`);
      mine.watch();
      rows.watch();
      const look = async () => {
        const timer = due.shift()!;
        assert.ok(timer.atMs > 0 && timer.atMs <= REGISTER_POLL_MS);
        timer.run();
        // What it reads may have it read more.
        while (!idle()) await bench.read([["meta", "text"]]);
      };
      await bench.call<string | null>((done) => mine.update(() => "mine", done));
      await look();
      assert.deepEqual(seen, []);
      const other = new CellValue(bench.store, cellText("text"));
      await bench.call<string | null>((done) => other.update(() => "theirs", done));
      await bench.call<RowsById<string>>((done) =>
        rowsOf(bench.store).update(() => new Map([["id", "x"]]), done)
      );
      await look();
      assert.deepEqual(seen.toSorted(), ["rows id", "text theirs"]);
      await look();
      assert.equal(seen.length, 2);
      poll.stop();
      due.shift()?.run();
      assert.deepEqual(due, []);
    },
  );
}

/** The error of a change of rows whose write ends like this, and what is stored then. */
Deno.test("CellRows: a failure of the store leaves the rows as they were", async () => {
  const [, medium] = MEDIA.find(([name]) => name === "memory_store")!;
  await withBench(medium(), async (bench) => {
    const failing: Store["cas"] = (_name, _version, _value, _rows, done) =>
      done({ kind: "failed", message: "no" }, false);
    const { register, watch, list } = bench.store;
    const broken = {
      register: register.bind(bench.store),
      watch: watch.bind(bench.store),
      list: list.bind(bench.store),
      cas: failing,
    };
    const rows = new CellRows<string>(broken, random, PLACE);
    const change = await bench.call<RowsById<string>>((done) =>
      rows.update(() => new Map([["id", "x"]]), done)
    );
    const error: StoreError | null = change.error;
    assert.equal(error?.kind, "failed");
    assert.equal((await load(bench, rowsOf(bench.store))).value.size, 0);
  });
});
