/** `roost store copy` between a data directory and PostgreSQL, with servers at both ends. */
import assert from "node:assert/strict";
import { Client, rest } from "../process/client.ts";
import { roost } from "../process/cli.ts";
import { ServerProcess, tempDir } from "../process/server.ts";
import { encodeKey } from "../../server/store/key_bytes.ts";
import { hex } from "../../server/store/pg_values.ts";
import { UNFINISHED_KEY } from "../../server/store/pg_open.ts";
import { startCluster } from "./cluster.ts";

const cluster = startCluster(["fsync = off"]);
globalThis.addEventListener("unload", () => cluster.stop());

async function register(server: ServerProcess, user: string): Promise<string> {
  const body = { user, password: `password of ${user}` };
  const { token } = await rest<{ token: string }>(server.url, "POST", "/v1/register", { body });
  await rest(server.url, "PUT", "/v1/settings", { token, body: { messagesFrom: "anyone" } });
  return token;
}

async function send(server: ServerProcess, token: string, to: string, body: string) {
  await rest(server.url, "POST", "/v1/messages", { token, key: body, body: { to, body } });
}

async function bodies(server: ServerProcess, token: string, of: string): Promise<string[]> {
  const path = `/v1/conversations/${of}/messages`;
  const page = await rest<{ events: { body: string }[] }>(server.url, "GET", path, { token });
  return page.events.map((e) => e.body);
}

async function mode(server: ServerProcess, token: string, after: string): Promise<unknown> {
  const client = await Client.connect(server.wsUrl, { auth: { token }, after });
  await client.close();
  return client.welcome["mode"];
}

/** Runs a command that must succeed, and resolves with what it wrote. */
async function done(...args: string[]): Promise<string> {
  const { code, out, err } = await roost(args);
  assert.equal(code, 0, err);
  return out;
}

/** Runs a command that must fail with such a message. */
async function refused(message: RegExp, ...args: string[]): Promise<void> {
  const { code, err } = await roost(args);
  assert.equal(code, 1);
  assert.match(err, message);
}

interface Moved {
  readonly dir: string;
  readonly urlFile: string;
  readonly ann: string;
  readonly bob: string;
  /** Ann's, of before the move. */
  readonly cursor: string;
}

