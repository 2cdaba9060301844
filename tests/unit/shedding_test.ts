/** When an overloaded node sends clients away, and how many. */
import { deepEqual, equal, ok } from "node:assert/strict";
import {
  BUSY_AFTER_MS,
  SHED_AFTER_MS,
  SHED_AGE_MS,
  Shedding,
  type SheddingHost,
} from "../../server/edge/shedding.ts";
import { memoryLog } from "../sim/sim_ports.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

function started(perSecond: number, sessions: number) {
  const time = new VirtualTime();
  const node = { overloaded: false, drained: false, room: true, busy: false, left: sessions };
  const orders: string[] = [];
  const shed: number[] = [];
  const host: SheddingHost = {
    ...time.global,
    log: memoryLog().log,
    perSecond,
    overloaded: () => node.overloaded,
    drained: () => node.drained,
    sendAllAway: () => void orders.push("all away"),
    takeBack: () => void orders.push("take back"),
    roomElsewhere: () => node.room,
    sessions: () => node.left,
    shed(count, ageMs) {
      equal(ageMs, SHED_AGE_MS);
      shed.push(count);
      node.left -= count;
      return count;
    },
    setBusy: (busy) => node.busy = busy,
  };
  const shedding = new Shedding(host);
  shedding.start();
  return { time, node, shed, orders, shedding };
}

const sum = (counts: readonly number[]) => counts.reduce((a, b) => a + b, 0);

Deno.test("11: an overload that lasts sends clients away at the rate, a tenth of all in a minute", () => {
  const { time, node, shed } = started(20, 1000);
  time.runFor(60_000);
  deepEqual([shed, node.busy], [[], false]);
  node.overloaded = true;
  time.runFor(SHED_AFTER_MS - 100);
  deepEqual([shed, node.busy], [[], true], "not for a moment's overload");
  time.runFor(3000);
  ok(shed.length >= 2 && shed.every((count) => count === 20), `${shed}`);
  time.runFor(50_000);
  equal(sum(shed), 100);
  time.runFor(20_000);
  equal(sum(shed), 190, "a tenth of those that were left");
});

Deno.test("11: the end of an overload ends it at once, and the node wants no clients for a while", () => {
  const { time, node, shed } = started(20, 1000);
  node.overloaded = true;
  time.runFor(SHED_AFTER_MS + 2500);
  const before = sum(shed);
  ok(before > 0);
  node.overloaded = false;
  time.runFor(BUSY_AFTER_MS - 3000);
  deepEqual([sum(shed), node.busy], [before, true]);
  time.runFor(5000);
  equal(node.busy, false);
  // Again, and the same minute: what it may send away is still counted.
  node.overloaded = true;
  time.runFor(SHED_AFTER_MS + 10_000);
  ok(sum(shed) <= 100, `${sum(shed)}`);
});

Deno.test("11: an overload sends nobody away where no other node has room, at rate 0 and after a stop", () => {
  const crowded = started(20, 1000);
  crowded.node.room = false;
  const never = started(0, 1000);
  const stopped = started(20, 1000);
  stopped.shedding.stop();
  for (const { time, node, shed } of [crowded, never, stopped]) {
    node.overloaded = true;
    time.runFor(60_000);
    deepEqual(shed, []);
  }
});

Deno.test("11: a drained node sends all clients away once, and takes them back when it is not", () => {
  const { time, node, orders } = started(20, 1000);
  node.drained = true;
  time.runFor(10_000);
  deepEqual([orders, node.busy], [["all away"], true]);
  node.drained = false;
  time.runFor(2000);
  deepEqual([orders, node.busy], [["all away", "take back"], false]);
});
