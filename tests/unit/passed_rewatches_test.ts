/** Which rewatches are passed on again after a cut. */
import { deepEqual, equal } from "node:assert/strict";
import type { AccountId, AccountName, CellName } from "../../shard/name/ids.ts";
import type { Effect } from "../../shard/effects.ts";
import { PassedRewatches } from "../../shard/step/passed_rewatches.ts";
import type { ShardTurn } from "../../shard/step/shard_turn.ts";

const CELL = "bb" as CellName;

function passed() {
  const now = { mono: 1000, wall: 0 };
  const state = { linked: true };
  const out: Effect[] = [];
  const turn = { now, emit: (_: null, effect: Effect) => out.push(effect) } as unknown as ShardTurn;
  const rewatches = new PassedRewatches(turn, { isLinked: () => state.linked });
  const add = (to: string) => {
    const of = { from: "carol" as AccountName, fromId: "c" as AccountId, toId: "t" as AccountId };
    rewatches.add(CELL, { kind: "rewatch", ...of, to: to as AccountName });
  };
  /** For whom some are passed on when the cell is linked. */
  const again = () => {
    rewatches.linked(CELL);
    return out.splice(0).map((e) => e.kind === "abroad" ? e.packet.to : "?");
  };
  return { now, state, rewatches, add, again };
}

Deno.test("12: what is said while a cell is cut off is said again, however long that takes", () => {
  const { now, state, add, again } = passed();
  state.linked = false;
  add("bob");
  now.mono += 3_600_000;
  state.linked = true;
  deepEqual(again(), ["bob"]);
  // Once more, for that may be lost, too; later no more.
  deepEqual(again(), ["bob"]);
  now.mono += 120_000;
  deepEqual(again(), []);
});

Deno.test("12: what was said just before a cut is said again, and what is old is not", () => {
  const { now, add, again } = passed();
  add("old");
  now.mono += 90_000;
  add("new");
  deepEqual(again(), ["new"]);
});

Deno.test("12: a bounded number is kept for a cell: the last ones", () => {
  const { state, add, again } = passed();
  state.linked = false;
  for (let i = 0; i < 5000; i++) add(`user-${i}`);
  const said = again();
  equal(said.at(-1), "user-4999");
  equal(said.length <= 2000, true, `${said.length}`);
});
