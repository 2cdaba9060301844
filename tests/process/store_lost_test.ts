import assert from "node:assert/strict";
import { roost } from "./cli.ts";
import { openKvStore } from "../../server/store/kv_store.ts";
import { ServerProcess, tempDir } from "./server.ts";

/** A directory that was served, with one user. */
async function served(dataDir: string): Promise<void> {
  const server = await ServerProcess.start({ dataDir });
  const args = ["user", "add", "ann", "--password-stdin", "--data", dataDir];
  const user = await roost(args, "correct horse battery\n");
  assert.equal(user.code, 0, user.err);
  assert.equal(await server.stop(), 0);
}

const LOSSES: Readonly<Record<string, (path: string) => Promise<void> | void>> = {
  "removed with its write-ahead file": (path) => {
    for (const name of ["kv.sqlite3", "kv.sqlite3-wal", "kv.sqlite3-shm"]) {
      remove(`${path}/${name}`);
    }
  },
  "truncated to nothing": (path) => {
    for (const name of ["kv.sqlite3-wal", "kv.sqlite3-shm"]) remove(`${path}/${name}`);
    Deno.truncateSync(`${path}/kv.sqlite3`);
  },
  "replaced by an empty store": async (path) => {
    for (const name of ["kv.sqlite3", "kv.sqlite3-wal", "kv.sqlite3-shm"]) {
      remove(`${path}/${name}`);
    }
    const store = await openKvStore(`${path}/kv.sqlite3`);
    await new Promise<void>((done) => store.close(done));
  },
  "replaced by that of another server": async (path) => {
    using other = tempDir();
    await served(other.path);
    remove(`${path}/kv.sqlite3-wal`);
    Deno.copyFileSync(`${other.path}/kv.sqlite3`, `${path}/kv.sqlite3`);
  },
};

function remove(file: string): void {
  try {
    Deno.removeSync(file);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

for (const [loss, lose] of Object.entries(LOSSES)) {
  Deno.test(`a server whose store was ${loss} does not start as an empty one (10.5)`, async () => {
    using dir = tempDir();
    await served(dir.path);
    await lose(dir.path);
    for (const command of [["start", "--bind", "127.0.0.1:0"], ["user", "list"]]) {
      const { code, out, err } = await roost([...command, "--data", dir.path]);
      assert.equal(code, 1, out);
      assert.match(
        err,
        /^roost: Cannot (use|serve) --data .* store .*kv\.sqlite3|kv\.sqlite3, its/,
      );
      assert.match(err, /restore a backup to a new directory/);
    }
  });
}

Deno.test("the first start after a crash that left no mark in format.json adopts the store's (10.5)", async () => {
  using dir = tempDir();
  await served(dir.path);
  const file = `${dir.path}/format.json`;
  const noted = Deno.readTextFileSync(file);
  Deno.writeTextFileSync(file, '{"format":1}\n');
  const server = await ServerProcess.start({ dataDir: dir.path });
  assert.equal(Deno.readTextFileSync(file), noted);
  assert.equal(await server.stop(), 0);
});
