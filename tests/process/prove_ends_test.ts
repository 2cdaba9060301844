/** A proof that gets a signal to end leaves no process. */
import assert from "node:assert/strict";
import { descendants, descendantsOf } from "../prove/descendants.ts";
import { tempDir } from "./server.ts";
import { until } from "./until.ts";

function lives(pid: number): boolean {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]?.[0] !== "Z";
  } catch {
    return false;
  }
}

Deno.test("12: the processes of a process are those that it has started, and theirs", () => {
  const listing = "   1 0\n  10 1\n 11 10\n 12 11\n 13 1\n";
  assert.deepEqual([...descendantsOf(10, listing)].sort(), [11, 12]);
  assert.deepEqual(descendantsOf(13, listing), []);
});

for (const [signal, code] of [["SIGTERM", 143], ["SIGINT", 130]] as const) {
  Deno.test({
    name: `12: a proof that gets a ${signal} ends its servers`,
    ignore: Deno.build.os !== "linux",
    async fn() {
      using dir = tempDir();
      const main = new URL("../prove/main.ts", import.meta.url).pathname;
      const child = new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--no-check", "--frozen", "--quiet", main, "crash", "--scale", "0.05"],
        env: { TMPDIR: dir.path },
        stdin: "null",
        stdout: "null",
        stderr: "null",
      }).spawn();
      await until("a server of the proof", () => [...Deno.readDirSync(dir.path)].length > 0);
      await until("its process", () => descendants(child.pid).length > 0);
      const pids = descendants(child.pid);
      child.kill(signal);
      assert.equal((await child.status).code, code);
      await until("all have ended", () => !pids.some(lives));
    },
  });
}
