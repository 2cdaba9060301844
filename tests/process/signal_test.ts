import assert from "node:assert/strict";
import { commandOf, start } from "./child_process.ts";

Deno.test("onSignal names SIGTERM and SIGINT, and keeps the process going", async () => {
  const child = start(commandOf("signal_waiter.ts"));
  assert.equal(await child.nextLine(), "waiting");
  child.kill("SIGTERM");
  assert.equal(await child.nextLine(), "SIGTERM");
  child.kill("SIGINT");
  assert.equal(await child.nextLine(), "SIGINT");
  assert.equal((await child.ended()).code, 0);
});
