/** Damage that a start refuses, or names and serves the others beside; nothing is changed. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { decodeKey, encodeKey } from "../../server/store/key_bytes.ts";
import { roost } from "./cli.ts";
import { ServerProcess, tempDir } from "./server.ts";
import { pointOf } from "../../shard/name/ids.ts";
import type { AccountName } from "../../shard/name/ids.ts";

const USERS = ["ann", "bob", "cid"];

async function addUser(dataDir: string, name: string): Promise<void> {
  const args = ["user", "add", name, "--password-stdin", "--data", dataDir];
  const user = await roost(args, "correct horse battery\n");
  assert.equal(user.code, 0, user.err);
}

/** A directory that was served, with its users; the server was killed or stopped. */
async function served(dataDir: string, end: "kill" | "stop"): Promise<void> {
  const server = await ServerProcess.start({ dataDir });
  for (const name of USERS) await addUser(dataDir, name);
  await server[end]();
}

function flip(path: string, at: number, bit = 3): void {
  const bytes = Deno.readFileSync(path);
  bytes[at]! ^= 1 << bit;
  Deno.writeFileSync(path, bytes);
}

const contents = (dir: string) =>
  ["kv.sqlite3", "kv.sqlite3-wal"].map((name) => {
    try {
      return Deno.readFileSync(`${dir}/${name}`).join();
    } catch {
      return "";
    }
  });

/** A damage, the end of the server before it, and how the refusal names it. */
const REFUSED: Readonly<
  Record<string, readonly ["kill" | "stop", RegExp, (dir: string) => void]>
> = {
  "its write-ahead file has a flipped bit": [
    "kill",
    /kv\.sqlite3-wal is damaged at frame \d+ of \d+, and up to \d+ commits/,
    (dir) => flip(`${dir}/kv.sqlite3-wal`, 9000),
  ],
  "its write-ahead file is cut short": [
    "kill",
    /its log is shorter than it was: its last write is number \d+, and number \d+ was durable/,
    (dir) => {
      const path = `${dir}/kv.sqlite3-wal`;
      Deno.truncateSync(path, Math.floor(Deno.statSync(path).size / 2));
    },
  ],
  "its write-ahead file is missing": [
    "kill",
    /its log is shorter than it was|no such table/,
    (dir) => Deno.removeSync(`${dir}/kv.sqlite3-wal`),
  ],
  "a page of it is malformed": [
    "stop",
    /its store kv\.sqlite3 is damaged: /,
    (dir) => {
      const bytes = Deno.readFileSync(`${dir}/kv.sqlite3`);
      for (let at = 4096; at < bytes.length; at += 4096) bytes[at + 3]! ^= 1;
      Deno.writeFileSync(`${dir}/kv.sqlite3`, bytes);
    },
  ],
  "a row that all of it needs is damaged": [
    "stop",
    /its store kv\.sqlite3 is damaged: row meta claims: its checksum/,
    (dir) => spoil(dir, ["meta", "claims"]),
  ],
};

/** Flips a bit in the value of a row. */
function spoil(dir: string, key: readonly (string | number)[]): void {
  const db = new DatabaseSync(`${dir}/kv.sqlite3`);
  const k = encodeKey(key);
  const value = db.prepare("SELECT v FROM kv WHERE k = ?").get(k)!["v"] as Uint8Array;
  value[value.length >> 1]! ^= 1;
  db.prepare("UPDATE kv SET v = ? WHERE k = ?").run(value, k);
  db.close();
}

for (const [what, [end, message, damage]] of Object.entries(REFUSED)) {
  Deno.test(`10.6: a start refuses a store where ${what}, says what to do, and changes nothing`, async () => {
    using dir = tempDir();
    await served(dir.path, end);
    damage(dir.path);
    const before = contents(dir.path);
    for (const command of [["start", "--bind", "127.0.0.1:0"], ["user", "list"]]) {
      const { code, err } = await roost([...command, "--data", dir.path]);
      assert.equal(code, 1);
      assert.match(err, message);
      assert.match(err, /`roost repair --data .*` says what can be kept/);
      assert.doesNotMatch(err, /\n\s+at /);
    }
    assert.deepEqual(contents(dir.path), before);
  });
}

Deno.test("10.6: a start with a damaged account names it, counts it, and serves the others", async () => {
  using dir = tempDir();
  await served(dir.path, "stop");
  spoil(dir.path, ["u", pointOf("bob" as AccountName), "bob", 0]);
  const server = await ServerProcess.start({ dataDir: dir.path });
  const checked = await roost(["check", "--data", dir.path]);
  assert.equal(checked.code, 1);
  assert.match(checked.out, /^account bob \(shard \d+\): its head: its checksum is not that of/);
  assert.match(server.log, /row_damaged.*kind"?[:=] ?"?head.*user"?[:=] ?"?bob/);
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  assert.match(metrics, /roost_damaged_records_total\{kind="head"\} 1/);
  await addUser(dir.path, "dan");
  const bob = await roost(
    ["user", "passwd", "bob", "--password-stdin", "--data", dir.path],
    "new password 1\n",
  );
  assert.equal(bob.code, 1);
  assert.match(bob.err, /stored of this account is damaged/);
  assert.equal(await server.stop(), 0);
});

Deno.test("10.6: roost check names damage with its owner, changes nothing, and finds none where none is", async () => {
  using dir = tempDir();
  await served(dir.path, "stop");
  const args = ["check", "--data", dir.path];
  const clean = await roost(args);
  assert.deepEqual([clean.code, clean.out], [0, "No damage was found\n"], clean.err);
  spoil(dir.path, ["meta", "claims"]);
  spoil(dir.path, ["u", pointOf("cid" as AccountName), "cid", 0]);
  const log = lastRecord(dir.path);
  spoil(dir.path, log);
  const before = contents(dir.path);
  const { code, out, err } = await roost(args);
  assert.equal(code, 1);
  assert.match(out, new RegExp(`^shard ${log[1]}: record ${log[2]} of its log: its checksum`, "m"));
  assert.match(out, /^row meta claims: its checksum/m);
  assert.match(out, /^account cid \(shard \d+\): its head: its checksum/m);
  assert.match(err, /^3 faults\. Stop the server and run: roost repair/m);
  assert.deepEqual(contents(dir.path), before);
});

/** The key of a log's last record. */
function lastRecord(dir: string): readonly (string | number)[] {
  const db = new DatabaseSync(`${dir}/kv.sqlite3`);
  const [above, below] = [encodeKey(["log"]), encodeKey(["log", 1e9])];
  const row = db.prepare("SELECT k FROM kv WHERE k > ? AND k < ? ORDER BY k DESC LIMIT 1")
    .get(above, below)!;
  db.close();
  return decodeKey(row["k"] as Uint8Array);
}
