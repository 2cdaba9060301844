import assert from "node:assert/strict";
import {
  type DataDir,
  DataDirError,
  openDataDir,
  restoreDataDir,
} from "../../server/system/data_dir.ts";
import { openKvStore } from "../../server/store/kv_store.ts";
import { StoreOpenError } from "../../server/store/store_open_error.ts";
import { Prng, simRandom } from "../sim/prng.ts";

const random = simRandom(new Prng(1));

/** Runs `test` with a path that does not exist yet. */
async function inTemp(test: (path: string, parent: string) => Promise<void>): Promise<void> {
  const parent = Deno.makeTempDirSync();
  try {
    await test(`${parent}/data`, parent);
  } finally {
    Deno.removeSync(parent, { recursive: true });
  }
}

const mode = (path: string) => Deno.statSync(path).mode! & 0o777;

async function refusal(path: string): Promise<DataDirError> {
  const error = await openDataDir(path, random).then((dir: DataDir) => {
    dir.release();
    assert.fail("the directory was opened");
  }, (cause) => cause);
  assert.ok(error instanceof DataDirError, String(error));
  return error;
}

async function make(path: string): Promise<void> {
  (await openDataDir(path, random)).release();
}

Deno.test("openDataDir makes a directory that only its user can read", () =>
  inTemp(async (path) => {
    const dir = await openDataDir(path, random);
    const store = await openKvStore(dir.kvPath);
    await new Promise((resolve) =>
      store.write([{ kind: "set", key: ["k"], value: new Uint8Array(10) }], resolve)
    );
    assert.equal(mode(path), 0o700);
    const files = Array.from(Deno.readDirSync(path), (entry) => entry.name).sort();
    assert.deepEqual(files, [
      "format.json",
      "kv.sqlite3",
      "kv.sqlite3-shm",
      "kv.sqlite3-wal",
      "lock",
      "secrets.json",
    ]);
    for (const file of files) assert.equal(mode(`${path}/${file}`), 0o600, file);
    await new Promise<void>((resolve) => store.close(resolve));
    dir.release();
  }));

Deno.test("openDataDir keeps the node's id and secret over restarts", () =>
  inTemp(async (path) => {
    const first = await openDataDir(path, random);
    first.release();
    const second = await openDataDir(path, random);
    second.release();
    assert.match(first.nodeId, /^[A-Za-z0-9_-]{16}$/);
    assert.equal(first.serverSecret.length, 32);
    assert.equal(second.nodeId, first.nodeId);
    assert.deepEqual(second.serverSecret, first.serverSecret);
    assert.equal(second.adminSocketPath, `${path}/admin.sock`);
  }));

Deno.test("openDataDir refuses a directory in use and names the process", () =>
  inTemp(async (path) => {
    const dir = await openDataDir(path, random);
    const error = await refusal(path);
    assert.equal(error.kind, "locked");
    assert.equal(error.heldBy, Deno.pid);
    assert.match(error.message, new RegExp(`process ${Deno.pid} is using it`));
    dir.release();
    await make(path);
  }));

Deno.test("openDataDir removes the admin socket of a killed process", () =>
  inTemp(async (path) => {
    await make(path);
    Deno.writeTextFileSync(`${path}/admin.sock`, "");
    const dir = await openDataDir(path, random);
    assert.throws(() => Deno.statSync(dir.adminSocketPath), Deno.errors.NotFound);
    dir.release();
  }));

Deno.test("openDataDir finishes a directory whose making was cut off", () =>
  inTemp(async (path) => {
    await make(path);
    Deno.removeSync(`${path}/format.json`);
    Deno.writeTextFileSync(`${path}/format.json.new`, '{"for');
    await make(path);
    assert.deepEqual(JSON.parse(Deno.readTextFileSync(`${path}/format.json`)), { format: 2 });
  }));

Deno.test("openDataDir leaves a directory with other files as it is", () =>
  inTemp(async (_path, parent) => {
    Deno.writeTextFileSync(`${parent}/thesis.tex`, "");
    const error = await refusal(parent);
    assert.equal(error.kind, "foreign");
    assert.match(error.message, /thesis\.tex.*Give an empty or a new directory/);
    assert.equal(Array.from(Deno.readDirSync(parent)).length, 1);
  }));

Deno.test("openDataDir takes a new directory with the files that the settings name", () =>
  inTemp(async (_path, parent) => {
    Deno.mkdirSync(`${parent}/tls`);
    for (const name of ["roost.toml", "cert.pem", "tls/key.pem"]) {
      Deno.writeTextFileSync(`${parent}/${name}`, "");
    }
    assert.equal((await refusal(parent)).kind, "foreign");
    const one = openDataDir(parent, random, true, [`${parent}/cert.pem`]);
    await assert.rejects(one, /it holds other files \(tls\)/);
    const named = [`${parent}/cert.pem`, `${parent}/tls/key.pem`];
    (await openDataDir(parent, random, true, named)).release();
  }));

