/** The answers that a sender gets whose packets are settled slowly (issue 10.7). */
import assert from "node:assert/strict";
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import type { ShardLimits } from "../../shard/limits.ts";
import { NodeFixture } from "../sim/node_fixture.ts";

let sent = 0;
function send(w: NodeFixture) {
  const id = `m${++sent}`;
  const message = { id, body: "x".repeat(100), ext: "", device: "phone" as DeviceId };
  return w.ask("ann", "message.send", { to: "bob" as AccountName, ...message });
}

/** Sends until it is refused; returns for how long. */
function fill(w: NodeFixture): number {
  for (let i = 0; i < 1000; i++) {
    const r = send(w);
    if (r.ok) continue;
    assert.equal(r.code, "busy");
    return r.retryAfterMs!;
  }
  throw new Error("never refused");
}

/** ann and bob in different shards; acks of bob's shard take `ackMs`. */
function slowPair(limits: Partial<ShardLimits>, ackMs: () => number): NodeFixture {
  const w = new NodeFixture({ shards: 64, limits: { outboxWindow: 1, ...limits } });
  w.account("ann");
  w.account("bob");
  w.must("bob", "settings.set", { messagesFrom: "anyone" });
  w.loses = (packet, arrive) => {
    if (packet.kind !== "pair_ack" || packet.to !== "ann") return false;
    if (ackMs() < Infinity) w.time.global.timers.after(ackMs(), arrive);
    return true;
  };
  return w;
}

for (const limits of [{ outboxPerPeerMax: 8 }, { outboxCharsMax: 1600 }]) {
  const what = Object.keys(limits)[0]!;
  Deno.test(`10.7: ${what}: retryAfterMs follows the rate at which packets are settled`, () => {
    for (const ackMs of [200, 600]) {
      const w = slowPair(limits, () => ackMs);
      fill(w);
      w.settle(10 * ackMs);
      const waits = [fill(w)];
      for (let i = 0; i < 10; i++) {
        w.settle(waits.at(-1)!);
        waits.push(fill(w));
      }
      const mean = waits.reduce((sum, ms) => sum + ms, 0) / waits.length;
      assert.ok(mean > ackMs * 0.5 && mean < ackMs * 2.5, `${ackMs}: ${waits}`);
    }
  });

  Deno.test(`10.7: ${what}: retryAfterMs rises while nothing is settled, to 30 s at most`, () => {
    let ackMs = 200;
    const w = slowPair(limits, () => ackMs);
    fill(w);
    w.settle(900);
    const before = fill(w);
    ackMs = Infinity;
    w.settle(20_000);
    const stuck = fill(w);
    w.settle(300_000);
    assert.ok(before < 1000 && stuck > 3 * before, `${before}, ${stuck}`);
    assert.equal(fill(w), 30_000);
  });
}
