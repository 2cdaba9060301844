/** What waits for an owner that cannot be reached. */
import { deepEqual, equal } from "node:assert/strict";
import {
  ACCOUNT_MAX,
  OWNER_MAX,
  Parked,
  SIGNAL_WAITS_MS,
  SIGNALS_MAX,
} from "../../server/node/parked.ts";
import type { AccountName, NodeId } from "../../shard/name/ids.ts";
import type { InterestItem } from "../../shard/edge_packet.ts";
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

const NODE = "n1" as NodeId;
const uninterest = (...watched: string[]) =>
  ({ kind: "uninterest", node: NODE, watched }) as unknown as ShardInput;
const interest = (watched: string, node = NODE) => ({
  node,
  items: [{ watched, watchedId: "", watcher: "ann", watcherId: "" } as unknown as InterestItem],
});
const watchedOf = (parked: Parked) => {
  const left = parked.takeAll(0).map(({ input }) => parked.left(input));
  parked.routed();
  return left.flatMap((input) => input?.kind === "uninterest" ? [input.watched] : []);
};

Deno.test("what waits does not end a later interest: that may have been taken already", () => {
  const parked = new Parked();
  parked.watches(interest("bob"));
  add(parked, uninterest("bob", "cid"), 0);
  add(parked, uninterest("dan"), 0);
  parked.watches(interest("bob"));
  parked.watches(interest("dan"));
  parked.watches(interest("cid", "n2" as NodeId));
  deepEqual(watchedOf(parked), [["cid"]]);
  // Nothing is left of that, and a later one ends it.
  add(parked, uninterest("bob"), 0);
  parked.watches(interest("bob"));
  add(parked, uninterest("bob"), 0);
  deepEqual(watchedOf(parked), [["bob"]]);
});

Deno.test("requests that are taken out leave their room to others", () => {
  const parked = new Parked();
  const owner = "n2" as NodeId;
  const request = (number: number) => {
    const name = `u${Math.floor(number / ACCOUNT_MAX)}`;
    return { kind: "request", request: number, name } as unknown as ShardInput;
  };
  const put = (number: number) => {
    return parked.add({ input: request(number), refused: null, againMs: 0 }, owner, 0);
  };
  for (let number = 0; number < OWNER_MAX; number++) equal(put(number), true);
  equal(put(OWNER_MAX), false);
  equal(parked.takeRequests((name) => name === "u1").length, ACCOUNT_MAX);
  deepEqual([parked.has("u0" as AccountName), parked.has("u1" as AccountName)], [true, false]);
  for (let number = 0; number < ACCOUNT_MAX; number++) equal(put(ACCOUNT_MAX + number), true);
  equal(put(OWNER_MAX), false);
  equal(parked.takeAll(0).length, OWNER_MAX);
});
