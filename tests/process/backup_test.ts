import assert from "node:assert/strict";
import { rest } from "./client.ts";
import { roost } from "./cli.ts";
import { ServerProcess, tempDir } from "./server.ts";
import { Client } from "./client.ts";

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

Deno.test("roost backup of a running server restores to one with what was acked until then", async () => {
  using dir = tempDir();
  const server = await ServerProcess.start({ dataDir: `${dir.path}/a` });
  const ann = await register(server, "ann");
  await register(server, "bob");
  await send(server, ann, "bob", "before");
  const made = await roost(["backup", "--data", `${dir.path}/a`, "--out", dir.path]);
  assert.equal(made.code, 0, made.err);
  const file = made.out.trim();
  assert.equal(Deno.statSync(file).mode! & 0o777, 0o600);
  assert.match(made.err, /everything that was acknowledged before \d{4}-/);
  await send(server, ann, "bob", "after");
  const { cursor } = await rest<{ cursor: string }>(server.url, "GET", "/v1/snapshot", {
    token: ann,
  });
  assert.equal(await mode(server, ann, cursor), "resume");
  assert.equal(await server.stop(), 0);
  const restored = await roost(["restore", file, "--data", `${dir.path}/b`]);
  assert.equal(restored.code, 0, restored.err);
  const again = await ServerProcess.start({ dataDir: `${dir.path}/b` });
  assert.deepEqual(await bodies(again, ann, "bob"), ["before"]);
  await send(again, ann, "bob", "other");
  // The cursor's position exists again, but it is another event.
  assert.equal(await mode(again, ann, cursor), "reset");
  const now = await rest<{ cursor: string }>(again.url, "GET", "/v1/snapshot", { token: ann });
  assert.equal(now.cursor.split(":")[1], cursor.split(":")[1]);
  assert.equal(await mode(again, ann, now.cursor), "resume");
  assert.deepEqual(await bodies(again, ann, "bob"), ["before", "other"]);
  assert.equal(await again.stop(), 0);
});

Deno.test("roost backup copies a directory that a killed server left", async () => {
  using dir = tempDir();
  const server = await ServerProcess.start({ dataDir: `${dir.path}/a` });
  const ann = await register(server, "ann");
  await register(server, "bob");
  await send(server, ann, "bob", "acked");
  await server.kill();
  const file = `${dir.path}/one.backup`;
  const made = await roost(["backup", "--data", `${dir.path}/a`, "--out", file]);
  assert.equal(made.code, 0, made.err);
  assert.equal((await roost(["restore", file, "--data", `${dir.path}/b`])).code, 0);
  const again = await ServerProcess.start({ dataDir: `${dir.path}/b` });
  assert.deepEqual(await bodies(again, ann, "bob"), ["acked"]);
  assert.equal(await again.stop(), 0);
});

Deno.test("roost restore refuses a directory in use, what is no backup, and a damaged one", async () => {
  using dir = tempDir();
  const server = await ServerProcess.start({ dataDir: `${dir.path}/a` });
  const file = `${dir.path}/one.backup`;
  assert.equal((await roost(["backup", "--data", `${dir.path}/a`, "--out", file])).code, 0);
  const over = await roost(["backup", "--data", `${dir.path}/a`, "--out", file]);
  assert.deepEqual([over.code, over.out], [1, ""]);
  assert.match(over.err, /it exists already/);
  const used = await roost(["restore", file, "--data", `${dir.path}/a`]);
  assert.equal(used.code, 1);
  assert.match(used.err, /it is not empty/);
  assert.equal(await server.stop(), 0);
  const store = await roost(["restore", `${dir.path}/a/kv.sqlite3`, "--data", `${dir.path}/b`]);
  assert.match(store.err, /not a backup made by `roost backup`/);
  const bytes = Deno.readFileSync(file);
  // Every page but the first, so that it still looks like a database.
  bytes.fill(0x5a, 8192);
  Deno.writeFileSync(`${dir.path}/damaged`, bytes);
  const damaged = await roost(["restore", `${dir.path}/damaged`, "--data", `${dir.path}/b`]);
  assert.deepEqual([store.code, damaged.code], [1, 1]);
  assert.match(damaged.err, /Cannot restore from .*damaged/);
  const intoNew = await roost([
    "backup",
    "--data",
    `${dir.path}/a`,
    "--out",
    `${dir.path}/new/dir`,
  ]);
  assert.match(intoNew.out, /\/new\/dir\/roost-[\dTZ.]+\.backup\n$/);
  const nowhere = await roost(["backup", "--data", `${dir.path}/c`, "--out", `${dir.path}/d`]);
  assert.equal(nowhere.code, 1);
  assert.match(nowhere.err, /it does not exist/);
});
