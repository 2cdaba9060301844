import assert from "node:assert/strict";
import { thisMachine } from "../../server/load/machine.ts";

Deno.test({
  name: "11: the load tool counts what a server's workers use",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const child = new Deno.Command("bash", { args: ["-c", "sleep 60 & wait"] }).spawn();
    const machine = thisMachine();
    let seen = machine.use(child.pid);
    while (seen === null || seen.threads < 2) {
      await new Promise((done) => setTimeout(done, 5));
      seen = machine.use(child.pid);
    }
    assert.equal(seen.threads, 2);
    const group = new Deno.Command("ps", { args: ["-o", "pid=", "--ppid", String(child.pid)] });
    const sleeper = Number(new TextDecoder().decode(group.outputSync().stdout));
    const its = machine.use(sleeper)!;
    assert.ok(seen.rssBytes > its.rssBytes && its.rssBytes > 0);
    Deno.kill(sleeper, "SIGKILL");
    await child.status;
    assert.equal(machine.use(child.pid), null);
  },
});
