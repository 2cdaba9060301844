/** Shards that stand for users of other cells end while edges wait: their successors go on. */
import assert from "node:assert/strict";
import {
  type AccountId,
  type AccountName,
  type CellName,
  POINT_SPACE,
} from "../../shard/name/ids.ts";
import { BOB, Watching } from "./cells_watching.ts";
import { isUndecided } from "../../shard/presence/returning.ts";
import { planTo, reshapeOf } from "../../shard/table/table.ts";
import { Proxied } from "../../shard/presence/proxied.ts";
import type { Reshaping } from "../../server/node/resharder.ts";
import type { Result } from "../../shard/errors.ts";

/** Bob moves to a third cell; while his account stands still, an edge of Alice's asks for him. */
function askAsItMoves(w: Watching): void {
  const { b, f } = w;
  b.must("bob", "move.begin", { to: f.cells[2]!.name, move: "to c" });
  f.until("the freeze", () => b.node.shardOf(BOB).presence.get(BOB)?.rights != null);
  assert.ok(isUndecided(w.ask().presence!));
}

/** The shards of Alice's cell become so many, by one change. */
function reshape(w: Watching, count: number): void {
  const { a: { node }, f } = w;
  const [step] = planTo(node.table, count);
  let result: Result<Reshaping> | null = null;
  node.reshape(reshapeOf(node.table, step!)!, (r) => result = r);
  f.until("a change of the shards", () => result !== null);
  assert.ok(result!.ok);
}

Deno.test("12: a user's third home is asked, though the shard that was to ask has ended", () => {
  const w = new Watching();
  const { a, f } = w;
  const standing = () => a.node.shardOf(BOB).presence.get(BOB)?.proxied;
  askAsItMoves(w);
  f.until("the word of the move", () => standing()?.home === f.cells[2]!.name);
  reshape(w, 1);
  assert.equal(standing()?.asking, false, "it was asked before");
  f.until("the reply of the new home", () => w.last("ask_again") !== undefined);
  const { presence } = w.ask();
  assert.ok(presence !== null && !isUndecided(presence));
});

Deno.test("12: a user's third home is asked, though many others are asked before", () => {
  const w = new Watching();
  const { a, f } = w;
  const [cell, shard] = ["zz" as CellName, a.node.shardOf(BOB)];
  askAsItMoves(w);
  for (let i = 0; i < 8000; i++) {
    const p = shard.presence.ensure(`user${i}` as AccountName, `id${i}` as AccountId, 0, 0);
    p.proxied = new Proxied(cell);
  }
  const all = { kind: "cell_announced", cell, lo: 0, hi: POINT_SPACE } as const;
  shard.step({ mono: f.time.nowMs, wall: f.time.nowMs }, all);
  f.until("the reply of the new home", () => w.last("ask_again") !== undefined);
});

Deno.test("12: a home is sought on, though the shard that sought it has ended", () => {
  const w = new Watching();
  w.forgetHome();
  w.f.wan.isolate(w.b.name, true);
  assert.equal(w.ask().presence, null);
  reshape(w, 1);
  w.f.wan.isolate(w.b.name, false);
  w.f.until("the home is known", () => w.last("ask_again") !== undefined);
});
