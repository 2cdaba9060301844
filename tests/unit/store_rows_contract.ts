/** Rows of every store: the same tests run on each kind. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type Mutation, type Row, STORE_LIMITS, type StoreKey } from "../../server/node/ports.ts";
import { type Bench, del, type Medium, set, withBench } from "./store_media.ts";
import { CHECKSUM_BYTES } from "../../server/store/row_checksum.ts";
import { KEY_BYTES_MAX } from "../../server/store/store_limits.ts";
import { encodeKey } from "../sim/key_order.ts";

const keysOf = (rows: readonly Row[]) => rows.map((row) => row.key);

const part = fc.oneof(
  fc.integer({ min: -5, max: 5 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.string({ maxLength: 4 }),
  fc.string({ maxLength: 3, unit: "binary" }),
  fc.constantFrom("", "\0", "\0\0", "a\0b", "\uffff", "\u{10000}", "é", 2 ** 53, -0),
);
const anyKey = fc.array(part, { minLength: 1, maxLength: 3 });

/** Makes the tests of one kind of store; their names begin with `name`. */
export function rowsContract(name: string, medium: () => Medium): void {
  const contract = (behaviour: string, test: (bench: Bench) => Promise<void>) =>
    Deno.test(`${name} ${behaviour}`, () => withBench(medium(), test));

  contract("gives back what was written, also after reopening", async (bench) => {
    assert.equal(await bench.write([set(["a", 1], 7, 8), set(["a", 2])]), null);
    for (let i = 0; i < 2; i++) {
      assert.deepEqual(await bench.read([["a", 1], ["a", 2], ["a", 3]]), [
        new Uint8Array([7, 8]),
        new Uint8Array(),
        null,
      ]);
      await bench.reopen();
    }
  });

  contract("applies the mutations of one write in order", async (bench) => {
    await bench.write([set(["k"], 1), del(["k"]), set(["k"], 2), set(["gone"], 1), del(["gone"])]);
    assert.deepEqual(await bench.read([["k"], ["gone"]]), [new Uint8Array([2]), null]);
  });

  contract("writes nothing for an empty write and reads nothing for no keys", async (bench) => {
    assert.equal(await bench.write([]), null);
    assert.deepEqual(await bench.read([]), []);
    assert.deepEqual(await bench.list([]), []);
  });

  contract("reads many keys in the order asked, repeated ones too", async (bench) => {
    const count = 137;
    await bench.write(Array.from({ length: count }, (_, i) => set(["row", i], i)));
    const keys = Array.from({ length: count * 2 }, (_, i): StoreKey => ["row", (i * 31) % count]);
    const values = await bench.read(keys);
    assert.deepEqual(values.map((value) => value?.[0]), keys.map((key) => key[1]));
  });

  contract("deletes, and ignores a delete of nothing", async (bench) => {
    await bench.write([set(["a"], 1), set(["b"], 2)]);
    assert.equal(await bench.write([del(["a"]), del(["never"])]), null);
    assert.deepEqual(keysOf(await bench.list([])), [["b"]]);
  });

  contract("lists a prefix strictly below it and pages through it", async (bench) => {
    const under = Array.from({ length: 25 }, (_, i): StoreKey => ["p", i]);
    await bench.write([
      set(["p"], 0),
      set(["o", 9], 0),
      set(["p\0", 1], 0),
      set(["q"], 0),
      ...under.map((key) => set(key, 1)),
      set(["p", 7, "deeper"], 1),
    ]);
    const found: StoreKey[] = [];
    for (let after: StoreKey | null = null;;) {
      const page: readonly Row[] = await bench.list(["p"], after, 4);
      found.push(...keysOf(page));
      if (page.length < 4) break;
      after = page.at(-1)!.key;
    }
    const wanted: StoreKey[] = [...under.slice(0, 8), ["p", 7, "deeper"], ...under.slice(8)];
    assert.deepEqual(found, wanted);
    // Where the key to start after is not there, the list starts at the next one.
    assert.deepEqual(keysOf(await bench.list(["p"], ["p", 6.5], 2)), [["p", 7], [
      "p",
      7,
      "deeper",
    ]]);
    assert.deepEqual(await bench.list(["p"], ["p", 99]), []);
  });

  contract("calls back in a later turn, in the order of asking for writes", async (bench) => {
    const order: number[] = [];
    const store = bench.store;
    for (const n of [1, 2, 3]) store.write([set(["k"], n)], () => order.push(n));
    store.read([], () => order.push(0));
    store.write([], () => order.push(0));
    assert.deepEqual(order, []);
    await bench.write([set(["last"])]);
    assert.deepEqual(order.filter((n) => n > 0), [1, 2, 3]);
    assert.equal(order.length, 5);
    assert.deepEqual(await bench.read([["k"]]), [new Uint8Array([3])]);
  });

  contract("copies values on the way in and on the way out", async (bench) => {
    const value = new Uint8Array([1, 2, 3]);
    const written = new Promise((resolve) =>
      bench.store.write([{ kind: "set", key: ["k"], value: value.subarray(1) }], resolve)
    );
    value.fill(9);
    // A second write makes both kinds of store run.
    await bench.write([set(["other"])]);
    assert.equal(await written, null);
    const [first] = await bench.read([["k"]]);
    assert.deepEqual(first, new Uint8Array([2, 3]));
    first!.fill(9);
    const [row] = await bench.list([], null, 1);
    assert.deepEqual(row, { key: ["k"], value: new Uint8Array([2, 3]) });
    row!.value.fill(9);
    assert.deepEqual(await bench.read([["k"]]), [new Uint8Array([2, 3])]);
  });

  contract("takes a write at each limit and throws beyond it", async (bench) => {
    const { mutationsMax, valueBytesMax, writeBytesMax } = STORE_LIMITS;
    const many = Array.from({ length: mutationsMax }, (_, i) => set(["n", i], 1));
    assert.equal(await bench.write(many), null);
    assert.throws(() => bench.store.write([...many, del(["n"])], () => {}), /1000 mutations/);

    const value = new Uint8Array(valueBytesMax);
    assert.equal(await bench.write([{ kind: "set", key: ["v"], value }]), null);
    const tooLong = { kind: "set", key: ["v"], value: new Uint8Array(valueBytesMax + 1) } as const;
    assert.throws(() => bench.store.write([tooLong], () => {}), /65529 bytes, limit is 65528/);

    const full = Array.from({ length: 12 }, (_, i): Mutation => ({
      kind: "set",
      key: ["w", i],
      value,
    }));
    const keyBytes = 13 * 2 * (3 + 9);
    // Each value is stored behind its checksum.
    const checksums = 13 * CHECKSUM_BYTES;
    const rest = new Uint8Array(writeBytesMax - 12 * valueBytesMax - keyBytes - checksums);
    assert.equal(await bench.write([...full, { kind: "set", key: ["w", 12], value: rest }]), null);
    const over: Mutation = { kind: "set", key: ["w", 12], value: new Uint8Array(rest.length + 1) };
    assert.throws(() => bench.store.write([...full, over], () => {}), /818945 bytes, limit/);
  });

  contract("takes the longest key everywhere and throws for a bad one", async (bench) => {
    const longest: StoreKey = ["x".repeat(KEY_BYTES_MAX - 2 - 9), 1];
    assert.equal(await bench.write([set(longest, 1)]), null);
    assert.deepEqual(await bench.read([longest]), [new Uint8Array([1])]);
    assert.deepEqual(await bench.list([], longest), []);
    assert.equal(await bench.write([del(longest)]), null);
    const bad: StoreKey[] = [[], ["x".repeat(KEY_BYTES_MAX)], [NaN], [Infinity], ["\ud800"]];
    for (const key of bad) {
      assert.throws(() => bench.store.write([set(key, 1)], () => {}), /key/);
      assert.throws(() => bench.store.read([key], () => {}), /key/);
    }
    assert.throws(() => bench.store.list({ prefix: ["a"], after: ["b"], limit: 1 }, () => {}));
    assert.throws(() => bench.store.list({ prefix: [], after: null, limit: 501 }, () => {}));
    assert.throws(() => bench.store.list({ prefix: [], after: null, limit: 0 }, () => {}));
  });

  contract("answers what was asked before close, and refuses what comes after", async (bench) => {
    const answers: unknown[] = [];
    const store = bench.store;
    store.write([set(["k"], 1)], (error) => answers.push(error));
    store.read([["k"]], (error) => answers.push(error));
    store.close(() => answers.push("closed"));
    store.write([set(["late"], 1)], (error) => answers.push(error?.kind));
    assert.equal(answers.length, 0);
    await bench.reopen();
    // The refusal needs no disk and may come at any place.
    assert.deepEqual(answers.filter((answer) => answer !== "failed"), [null, null, "closed"]);
    assert.equal(answers.length, 4);
    assert.deepEqual(keysOf(await bench.list([])), [["k"]]);
  });

  contract("lists any keys in the order of their encoding", async (bench) => {
    const keys = fc.uniqueArray(anyKey, { maxLength: 60, selector: encodeKey });
    await fc.assert(
      fc.asyncProperty(keys, fc.nat(), async (chosen, pick) => {
        await bench.write(keysOf(await bench.list([])).map(del));
        await bench.write(chosen.map((key, i) => set(key, i)));
        const wanted = [...chosen].sort((a, b) => encodeKey(a) < encodeKey(b) ? -1 : 1);
        assert.deepEqual(keysOf(await bench.list([])), wanted);
        if (wanted.length === 0) return;
        const from = pick % wanted.length;
        assert.deepEqual(keysOf(await bench.list([], wanted[from]!)), wanted.slice(from + 1));
        const prefix = wanted[from]!.slice(0, 1);
        const under = wanted.filter((key) => key.length > 1 && Object.is(key[0], prefix[0]));
        assert.deepEqual(keysOf(await bench.list(prefix)), under);
      }),
      { numRuns: 40 },
    );
  });
}
