import { deepEqual } from "node:assert/strict";
import { evenly, refuseEvenly } from "../../server/node/even_answers.ts";
import { fail, ok } from "../../shard/errors.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

Deno.test("answers leave at whole steps after their questions, however long they took (10.8)", () => {
  const time = new VirtualTime();
  const { clock, timers } = time.global;
  const left: [took: number, atMs: number][] = [];
  const beganMs = clock.monoMs();
  for (const tookMs of [0, 0.3, 1, 4.9, 5.1, 12]) {
    const ask = (answered: (tookMs: number) => void) =>
      tookMs === 0 ? answered(0) : void timers.after(tookMs, () => answered(tookMs));
    evenly(timers, ask, (took) => left.push([took, Math.round(clock.monoMs() - beganMs)]));
  }
  time.runFor(100);
  deepEqual(left, [[0, 5], [0.3, 5], [1, 5], [4.9, 5], [5.1, 10], [12, 15]]);
});

Deno.test("10.9: refusals leave at whole steps after their questions, success at once", () => {
  const time = new VirtualTime();
  const { clock, timers } = time.global;
  const left: [took: number, atMs: number, ok: boolean][] = [];
  const beganMs = clock.monoMs();
  for (const right of [true, false]) {
    for (const tookMs of [1, 6]) {
      refuseEvenly<null>(
        timers,
        (answered) =>
          void timers.after(tookMs, () => answered(right ? ok(null) : fail("unauthorized", "No"))),
        (result) => left.push([tookMs, Math.round(clock.monoMs() - beganMs), result.ok]),
      );
    }
  }
  time.runFor(100);
  deepEqual(left, [[1, 1, true], [1, 5, false], [6, 6, true], [6, 10, false]]);
});
