import assert from "node:assert/strict";
import { postFrom } from "./post_from.ts";
import { ServerProcess, tempDir } from "./server.ts";

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
  } finally {
    await server.stop();
  }
});
