/** Damage to SQLite's write-ahead file, as a killed process leaves it. */
import assert from "node:assert/strict";
import { readWal, repairWal } from "../../server/store/wal_file.ts";
import { openKvStore } from "../../server/store/kv_store.ts";
import type { Store } from "../../server/node/ports.ts";
import { Prng } from "../sim/prng.ts";
import { tempDir } from "./server.ts";

const COMMITS = 40;
const HEADER_BYTES = 32;

function write(store: Store, n: number): Promise<void> {
  const value = new Uint8Array(3000).fill(n);
  return new Promise((resolve, reject) =>
    store.write(
      [{ kind: "set", key: ["t", n], value }],
      (error) => error === null ? resolve() : reject(error),
    )
  );
}

/** The files of a store after `COMMITS` commits whose process was killed: copies of open ones. */
async function killedStore(dir: string): Promise<string> {
  const store = await openKvStore(`${dir}/kv.sqlite3`);
  for (let n = 0; n < COMMITS; n++) await write(store, n);
  Deno.mkdirSync(`${dir}/killed`);
  for (const end of ["", "-wal"]) {
    Deno.copyFileSync(`${dir}/kv.sqlite3${end}`, `${dir}/killed/kv.sqlite3${end}`);
  }
  await new Promise<void>((done) => store.close(done));
  return `${dir}/killed/kv.sqlite3`;
}

async function rowsOf(path: string): Promise<number> {
  const store = await openKvStore(path);
  const rows = await new Promise<number>((resolve) =>
    store.list(
      { prefix: ["t"], after: null, limit: 500 },
      (error, found) => resolve(error === null ? found.length : -1),
    )
  );
  await new Promise<void>((done) => store.close(done));
  return rows;
}

function copyOf(path: string, to: string): string {
  Deno.mkdirSync(to, { recursive: true });
  for (const end of ["", "-wal"]) Deno.copyFileSync(path + end, `${to}/kv.sqlite3${end}`);
  return `${to}/kv.sqlite3`;
}

Deno.test("10.6: readWal takes a write-ahead file for whole, whichever byte a crash has cut it at", async () => {
  using dir = tempDir();
  const path = await killedStore(dir.path);
  const all = readWal(path)!;
  assert.deepEqual([all.whole, all.damaged], [all.frames, false]);
  const wal = Deno.readFileSync(`${path}-wal`);
  for (let length = wal.length; length > HEADER_BYTES; length -= 997) {
    Deno.writeFileSync(`${path}-wal`, wal.subarray(0, length));
    assert.equal(readWal(path)?.damaged ?? false, false, `${length} bytes`);
  }
});

Deno.test("10.6: a flipped bit before the last commits of a write-ahead file is noticed and restored", async () => {
  using dir = tempDir();
  const path = await killedStore(dir.path);
  const wal = Deno.readFileSync(`${path}-wal`);
  const prng = new Prng(6);
  let lost = 0;
  for (let i = 0; i < 25; i++) {
    const copy = copyOf(path, `${dir.path}/copy${i}`);
    const flipped = wal.slice();
    // A crash may have left the last commit so.
    const bit = i < 5 ? prng.int(0, HEADER_BYTES * 8 - 1) : prng.int(0, wal.length * 4);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    Deno.writeFileSync(`${copy}-wal`, flipped);
    // Two words of the header say nothing that is used.
    const used = !(bit >> 3 >= 12 && bit >> 3 < 16);
    if (used) assert.equal(readWal(copy)!.damaged, true, `bit ${bit}`);
    const { restored } = repairWal(copy);
    assert.equal(readWal(copy)!.damaged, false);
    const rows = await rowsOf(copy);
    // What is not restored is named: the checksum of its row does not fit.
    if (used && restored === 0 && bit > HEADER_BYTES * 8) {
      assert.ok(rows === -1 || rows === COMMITS);
    } else assert.equal(rows, COMMITS, `bit ${bit}`);
    lost += rows === COMMITS ? 0 : 1;
  }
  assert.ok(lost <= 4, `${lost} of 25 were not restored`);
});
