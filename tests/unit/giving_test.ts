/** When a shard is given away to another node, by how long the rehearsals take. */
import { deepEqual, equal } from "node:assert/strict";
import { Giving, type GivingHost } from "../../server/node/giving.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import type { NodeParts } from "../../server/node/parts.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

const TO = { id: "node000000000002" as NodeId, incarnation: 1 };

/** A node with one shard; `tookMs`: how long each rehearsal takes, the last of them all others too. */
function giving(tookMs: readonly number[]) {
  const time = new VirtualTime();
  const { clock, timers } = time.global;
  // It is written all the time: nothing is held.
  const shard = { id: 1, ended: false, writing: true, leaving: false };
  const rehearsals: number[] = [];
  const host = {
    rehearse: (_shard: unknown, _to: unknown, done: () => void) => {
      const ms = tookMs[rehearsals.length] ?? tookMs.at(-1)!;
      rehearsals.push(Math.round(clock.monoMs()));
      timers.after(ms, done);
    },
    isLinked: () => true,
    mayGive: () => true,
    hurry: () => {},
  };
  const parts = {
    map: { byId: () => shard, shards: [shard], ready: true },
    ownership: { self: { id: "node000000000001" as NodeId, incarnation: 1 } },
    ports: { clock, timers, log: { info: () => {} } },
    dispatch: { release: () => {} },
  };
  const one = new Giving(() => parts as unknown as NodeParts, host as unknown as GivingHost);
  const move = () => {
    const beganMs = clock.monoMs();
    const before = rehearsals.length;
    one.move(shard.id, TO, () => {});
    while (!shard.leaving) time.runFor(1);
    const times = rehearsals.slice(before).map((ms) => Math.round(ms - beganMs));
    // It does not quiesce, and the next move may begin.
    time.runFor(5000);
    equal(shard.leaving, false);
    return times;
  };
  return { move };
}

Deno.test("11.6: a move is put off while rehearsals of it are slow: its users would wait as long", () => {
  deepEqual(giving([10]).move(), [0]);
  deepEqual(giving([80, 90, 10]).move(), [0, 280, 570]);
});

Deno.test("11.6: where rehearsals are always slow, shards are moved all the same", () => {
  const { move } = giving([100]);
  deepEqual(move(), [0, 300, 600, 900]);
  for (let i = 0; i < 3; i++) move();
  // That is what they take here.
  deepEqual(move(), [0]);
});
