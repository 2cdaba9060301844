/** Interests of another cell end although nobody there remembers them: 12. */
import assert from "node:assert/strict";
import { BOB, Watching } from "./cells_watching.ts";
import { cellNode } from "../../shard/federation/cell_node.ts";
import { POINT_SPACE } from "../../shard/name/ids.ts";
import { isUndecided } from "../../shard/presence/returning.ts";

/** Alice's cell watches Bob; then the shard there that stands for him is at another owner. */
function takenOver(w: Watching): () => boolean {
  w.watch();
  const isWatched = () =>
    w.b.node.shardOf(BOB).presence.get(BOB)!.nodes.includes(cellNode(w.a.name));
  assert.ok(isWatched());
  // Longer than the shard keeps a user for edges that may ask again.
  w.f.settle(6000);
  const { epoch, id } = w.a.node.shardOf(BOB).row;
  w.a.node.reload(id, (result) => assert.ok(result.ok));
  w.f.until("a takeover", () => w.a.node.shardOf(BOB).row.epoch > epoch);
  // The edge has announced its sessions: what it asks is not withheld.
  w.a.node.announced(0, POINT_SPACE, w.a.node.shardOf(BOB).row.epoch);
  return isWatched;
}

Deno.test("12: an interest that the next owner of its shard does not know ends (seed 64)", () => {
  const w = new Watching();
  const isWatched = takenOver(w);
  w.f.settle(15_000);
  assert.ok(!isWatched(), "Bob's cell shows him to a cell in which nobody watches");
});

Deno.test("12: an interest that is registered again with the next owner stays, without a frame", () => {
  const w = new Watching();
  const isWatched = takenOver(w);
  assert.ok(isUndecided(w.ask().presence!));
  w.f.settle(1000);
  w.ask();
  let frames = 0;
  w.f.wan.onCarried = (kind) => frames += kind === "proxy" ? 1 : 0;
  w.f.settle(15_000);
  assert.ok(isWatched());
  assert.equal(frames, 0);
});

Deno.test("12: an interest that the next owner does not know ends, though its user's shards change", () => {
  const w = new Watching();
  const isWatched = takenOver(w);
  w.f.settle(1000);
  const { id, lo } = w.b.node.shardOf(BOB).row;
  let made = false;
  w.b.node.reshape({ of: [id], at: [lo + 1] }, (result) => made = result.ok);
  w.f.until("a split", () => made);
  w.f.settle(15_000);
  assert.ok(!isWatched());
});

Deno.test("12: a late question about nobody does not end the doubt whether somebody watches (seed 3453)", () => {
  const w = new Watching();
  const isWatched = takenOver(w);
  w.f.settle(1000);
  const { clock } = w.b.process;
  const now = { mono: clock.monoMs(), wall: clock.wallMs() };
  const question = { kind: "interest", epoch: 1, asked: 1 } as const;
  const message = { ...question, watchedId: w.ids[1], watchers: [] } as const;
  const packet = { kind: "proxy", from: BOB, to: BOB, cell: w.a.name, message } as const;
  w.b.node.shardOf(BOB).step(now, { kind: "packet", packet, hops: 1 });
  w.f.settle(15_000);
  assert.ok(!isWatched());
});
