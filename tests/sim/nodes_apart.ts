/** Simulations of a node of its own, which some seeds run beside their cluster. */
import { runDamage } from "./damage.ts";
import { runInboundFlood } from "./inbound_flood.ts";

/** One in so many seeds also has a disk that changes what is stored. */
const DAMAGED_EACH = 3;
/** One in as many others has an account that is sent more messages than it takes. */
const FLOODED_EACH = 3;

/** Runs those of a seed. Throws a `Violation`. */
export function runNodesApart(seed: number): void {
  if (seed % DAMAGED_EACH === 0) runDamage(seed);
  if (seed % FLOODED_EACH === 1) runInboundFlood(seed);
}
