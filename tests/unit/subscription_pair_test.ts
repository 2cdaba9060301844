/** What two accounts that follow RFC 6121's subscription tables come to, whatever crosses. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  hasFrom,
  hasTo,
  inbound,
  isReachable,
  NO_SUBSCRIPTION,
  outbound,
  remove,
  type SubscriptionState,
  type SubscriptionType,
} from "../../shard/roster/subscription.ts";

const TYPES = ["subscribe", "subscribed", "unsubscribe", "unsubscribed"] as const;

/** Two accounts with a FIFO channel each way. */
interface Pair {
  readonly sides: readonly [SubscriptionState, SubscriptionState];
  /** `channels[i]`: stanzas on their way from side `i` to the other. */
  readonly channels: readonly [readonly SubscriptionType[], readonly SubscriptionType[]];
}

const START: Pair = { sides: [NO_SUBSCRIPTION, NO_SUBSCRIPTION], channels: [[], []] };

function replace<T>(pair: readonly [T, T], index: 0 | 1, value: T): readonly [T, T] {
  return index === 0 ? [value, pair[1]] : [pair[0], value];
}

function send(pair: Pair, from: 0 | 1, action: SubscriptionType | "remove"): Pair {
  const state = pair.sides[from];
  if (action === "remove") {
    return {
      sides: replace(pair.sides, from, NO_SUBSCRIPTION),
      channels: replace(pair.channels, from, [...pair.channels[from], ...remove(state)]),
    };
  }
  const result = outbound(state, action);
  return {
    sides: replace(pair.sides, from, result.state),
    channels: result.route
      ? replace(pair.channels, from, [...pair.channels[from], action])
      : pair.channels,
  };
}

function receive(pair: Pair, from: 0 | 1): Pair {
  const [first, ...rest] = pair.channels[from];
  if (first === undefined) return pair;
  const to = from === 0 ? 1 : 0;
  const result = inbound(pair.sides[to], first);
  let channels = replace(pair.channels, from, rest);
  if (result.reply !== null) channels = replace(channels, to, [...channels[to], result.reply]);
  return { sides: replace(pair.sides, to, result.state), channels };
}

function isQuiet(pair: Pair): boolean {
  return pair.channels[0].length === 0 && pair.channels[1].length === 0;
}

/** Delivers everything; the rounds are bounded, so that an endless exchange of replies fails. */
function drain(pair: Pair): Pair {
  for (let round = 0; round < 1000; round++) {
    if (isQuiet(pair)) return pair;
    pair = receive(pair, pair.channels[0].length > 0 ? 0 : 1);
  }
  throw new Error("the two sides never stop answering each other");
}

/** Watcher's and watched side's knowledge of one direction, `[watcher, watched]`. */
function direction(pair: Pair, watcher: 0 | 1): readonly [string, string] {
  const a = pair.sides[watcher];
  const b = pair.sides[watcher === 0 ? 1 : 0];
  return [
    hasTo(a) ? "to" : a.pendingOut ? "asked" : "none",
    hasFrom(b) ? "from" : b.pendingIn ? "asked" : "none",
  ];
}

/**
 * What the tables guarantee when nothing is under way, whatever crossed before: nobody waits for a
 * request the other side does not have, and nobody counts on a subscription the other side denies.
 * They do leave `[none, asked]`, `[none, from]` and `[to, asked]` where stanzas crossed (a denial
 * of an earlier request looks like one of a later one); an answer or a repeated request heals them.
 */
const AGREED = new Set(["none,none", "asked,asked", "to,from"]);
const HEALABLE = new Set(["none,asked", "none,from", "to,asked"]);

function assertConsistent(pair: Pair): void {
  for (const watcher of [0, 1] as const) {
    assert.ok(isReachable(pair.sides[watcher]), JSON.stringify(pair));
    const now = direction(pair, watcher).join();
    assert.ok(AGREED.has(now) || HEALABLE.has(now), `${now}: ${JSON.stringify(pair)}`);
  }
}

Deno.test("two accounts agree exactly when no stanzas cross", () => {
  const seen = new Set<string>();
  const open: Pair[] = [START];
  for (let pair = open.pop(); pair !== undefined; pair = open.pop()) {
    const key = JSON.stringify(pair);
    if (seen.has(key)) continue;
    seen.add(key);
    for (const side of [0, 1] as const) {
      assert.ok(AGREED.has(direction(pair, side).join()), key);
      for (const action of [...TYPES, "remove"] as const) {
        open.push(drain(send(pair, side, action)));
      }
    }
  }
  assert.ok(seen.size > 9, `only ${seen.size} states explored`);
});

Deno.test("two accounts converge over FIFO channels however stanzas cross, and can heal", () => {
  // Exhaustive with at most two stanzas under way in each direction.
  const seen = new Set<string>();
  const open: Pair[] = [START];
  const quiet: Pair[] = [];
  for (let pair = open.pop(); pair !== undefined; pair = open.pop()) {
    const key = JSON.stringify(pair);
    if (seen.has(key)) continue;
    seen.add(key);
    if (isQuiet(pair)) quiet.push(pair);
    for (const side of [0, 1] as const) {
      const nexts = [receive(pair, side), ...TYPES.map((type) => send(pair, side, type))];
      open.push(...nexts.filter((next) => next.channels.every((channel) => channel.length <= 2)));
    }
  }
  const met = new Set<string>();
  for (const pair of quiet) {
    assertConsistent(pair);
    for (const watcher of [0, 1] as const) {
      const watched = watcher === 0 ? 1 : 0;
      met.add(direction(pair, watcher).join());
      const withdrawn = drain(send(pair, watcher, "unsubscribe"));
      assert.deepEqual(direction(withdrawn, watcher), ["none", "none"], JSON.stringify(pair));
      const asked = drain(send(pair, watcher, "subscribe"));
      const granted = drain(send(asked, watched, "subscribed"));
      assert.deepEqual(direction(granted, watcher), ["to", "from"], JSON.stringify(pair));
    }
  }
  assert.deepEqual([...met].sort(), [...AGREED, ...HEALABLE].sort());
});

Deno.test("two accounts converge over FIFO channels in long random runs with removals", () => {
  const step = fc.record({
    side: fc.constantFrom(0 as const, 1 as const),
    action: fc.constantFrom(...TYPES, "remove" as const, "receive" as const),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let pair = START;
      for (const { side, action } of steps) {
        pair = action === "receive" ? receive(pair, side) : send(pair, side, action);
        assert.ok(isReachable(pair.sides[0]) && isReachable(pair.sides[1]));
      }
      assertConsistent(drain(pair));
    }),
    { numRuns: 2000 },
  );
});