Deno.test("openDataDir and restoreDataDir take the root of a disk, which has lost+found", () =>
  inTemp(async (_path, parent) => {
    Deno.mkdirSync(`${parent}/lost+found`);
    await restoreDataDir(parent, random, new Uint8Array(32), () => Promise.resolve());
    Deno.removeSync(`${parent}/format.json`);
    Deno.removeSync(`${parent}/kv.sqlite3`);
    (await openDataDir(parent, random)).release();
    assert.ok(Deno.statSync(`${parent}/lost+found`).isDirectory);
  }));

Deno.test({
  name: "openDataDir refuses root where the files are another user's, who could not read root's",
  // Nobody else can give files away.
  ignore: Deno.uid() !== 0,
  fn: () =>
    inTemp(async (path) => {
      await make(path);
      Deno.chownSync(`${path}/lock`, 65_534, 65_534);
      const before = Deno.readTextFileSync(`${path}/lock`);
      const error = await refusal(path);
      assert.match(error.message, /lock belongs to user 65534, .* as with sudo -u '#65534'/);
      assert.equal(Deno.readTextFileSync(`${path}/lock`), before);
      Deno.chownSync(`${path}/lock`, 0, 0);
      await make(path);
    }),
});

Deno.test("10.6: openDataDir raises the format of an earlier program, which cannot read checksums", () =>
  inTemp(async (path) => {
    await make(path);
    Deno.writeTextFileSync(`${path}/format.json`, '{"format":1,"store":"abc"}');
    Deno.writeTextFileSync(`${path}/kv.sqlite3`, "not opened here");
    const dir = await openDataDir(path, random);
    assert.equal(dir.storeMark, "abc");
    dir.release();
    const format = JSON.parse(Deno.readTextFileSync(`${path}/format.json`));
    assert.deepEqual(format, { format: 2, store: "abc" });
  }));

Deno.test("openDataDir refuses a newer format and says so", () =>
  inTemp(async (path) => {
    await make(path);
    Deno.writeTextFileSync(`${path}/format.json`, '{"format":3,"more":"fields"}');
    const error = await refusal(path);
    assert.equal(error.kind, "newer");
    assert.match(error.message, /has format 3, this program knows up to 2/);
  }));

Deno.test("openDataDir refuses what is damaged and names the file", () =>
  inTemp(async (path) => {
    await make(path);
    const good = Deno.readTextFileSync(`${path}/secrets.json`);
    for (const bad of ["", "{}", "[]", "7", good.replace(/"nodeId":"./, '"nodeId":"')]) {
      Deno.writeTextFileSync(`${path}/secrets.json`, bad);
      const error = await refusal(path);
      assert.equal(error.kind, "damaged");
      assert.match(error.message, /secrets\.json is missing or cannot be read/);
    }
    Deno.writeTextFileSync(`${path}/secrets.json`, good);
    Deno.writeTextFileSync(`${path}/format.json`, '{"format":"1"}');
    assert.match((await refusal(path)).message, /format\.json/);
    Deno.removeSync(`${path}/format.json`);
    Deno.writeTextFileSync(`${path}/kv.sqlite3`, "rows");
    assert.match((await refusal(path)).message, /format\.json is missing, but there is a store/);
  }));

Deno.test("openDataDir says what is wrong with a path that cannot be used", () =>
  inTemp(async (path, parent) => {
    Deno.writeTextFileSync(path, "a file");
    const file = await refusal(path);
    assert.equal(file.kind, "unusable");
    assert.match(file.message, /Give a directory that this user may write to/);
    const long = await refusal(`${parent}/${"long".repeat(30)}`);
    assert.match(long.message, /admin socket's path is \d+ bytes, limit is 103/);
    assert.equal(Array.from(Deno.readDirSync(parent)).length, 1);
  }));

Deno.test("openKvStore rejects a file that is not a store, and leaves it as it was", () =>
  inTemp(async (_path, parent) => {
    const file = `${parent}/kv.sqlite3`;
    Deno.writeTextFileSync(file, "not a database ".repeat(100));
    await assert.rejects(openKvStore(file), (error: unknown) => {
      assert.ok(error instanceof StoreOpenError);
      assert.match(error.message, /Cannot open the store .*kv\.sqlite3/);
      return true;
    });
    assert.match(Deno.readTextFileSync(file), /^not a database/);
  }));

Deno.test("openDataDir that is not to make a directory leaves alone what is none", () =>
  inTemp(async (path, parent) => {
    const open = () => openDataDir(path, random, false);
    const missing = await open().catch((error) => error);
    assert.ok(missing instanceof DataDirError && missing.kind === "missing", String(missing));
    assert.match(missing.message, /^Cannot use --data \S+\/data: it does not exist\. Give the /);
    assert.deepEqual([...Deno.readDirSync(parent)], []);
    Deno.mkdirSync(path);
    await assert.rejects(open(), /there is nothing of a server in it/);
    assert.deepEqual([...Deno.readDirSync(path)], []);
    await make(path);
    (await open()).release();
    Deno.removeSync(`${path}/format.json`);
    Deno.writeTextFileSync(`${path}/kv.sqlite3`, "something");
    await assert.rejects(open(), /format\.json is missing, but there is a store/);
  }));