/** Twenty messages of Ann to Bob in the directory `own`, moved to PostgreSQL. */
async function moveOut(dir: string, database: string): Promise<Moved> {
  const [own, urlFile] = [`${dir}/own`, `${dir}/store.url`];
  const url = await cluster.database(database);
  Deno.writeTextFileSync(urlFile, url, { mode: 0o600 });
  const server = await ServerProcess.start({ dataDir: own });
  const [ann, bob] = [await register(server, "ann"), await register(server, "bob")];
  for (let i = 0; i < 20; i++) await send(server, ann, "bob", `first-${i}`);
  const { cursor } = await rest<{ cursor: string }>(server.url, "GET", "/v1/snapshot", {
    token: ann,
  });
  await refused(/is using it/, "store", "copy", own, urlFile);
  assert.equal(await server.stop(), 0);
  const said = await done("store", "copy", own, urlFile);
  assert.match(said, /\d+ rows and \d+ records? of logs \(\d+ KB\) are copied and compared/);
  await refused(/it holds a server's data already/, "store", "copy", own, url);
  return { dir, urlFile, ann, bob, cursor };
}

/** Serves the moved store, backs it up, and sends messages before and after. */
async function serveMoved({ dir, urlFile, ann, bob, cursor }: Moved): Promise<string> {
  const flags = ["--store-file", urlFile];
  const [dataDir, back] = [`${dir}/remote`, `${dir}/back`];
  const server = await ServerProcess.start({ dataDir, flags });
  assert.equal((await bodies(server, ann, "bob")).length, 20);
  assert.equal(await mode(server, ann, cursor), "resume");
  await send(server, bob, "ann", "second");
  await refused(/servers use postgres:.*Stop them first/, "store", "copy", urlFile, back);
  const offline = ["user", "add", "eve", "--no-password", "--data", `${dir}/x`, ...flags];
  await refused(/Servers use the store/, ...offline);
  const file = await done("backup", "--data", dataDir, ...flags, "--out", dir);
  await send(server, bob, "ann", "third");
  assert.equal(await server.stop(), 0);
  return file.trim();
}

Deno.test("11: a server moves to PostgreSQL and back with tokens, messages and cursors", async () => {
  using dir = tempDir();
  const moved = await moveOut(dir.path, "copied");
  const { urlFile, ann, bob, cursor } = moved;
  await serveMoved(moved);
  const back = `${dir.path}/back`;
  await done("store", "copy", urlFile, back);
  const server = await ServerProcess.start({ dataDir: back });
  const read = await bodies(server, ann, "bob");
  assert.deepEqual([read.length, read.at(-1)], [22, "third"]);
  assert.equal(await mode(server, ann, cursor), "resume");
  await send(server, ann, "bob", "fourth");
  assert.equal((await bodies(server, bob, "ann")).at(-1), "fourth");
  assert.equal(await server.stop(), 0);
});

Deno.test("11: a backup of a running server in PostgreSQL restores to what it was", async () => {
  using dir = tempDir();
  const moved = await moveOut(dir.path, "saved");
  const file = await serveMoved(moved);
  const restored = `${dir.path}/restored`;
  await done("restore", file, "--data", restored);
  const server = await ServerProcess.start({ dataDir: restored });
  assert.equal((await bodies(server, moved.ann, "bob")).at(-1), "second");
  assert.equal(await mode(server, moved.ann, moved.cursor), "reset");
  assert.equal(await server.stop(), 0);
});

Deno.test("11: nothing is served from an unfinished copy, and the same command begins anew", async () => {
  using dir = tempDir();
  const own = `${dir.path}/own`;
  const url = await cluster.database("unfinished");
  const server = await ServerProcess.start({ dataDir: own });
  const ann = await register(server, "ann");
  assert.equal(await server.stop(), 0);
  await done("store", "copy", own, url);
  // As a copy leaves it that was killed.
  const unfinished = hex(encodeKey(UNFINISHED_KEY));
  await cluster.sql(
    `INSERT INTO roost_row VALUES (decode('${unfinished}', 'hex'), '')`,
    "unfinished",
  );
  const args = ["start", "--data", `${dir.path}/remote`, "--bind", "127.0.0.1:0"];
  await refused(/a copy to it has not finished/, ...args, "--store", url);
  await done("store", "copy", own, url);
  const second = await ServerProcess.start({
    dataDir: `${dir.path}/remote`,
    flags: ["--store", url],
  });
  assert.deepEqual(await bodies(second, ann, "ann"), []);
  assert.equal(await second.stop(), 0);
});

Deno.test("11: accounts are exported from a cell in PostgreSQL and imported into another one", async () => {
  using dir = tempDir();
  const secret = `${dir.path}/secret`;
  Deno.writeTextFileSync(secret, "a secret of the nodes of these cells", { mode: 0o600 });
  const open = async (database: string) => {
    const store = await cluster.database(database);
    const flags = ["--store", store, "--cell-listen", "127.0.0.1:0", "--cell-secret-file", secret];
    const start = (n: number) =>
      ServerProcess.start({ dataDir: `${dir.path}/${database}${n}`, flags });
    return [await start(1), await start(2)] as const;
  };
  const users = ["ann", "bob", "cid", "dan"];
  const from = await open("exported");
  const to = await open("imported");
  try {
    const tokens: string[] = [];
    for (const user of users) tokens.push(await register(from[0], user));
    for (const user of users) await send(from[1], tokens[0]!, user, `to-${user}`);
    const file = `${dir.path}/all.ndjson`;
    const out = ["--with-credentials", "--out", file];
    await done("export", "--all", ...out, "--data", from[1].dataDir);
    assert.equal(
      await done("import", file, "--data", to[1].dataDir),
      "4 accounts are imported.\n",
    );
    for (const [n, user] of users.entries()) {
      const { token } = await rest<{ token: string }>(to[n % 2]!.url, "POST", "/v1/auth/password", {
        body: { user, password: `password of ${user}` },
      });
      assert.deepEqual(await bodies(to[n % 2]!, token, "ann"), [`to-${user}`]);
    }
  } finally {
    for (const server of [...from, ...to]) await server.kill();
  }
});

Deno.test("11: a password in the arguments of a copy is refused, and not shown", async () => {
  const { code, err } = await roost(["store", "copy", "/nowhere", "postgres://u:secret1@h/db"]);
  assert.equal(code, 1);
  assert.match(err, /write the address with its password to a file/);
  assert.doesNotMatch(err, /secret1/);
});
