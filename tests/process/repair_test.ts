/** What `roost repair` keeps of a damaged store, gives up, and leaves as it was. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { DatabaseSync } from "node:sqlite";
import type { AccountName } from "../../shard/name/ids.ts";
import { ask, lookAt, must, send } from "../prove/damage/accounts.ts";
import { configOf } from "../../server/config/config.ts";
import { decodeKey, encodeKey } from "../../server/store/key_bytes.ts";
import { type OpenNode, openNode } from "../../server/open.ts";
import { pointOf } from "../../shard/name/ids.ts";
import { removeIfThere } from "../../server/system/small_file.ts";
import { repairStore } from "../../server/ops/repair.ts";
import { tempDir } from "./server.ts";

const [ANN, BOB, CID] = ["ann", "bob", "cid"] as AccountName[] as [
  AccountName,
  AccountName,
  AccountName,
];

function open(dataDir: string, shards = 1): Promise<OpenNode> {
  const config = configOf(dataDir);
  return openNode(
    {
      ...config,
      storage: { ...config.storage, shards },
      log: { ...config.log, level: "error" },
    },
    () => {},
    { makes: true, serves: true },
  );
}

/** A stopped store with three users who have written to each other. */
async function made(dataDir: string): Promise<Map<AccountName, string>> {
  const opened = await open(dataDir);
  const { node } = opened;
  for (const name of [ANN, BOB, CID]) {
    await must(node, name, "account.create", { credentials: null });
    await must(node, name, "settings.set", { messagesFrom: "anyone" });
  }
  for (let i = 0; i < 30; i++) await send(node, ANN, BOB, `m${i}`, 2000);
  await send(node, CID, ANN, "one", 20);
  const looks = await settled(opened);
  await opened.close();
  return looks;
}

