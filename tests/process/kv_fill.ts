/**
 * Fills the disk under the directory argv 0 (a file system or file size limit of a few MiB), and
 * prints what the store says as one line of JSON. With argv 1 = "free", frees space again.
 */
import type { Store, StoreError } from "../../server/node/ports.ts";
import { openKvStore } from "../../server/store/kv_store.ts";
import { StoreOpenError } from "../../server/store/store_open_error.ts";

const [dir, free] = Deno.args;
const ballast = `${dir}/ballast`;

function write(store: Store, n: number): Promise<StoreError | null> {
  const value = new Uint8Array(60_000).fill(n);
  return new Promise((resolve) => store.write([{ kind: "set", key: ["row", n], value }], resolve));
}

function count(store: Store): Promise<number> {
  return new Promise((resolve, reject) =>
    store.list(
      { prefix: ["row"], after: null, limit: 500 },
      (error, rows) => error === null ? resolve(rows.length) : reject(new Error(error.message)),
    )
  );
}

/** Takes all the space there is. */
function fill(): void {
  const file = Deno.openSync(ballast, { write: true, create: true, append: true });
  for (const size of [65_536, 4096, 1]) {
    try {
      while (true) file.writeSync(new Uint8Array(size));
    } catch {
      // Full: that is what it is for.
    }
  }
  file.close();
}

/** What opening a new store says on a full disk, and once it has space. */
async function openOnFullDisk(): Promise<string> {
  const path = `${dir}/other.sqlite3`;
  fill();
  let said = "opened";
  try {
    await openKvStore(path);
  } catch (error) {
    said = error instanceof StoreOpenError ? "refused" : String(error);
  }
  Deno.removeSync(ballast);
  await openKvStore(path);
  return `${said}, then opened`;
}

if (free !== undefined) Deno.writeFileSync(ballast, new Uint8Array(1_000_000));
const store = await openKvStore(`${dir}/kv.sqlite3`);
let acked = 0;
const kinds: string[] = [];
while (kinds.length < 3) {
  const error = await write(store, acked);
  if (error === null) acked += 1;
  else kinds.push(error.kind);
}
const atFull = await count(store);
let recovered: string | null = null;
let opened: string | null = null;
if (free !== undefined) {
  Deno.removeSync(ballast);
  recovered = (await write(store, acked))?.kind ?? "ok";
  opened = await openOnFullDisk();
}
const atEnd = await count(store);
Deno.stdout.writeSync(
  new TextEncoder().encode(
    JSON.stringify({ acked, kinds, atFull, recovered, opened, atEnd }) + "\n",
  ),
);
// Without closing: as after kill -9.
Deno.exit(0);
