import assert from "node:assert/strict";
import { type Row, type Store, type StoreKey } from "../../server/node/ports.ts";
import { openKvStore } from "../../server/store/kv_store.ts";
import { Prng } from "../sim/prng.ts";
import { commandOf, start } from "./child_process.ts";

const ROUNDS = 6;

async function listAll(store: Store): Promise<Row[]> {
  const rows: Row[] = [];
  for (let after: StoreKey | null = null;;) {
    const page: readonly Row[] = await new Promise((resolve, reject) =>
      store.list(
        { prefix: ["row"], after, limit: 500 },
        (error, page) => error === null ? resolve(page) : reject(new Error(error.message)),
      )
    );
    rows.push(...page);
    if (page.length < 500) return rows;
    after = page.at(-1)!.key;
  }
}

/** The last number of the store, having checked that all before it exist and whole. */
async function lastWhole(path: string): Promise<number> {
  const store = await openKvStore(path);
  const rows = await listAll(store);
  await new Promise<void>((resolve) => store.close(resolve));
  for (const [i, { key, value }] of rows.entries()) {
    const n = Math.floor(i / 3) + 1;
    assert.deepEqual(key, ["row", n, i % 3]);
    assert.equal(value.length, 100 + ((n * 977 + (i % 3) * 3001) % 6000));
    assert.ok(value.every((byte) => byte === n % 251), `batch ${n} has other bytes`);
  }
  assert.equal(rows.length % 3, 0, "a batch exists in part");
  return rows.length / 3;
}

Deno.test("kv_store has every acked write, whole, after kill -9 at random moments", async () => {
  const dir = Deno.makeTempDirSync();
  const path = `${dir}/kv.sqlite3`;
  const seed = crypto.getRandomValues(new Uint32Array(1))[0]!;
  const prng = new Prng(seed);
  let last = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const child = start(commandOf("kv_writer.ts", path, String(last + 1)));
    const wanted = last + prng.int(1, 250);
    let acked = last;
    while (acked < wanted) acked = Number(await child.nextLine() ?? assert.fail("it ended"));
    child.kill("SIGKILL");
    const { rest } = await child.ended();
    if (rest !== "") acked = Number(rest.split("\n").at(-1));
    const there = await lastWhole(path);
    const what = `seed ${seed}, round ${round}: acked ${acked}, there are ${there}`;
    // One write was in flight at most; it may be there.
    assert.ok(there === acked || there === acked + 1, what);
    last = there;
  }
  assert.ok(last >= ROUNDS);
  Deno.removeSync(dir, { recursive: true });
});
