import { deepEqual } from "node:assert/strict";
import { evenly, type EvenPorts, refuseEvenly } from "../../server/node/even_answers.ts";
import { fail, ok } from "../../shard/errors.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

/** The ports of a server whose random number is this. */
function portsOf(time: VirtualTime, number: number): EvenPorts {
  const random = { bytes: (count: number) => new Uint8Array(count), number: () => number };
  return { timers: time.global.timers, random };
}

/** When answers leave that take so long (ms). */
function leave(number: number, tooks: readonly number[]): readonly number[] {
  const time = new VirtualTime();
  const { clock, timers } = time.global;
  const left: number[] = [];
  const beganMs = clock.monoMs();
  for (const tookMs of tooks) {
    const ask = (answered: (tookMs: number) => void) =>
      tookMs === 0 ? answered(0) : void timers.after(tookMs, () => answered(tookMs));
    evenly(portsOf(time, number), ask, () => left.push(Math.round(clock.monoMs() - beganMs)));
  }
  time.runFor(100);
  return left;
}

Deno.test("answers leave at whole steps after a random one, however long they took (10.8)", () => {
  deepEqual(leave(0, [0, 0.3, 1, 4.9, 5.1, 12]), [5, 5, 5, 5, 10, 15]);
  deepEqual(leave(0.4, [0, 0.3, 1, 4.9, 5.1, 6.9, 7.1, 12.1]), [7, 7, 7, 7, 7, 7, 12, 17]);
});

Deno.test("10.9: refusals leave at whole steps after a random one, success at once", () => {
  const time = new VirtualTime();
  const { clock, timers } = time.global;
  const left: [took: number, atMs: number, ok: boolean][] = [];
  const beganMs = clock.monoMs();
  for (const right of [true, false]) {
    for (const tookMs of [1, 8]) {
      refuseEvenly<null>(
        portsOf(time, 0.4),
        (answered) =>
          void timers.after(tookMs, () => answered(right ? ok(null) : fail("unauthorized", "No"))),
        (result) => left.push([tookMs, Math.round(clock.monoMs() - beganMs), result.ok]),
      );
    }
  }
  time.runFor(100);
  deepEqual(left, [[1, 1, true], [1, 7, false], [8, 8, true], [8, 12, false]]);
});
