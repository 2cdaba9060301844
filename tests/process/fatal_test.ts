import assert from "node:assert/strict";
import { commandOf, start } from "./child_process.ts";

const PORTS = ["write", "writeNothing", "read", "list", "close", "pbkdf2", "after", "soon"];

for (const port of PORTS) {
  Deno.test(`onFatal gets what a callback of ${port} throws`, async () => {
    const { code, rest } = await start(commandOf("fatal_thrower.ts", port, "handled")).ended();
    assert.deepEqual({ code, rest }, { code: 70, rest: `fatal: bug in ${port}` });
  });
}

Deno.test("without onFatal a callback that throws ends the process with status 1", async () => {
  const [program, ...args] = commandOf("fatal_thrower.ts", "write", "unhandled");
  const { code, stderr } = await new Deno.Command(program!, { args, stdin: "null" }).output();
  assert.equal(code, 1);
  assert.match(new TextDecoder().decode(stderr), /bug in write/);
});
