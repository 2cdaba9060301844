/** Orders for nodes that have left already, or have just begun. */
import { deepEqual, equal } from "node:assert/strict";
import { CLUSTER_NOTHING, type ClusterState } from "../../server/node/cluster_state.ts";
import { ClusterControl } from "../../server/node/control.ts";
import { ClusterOrders } from "../../server/node/cluster_orders.ts";
import { FencedStore } from "../../server/store/fenced_store.ts";
import { MemoryDisk } from "../sim/memory_store.ts";
import type { NodeId, NodeRef } from "../../shard/name/ids.ts";
import type { NodeParts } from "../../server/node/parts.ts";
import { type Peer, peerKey } from "../../server/node/peers.ts";
import { Prng } from "../sim/prng.ts";
import { sameNode } from "../../shard/table/placement.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

const [FIRST, SECOND] = [1, 2].map((n) => `node00000000000${n}` as NodeId) as [NodeId, NodeId];
const first = { id: FIRST, incarnation: 1 };
const second = { id: SECOND, incarnation: 2 };

/** Nodes of one cell without shards. */
class Orders {
  readonly #time = new VirtualTime();
  readonly #store = new FencedStore(
    new MemoryDisk(this.#time, new Prng("orders")).open(this.#time.process()),
  );

  /** A node that has read the rows of these others; `linked`: those that live, as far as it sees. */
  node(self: NodeRef, others: readonly NodeRef[], linked = others) {
    const control = new ClusterControl(this.#store, { error: () => {} });
    const peers = linked.map((node): Peer => ({ ...node, key: peerKey(node) }));
    const cell = {
      get others() {
        return others.filter((node) => !control.hasLeft(node));
      },
      liveness: {
        linked: new Map(peers.map((peer) => [peer.key, peer])),
        isLive: (node: NodeRef) => [self, ...linked].some((live) => sameNode(live, node)),
      },
    };
    const map = { shards: [], table: { version: 1, shards: [] } };
    const ports = { log: { info: () => {} } };
    const parts = { cell, map, ownership: { self }, ports } as unknown as NodeParts;
    const orders = new ClusterOrders(() => parts, control);
    let ended = false;
    orders.onLeft = () => ended = true;
    const read = () => {
      control.read(() => {});
      this.#time.runUntilIdle();
    };
    return {
      control,
      read,
      /** Looks at the newest orders; returns whether this process is to end. */
      look: () => {
        read();
        orders.look();
        this.#time.runUntilIdle();
        return ended;
      },
      order: (kind: "drain" | "leave", id: NodeId) => {
        let code = "none";
        orders[kind](id, (result) => code = result.ok ? "ok" : result.code);
        this.#time.runUntilIdle();
        return code;
      },
      set: (state: Partial<ClusterState>) => {
        control.update((before) => ({ ...before, ...state }), () => {});
        this.#time.runUntilIdle();
      },
    };
  }
}

Deno.test("11: a node that has left ends, also where another order comes before it has", () => {
  for (const at of ["itself", "another"] as const) {
    for (const kind of ["drain", "leave"] as const) {
      const cell = new Orders();
      const [one, two] = [cell.node(first, [second]), cell.node(second, [first])];
      one.read();
      equal(two.order("leave", SECOND), "ok");
      equal(two.look(), false);
      deepEqual(two.control.state.left, [second]);
      // The other one has not read that yet.
      const code = at === "itself" ? two.order(kind, SECOND) : one.order(kind, SECOND);
      equal(code, at === "itself" ? "not_found" : "ok");
      one.look();
      equal(two.look(), true);
      deepEqual(two.control.state, { ...CLUSTER_NOTHING, left: [second] });
    }
  }
});

Deno.test("11: who takes a node out of the cell that has left already lets it end all the same", () => {
  const cell = new Orders();
  const [one, two] = [cell.node(first, [second]), cell.node(second, [first])];
  // As an earlier version stored it, to which the order was given twice.
  two.set({ left: [second], leaving: [SECOND], drained: [SECOND] });
  one.look();
  equal(two.look(), true);
  deepEqual(one.control.state, { ...CLUSTER_NOTHING, left: [second] });
});

Deno.test("11: an old row of a node does not take the place of its last process that has left", () => {
  const cell = new Orders();
  const one = cell.node(first, []);
  const third = { id: "node000000000003" as NodeId, incarnation: 1 };
  const late = cell.node(third, [{ id: SECOND, incarnation: 1 }], []);
  late.set({ left: [second], leaving: [SECOND], drained: [SECOND] });
  late.look();
  one.look();
  deepEqual(one.control.state, { ...CLUSTER_NOTHING, left: [second] });
});

Deno.test("11: a node that has just begun is not spared from leaving by one that has not its row", () => {
  const cell = new Orders();
  const [one, two] = [cell.node(first, [], [second]), cell.node(second, [first])];
  equal(two.order("leave", SECOND), "ok");
  one.look();
  deepEqual(one.control.state.leaving, [SECOND]);
  two.look();
  equal(two.look(), true);
  one.look();
  deepEqual(one.control.state, { ...CLUSTER_NOTHING, left: [second] });
});
