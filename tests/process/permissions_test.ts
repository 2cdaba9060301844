import assert from "node:assert/strict";
import { postFrom } from "./post_from.ts";
import { ServerProcess, tempDir } from "./server.ts";
import { until } from "./until.ts";

/** What `server/ops/README.md` names: no processes, no native libraries, no reading of `/proc`. */
const NAMED = ["net", "read", "write", "env", "sys"].map((name) => `--allow-${name}`);

Deno.test("10.12: a server works with the permissions that the docs name", async () => {
  using dir = tempDir();
  const main = new URL("../../main.ts", import.meta.url).pathname;
  const server = await ServerProcess.start({
    dataDir: dir.path,
    flags: ["--registration", "open"],
    command: [Deno.execPath(), "run", "--no-prompt", "--no-check", "--quiet", ...NAMED, main],
  });
  try {
    const body = { user: "ann", password: "correct horse battery" };
    const { status } = await postFrom(server.url, "127.0.0.1", "/v1/register", body);
    assert.equal(status, 201);
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    assert.match(metrics, /^roost_resident_memory_bytes \d/m);
    assert.match(metrics, /^process_resident_memory_bytes \d/m);
    assert.doesNotMatch(metrics, /^process_(open_fds|max_fds|virtual_memory_bytes) /m);
  } finally {
    await server.stop();
  }
});

/** What a server with these flags is permitted once it serves. */
async function permitted(flags: readonly string[]): Promise<unknown> {
  using dir = tempDir();
  const teller = new URL("./permission_teller.ts", import.meta.url).pathname;
  const main = new URL("../../main.ts", import.meta.url).pathname;
  const run = ["run", "-A", "--no-check", "--quiet", "--preload", teller, main];
  const command = [Deno.execPath(), ...run];
  const server = await ServerProcess.start({ dataDir: dir.path, flags, command });
  try {
    const told = () => /^permissions (.*)$/m.exec(server.log)?.[1];
    Deno.kill(server.pid, "SIGUSR2");
    await until("it tells its permissions", () => told() !== undefined);
    return JSON.parse(told()!);
  } finally {
    await server.stop();
  }
}

const SERVING = ["net", "read", "write", "env", "sys"];

Deno.test({
  name: "13: a server that serves can start no program and load no native library any more",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    assert.deepEqual(await permitted(["--workers", "1"]), { granted: SERVING, started: false });
  },
});

Deno.test({
  name: "13: a process that keeps workers running can start programs, and load no native library",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const granted = [...SERVING, "run"];
    assert.deepEqual(await permitted(["--workers", "2"]), { granted, started: true });
  },
});

Deno.test({
  name: "13: a cell of several keeps the permission to start what serves another cell's copy",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    using dir = tempDir();
    Deno.writeTextFileSync(`${dir.path}/secret`, `${"s".repeat(43)}\n`, { mode: 0o600 });
    const cells = ["name=a", "listen=127.0.0.1:0", `secretFile=${dir.path}/secret`];
    const flags = ["--workers", "1", ...cells.flatMap((text) => ["--set", `cells.${text}`])];
    assert.deepEqual(await permitted(flags), { granted: [...SERVING, "run"], started: true });
  },
});
