/** Webhooks on a disk that fails, with kills, for many seeds. */
import assert from "node:assert/strict";
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import { GatewayFixture } from "../sim/gateway_fixture.ts";
import { Prng } from "../sim/prng.ts";

const MAIL = "service.mail";
const input = { device: "gateway" as DeviceId, to: "ann" as AccountName, body: "x", ext: "" };

/** Sends while things fail; returns the keys that were acked, in order. */
function ordeal(w: GatewayFixture, prng: Prng): readonly string[] {
  const acked: string[] = [];
  for (let i = 0; i < 150; i++) {
    const id = `m${i}`;
    w.node.request(MAIL as AccountName, "message.send", { ...input, id }, (result) => {
      if (result.ok) acked.push(id);
    });
    w.time.runFor(prng.pick([0, 5, 50, 400]));
    if (prng.chance(0.03)) {
      w.disk.heal();
      w.kill();
      w.start();
    }
    w.disk.faults = prng.chance(0.5)
      ? { failed: 0.1, unknown: 0.2, readFailed: 0.05 }
      : { failed: 0, unknown: 0, readFailed: 0 };
  }
  w.disk.heal();
  return acked;
}

for (let seed = 1; seed <= 12; seed++) {
  Deno.test(`webhooks lose and repeat no outcome on a disk that fails: seed ${seed}`, () => {
    const prng = new Prng(seed * 7919);
    const w = new GatewayFixture({ seed });
    w.service("mail", ["send", "outcomes"]);
    w.person("ann", "mail");
    const receiver = w.hook("mail", "main", ["outcomes"]);
    receiver.state = prng.pick(["up", "down", "full"]);
    receiver.losesAnswers = prng.pick([0, 3]);
    const acked = ordeal(w, prng);
    receiver.state = "up";
    w.time.runFor(300_000);
    const keys = receiver.events.filter((e) => e["state"] === "accepted").map((e) => e["key"]);
    // What was not acked may have been sent all the same.
    assert.deepEqual(keys.filter((key) => acked.includes(String(key))), acked);
    assert.equal(new Set(keys).size, keys.length, "an outcome came twice");
    const inMailbox = w.ask(MAIL, "mailbox.read", { cursor: null, limit: 500, bytesMax: 1e6 })
      .events.flatMap((e) => e.kind === "message" ? [e.id] : []);
    assert.deepEqual(keys, inMailbox);
    assert.deepEqual(receiver.events.map(({ n }) => n), receiver.events.map((_, i) => i + 1));
    assert.equal(w.gateway.hooks.status("mail")[0]!.waiting, 0);
  });
}
