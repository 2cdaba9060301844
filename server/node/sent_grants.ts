/**
 * Words for other nodes that somebody may be seen again: shards do not repeat them, and a link that
 * breaks loses what was on its way. They may come twice.
 */
import type { NodeId } from "../../shard/name/ids.ts";
import type { ShardInput } from "../../shard/effects.ts";

/** What was sent so long before a link breaks has arrived (ms): silence breaks it earlier. */
export const ARRIVES_MS = 10_000;
/** Words for one node that are kept. */
export const GRANTS_MAX = 1000;

type Packet = ShardInput & { readonly kind: "packet" };

/** See the head of this file. */
export class SentGrants {
  readonly #nowMs: () => number;
  readonly #sent = new Map<NodeId, { readonly input: Packet; readonly atMs: number }[]>();

  /** `nowMs` returns the time (monotonic ms). */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** An input was sent to a node. */
  sent(to: NodeId, input: Packet): void {
    if (input.packet.kind !== "rewatch") return;
    const nowMs = this.#nowMs();
    const all = this.#sent.get(to) ?? [];
    this.#sent.set(to, all);
    while (all.length >= GRANTS_MAX || (all[0]?.atMs ?? nowMs) < nowMs - ARRIVES_MS) all.shift();
    all.push({ input, atMs: nowMs });
  }

  /** The link with a node is broken: returns what may be lost, which it forgets. */
  lost(to: NodeId): readonly Packet[] {
    const nowMs = this.#nowMs();
    const all = this.#sent.get(to) ?? [];
    this.#sent.delete(to);
    return all.filter(({ atMs }) => atMs >= nowMs - ARRIVES_MS).map(({ input }) => input);
  }
}
