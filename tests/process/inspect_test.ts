import assert from "node:assert/strict";
import { Client, rest } from "./client.ts";
import { roost } from "./cli.ts";
import { ServerProcess, tempDir } from "./server.ts";

Deno.test("roost profile cpu writes where the time of a running server goes", async () => {
  using dir = tempDir();
  const server = await ServerProcess.start({ dataDir: `${dir.path}/a` });
  const data = ["--data", `${dir.path}/a`];
  const out = `${dir.path}/one.cpuprofile`;
  const taken = await roost(["profile", "cpu", "--seconds", "1", "--out", out, ...data]);
  assert.equal(taken.code, 0, taken.err);
  assert.equal(taken.out, `${out}\n`);
  assert.equal(Deno.statSync(out).mode! & 0o777, 0o600);
  const profile = JSON.parse(Deno.readTextFileSync(out));
  assert.ok(profile.nodes.length > 1);
  assert.ok(profile.endTime - profile.startTime >= 1_000_000);
  const over = await roost(["profile", "cpu", "--seconds", "1", "--out", out, ...data]);
  assert.equal(over.code, 1);
  assert.match(over.err, /it exists already/);
  const wrong = await roost(["profile", "cpu", "--seconds", "0", "--out", "x", ...data]);
  assert.equal(wrong.code, 2);
  assert.equal(await server.stop(), 0);
  const none = await roost(["profile", "cpu", "--out", `${dir.path}/none`, ...data]);
  assert.equal(none.code, 1);
  assert.match(none.err, /^roost: No server runs on --data /);
  assert.throws(() => Deno.statSync(`${dir.path}/none`), Deno.errors.NotFound);
});

Deno.test("roost profile heap writes a snapshot, but under load only when forced", async () => {
  using dir = tempDir();
  const flags = ["--set", "limits.sessionsPerAccountMax=200"];
  const more = [...flags, "--set", "limits.devicesPerAccountMax=200"];
  const server = await ServerProcess.start({ dataDir: `${dir.path}/a`, flags: more });
  const data = ["--data", `${dir.path}/a`];
  const heap = (out: string, ...force: string[]) =>
    roost(["profile", "heap", "--out", `${dir.path}/${out}`, ...force, ...data]);
  const quiet = await heap("quiet");
  assert.equal(quiet.code, 0, quiet.err);
  const info = Deno.statSync(`${dir.path}/quiet`);
  assert.equal(info.mode! & 0o777, 0o600);
  assert.ok(info.size > 1_000_000);
  assert.match(Deno.readTextFileSync(`${dir.path}/quiet`).slice(0, 100), /^\{"snapshot":/);
  await rest(server.url, "POST", "/v1/register", {
    body: { user: "ann", password: "correct horse" },
  });
  const clients: Client[] = [];
  for (let i = 0; i < 100; i++) {
    const made = await rest<{ token: string }>(server.url, "POST", "/v1/auth/password", {
      body: { user: "ann", password: "correct horse", device: `d${i}` },
    });
    clients.push(await Client.connect(server.wsUrl, { auth: { token: made.token } }));
  }
  const refused = await heap("busy");
  assert.equal(refused.code, 1);
  assert.match(refused.err, /100 sessions.*--force/);
  assert.throws(() => Deno.statSync(`${dir.path}/busy`), Deno.errors.NotFound);
  const forced = await heap("busy", "--force");
  assert.equal(forced.code, 0, forced.err);
  await Promise.all(clients.map((client) => client.close()));
  const left = [...Deno.readDirSync(`${dir.path}/a`)].filter(({ name }) => name.includes("heap"));
  assert.deepEqual(left, []);
  assert.equal(await server.stop(), 0);
});

Deno.test("roost log level changes what a running server logs", async () => {
  using dir = tempDir();
  const server = await ServerProcess.start({ dataDir: dir.path });
  const level = (...args: string[]) => roost(["log", "level", ...args, "--data", dir.path]);
  assert.equal((await level()).out, "info\n");
  assert.equal((await level("debug")).out, "debug\n");
  const { token } = await rest<{ token: string }>(server.url, "POST", "/v1/register", {
    body: { user: "ann", password: "correct horse" },
  });
  const send = (key: string) =>
    rest(server.url, "POST", "/v1/messages", { token, key, body: { to: "ann", body: "hello" } });
  await send("one");
  assert.equal((await level("error")).out, "error\n");
  await send("two");
  assert.equal((await level("loud")).code, 2);
  assert.equal(await server.stop(), 0);
  assert.equal(server.log.match(/message accepted/g)?.length, 1);
  assert.match((await level("debug")).err, /^roost: No server runs on --data /);
});
