import assert from "node:assert/strict";
import { Turns, type Worker } from "../../server/http/turns.ts";

/** Time that passes only while a worker works, and the rounds that were asked for. */
function fixture() {
  const state = { nowMs: 0, rounds: [] as (() => void)[], log: [] as string[] };
  const turns = new Turns({ monoMs: () => state.nowMs }, {
    after(_ms, run) {
      state.rounds.push(run);
      return () => {};
    },
  });
  /** Takes `steps` of 1 ms each. */
  const worker = (address: string, steps: number): Worker => ({
    address,
    step() {
      state.nowMs += 1;
      state.log.push(address);
      return --steps > 0;
    },
  });
  return { state, turns, worker };
}

Deno.test("Turns runs a worker at once while little was done lately", () => {
  const { state, turns, worker } = fixture();
  for (let i = 0; i < 100; i++) {
    turns.run(worker("a", 1));
    state.nowMs += 10;
  }
  assert.deepEqual([state.log.length, state.rounds.length], [100, 0]);
});

Deno.test("issue 10.1: Turns lets the loop go on after a round, and addresses take turns", () => {
  const { state, turns, worker } = fixture();
  for (let i = 0; i < 500; i++) turns.run(worker("flood", 3));
  const before = state.log.length;
  assert.ok(before < 10, `${before} steps before the first round`);
  turns.run(worker("bystander", 1));
  assert.equal(state.rounds.length, 1);
  state.rounds.shift()!();
  const round = state.log.slice(before);
  assert.ok(round.length <= 5, `${round.length} ms in one round`);
  assert.ok(round.includes("bystander"), round.join());
  while (state.rounds.length > 0) state.rounds.shift()!();
  assert.equal(state.log.length, 1501);
});
