import assert from "node:assert/strict";
import fc from "fast-check";
import { SendQueue, SIGNALS_MAX } from "../../server/edge/send_queue.ts";
import { Watched } from "../../server/edge/watched.ts";
import { idOf, name } from "./edge_fixture.ts";

const user = (text: string) => new Watched(name(text), idOf(text));
const users = Array.from({ length: 200 }, (_, i) => user(`user${i}`));

Deno.test("addPresence keeps one entry for each user, in order, however many there are", () => {
  fc.assert(fc.property(fc.array(fc.nat(199), { maxLength: 500 }), (picks) => {
    const sendQueue = new SendQueue();
    const seen = new Set<number>();
    for (const pick of picks) {
      assert.equal(sendQueue.addPresence(users[pick]!), !seen.has(pick));
      seen.add(pick);
    }
    assert.deepEqual(sendQueue.take().presence, [...seen].map((pick) => users[pick]!));
  }));
});

Deno.test("revokePresence and addPresence: the later one counts", () => {
  fc.assert(fc.property(
    fc.array(fc.tuple(fc.nat(99), fc.boolean()), { maxLength: 300 }),
    (steps) => {
      const sendQueue = new SendQueue();
      const last = new Map<number, boolean>();
      for (const [pick, seen] of steps) {
        if (seen) sendQueue.addPresence(users[pick]!);
        else sendQueue.revokePresence(users[pick]!);
        last.set(pick, seen);
      }
      const { presence, gone } = sendQueue.take();
      const names = (wanted: boolean) =>
        [...last].filter(([, seen]) => seen === wanted).map(([pick]) => users[pick]!.name).sort();
      assert.deepEqual(presence.map((one) => one.name).sort(), names(true));
      assert.deepEqual([...gone].sort(), names(false));
    },
  ));
});

Deno.test("pushSignal drops the oldest beyond the bound", () => {
  const sendQueue = new SendQueue();
  const kept = Array.from({ length: SIGNALS_MAX + 3 }, (_, i) => sendQueue.pushSignal(`${i}`));
  assert.equal(kept.filter((one) => !one).length, 3);
  const { signals } = sendQueue.take();
  assert.equal(signals.length, SIGNALS_MAX);
  assert.equal(signals[0], "3");
});

Deno.test("dropDurable forgets and counts", () => {
  const sendQueue = new SendQueue();
  sendQueue.pushDurable("one");
  sendQueue.pushDurable("two");
  assert.equal(sendQueue.durableBytes, 6);
  assert.equal(sendQueue.dropDurable(), 2);
  assert.equal(sendQueue.durableBytes, 0);
  assert.deepEqual(sendQueue.take().durable, []);
});

Deno.test("restore puts signals first, presence once, and counts what was too much", () => {
  const sendQueue = new SendQueue();
  const [bob, carol, dave] = [user("bob"), user("carol"), user("dave")];
  sendQueue.addPresence(bob);
  sendQueue.addPresence(dave);
  sendQueue.pushSignal("new");
  const old = Array.from({ length: SIGNALS_MAX }, (_, i) => `old ${i}`);
  // Dave may be seen again since; eve may not.
  const gone = [dave.name, name("eve")];
  const dropped = sendQueue.restore({ soft: 9, presence: [bob, carol], gone, signals: old });
  assert.equal(dropped, 1);
  const taken = sendQueue.take();
  assert.deepEqual(taken.presence.map((one) => one.name), ["bob", "dave", "carol"]);
  assert.deepEqual(taken.gone, ["eve"]);
  assert.deepEqual(taken.signals, [...old.slice(1), "new"]);
});

Deno.test("onlyGone keeps nothing but whom the client must not go on showing", () => {
  const sendQueue = new SendQueue();
  sendQueue.addPresence(user("bob"));
  sendQueue.pushSignal("typing");
  assert.equal(sendQueue.onlyGone(), null);
  sendQueue.revokePresence(user("carol"));
  const kept = sendQueue.onlyGone()!.take();
  assert.deepEqual(kept, { presence: [], gone: ["carol"], signals: [], durable: [] });
});
