/** What many accounts set off at the same time is done in parts, not in one turn (issue 9 C2). */
import assert from "node:assert/strict";
import type { NodeParts } from "../../server/node/parts.ts";
import { Heartbeat } from "../../server/node/heartbeat.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

/** A node's beat over shards whose ticks take so long each. */
function beat(tickMs: number, elsewhere: boolean | null = null, here?: boolean | "withheld") {
  const time = new VirtualTime();
  const { timers } = time.global;
  let workedMs = 0;
  const rounds: number[][] = [];
  let anew = 0;
  let last = -1;
  const submit = ({ id }: { readonly id: number }) => {
    workedMs += tickMs;
    if (time.turns !== last) rounds.push([]);
    last = time.turns;
    rounds.at(-1)!.push(id);
  };
  const presence = { serves: () => anew++ };
  const parts = {
    callers: { expire: () => {} },
    dispatch: { submit, elsewhere: elsewhere === null ? null : { mayServe: elsewhere } },
    map: {
      shards: Array.from({ length: 6 }, (_, id) => ({ id, ticking: true, presence })),
      ready: false,
    },
    options: here === undefined ? {} : { mayServe: () => here },
    ports: { clock: { monoMs: () => time.nowMs + workedMs }, timers },
    stopped: () => false,
  } as unknown as NodeParts;
  const heartbeat = new Heartbeat(
    parts,
    { checkpoint: () => {} } as never,
    {} as never,
    {} as never,
  );
  heartbeat.start();
  time.runFor(150);
  heartbeat.stop();
  return { rounds, anew };
}

Deno.test("9 C2: ticks that take long are divided between turns, and each shard has its tick", () => {
  assert.deepEqual(beat(0).rounds, [[0, 1, 2, 3, 4, 5]]);
  assert.deepEqual(beat(2).rounds, [[0, 1], [2, 3], [4, 5]]);
  assert.deepEqual(beat(50).rounds, [[0], [1], [2], [3], [4], [5]]);
});

Deno.test("11: what shards wait for gets its whole time again while their node may not serve them", () => {
  assert.deepEqual([beat(0).anew, beat(0, true).anew, beat(0, null, true).anew], [0, 0, 0]);
  assert.deepEqual([beat(0, false).anew, beat(0, null, false).anew], [6, 6]);
  assert.equal(beat(0, null, "withheld").anew, 6);
});
