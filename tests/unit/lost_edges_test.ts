/** The ends of sessions whose edge cannot be reached. */
import { deepEqual, equal } from "node:assert/strict";
import type { AccountName, NodeId, SessionId } from "../../shard/name/ids.ts";
import { LostEdges } from "../../server/node/lost_edges.ts";
import { memoryLog } from "../sim/sim_ports.ts";
import type { NodeParts } from "../../server/node/parts.ts";
import type { ShardInput } from "../../shard/effects.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

const EDGE = "node000000000002.1" as NodeId;
const COUNT = 600;

function losing() {
  const time = new VirtualTime();
  const session = (n: number) => ({ name: "bob" as AccountName, session: `s${n}` as SessionId });
  const sessions = Array.from({ length: COUNT }, (_, n) => session(n));
  const shard = { ofEdge: () => ({ sessions, watched: [] }) };
  const inputs: ShardInput[] = [];
  const parts = {
    bugs: { guard: (_what: string, run: () => void) => run() },
    dispatch: { submit: (_shard: unknown, input: ShardInput) => inputs.push(input) },
    map: { shards: [shard] },
    ports: { log: memoryLog().log, timers: time.global.timers },
  };
  return { time, inputs, lost: new LostEdges(() => parts as unknown as NodeParts) };
}

Deno.test("the sessions of an edge that does not return end at their shard, in steps", () => {
  const { time, inputs, lost } = losing();
  lost.add(EDGE);
  time.runFor(14_900);
  deepEqual([inputs.length, lost.keys()], [0, [EDGE]]);
  time.runFor(110);
  equal(inputs.length > 0 && inputs.length < COUNT, true);
  time.runFor(1000);
  equal(inputs.length, COUNT);
  deepEqual(inputs.at(-1), {
    kind: "session_lost",
    node: EDGE,
    name: "bob",
    session: `s${COUNT - 1}`,
  });
});

Deno.test("nothing more ends of an edge that returns between two steps: it announces its sessions", () => {
  const { time, inputs, lost } = losing();
  lost.add(EDGE);
  time.runFor(15_010);
  const ended = inputs.length;
  lost.delete(EDGE);
  time.runFor(1000);
  deepEqual([ended > 0 && ended < COUNT, inputs.length - ended], [true, 0]);
  lost.add(EDGE);
  time.runFor(15_500);
  equal(inputs.length, ended + COUNT);
});

Deno.test("a node that is the last ends at once what is left, also of what it has begun to end", () => {
  const { time, inputs, lost } = losing();
  lost.add(EDGE);
  time.runFor(15_010);
  const ended = inputs.length;
  lost.endAll();
  equal(inputs.length, ended + COUNT);
  time.runFor(1000);
  equal(inputs.length, ended + COUNT);
});
