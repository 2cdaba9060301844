/** The register of what operators want of a cell. */
import { deepEqual, equal, throws } from "node:assert/strict";
import { CLUSTER_REGISTER, ClusterControl } from "../../server/node/control.ts";
import {
  CLUSTER_NOTHING,
  type ClusterState,
  formatCluster,
  parseCluster,
} from "../../server/node/cluster_state.ts";
import { FencedStore } from "../../server/store/fenced_store.ts";
import { MemoryDisk } from "../sim/memory_store.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import { Prng } from "../sim/prng.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const node = (id: string) => id as NodeId;

Deno.test("parseCluster reads what formatCluster wrote, and what earlier versions have stored", () => {
  const state: ClusterState = {
    drained: [node("a")],
    leaving: [node("a")],
    left: [{ id: node("b"), incarnation: 3 }],
    places: [{ shard: 4, node: node("c") }],
    balance: { id: 1, done: true },
    work: {
      id: 2,
      goal: { kind: "cut", lo: 1, hi: 9, at: [5] },
      by: { id: node("c"), incarnation: 1 },
      state: "failed",
      error: "why",
      steps: 1,
      changesMs: [1.5],
      movesMs: [],
      shards: [7],
    },
  };
  deepEqual(parseCluster(formatCluster(state)), state);
  deepEqual(parseCluster(bytes('{"drained":[],"work":null}')), CLUSTER_NOTHING);
  // A field of a later version is kept.
  equal("later" in parseCluster(bytes('{"drained":[],"work":null,"later":1}')), true);
});

Deno.test("parseCluster refuses what is no such value", () => {
  for (
    const text of [
      "",
      "{",
      "null",
      "[]",
      '{"drained":"a"}',
      '{"left":[{"id":"a"}]}',
      '{"places":[{"shard":"1","node":"a"}]}',
      '{"work":{"id":1,"goal":{"kind":"other"}}}',
      '{"work":7}',
    ]
  ) throws(() => parseCluster(bytes(text)), text);
});

Deno.test("11: a register that is not understood is logged and left alone; the last state stays", () => {
  const time = new VirtualTime();
  const store = new FencedStore(new MemoryDisk(time, new Prng("control")).open(time.process()));
  const logged: string[] = [];
  const control = new ClusterControl(store, { error: (event) => logged.push(event) });
  const drained = [node("a")];
  const update = () => {
    let error: unknown = "none";
    control.update((state) => ({ ...state, drained }), (failed) => error = failed);
    time.runUntilIdle();
    return error;
  };
  equal(update(), null);
  const broken = bytes('{"drained":"no list"}');
  let set = false;
  store.cas(CLUSTER_REGISTER, 1, broken, [], (_, done) => set = done);
  time.runUntilIdle();
  equal(set, true);
  let reads = 0;
  for (let i = 0; i < 3; i++) control.read(() => reads++);
  time.runUntilIdle();
  equal(reads, 3);
  deepEqual(control.state.drained, drained);
  deepEqual(logged, ["cluster not understood"]);
  equal((update() as { kind: string }).kind, "failed");
});
