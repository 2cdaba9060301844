/**
 * How long a node is suspected before it counts as dead (SWIM section 4.2; Lifeguard section IV-B;
 * `suspicion.go` of memberlist): long while one node suspects it alone, for that one may be cut off
 * or slow; short once others that looked for themselves agree.
 */
import type { NodeId } from "../../shard/name/ids.ts";

/** Probe intervals that the shortest timeout lasts in a cell of up to ten nodes. */
const SUSPICION_MULT = 4;
/** The longest timeout, in shortest ones. */
const LONGEST_MULT = 6;
/** Confirmations with which the timeout is the shortest. */
const CONFIRMATIONS_WANTED = SUSPICION_MULT - 2;

/** What the timeout depends on. */
export interface SuspicionOf {
  /** Nodes that suspect it besides the first. */
  readonly confirmations: number;
  /** Nodes of the cell. */
  readonly nodes: number;
  /** Time between two probes (ms). */
  readonly probeMs: number;
}

/**
 * `max − (max − min) · log(confirmations + 1) / log(k + 1)`, where k confirmations are wanted; the
 * shortest at once where the cell has too few nodes to confirm anything.
 */
export function suspicionTimeoutMs({ confirmations, nodes, probeMs }: SuspicionOf): number {
  const minMs = SUSPICION_MULT * Math.max(1, Math.log10(Math.max(1, nodes))) * probeMs;
  const wanted = CONFIRMATIONS_WANTED;
  // The suspect and the first to suspect it confirm nothing.
  if (nodes - 2 < wanted) return minMs;
  const maxMs = LONGEST_MULT * minMs;
  const part = Math.log(confirmations + 1) / Math.log(wanted + 1);
  return Math.max(minMs, maxMs - part * (maxMs - minMs));
}

/** The suspicion of one node. */
export class Suspicion {
  #sinceMs: number;
  readonly #by: Set<NodeId>;

  constructor(sinceMs: number, by: NodeId) {
    this.#sinceMs = sinceMs;
    this.#by = new Set([by]);
  }

  /** Another node suspects it; returns whether that is news. */
  confirm(by: NodeId): boolean {
    if (this.#by.size > CONFIRMATIONS_WANTED || this.#by.has(by)) return false;
    this.#by.add(by);
    return true;
  }

  /** Its time has not run for so long: the process that counts it was stopped. */
  delay(ms: number): void {
    this.#sinceMs += ms;
  }

  /** When the suspect counts as dead (monotonic, ms). */
  untilMs(of: Omit<SuspicionOf, "confirmations">): number {
    return this.#sinceMs + suspicionTimeoutMs({ ...of, confirmations: this.#by.size - 1 });
  }
}
