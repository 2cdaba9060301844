/** Bugs in the shards that stand for users of other cells: edges learn everything all the same. */
import assert from "node:assert/strict";
import { ALICE, BOB, Watching } from "./cells_watching.ts";
import type { Effect } from "../../shard/effects.ts";
import type { EdgePacket } from "../../shard/edge_packet.ts";
import { failing } from "./failing.ts";
import { isUndecided } from "../../shard/presence/returning.ts";
import { ShardTurn } from "../../shard/step/shard_turn.ts";

/** The first packet of a kind that stands for a user of another cell does not leave. */
function withoutFirst(kind: EdgePacket["kind"], run: () => void): void {
  failing(ShardTurn, "emit", run, (account, given) => {
    const effect = given as Effect;
    return (account === null || kind === "rewatch") && effect.kind === "edge" &&
      effect.packet.kind === kind;
  });
}

Deno.test("12: a bug as an edge is to learn that a watcher has lost its right: it learns it", () => {
  const w = new Watching();
  w.watch();
  withoutFirst("revoke", () => {
    w.b.must("bob", "roster.block", { contact: ALICE, blocked: true });
    w.f.settle();
  });
  assert.equal(w.last("revoke")?.watcher, ALICE);
});

Deno.test("12: a bug as an edge is to learn that a watcher has lost its right: nothing is shown before", () => {
  const w = new Watching();
  w.watch();
  withoutFirst("revoke", () => {
    w.b.must("bob", "roster.block", { contact: ALICE, blocked: true });
    w.show("dnd");
    w.f.settle();
  });
  assert.equal(w.last("revoke")?.watcher, ALICE);
  const revokedAt = w.a.packets.findIndex(({ kind }) => kind === "revoke");
  for (const packet of w.a.packets.slice(0, revokedAt)) {
    assert.ok(packet.kind !== "presence" || packet.devices[0]?.presence.show !== "dnd");
  }
});

Deno.test("12: a bug as edges are to learn that a home has replied: they learn it", () => {
  const w = new Watching();
  withoutFirst("ask_again", () => void w.watch());
  assert.equal(w.ask().presence?.devices[0]?.presence.show, "online");
});

Deno.test("12: a bug before the presence is known that a home has replied: nobody is shown offline", () => {
  const w = new Watching();
  const proxied = () => w.a.node.shardOf(BOB).presence.get(BOB)?.proxied;
  withoutFirst("ask_again", () => {
    w.ask();
    w.f.until("a reply", () => proxied()?.watchers.get(ALICE)?.may === true);
  });
  assert.ok(isUndecided(w.ask().presence!));
  w.f.settle(1000);
  assert.equal(w.ask().presence?.devices[0]?.presence.show, "online");
});

Deno.test("12: a bug as edges that wait are to learn that a home is away: they learn it", () => {
  const w = new Watching();
  withoutFirst("unknown", () => {
    w.ask();
    w.f.wan.isolate(w.b.name, true);
    w.f.settle(80_000);
  });
  assert.equal(w.last("unknown")?.watched, BOB);
});

Deno.test("12: a bug as edges are to learn that a home was found: they learn it", () => {
  const w = new Watching();
  w.forgetHome();
  w.ask();
  withoutFirst("ask_again", () => w.f.settle(20_000));
  assert.notEqual(w.last("ask_again"), undefined);
});

Deno.test("12: a bug as edges are to learn that a user has moved away: they learn it", () => {
  const w = new Watching();
  w.move(w.b, w.a);
  w.ask();
  withoutFirst("rewatch", () => w.move(w.a, w.b));
  w.f.settle();
  assert.equal(w.last("rewatch")?.watched, BOB);
});

Deno.test("12: a bug as edges that wait are to learn that a user has moved here: they learn it", () => {
  const w = new Watching();
  w.askAsItMoves();
  withoutFirst("rewatch", () => w.f.settle(10_000));
  assert.equal(w.last("rewatch")?.watched, BOB);
});
