/** Rates over the nodes of a cell. */
import { deepEqual, equal, ok as holds } from "node:assert/strict";
import { CellRates, SHARE_MS, SHARED_KEYS_MAX } from "../../server/http/cell_rates.ts";
import type { Asks } from "../../server/node/asks.ts";
import { memoryLog } from "../sim/sim_ports.ts";
import { NetworkThrottle, Throttle } from "../../server/auth/throttle.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import { ok } from "../../shard/errors.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

const RATE = { burst: 5, refillMs: 1000, keysMax: 100_000 };

/** So many nodes, each with one rate; `told` counts what they send each other. */
function cellOf(nodes: number, make = () => new Throttle(RATE), toldFrom?: number) {
  const time = new VirtualTime();
  const told: { keys: number }[] = [];
  const repliers = new Map<string, (input: unknown) => void>();
  const ids = Array.from({ length: nodes }, (_, n) => `node${n}` as NodeId);
  const throttles = ids.map((id) => {
    const asks: Pick<Asks, "on" | "one"> = {
      on: (_question, reply) => repliers.set(id, (input) => reply(input as never, () => {})),
      one(node, _question, input, done) {
        const rates = Object.values(input as Record<string, readonly unknown[]>);
        told.push({ keys: rates.reduce((sum, keys) => sum + keys.length, 0) });
        repliers.get(node.id)!(structuredClone(input));
        done(ok(null as never));
      },
    };
    const others = () => ids.filter((n) => n !== id).map((n) => ({ id: n, incarnation: 1 }));
    const rates = new CellRates({
      ...time.global,
      log: memoryLog().log,
      asks,
      several: nodes > 1,
      others,
    });
    const throttle = make();
    rates.share("of the test", throttle, toldFrom);
    return throttle;
  });
  return { time, told, throttles };
}

Deno.test("11: over time a key gets no more from several nodes together than from one", () => {
  for (const nodes of [2, 3]) {
    const { time, throttles } = cellOf(nodes);
    let given = 0;
    for (let ms = 0; ms < 120_000; ms += 100) {
      // As fast as it can, at all nodes at once.
      for (const t of throttles) if (t.take(time.global.clock.monoMs(), "alice") === 0) given++;
      time.runFor(100);
    }
    holds(given <= 120 + nodes * RATE.burst, `${given} at ${nodes} nodes`);
    holds(given >= 100, `${given} at ${nodes} nodes`);
    equal(throttles[0]!.waitMs(time.global.clock.monoMs(), "bob"), 0);
  }
});

Deno.test("11: what is given back at one node is given back at all, and costs no frame in time", () => {
  const { time, told, throttles } = cellOf(2);
  const [a, b] = throttles as [Throttle, Throttle];
  const now = () => time.global.clock.monoMs();
  for (let i = 0; i < 5; i++) a.take(now(), "alice");
  for (let i = 0; i < 5; i++) a.refund(now(), "alice");
  time.runFor(SHARE_MS * 2);
  deepEqual(told, []);
  for (let i = 0; i < 5; i++) a.take(now(), "alice");
  time.runFor(SHARE_MS + 1);
  holds(b.waitMs(now(), "alice") > 0);
  for (let i = 0; i < 4; i++) a.refund(now(), "alice");
  time.runFor(SHARE_MS + 1);
  equal(b.waitMs(now(), "alice", 3), 0);
  equal(told.length, 2);
});

Deno.test("11: what a right password makes full at one node is full at all", () => {
  const { time, throttles } = cellOf(2);
  const [a, b] = throttles as [Throttle, Throttle];
  const now = () => time.global.clock.monoMs();
  for (let i = 0; i < 10; i++) {
    equal(a.take(now(), "alice"), 0, `round ${i}`);
    // The other node learns of it in between.
    time.runFor(2);
    if (i % 2 === 0) time.runFor(SHARE_MS / 4);
    a.clear(now(), "alice");
    equal(a.waitMs(now(), "alice", RATE.burst), 0);
    time.runFor(SHARE_MS / 4);
  }
  time.runFor(SHARE_MS + 1);
  equal(b.waitMs(now(), "alice", RATE.burst), 0);
});

Deno.test("11: rates of IPv6 networks hold over nodes, and a flood of keys sends a bounded part", () => {
  const { time, told, throttles } = cellOf(2, () => new NetworkThrottle(RATE));
  const [a, b] = throttles as [Throttle, Throttle];
  const now = () => time.global.clock.monoMs();
  const key = (n: number) => `2001:db8:0:${n.toString(16)}::/64`;
  for (let n = 0; n < 20; n++) a.take(now(), key(n));
  time.runFor(SHARE_MS + 1);
  holds(b.waitMs(now(), key(200)) > 0, "the network of 56 bits");
  for (let n = 0; n < 3000; n++) a.take(now(), `192.0.2.${n}`);
  time.runFor(SHARE_MS + 1);
  equal(told.at(-1)!.keys, SHARED_KEYS_MAX);
});

Deno.test("11: the only node of a cell shares nothing", () => {
  const { throttles, told, time } = cellOf(1);
  equal(throttles[0]!.taken, null);
  throttles[0]!.take(0, "alice");
  time.runFor(2000);
  deepEqual(told, []);
});

Deno.test("11: of a rate that many use a little others learn who uses much of it", () => {
  const { time, told, throttles: [a, b] } = cellOf(2, () => new Throttle(RATE), 2);
  const now = () => time.global.clock.monoMs();
  for (let i = 0; i < 100; i++) a!.take(now(), `user${i}`);
  for (let i = 0; i < RATE.burst; i++) equal(a!.take(now(), "alice"), 0);
  time.runFor(SHARE_MS);
  deepEqual(told, [{ keys: 1 }]);
  holds(b!.waitMs(now(), "alice") > 0);
  equal(b!.waitMs(now(), "user1", RATE.burst), 0);
});
