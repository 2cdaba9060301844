/** What a start over PostgreSQL reports, refuses, and never shows (issue 11). */
import assert from "node:assert/strict";
import { type Pair, startPair } from "./pair.ts";
import { ServerProcess, tempDir } from "../process/server.ts";
import { startCluster } from "./cluster.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const ROOST = [Deno.execPath(), "run", "-A", "--no-check", "--quiet", `${ROOT}/main.ts`];
const PASSWORD = "correct-horse-battery";

/** Runs `roost`; returns its exit code and all that it wrote. */
async function roost(args: readonly string[], env: Record<string, string> = {}) {
  const { code, stderr, stdout } = await new Deno.Command(ROOST[0]!, {
    args: [...ROOST.slice(1), ...args],
    env,
  }).output();
  const text = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("");
  return { code, text };
}

function serve(dataDir: string, flags: readonly string[], env: Record<string, string> = {}) {
  const start = ["start", "--data", dataDir, "--bind", "127.0.0.1:0", "--set", "log.format=json"];
  return ServerProcess.run({ command: [...ROOST, ...start, ...flags], dataDir, cwd: ROOT, env });
}

/** The line of a server's log with this message. */
function logged({ log }: ServerProcess, message: string): Record<string, unknown> {
  const lines = log.split("\n").filter((line) => line.startsWith("{"));
  const found = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    .find((line) => Object.values(line).includes(message));
  assert.ok(found !== undefined, `nothing logs ${message}: ${log}`);
  return found;
}

/** The command lines and environments that every user of the machine can read. */
function processList(): string {
  const pids = [...Deno.readDirSync("/proc")].map(({ name }) => name).filter((name) =>
    /^[0-9]+$/.test(name)
  );
  return pids.map((pid) => {
    try {
      return Deno.readTextFileSync(`/proc/${pid}/cmdline`);
    } catch {
      // It has ended.
      return "";
    }
  }).join("\n");
}

async function withPair(test: (pair: Pair) => Promise<void>): Promise<void> {
  const pair = await startPair(["fsync = off"]);
  try {
    await test(pair);
  } finally {
    pair.stop();
  }
}

Deno.test("11: a start reports version, synchronous_commit and standbys, which it can require", () =>
  withPair(async (pair) => {
    using dir = tempDir();
    const url = await pair.database("reported");
    const required = ["--store", url, "--set", "store.requireSynchronous=true"];
    const server = await serve(dir.path, required);
    const opened = logged(server, "store opened");
    assert.match(String(opened["version"]), /^1[5-9]\./);
    assert.equal(opened["synchronousCommit"], "on");
    assert.equal(opened["synchronousStandbys"], 1);
    assert.equal(await server.stop(), 0);
    await pair.primary.sql("CREATE ROLE plain LOGIN");
    await pair.primary.sql("GRANT ALL ON ALL TABLES IN SCHEMA public TO plain", "reported");
    const plain = url.replace("roost@", "plain@");
    const unseen = await roost(["start", "--data", dir.path, ...required, "--store", plain]);
    assert.equal(unseen.code, 1, unseen.text);
    assert.match(unseen.text, /requireSynchronous on postgres:\/\/plain@.*the role pg_monitor/);
    await pair.primary.sql("ALTER SYSTEM SET synchronous_standby_names = ''");
    await pair.primary.sql("SELECT pg_reload_conf()");
    const refused = await roost(["start", "--data", dir.path, ...required]);
    assert.equal(refused.code, 1, refused.text);
    assert.match(refused.text, /requireSynchronous.*its commits wait for no standby/);
  }));

Deno.test("11: a synchronous_commit below on is raised, and the start says what it is then", async () => {
  const cluster = startCluster(["fsync = off", "synchronous_commit = off"]);
  using dir = tempDir();
  try {
    const server = await serve(dir.path, ["--store", await cluster.database("raised")]);
    const opened = logged(server, "store opened");
    assert.equal(opened["synchronousCommit"], "on");
    assert.equal(opened["synchronousStandbys"], 0);
    logged(server, "the store has no synchronous standby: what is acked is lost with its machine");
    await server.stop();
  } finally {
    cluster.stop();
  }
});

Deno.test("11: the store's password is in no log, no command's output and no process list", async () => {
  const cluster = startCluster(["fsync = off"]);
  using dir = tempDir();
  try {
    const url = (await cluster.database("secret")).replace("roost@", `roost:${PASSWORD}@`);
    const file = `${dir.path}/store.url`;
    Deno.writeTextFileSync(file, `${url}\n`, { mode: 0o600 });
    const secret = `${dir.path}/secret`;
    Deno.writeTextFileSync(secret, "a secret that only the test and its node know");
    const cell = ["--cell-listen", "127.0.0.1:0", "--cell-secret-file", secret];
    const ways: readonly [string, readonly string[], Record<string, string>][] = [
      ["variable", [], { ROOST_STORE: url }],
      ["file", ["--store-file", file], {}],
    ];
    for (const [way, flags, env] of ways) {
      const data = `${dir.path}/${way}`;
      const server = await serve(data, [...flags, ...cell, "--set", "log.level=debug"], env);
      const shown = await Promise.all([
        roost(["config", "show", "--data", data]),
        roost(["config", "show", "--json", "--data", data]),
        roost(["config", "show", "--next", "--data", data, ...flags], env),
        roost(["cluster", "status", "--data", data]),
      ]);
      for (const { code, text } of shown) {
        assert.equal(code, 0, text);
        assert.ok(!text.includes(PASSWORD), `${way}: ${text}`);
      }
      assert.ok(!processList().includes(PASSWORD), way);
      // A node without its store says so at every beat.
      cluster.kill();
      while (!server.log.includes("Cannot reach")) await new Promise((r) => setTimeout(r, 50));
      const failed = await roost(["start", "--data", `${data}-2`, ...flags, ...cell], env);
      assert.equal(failed.code, 1, failed.text);
      assert.match(failed.text, /Cannot open the store postgres:\/\/roost@/);
      await server.kill();
      for (const text of [server.log, server.output, failed.text]) {
        assert.ok(!text.includes(PASSWORD), `${way}: ${text}`);
      }
      cluster.start();
    }
  } finally {
    cluster.stop();
  }
});
