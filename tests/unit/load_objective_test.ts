import assert from "node:assert/strict";
import { DEADLINE_US, Deliveries, Judgement } from "../../server/load/objective.ts";

const OBJECTIVE = { p99Ms: 100, share: 0.99 };
const S = 1_000_000;

function watched() {
  const judgement = new Judgement();
  return { judgement, deliveries: new Deliveries([judgement]) };
}

Deno.test("Deliveries: each that arrives counts once, with its own latency", () => {
  const { judgement, deliveries } = watched();
  deliveries.expectPresence(1, 5, [2, 3], 10 * S);
  deliveries.expectMessage(1, 9, 2, 10 * S);
  assert.equal(deliveries.open, 3);
  deliveries.presenceDelivered(1, 5, 2, 10 * S + 4000);
  deliveries.presenceDelivered(1, 5, 2, 10 * S + 9000);
  deliveries.presenceDelivered(7, 5, 3, 10 * S + 4000);
  deliveries.presenceDelivered(1, 4, 3, 10 * S + 4000);
  deliveries.messageDelivered(1, 9, 3, 10 * S + 4000);
  deliveries.messageDelivered(1, 9, 2, 10 * S + 6000);
  deliveries.messageDelivered(1, 9, 2, 10 * S + 7000);
  assert.equal(deliveries.open, 1);
  const { expected, arrived, lost, p50Ms, p99Ms } = judgement.standing(OBJECTIVE);
  assert.deepEqual([expected, arrived, lost], [2, 2, 0]);
  assert.ok(Math.abs(p50Ms! - 4) < 0.01 && Math.abs(p99Ms! - 6) < 0.01);
});

Deno.test("Deliveries: a newer presence stands for all before it", () => {
  const { judgement, deliveries } = watched();
  deliveries.expectPresence(1, 5, [2], 10 * S);
  deliveries.expectPresence(1, 6, [2], 11 * S);
  deliveries.presenceDelivered(1, 6, 2, 12 * S);
  assert.equal(judgement.standing(OBJECTIVE).arrived, 2);
  assert.equal(deliveries.open, 0);
});

Deno.test("Deliveries: what has not arrived by the deadline is lost, and then cannot arrive", () => {
  const { judgement, deliveries } = watched();
  deliveries.expectPresence(1, 5, [2, 3, 4], 10 * S);
  deliveries.presenceDelivered(1, 5, 2, 10 * S + 1000);
  deliveries.sweep(10 * S + DEADLINE_US);
  assert.equal(judgement.standing(OBJECTIVE).lost, 0);
  deliveries.sweep(10 * S + DEADLINE_US + 1);
  deliveries.presenceDelivered(1, 5, 3, 10 * S + DEADLINE_US + 2);
  const { arrived, lost, share, p99Ms, held } = judgement.standing(OBJECTIVE);
  assert.deepEqual([arrived, lost, held], [1, 2, false]);
  assert.ok(Math.abs(share - 1 / 3) < 1e-9);
  assert.ok(p99Ms! > 100_000);
});

Deno.test("Deliveries: memory is bounded when nothing arrives at all", () => {
  const { judgement, deliveries } = watched();
  for (let i = 0; i < 150_000; i++) deliveries.expectMessage(1, i, 2, 10 * S);
  assert.equal(deliveries.open, 100_000);
  assert.equal(judgement.standing(OBJECTIVE).lost, 50_000);
});

Deno.test("Judgement: holds where enough arrive and 99 % of them in time", () => {
  const judge = (fast: number, slow: number, lost: number) => {
    const judgement = new Judgement();
    for (let i = 0; i < fast; i++) judgement.arrived(5000);
    for (let i = 0; i < slow; i++) judgement.arrived(150_000);
    judgement.lost(lost);
    return judgement.standing(OBJECTIVE).held;
  };
  assert.ok(judge(0, 0, 0));
  assert.ok(judge(1000, 0, 0));
  assert.ok(judge(1000, 5, 0));
  assert.ok(!judge(1000, 20, 0));
  assert.ok(judge(1000, 0, 5));
  assert.ok(!judge(1000, 0, 20));
  const judgement = new Judgement();
  judgement.lost(5);
  judgement.reset();
  assert.equal(judgement.standing(OBJECTIVE).expected, 0);
});