async function settled({ node }: OpenNode): Promise<Map<AccountName, string>> {
  for (let before = "";;) {
    const looks = new Map<AccountName, string>();
    for (const name of [ANN, BOB, CID]) looks.set(name, String(await lookAt(node, name)));
    const now = [...looks.values()].join();
    if (now === before) return looks;
    before = now;
    await pause(200);
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Changes the stored bytes of the rows that `picks` picks; null removes one. */
function change(
  dataDir: string,
  picks: (key: readonly (string | number)[]) => boolean,
  how: (value: Uint8Array) => Uint8Array | null,
): number {
  const db = new DatabaseSync(`${dataDir}/kv.sqlite3`);
  let changed = 0;
  for (const row of db.prepare("SELECT k, v FROM kv").all()) {
    const k = row["k"] as Uint8Array;
    if (!picks(decodeKey(k))) continue;
    changed++;
    const value = how(row["v"] as Uint8Array);
    if (value === null) db.prepare("DELETE FROM kv WHERE k = ?").run(k);
    else db.prepare("UPDATE kv SET v = ? WHERE k = ?").run(value, k);
  }
  db.close();
  return changed;
}

/** Damage that no flipped bit explains. */
const zeros = (value: Uint8Array) => value.fill(0, 8, 40);

async function repaired(dataDir: string) {
  const before = Deno.readFileSync(`${dataDir}/kv.sqlite3`);
  const plan = await repairStore(dataDir, false, () => {});
  assert.equal(plan.damagedFile, null);
  assert.deepEqual(Deno.readFileSync(`${dataDir}/kv.sqlite3`), before, "a plan changes nothing");
  const done = await repairStore(dataDir, true, () => {});
  assert.deepEqual(done.givenUp, plan.givenUp);
  assert.deepEqual(Deno.readFileSync(done.damagedFile!), before, "the damaged file is kept");
  return { given: done.givenUp.join("\n"), kept: done.kept.join("\n") };
}

Deno.test("10.6: roost repair flips one bit back in any row, and gives up nothing", async () => {
  using dir = tempDir();
  const looks = await made(dir.path);
  for (const table of ["u", "m", "log", "meta"]) {
    let done = false;
    change(dir.path, (key) => !done && key[0] === table && key[1] !== "checksums", (value) => {
      done = true;
      value[value.length >> 1]! ^= 16;
      return value;
    });
  }
  const { given, kept } = await repaired(dir.path);
  assert.equal(given, "");
  assert.equal(kept.match(/one flipped bit is flipped back/g)?.length, 4);
  const opened = await open(dir.path);
  assert.deepEqual(await settled(opened), looks);
  await opened.close();
});

Deno.test("10.6: roost repair files a row under its own key again", async () => {
  using dir = tempDir();
  const looks = await made(dir.path);
  const db = new DatabaseSync(`${dir.path}/kv.sqlite3`);
  const key = encodeKey(["u", pointOf(BOB), BOB, 0]);
  const wrong = key.slice();
  wrong[wrong.length - 12]! ^= 1;
  db.prepare("UPDATE kv SET k = ? WHERE k = ?").run(wrong, key);
  db.close();
  await assert.rejects(open(dir.path), /its checksum is not that of its key and value/);
  assert.equal((await repaired(dir.path)).given, "");
  const opened = await open(dir.path);
  assert.deepEqual(await settled(opened), looks);
  await opened.close();
});

Deno.test("10.6: a key that several bits have changed is noticed by the index, and had back", async () => {
  using dir = tempDir();
  const looks = await made(dir.path);
  const path = `${dir.path}/kv.sqlite3`;
  const db = new DatabaseSync(path);
  db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  db.close();
  const bytes = Buffer.from(Deno.readFileSync(path));
  const key = encodeKey(["u", pointOf(BOB), BOB, 0]);
  // In the table, and not in the index, the value follows.
  const at = bytes.indexOf(Buffer.concat([key, Buffer.from([0xc7, 0x52, 0x6f, 0x01])]));
  assert.ok(at > 0);
  const letter = at + Buffer.from(key).indexOf("bob");
  bytes[letter]! ^= 0x06;
  Deno.writeFileSync(path, bytes);
  await assert.rejects(open(dir.path), /row \d+ missing from index/);
  assert.equal((await repaired(dir.path)).given, "");
  const opened = await open(dir.path);
  assert.deepEqual(await settled(opened), looks);
  await opened.close();
});

Deno.test("10.6: a flipped bit of a stored key, or of the index alone, loses nothing", async () => {
  using dir = tempDir();
  const looks = await made(dir.path);
  const path = `${dir.path}/kv.sqlite3`;
  const db = new DatabaseSync(path);
  db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  db.close();
  const whole = Buffer.from(Deno.readFileSync(path));
  const mark = Deno.readFileSync(`${dir.path}/kv.mark`);
  const wanted = [["u", pointOf(BOB), BOB, 0], ["meta", "claims"], ["meta", "table"]];
  let damages = 0;
  for (const key of wanted.map((key) => Buffer.from(encodeKey(key)))) {
    for (let at = whole.indexOf(key); at >= 0; at = whole.indexOf(key, at + 1)) {
      const bytes = Buffer.from(whole);
      bytes[at + key.indexOf(0) - 1]! ^= 0x04;
      for (const end of ["-wal", "-shm"]) removeIfThere(path + end);
      Deno.writeFileSync(path, bytes);
      Deno.writeFileSync(`${dir.path}/kv.mark`, mark);
      const { givenUp, impossible, damagedFile } = await repairStore(dir.path, true, () => {});
      assert.deepEqual([givenUp, impossible], [[], []]);
      if (damagedFile === null) continue;
      damages++;
      const opened = await open(dir.path);
      assert.deepEqual(await settled(opened), looks);
      await opened.close();
    }
  }
  // Each key is in the table and in its index; the others are of deleted pages.
  assert.ok(damages >= 2 * wanted.length, String(damages));
});

Deno.test("10.6: a file whose header no SQLite knows is refused with advice, and repaired", async () => {
  using dir = tempDir();
  const looks = await made(dir.path);
  const path = `${dir.path}/kv.sqlite3`;
  const bytes = Deno.readFileSync(path);
  bytes[18]! ^= 4;
  Deno.writeFileSync(path, bytes);
  await assert.rejects(open(dir.path), /its header has the format 6 and 2.*roost repair/s);
  assert.equal((await repaired(dir.path)).given, "");
  const opened = await open(dir.path);
  assert.deepEqual(await settled(opened), looks);
  await opened.close();
});

Deno.test("10.6: roost repair gives up an account without a head, and nobody else gets its name", async () => {
  using dir = tempDir();
  const looks = await made(dir.path);
  assert.equal(change(dir.path, (key) => key[0] === "u" && key[2] === BOB, zeros), 1);
  assert.match((await repaired(dir.path)).given, /^account bob .*its name stays closed until/i);
  const opened = await open(dir.path);
  const { node } = opened;
  assert.equal((await ask(node, BOB, "account.create", { credentials: null })).ok, false);
  assert.equal((await must(node, BOB, "account.info", {})).state, "deleted");
  for (const name of [ANN, CID]) assert.equal(await lookAt(node, name), looks.get(name));
  await must(node, BOB, "account.release", {});
  assert.ok((await ask(node, BOB, "account.create", { credentials: null })).ok);
  await opened.close();
});

Deno.test("10.6: roost repair gives up the events of a lost mailbox block, and no others", async () => {
  using dir = tempDir();
  const looks = await made(dir.path);
  let first = true;
  change(
    dir.path,
    ([table, point]) => first && table === "m" && point === pointOf(BOB),
    (value) => {
      first = false;
      return zeros(value);
    },
  );
  assert.match((await repaired(dir.path)).given, /^account bob: events 1 to \d+ of its mailbox/);
  const opened = await open(dir.path);
  const bodies = (look: string) => look.match(/ann to bob m\d+ /g) ?? [];
  const after = bodies(String(await lookAt(opened.node, BOB)));
  const before = bodies(looks.get(BOB)!);
  assert.ok(after.length > 0 && after.length < before.length);
  assert.deepEqual(after, before.slice(-after.length));
  assert.equal(await lookAt(opened.node, ANN), looks.get(ANN));
  await opened.close();
});

/** Copies what a server that is killed now would leave. */
function killedCopy(from: string, to: string): void {
  for (const { name } of Deno.readDirSync(from)) {
    if (!name.endsWith("-shm") && name !== "kv.mark") {
      Deno.copyFileSync(`${from}/${name}`, `${to}/${name}`);
    }
  }
}

Deno.test("10.6: after a lost log record no number is used again: what is sent then arrives", async () => {
  using dir = tempDir();
  using copyDir = tempDir();
  const copy = copyDir.path;
  const opened = await open(dir.path);
  const { node } = opened;
  for (const name of [ANN, BOB, CID]) {
    await must(node, name, "account.create", { credentials: null });
    await must(node, name, "settings.set", { messagesFrom: "anyone" });
  }
  await send(node, ANN, BOB, "early", 20);
  await settled(opened);
  // Checkpoints bring everybody up to here; bob's alone goes further.
  await new Promise<void>((done) => node.committer.checkpointAll(done));
  const head = node.shards[0]!.lastLsn;
  for (let i = 0; i < 5; i++) await send(node, ANN, BOB, `m${i}`, 200);
  await settled(opened);
  killedCopy(dir.path, copy);
  await opened.close();
  assert.equal(change(copy, (key) => key[0] === "log" && key[2] === head + 2, zeros), 1);
  const { given } = await repaired(copy);
  assert.match(given, new RegExp(`^shard 0: record ${head + 2} of its log`));
  // Nobody has written to cid, which may have changed in the lost record all the same.
  assert.match(given, /^shard 0: what a lost record has, if anything, of these accounts.*: cid$/m);
  const again = await open(copy);
  await send(again.node, ANN, BOB, "after", 20);
  await settled(again);
  assert.match(String(await lookAt(again.node, BOB)), /ann to bob after/);
  assert.match(String(await lookAt(again.node, BOB)), /ann to bob early/);
  await again.close();
});

Deno.test("10.6: roost repair knows each account's shard by a table that it has back", async () => {
  using dir = tempDir();
  using copyDir = tempDir();
  const copy = copyDir.path;
  const opened = await open(dir.path);
  const { node } = opened;
  for (const name of [ANN, BOB, CID]) {
    await must(node, name, "account.create", { credentials: null });
    await must(node, name, "settings.set", { messagesFrom: "anyone" });
  }
  await new Promise<void>((done) => node.committer.checkpointAll(done));
  const head = node.shards[0]!.lastLsn;
  for (let i = 0; i < 5; i++) await send(node, ANN, BOB, `m${i}`, 200);
  const looks = await settled(opened);
  killedCopy(dir.path, copy);
  await opened.close();
  const flip = (value: Uint8Array) => {
    value[value.length - 1]! ^= 1;
    return value;
  };
  assert.equal(change(copy, (key) => key[0] === "meta" && key[1] === "table", flip), 1);
  assert.equal(change(copy, (key) => key[0] === "u" && key[2] === BOB, zeros), 1);
  assert.equal(change(copy, (key) => key[0] === "log" && key[2] === head + 2, zeros), 1);
  const { given, kept } = await repaired(copy);
  assert.match(kept, /^row meta table: one flipped bit is flipped back$/m);
  assert.match(given, /^account bob \(shard 0\): its head, and with it the account/m);
  assert.match(given, /^account ann: what a lost record of its shard's log has of it/m);
  const again = await open(copy);
  assert.equal((await must(again.node, BOB, "account.info", {})).state, "deleted");
  assert.equal(await lookAt(again.node, CID), looks.get(CID));
  await again.close();
});

Deno.test("10.6: a sender that goes back behind kept records uses no number that its peer has", async () => {
  using dir = tempDir();
  using copyDir = tempDir();
  const copy = copyDir.path;
  const opened = await open(dir.path, 2);
  const { node } = opened;
  const from = ANN;
  const shard = node.shardOf(from).id;
  const to = ["bob", "cid", "dan", "eve", "fay"]
    .map((name) => name as AccountName)
    .find((name) => node.shardOf(name).id !== shard)!;
  for (const name of [from, to]) {
    await must(node, name, "account.create", { credentials: null });
    await must(node, name, "settings.set", { messagesFrom: "anyone" });
  }
  await new Promise<void>((done) => node.committer.checkpointAll(done));
  await send(node, from, to, "kept", 20);
  await pause(200);
  const kept = node.shardOf(from).lastLsn;
  await send(node, from, to, "lost", 20);
  await pause(200);
  killedCopy(dir.path, copy);
  await opened.close();
  const isLost = (key: readonly (string | number)[]) =>
    key[0] === "log" && key[1] === shard && Number(key[2]) > kept;
  assert.ok(change(copy, isLost, zeros) > 0);
  assert.match((await repaired(copy)).given, /^shard \d: record \d+ of its log/);
  const again = await open(copy, 2);
  await send(again.node, from, to, "after", 20);
  await pause(200);
  const look = String(await lookAt(again.node, to));
  const seen = [...look.matchAll(/"num":(\d+),"id":"(\w+)"/g)].map(([, num, id]) => `${num} ${id}`);
  assert.deepEqual(seen, ["1 kept", "2 lost", "3 after"]);
  assert.match(String(await lookAt(again.node, from)), /"num":3,"id":"after"/);
  await again.close();
});

Deno.test("10.6: roost repair gives rows of earlier versions their checksums", async () => {
  using dir = tempDir();
  const from = new URL("../golden/data-1/data", import.meta.url).pathname;
  for (const { name } of Deno.readDirSync(from)) {
    Deno.copyFileSync(`${from}/${name}`, `${dir.path}/${name}`);
  }
  const done = await repairStore(dir.path, true, () => {});
  assert.deepEqual([done.givenUp, done.impossible], [[], []]);
  const again = await repairStore(dir.path, true, () => {});
  assert.deepEqual(again.kept, []);
});
