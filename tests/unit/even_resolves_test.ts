import { deepEqual, equal } from "node:assert/strict";
import type { AccountName } from "../../shard/name/ids.ts";
import type { EvenPorts } from "../../server/node/even_answers.ts";
import { EvenResolves } from "../../server/node/even_resolves.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

const [ann, bob] = ["ann" as AccountName, "bob" as AccountName];

/** Ports whose random number is 0.4. */
function portsOf(time: VirtualTime): EvenPorts {
  const random = { bytes: (count: number) => new Uint8Array(count), number: () => 0.4 };
  return { timers: time.global.timers, random };
}

const asked = { kind: "resolve", from: ann, to: bob } as const;
const answer = { kind: "resolved", from: bob, fromId: null, to: ann, open: false } as const;

Deno.test("10.8: answers about names leave at whole steps after a random one, however long their accounts took", () => {
  for (const [tookMs, leavesMs] of [[0, 14], [0.3, 14], [9, 14], [15, 24], [25, 34]] as const) {
    const time = new VirtualTime();
    const { clock, timers } = time.global;
    const resolves = new EvenResolves(portsOf(time));
    const left: number[] = [];
    const beganMs = clock.monoMs();
    resolves.asked(asked);
    const leave = () => resolves.answered(answer, () => left.push(clock.monoMs() - beganMs));
    if (tookMs === 0) leave();
    else timers.after(tookMs, leave);
    time.runFor(100);
    deepEqual(left.map(Math.round), [leavesMs], `${tookMs} ms`);
    equal(resolves.size, 0);
  }
});

Deno.test("10.8: a question about a name that gets no answer is forgotten", () => {
  const time = new VirtualTime();
  const resolves = new EvenResolves(portsOf(time));
  resolves.asked(asked);
  resolves.asked(asked);
  equal(resolves.size, 1);
  time.runFor(20_000);
  equal(resolves.size, 0);
  let left = 0;
  resolves.answered(answer, () => left++);
  equal(left, 1);
});
