/** When writes of a store with standbys are acknowledged. */
import assert from "node:assert/strict";
import { AckGate, type AckMode } from "../../server/standby/ack_gate.ts";

const LIMITS = { writesMax: 3, msMax: 500 };

function gate(mode: AckMode) {
  let nowMs = 1000;
  const made = new AckGate(mode, { monoMs: () => nowMs, wallMs: () => 0 }, LIMITS);
  const said: string[] = [];
  const write = (w: number) =>
    made.hold({ run: "r", w }, (error) => said.push(`${w} ${error?.kind ?? "ok"}`));
  return { gate: made, said, write, pass: (ms: number) => nowMs += ms };
}

Deno.test("12: sync: a write is acknowledged when all of the ack set have it, in the order of the writes", () => {
  const { gate: made, said, write } = gate("sync");
  write(1);
  assert.deepEqual(said, ["1 ok"], "nobody is required");
  made.require(["a", "b"]);
  for (const w of [2, 3, 4]) write(w);
  made.acked("a", 4);
  made.acked("b", 1);
  assert.deepEqual(said, ["1 ok"]);
  assert.deepEqual(made.lag.writes, 3);
  made.acked("b", 3);
  assert.deepEqual(said, ["1 ok", "2 ok", "3 ok"]);
  write(5);
  made.acked("b", 5);
  assert.deepEqual(said.slice(3), ["4 ok"]);
  made.require(["b"]);
  assert.deepEqual(
    said.slice(3),
    ["4 ok", "5 ok"],
    "a smaller ack set releases what waited for it",
  );
  assert.equal(made.refusal(), null);
});

Deno.test("12: sync: what a standby has is not known while it is compared", () => {
  const { gate: made, said, write } = gate("sync");
  made.require(["a"]);
  made.acked("a", 9);
  made.acked("a", null);
  write(4);
  assert.deepEqual(said, []);
  made.acked("a", 4);
  assert.deepEqual(said, ["4 ok"]);
});

Deno.test("12: async: writes are acknowledged at once, and none begins beyond the bound of lag", () => {
  const { gate: made, said, write, pass } = gate("async");
  made.require(["a"]);
  for (const w of [1, 2]) write(w);
  assert.deepEqual(said, ["1 ok", "2 ok"]);
  assert.equal(made.refusal(), null);
  write(3);
  assert.match(made.refusal()!, /3 writes/);
  made.acked("a", 2);
  assert.equal(made.refusal(), null);
  pass(499);
  assert.deepEqual(made.lag, { writes: 1, ms: 499 });
  pass(1);
  assert.match(made.refusal()!, /1 writes and 500 ms/);
  made.acked("a", 3);
  assert.deepEqual(made.lag, { writes: 0, ms: 0 });
  assert.equal(made.refusal(), null);
  made.acked("a", null);
  for (const w of [4, 5, 6]) write(w);
  assert.notEqual(made.refusal(), null, "a standby of unknown state lags too");
  made.require([]);
  assert.equal(made.refusal(), null);
});

Deno.test("12: a store that is not the primary any more acknowledges nothing and takes nothing", () => {
  const { gate: made, said, write } = gate("sync");
  made.require(["a"]);
  write(1);
  made.close("Another one is the primary.");
  assert.deepEqual(said, ["1 unknown"]);
  made.acked("a", 1);
  write(2);
  assert.deepEqual(said, ["1 unknown", "2 unknown"]);
  assert.equal(made.refusal(), "Another one is the primary.");
  made.reopen();
  write(3);
  made.acked("a", 3);
  assert.deepEqual(said.slice(2), ["3 ok"]);
});

Deno.test("12.4: writes that begin in a pause wait for its end; those before it are acknowledged", () => {
  const { gate: made, said, write } = gate("sync");
  made.require(["a"]);
  write(1);
  made.pause();
  assert.equal(made.delays(() => write(2)), true);
  made.acked("a", 1);
  assert.deepEqual(said, ["1 ok"]);
  made.reopen();
  made.acked("a", 2);
  assert.deepEqual(said, ["1 ok", "2 ok"]);
  assert.equal(made.delays(() => {}), false);
});
