/** The lock of a data directory, held by another open file of the same process. */
import { deepEqual, ok } from "node:assert/strict";
import { lockFile } from "../../server/system/dir_lock.ts";

async function withHeld(run: (path: string, held: Deno.FsFile) => Promise<void>): Promise<void> {
  const path = Deno.makeTempFileSync();
  const held = Deno.openSync(path, { read: true, write: true });
  try {
    await held.lock(true);
    held.writeSync(new TextEncoder().encode("4711\n"));
    await run(path, held);
  } finally {
    Deno.removeSync(path);
  }
}

Deno.test("lockFile says who holds a lock that is not given back", async () => {
  await withHeld(async (path, held) => {
    deepEqual(await lockFile(path), { heldBy: 4711 });
    held.close();
  });
});

Deno.test("lockFile takes a lock that is given back at once, as by a process that begins to run", async () => {
  await withHeld(async (path, held) => {
    const locking = lockFile(path);
    await new Promise((done) => setTimeout(done, 20));
    held.close();
    const lock = await locking;
    ok("release" in lock, JSON.stringify(lock));
    lock.release();
  });
});
