/** Jumps of the wall clocks of simulated nodes, for the check of stamps. */
import type { SimNode } from "./sim_node.ts";

/** The wall clock of a node's machine jumped. */
export interface WallJump {
  readonly node: Pick<SimNode, "starts">;
  readonly deltaMs: number;
  /** Time of the simulation at which it did (ms). */
  readonly atMs: number;
  /** How often the node had been started by then; −1: it was down. */
  readonly starts: number;
}
