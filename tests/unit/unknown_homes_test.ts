/** When the home of a name is sought that some edge wants to watch. */
import { deepEqual } from "node:assert/strict";
import type { AccountId, AccountName, NodeId } from "../../shard/name/ids.ts";
import type { ShardTurn } from "../../shard/step/shard_turn.ts";
import { UnknownHomes } from "../../shard/step/unknown_homes.ts";

Deno.test("UnknownHomes: a home is sought again and again, at growing distances, until it is known", () => {
  const waits = [100, 300, 500];
  const turn = {
    now: { mono: 1000, wall: 0 },
    retries: { againMs: (_: string, tries: number) => waits[tries - 1]! },
    emit: () => {},
  };
  const homes = new UnknownHomes(turn as unknown as ShardTurn);
  const soughtMs: number[] = [];
  homes.seek = () => soughtMs.push(turn.now.mono);
  const name = "bob" as AccountName;
  const ids = { watchedId: "b" as AccountId, watcherId: "a" as AccountId };
  homes.add({ watcher: "ann" as AccountName, watched: name, ...ids }, "n1" as NodeId);
  for (; turn.now.mono <= 2000; turn.now.mono += 50) {
    if (turn.now.mono === 1700) homes.sought(name, true);
    homes.tick();
  }
  deepEqual(soughtMs, [1000, 1100, 1400]);
});
