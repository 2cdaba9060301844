/** A server of several processes on one machine. */
import assert from "node:assert/strict";
import { Client, rest } from "./client.ts";
import { mailbox } from "../prove/crash.ts";
import { roost } from "./cli.ts";
import { ServerProcess, tempDir } from "./server.ts";
import { until } from "./until.ts";

/** Process ids of the workers that were started last, by their numbers. */
function workersOf(server: ServerProcess): ReadonlyMap<number, number> {
  const started = [...server.log.matchAll(/worker started worker=(\d+) pid=(\d+)/g)];
  return new Map(started.map(([, number, pid]) => [Number(number), Number(pid)]));
}

function lives(pid: number): boolean {
  try {
    Deno.kill(pid, "SIGCONT");
    return true;
  } catch {
    return false;
  }
}

async function metricsOf(server: ServerProcess): Promise<string> {
  return await (await fetch(`${server.url}/metrics`)).text();
}

async function register(server: ServerProcess, user: string): Promise<string> {
  const body = { user, password: "correct horse battery" };
  const { token } = await rest<{ token: string }>(server.url, "POST", "/v1/register", { body });
  await rest(server.url, "PUT", "/v1/settings", { token, body: { messagesFrom: "anyone" } });
  return token;
}

async function connect(server: ServerProcess, token: string, events: unknown[]): Promise<Client> {
  const client = await Client.connect(server.wsUrl, { auth: { token } });
  client.onEvent = (event) => events.push(event);
  return client;
}

/** Nobody else can have the directory of a server, nor its port. */
async function refusesOthers(server: ServerProcess): Promise<void> {
  const second = await roost(["start", "--workers", "2", "--data", server.dataDir]);
  assert.match(second.err, /process \d+ is using it/);
  using other = tempDir();
  const bind = `127.0.0.1:${new URL(server.url).port}`;
  const third = await roost([
    ...["start", "--workers", "2", "--data", `${other.path}/d`, "--bind", bind],
  ]);
  assert.match(third.err, /Cannot listen on/);
}

/** Commands reach one worker, which replies for all. */
async function repliesForAll(dataDir: string): Promise<void> {
  await until("a share of each worker", async () => {
    const shards = await roost(["shards", "--data", dataDir]);
    assert.equal(shards.err, "");
    return [1, 2].every((n) => new RegExp(` serves .* [^ ]+-${n}\n`).test(shards.out));
  });
  const users = await roost(["user", "list", "--data", dataDir]);
  assert.match(users.out, /alice .*\nbob /);
  const level = await roost(["log", "level", "debug", "--data", dataDir]);
  assert.equal(level.out, "debug\n");
  const cpu = ["profile", "cpu", "--seconds", "1", "--out", `${dataDir}/2.cpuprofile`];
  const profile = await roost([...cpu, "--worker", "2", "--data", dataDir]);
  assert.equal(profile.code, 0, profile.err);
}

const PROCESS_SERIES = [
  "process_resident_memory_bytes",
  "process_virtual_memory_bytes",
  "process_open_fds",
  "process_max_fds",
  "process_start_time_seconds",
];

async function untilSent(server: ServerProcess, send: () => Promise<void>): Promise<void> {
  let last: unknown = null;
  const sent = () =>
    send().then(() => true, (error) => {
      last = error;
      return false;
    });
  await until("a message", sent).catch(() => {
    throw new Error(`no message is accepted: ${last}\n${server.log}`);
  });
}

Deno.test("11: workers share a port and a store, survive each other, and end with their supervisor", async () => {
  using dir = tempDir();
  const flags = ["--workers", "2", "--registration", "open"];
  let server = await ServerProcess.start({ dataDir: dir.path, flags });
  try {
    const [a, b] = [await register(server, "alice"), await register(server, "bob")];
    const send = async (key: string) => {
      const events: unknown[] = [];
      const client = await connect(server, a, events);
      await client.command("send", { to: "bob", key, body: key });
      await client.close();
    };
    await send("first");
    const status = await roost(["cluster", "status", "--data", dir.path]);
    assert.match(status.out, /-1 +1 +(this|linked)/);
    assert.match(status.out, /-2 +1 +(this|linked)/);
    const metrics = await metricsOf(server);
    assert.match(metrics, /^roost_workers_serving\{node="supervisor"\} 2$/m);
    for (const n of [1, 2]) assert.match(metrics, new RegExp(`roost_sessions.*node="[^"]*-${n}"`));
    // Of workers and supervisor, also once they have given permissions up.
    if (Deno.build.os === "linux") {
      for (const name of PROCESS_SERIES) {
        const samples = [...metrics.matchAll(new RegExp(`^${name}\\{node="[^"]+"\\} [1-9]`, "gm"))];
        assert.equal(samples.length, 3, name);
      }
    }
    await repliesForAll(dir.path);
    await refusesOthers(server);
    for (const number of [2, 1]) {
      const pid = workersOf(server).get(number)!;
      Deno.kill(pid, "SIGKILL");
      await until("a new worker", () => workersOf(server).get(number) !== pid);
      await untilSent(server, () => send(`without-${number}`));
      const end = `roost_worker_ends_total{node="supervisor",worker="${number}"} 1`;
      assert.ok((await metricsOf(server)).includes(end));
    }
    const pids = [...workersOf(server).values()];
    await server.kill();
    await until("the end of the workers", () => pids.every((pid) => !lives(pid)));
    server = await ServerProcess.start({
      dataDir: dir.path,
      flags: [...flags, "--bind", new URL(server.url).host],
    });
    await send("last");
    const events = (await mailbox(server, b)).filter(({ k }) => k === "message");
    const bodies = new Set(events.map(({ body }) => body));
    assert.deepEqual([...bodies], ["first", "without-2", "without-1", "last"]);
    assert.equal(await server.stop(), 0);
    const left = [...Deno.readDirSync(dir.path)].map(({ name }) => name).filter((name) =>
      name.endsWith(".sock")
    );
    assert.deepEqual(left, []);
  } finally {
    await server.kill();
  }
});
