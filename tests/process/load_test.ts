/** The load tool against a real server, small: every scenario, two processes, a dark launch. */
import assert from "node:assert/strict";
import type { RunResult } from "../../server/load/result.ts";
import { roost } from "./cli.ts";
import { ServerProcess, tempDir } from "./server.ts";

const SMALL = ["--users", "40", "--contacts", "6", "--settle", "30s", "--quiet"];

/** A server and the tool's command line towards it. */
async function start(dir: string, ...flags: readonly string[]) {
  const server = await ServerProcess.start({ dataDir: `${dir}/data`, flags });
  const base = ["--url", server.url, "--data", `${dir}/data`, "--state", `${dir}/pool.json`];
  const load = (...args: readonly string[]) => roost(["load", ...args, ...base]);
  const run = async (...args: readonly string[]): Promise<RunResult> => {
    const { code, out, err } = await load(...args, ...SMALL, "--json", "-");
    assert.equal(code, 0, `${args.join(" ")}: ${err}\n${out}`);
    return JSON.parse(out);
  };
  return { server, load, run };
}

Deno.test("roost load: every scenario runs against a real server, and all arrives", async () => {
  using dir = tempDir();
  const { server, run, load } = await start(dir.path);
  const presence = await run("presence", "--rate", "40", "--seconds", "2");
  assert.equal(presence.counts.changes, 80);
  assert.equal(presence.presence.delivered + presence.presence.coalesced, 480);
  assert.equal(presence.presence.compared, 240);
  assert.equal(presence.server?.pid, server.pid);
  assert.ok(presence.server!.metrics["roost_presence_deliveries_total"]! >= 480);

  const chat = await run("chat", "--rate", "40", "--seconds", "2", "--processes", "2");
  assert.equal(chat.options.processes, 2);
  assert.equal(chat.counts.sendsAccepted, 80);
  assert.equal(chat.messages.received, 80);

  const login = await run("login", "--rate", "100", "--online", "10", "--presence-rate", "5");
  assert.equal(login.latencies.login?.count, 30);

  const reconnect = await run(
    "reconnect",
    "--over",
    "2s",
    "--seconds",
    "1",
    "--message-rate",
    "20",
  );
  assert.equal(reconnect.counts.vanished, 37);
  assert.equal(reconnect.counts.resumes, 37);
  assert.equal(reconnect.falseOffline, 0);

  const mixed = await run("mixed", "--rate", "20", "--seconds", "3");
  assert.ok(mixed.counts.signOuts > 0);
  const poll = await run("poll", "--rate", "20", "--seconds", "2");
  assert.ok(poll.messages.received >= 15);

  const removed = await load("--remove", "--users", "40", "--contacts", "6");
  assert.equal(removed.code, 0, removed.err);
  assert.match(removed.err, /40 accounts of roost\.40x6 are removed/);
  const { out } = await roost([
    "user",
    "list",
    "--synthetic",
    "--json",
    "--data",
    `${dir.path}/data`,
  ]);
  const active = JSON.parse(out).filter((a: { state: string }) => a.state === "active");
  assert.deepEqual(active, []);
  assert.equal(await server.stop(), 0);
});

Deno.test("roost load: users may come from the public API, and sign in by SCRAM", async () => {
  using dir = tempDir();
  const flags = ["--set", "registration.perAddressPerHour=1000"];
  const { server, load } = await start(dir.path, ...flags);
  const shape = ["--users", "6", "--contacts", "2", "--quiet", "--provision", "public"];
  const { code, out, err } = await load("login", "--auth", "scram", "--rate", "20", ...shape);
  assert.equal(code, 0, `${err}\n${out}`);
  assert.match(out, /sign-ins +6 in/);
  // As server/ops/README.md says: on the server the users of a pool are removed by its name.
  const all = async () => {
    const listed = await roost(["user", "list", "--json", "--data", `${dir.path}/data`]);
    return JSON.parse(listed.out).length;
  };
  assert.equal(await all(), 6);
  const removed = await load("--remove", "--users", "6", "--contacts", "2", "--pool", "load6x2");
  assert.match(removed.err, /6 accounts of load6x2 are removed/);
  assert.equal(await all(), 0);
  assert.equal(await server.stop(), 0);
});

Deno.test("roost load --dark: reports, removes its users, and exits by its objective", async () => {
  using dir = tempDir();
  const { server, load } = await start(dir.path);
  const short = ["--dark", "--rate", "20", "--seconds", "4", "--report", "2s"];
  const held = await load(...short, "--objective-ms", "10000", "--html", `${dir.path}/dark.html`);
  assert.equal(held.code, 0, `${held.err}\n${held.out}`);
  assert.match(held.out, /^The objective held: 100\.000 % of 200 delivered/);
  assert.match(Deno.readTextFileSync(`${dir.path}/dark.html`), /The objective holds/);
  const { out } = await roost([
    "user",
    "list",
    "--synthetic",
    "--json",
    "--data",
    `${dir.path}/data`,
  ]);
  assert.deepEqual(JSON.parse(out), []);
  assert.equal(await server.stop(), 0);
});

Deno.test("roost load: says what is wrong before it does anything", async () => {
  using dir = tempDir();
  const url = ["--url", "http://127.0.0.1:1", "--data", dir.path, "--state", `${dir.path}/p`];
  const nobody = await roost(["load", "chat", ...url]);
  assert.equal(nobody.code, 1);
  assert.match(nobody.err, /^roost: Cannot reach http:\/\/127\.0\.0\.1:1: /);
  const elsewhere = await roost(["load", "chat", "--url", "http://192.0.2.1"]);
  assert.equal(elsewhere.code, 2);
  assert.match(elsewhere.err, /Add --i-own-this-server if it is/);
});
