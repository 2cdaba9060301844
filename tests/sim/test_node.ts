/**
 * The one builder of nodes for tests: a process over a simulated disk with its node and, where it is
 * wanted, its edge, wired as `server/front.ts` wires them. What a test wants otherwise it says by
 * name.
 */
import type { EdgeCounters, EdgeLimits } from "../../server/edge/types.ts";
import type { EdgePacket } from "../../shard/edge_packet.ts";
import type { Log, Ports, Store } from "../../server/node/ports.ts";
import type { MemoryDisk } from "./memory_store.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import type { NodeOptions } from "../../server/node/parts.ts";
import type { Prng } from "./prng.ts";
import type { VirtualProcess, VirtualTime } from "./virtual_time.ts";
import { createEdge, type Edge } from "../../server/edge/edge.ts";
import { EDGE_LIMITS, SHARD_LIMITS } from "./limits.ts";
import { JSON_CODEC } from "../../server/v1/encode.ts";
import { newEdgeCounters } from "../../server/edge/types.ts";
import { Node } from "../../server/node/node.ts";
import { simPorts } from "./sim_ports.ts";

/** Longest virtual time that a start may take (ms). */
const START_MS = 60_000;

/** What a node is made of. */
export interface TestNodeOptions {
  readonly process: VirtualProcess;
  readonly disk: MemoryDisk;
  /** The process's random numbers. */
  readonly prng: Prng;
  readonly log: Log;
  /** In the place of a store on the disk; null: none. */
  readonly store?: Store | null;
  /** Over the defaults: node 1 with 4 shards under the default limits. */
  readonly node?: Partial<Omit<NodeOptions, "deliver">>;
  /** Takes the packets for the edge. */
  readonly deliver: (packet: EdgePacket) => void;
}

/** A node, not yet started. */
export interface TestNode {
  readonly ports: Ports;
  readonly node: Node;
}

/** Makes a node alone. */
export function makeNode(options: TestNodeOptions): TestNode {
  const { process, disk, prng, log, store = null, deliver, node = {} } = options;
  const ports = simPorts({ process, disk, prng, log, store });
  const { limits = SHARD_LIMITS, shards = 4 } = node;
  return {
    ports,
    node: new Node(ports, {
      id: "node000000000001" as NodeId,
      limits,
      shards,
      cacheUsersMax: limits.cacheAccountsMax * shards,
      observeCommit: () => {},
      ...node,
      deliver,
    }),
  };
}

/** Makes the edge of a node. */
export function makeEdge(
  { ports, node }: TestNode,
  limits: EdgeLimits = EDGE_LIMITS,
): { readonly edge: Edge; readonly counters: EdgeCounters } {
  const counters = newEdgeCounters();
  const edge = createEdge({
    ...ports,
    node: node.id,
    router: node,
    counters,
    codec: JSON_CODEC,
    flushed: () => {},
  }, limits);
  return { edge, counters };
}

/** Starts a node and lets time run until it serves; throws where it does not within a minute. */
export function startNode(time: VirtualTime, node: Node): void {
  let started = false;
  node.start((error) => {
    if (error !== null) throw new Error(`The node cannot start: ${error.message}`);
    started = true;
  });
  if (!time.runWhile(() => !started, time.nowMs + START_MS)) {
    throw new Error("The node did not start within a minute");
  }
}
