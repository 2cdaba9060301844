import assert from "node:assert/strict";
import type { CellName } from "../../shard/name/ids.ts";
import { KnownPlace } from "../../server/standby/known_place.ts";
import { memoryLog } from "../sim/sim_ports.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

Deno.test("12: KnownPlace warns of a name in standby.at that no cell has, once an hour", () => {
  const time = new VirtualTime();
  const { log, lines } = memoryLog();
  const cells = ["b", "w"] as CellName[];
  const place = new KnownPlace({ ...time.global, log }, "bb" as CellName, () => cells);
  place.start();
  assert.deepEqual(place.view, { cell: "bb", known: false });
  const warned = () => lines.filter(({ event }) => event === "no cell has the name of standby.at");
  time.runFor(59_000);
  assert.equal(warned().length, 0);
  time.runFor(3_590_000);
  assert.deepEqual(warned().map(({ fields }) => fields), [{ at: "bb", known: "b,w" }]);
  time.runFor(3_600_000);
  assert.equal(warned().length, 2);
  cells.push("bb" as CellName);
  assert.equal(place.view.known, true);
  time.runFor(10 * 3_600_000);
  assert.equal(warned().length, 2);
  place.stop();
});
