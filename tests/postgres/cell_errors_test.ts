/** What the nodes of a cell say where something between them is wrong; real processes. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { roost } from "../process/cli.ts";
import { ServerProcess, tempDir } from "../process/server.ts";
import { startCluster } from "./cluster.ts";
import { until } from "../process/until.ts";

const cluster = startCluster(["fsync = off"]);
globalThis.addEventListener("unload", () => cluster.stop());

const SECRET = "5ZnWKfu_GC4yZPluQURLOCbmBbyDaDmir21h4w1-VJ8";
const OTHER_SECRET = "a-secret-of-another-cell-which-is-no-use-here";

/** A directory for the nodes of one cell, and what starts them. */
async function openCell(dir: string, database: string) {
  const store = join(dir, "store.url");
  Deno.writeTextFileSync(store, await cluster.database(database), { mode: 0o600 });
  const secretFile = (secret: string) => {
    const file = join(dir, `${secret.slice(0, 8)}.secret`);
    Deno.writeTextFileSync(file, secret, { mode: 0o600 });
    return file;
  };
  const flags = (secret: string) => [
    ...["--store-file", store, "--cell-listen", "127.0.0.1:0", "--set", "cell.tls=always"],
    ...["--cell-secret-file", secretFile(secret)],
  ];
  const start = (name: string, secret = SECRET, clockShiftMs = 0) =>
    ServerProcess.start({ dataDir: join(dir, name), flags: flags(secret), clockShiftMs });
  return { flags, start };
}

/** How often a line of a log has this in it. */
function times(server: ServerProcess, what: RegExp): number {
  return server.log.split("\n").filter((line) => what.test(line)).length;
}

Deno.test("11: a node that is copied is refused with what to do, and the first one goes on", async () => {
  using dir = tempDir();
  const { flags, start } = await openCell(dir.path, "copied");
  const first = await start("a");
  try {
    Deno.mkdirSync(join(dir.path, "b"), { mode: 0o700 });
    for (const file of ["secrets.json", "format.json"]) {
      Deno.copyFileSync(join(dir.path, "a", file), join(dir.path, "b", file));
    }
    const of = ["start", "--bind", "127.0.0.1:0", ...flags(SECRET)];
    const second = await roost([...of, "--data", join(dir.path, "b")]);
    assert.match(second.err, /Cannot run as node \S+: another process with this id runs at 127\./);
    assert.match(second.err, /give a new directory with --data/);
    assert.notEqual(second.code, 0);
    assert.equal((await fetch(`${first.url}/healthz`)).status, 200);
    const status = await roost(["cluster", "status", "--json", "--data", join(dir.path, "a")]);
    assert.equal(JSON.parse(status.out).length, 1, status.out + status.err);
    // After kill -9, its next process starts although its port is another one.
    await first.kill();
    const next = await start("a");
    assert.equal(await next.stop(), 0);
  } finally {
    await first.kill();
  }
});

Deno.test("11: another secret and a clock that is wrong are logged once, and shown", async () => {
  using dir = tempDir();
  const { start } = await openCell(dir.path, "wrong");
  const servers = [await start("a")];
  try {
    servers.push(await start("b", SECRET, 5000));
    const [a, b] = servers as [ServerProcess, ServerProcess];
    await until("clocks", () => [a, b].every((s) => times(s, /clocks far apart/) === 1));
    const status = await roost(["cluster", "status", "--json", "--data", a.dataDir]);
    const offsets = JSON.parse(status.out).map((n: { clockOffsetMs: number | null }) =>
      n.clockOffsetMs
    );
    assert.equal(offsets[0], null);
    assert.ok(Math.abs(offsets[1] - 5000) < 1000, status.out);
    const metrics = await (await fetch(`${a.url}/metrics`)).text();
    assert.match(metrics, /^roost_clock_offset_seconds\{peer="[^"]+"\} [45](\.\d+)?$/m);
    const c = await start("c", OTHER_SECRET);
    servers.push(c);
    const refused = (s: ServerProcess) => times(s, /link refused .*cause=(tls|secret)/);
    await until("a refusal", () => refused(c) + refused(a) + refused(b) > 0);
    await new Promise((done) => setTimeout(done, 2000));
    for (const server of servers) assert.ok(refused(server) <= 1, server.log);
    assert.ok(servers.every((s) => !s.log.includes(SECRET) && !s.log.includes(OTHER_SECRET)));
  } finally {
    for (const server of servers) await server.kill();
  }
});

Deno.test("11: a store that cannot be reached is named without its password", async () => {
  using dir = tempDir();
  const file = join(dir.path, "store.url");
  Deno.writeTextFileSync(file, "postgres://u:hunter2@127.0.0.1:1/x", { mode: 0o600 });
  const of = ["start", "--bind", "127.0.0.1:0", "--data", join(dir.path, "a")];
  const { code, err } = await roost([...of, "--store-file", file]);
  assert.match(
    err,
    /Cannot open the store postgres:\/\/u@127\.0\.0\.1:1\/x: Cannot reach .*ECONNREFUSED/,
  );
  assert.ok(!err.includes("hunter2"));
  assert.notEqual(code, 0);
});
