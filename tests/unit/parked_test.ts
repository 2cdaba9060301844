/** What waits for an owner that cannot be reached. */
import { equal } from "node:assert/strict";
import { Parked, SIGNAL_WAITS_MS, SIGNALS_MAX } from "../../server/node/parked.ts";
import type { ShardInput } from "../../shard/effects.ts";

const signal = () => ({ kind: "packet", packet: { kind: "signal" } }) as ShardInput;

function add(parked: Parked, input: ShardInput, nowMs: number): void {
  equal(parked.add({ input, refused: null, againMs: 0 }, null, nowMs), true);
}

Deno.test("a signal waits for its owner for a moment, however often it is tried", () => {
  const parked = new Parked();
  const [late, fresh] = [signal(), signal()];
  add(parked, late, 0);
  for (const { input } of parked.takeAll(SIGNAL_WAITS_MS)) add(parked, input, SIGNAL_WAITS_MS);
  add(parked, fresh, SIGNAL_WAITS_MS);
  const left = parked.takeAll(SIGNAL_WAITS_MS + 1).map(({ input }) => input);
  equal(left.length === 1 && left[0] === fresh, true);
});

Deno.test("signals that wait are bounded, and leave room for requests", () => {
  const parked = new Parked();
  for (let i = 0; i < 20_000; i++) add(parked, signal(), 0);
  add(parked, { kind: "request", name: "ann" } as unknown as ShardInput, 0);
  equal(parked.takeAll(0).length, SIGNALS_MAX + 1);
});
