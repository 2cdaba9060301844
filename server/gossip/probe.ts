/** Probes that wait for a reply. */
import type { NodeId } from "../../shard/name/ids.ts";

/** The probe under way. */
export interface Probe {
  readonly target: NodeId;
  readonly seq: number;
  readonly sentMs: number;
  readonly indirectMs: number;
  readonly endMs: number;
  /** Whether the target was taken for alive: that it fails says something about this node too. */
  readonly fresh: boolean;
  /** Nodes that were asked to probe and have not replied; null: none was asked yet. */
  helpers: Set<NodeId> | null;
  /** How many were asked. */
  asked: number;
  acked: boolean;
}

/** A probe that another node has asked for. */
export interface Relay {
  readonly from: NodeId;
  readonly seq: number;
  readonly target: NodeId;
  readonly untilMs: number;
}
