import assert from "node:assert/strict";
import fc from "fast-check";
import { Outbox, SIGNALS_MAX } from "../../server/edge/outbox.ts";
import { Watched } from "../../server/edge/watchers.ts";
import { idOf, name } from "./edge_fixture.ts";

const user = (text: string) => new Watched(name(text), idOf(text));
const users = Array.from({ length: 200 }, (_, i) => user(`user${i}`));

Deno.test("addPresence keeps one entry for each user, in order, however many there are", () => {
  fc.assert(fc.property(fc.array(fc.nat(199), { maxLength: 500 }), (picks) => {
    const outbox = new Outbox();
    const seen = new Set<number>();
    for (const pick of picks) {
      assert.equal(outbox.addPresence(users[pick]!), !seen.has(pick));
      seen.add(pick);
    }
    assert.deepEqual(outbox.take().presence, [...seen].map((pick) => users[pick]!));
  }));
});

Deno.test("revokePresence and addPresence: the later one counts", () => {
  fc.assert(fc.property(
    fc.array(fc.tuple(fc.nat(99), fc.boolean()), { maxLength: 300 }),
    (steps) => {
      const outbox = new Outbox();
      const last = new Map<number, boolean>();
      for (const [pick, seen] of steps) {
        if (seen) outbox.addPresence(users[pick]!);
        else outbox.revokePresence(users[pick]!);
        last.set(pick, seen);
      }
      const { presence, gone } = outbox.take();
      const names = (wanted: boolean) =>
        [...last].filter(([, seen]) => seen === wanted).map(([pick]) => users[pick]!.name).sort();
      assert.deepEqual(presence.map((one) => one.name).sort(), names(true));
      assert.deepEqual([...gone].sort(), names(false));
    },
  ));
});

Deno.test("pushSignal drops the oldest beyond the bound", () => {
  const outbox = new Outbox();
  const kept = Array.from({ length: SIGNALS_MAX + 3 }, (_, i) => outbox.pushSignal(`${i}`));
  assert.equal(kept.filter((one) => !one).length, 3);
  const { signals } = outbox.take();
  assert.equal(signals.length, SIGNALS_MAX);
  assert.equal(signals[0], "3");
});

Deno.test("dropDurable forgets and counts", () => {
  const outbox = new Outbox();
  outbox.pushDurable("one");
  outbox.pushDurable("two");
  assert.equal(outbox.durableBytes, 6);
  assert.equal(outbox.dropDurable(), 2);
  assert.equal(outbox.durableBytes, 0);
  assert.deepEqual(outbox.take().durable, []);
});

Deno.test("restore puts signals first, presence once, and counts what was too much", () => {
  const outbox = new Outbox();
  const [bob, carol, dave] = [user("bob"), user("carol"), user("dave")];
  outbox.addPresence(bob);
  outbox.addPresence(dave);
  outbox.pushSignal("new");
  const old = Array.from({ length: SIGNALS_MAX }, (_, i) => `old ${i}`);
  // Dave may be seen again since; eve may not.
  const gone = [dave.name, name("eve")];
  const dropped = outbox.restore({ soft: 9, presence: [bob, carol], gone, signals: old });
  assert.equal(dropped, 1);
  const taken = outbox.take();
  assert.deepEqual(taken.presence.map((one) => one.name), ["bob", "dave", "carol"]);
  assert.deepEqual(taken.gone, ["eve"]);
  assert.deepEqual(taken.signals, [...old.slice(1), "new"]);
});

Deno.test("onlyGone keeps nothing but whom the client must not go on showing", () => {
  const outbox = new Outbox();
  outbox.addPresence(user("bob"));
  outbox.pushSignal("typing");
  assert.equal(outbox.onlyGone(), null);
  outbox.revokePresence(user("carol"));
  const kept = outbox.onlyGone()!.take();
  assert.deepEqual(kept, { presence: [], gone: ["carol"], signals: [], durable: [] });
});
