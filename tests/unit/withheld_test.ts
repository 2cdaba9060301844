import { deepEqual, equal } from "node:assert/strict";
import type { Effect } from "../../shard/effects.ts";
import type { NodeParts } from "../../server/node/parts.ts";
import type { Shard } from "../../shard/step/shard.ts";
import { Withheld } from "../../server/node/withheld.ts";

const EFFECT = { kind: "edge" } as Effect;

function shard(id: number, lo: number, hi: number): Shard {
  return { id, lo, hi, ended: false } as Shard;
}

/** What is withheld by a node with these shards, which may not serve; `due` runs its timers. */
function fixture(withheldMax: number, shards: Shard[]) {
  const log: string[] = [];
  const timers: (() => void)[] = [];
  const parts = {
    options: { withheldMax },
    map: { shards },
    ports: {
      log: { warn: () => {} },
      timers: { after: (_ms: number, run: () => void) => void timers.push(run) },
    },
  } as unknown as NodeParts;
  const host = {
    mayServe: false,
    execute: ({ id }: Shard) => void log.push(`executes ${id}`),
    drop: ({ id }: Shard) => void log.push(`drops ${id}`),
  };
  const withheld = new Withheld(() => parts, host);
  return { withheld, host, log, due: () => timers.splice(0).forEach((run) => run()) };
}

Deno.test("10.10: Withheld drops the shard that has said the most, and no other", () => {
  const [loud, calm] = [shard(1, 0, 10), shard(2, 10, 20)];
  const { withheld, host, log, due } = fixture(4, [loud, calm]);
  for (let i = 0; i < 4; i++) withheld.withhold(loud, EFFECT);
  equal(withheld.withhold(calm, EFFECT), true);
  equal(withheld.size, 1);
  due();
  deepEqual(log, ["drops 1"]);
  host.mayServe = true;
  withheld.release();
  deepEqual(log, ["drops 1", "executes 2"]);
  equal(withheld.withhold(calm, EFFECT), false);
});

Deno.test("Withheld drops the successors of a shard that was split after it had said too much", () => {
  const [loud, other] = [shard(1, 0, 10), shard(2, 10, 20)];
  const shards = [loud, other];
  const { withheld, log, due } = fixture(2, shards);
  for (let i = 0; i < 3; i++) withheld.withhold(loud, EFFECT);
  loud.ended = true;
  shards.splice(0, 1, shard(3, 0, 5), shard(4, 5, 10));
  withheld.inherited([loud]);
  due();
  deepEqual(log, ["drops 3", "drops 4"]);
  equal(withheld.size, 0);
});

Deno.test("Withheld delivers by the successor what a shard that was split has said", () => {
  const whole = shard(1, 0, 10);
  const shards = [whole];
  const { withheld, host, log } = fixture(10, shards);
  withheld.withhold(whole, EFFECT);
  whole.ended = true;
  shards.splice(0, 1, shard(3, 0, 10));
  withheld.inherited([whole]);
  host.mayServe = true;
  withheld.release();
  deepEqual(log, ["executes 3"]);
});
