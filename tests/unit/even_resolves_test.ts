import { deepEqual, equal } from "node:assert/strict";
import type { AccountName } from "../../shard/name/ids.ts";
import { EvenResolves } from "../../server/node/even_resolves.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

const [ann, bob] = ["ann" as AccountName, "bob" as AccountName];
const asked = { kind: "resolve", from: ann, to: bob } as const;
const answer = { kind: "resolved", from: bob, fromId: null, to: ann, open: false } as const;

Deno.test("10.8: answers about names leave at whole steps, however long their accounts took", () => {
  for (const [tookMs, leavesMs] of [[0, 10], [0.3, 10], [9, 10], [11, 20], [25, 30]] as const) {
    const time = new VirtualTime();
    const { clock, timers } = time.global;
    const resolves = new EvenResolves(timers);
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
  const resolves = new EvenResolves(time.global.timers);
  resolves.asked(asked);
  resolves.asked(asked);
  equal(resolves.size, 1);
  time.runFor(20_000);
  equal(resolves.size, 0);
  let left = 0;
  resolves.answered(answer, () => left++);
  equal(left, 1);
});
