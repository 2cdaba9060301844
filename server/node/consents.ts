/**
 * What a node needs before it takes shards over from a process that is silent, but may live: the
 * others may vouch for that one. So many of the nodes that it knew must have agreed to the takeover
 * that the rest is no majority. A process that is known to have ended needs none of it, and nobody
 * may be vouched for longer than its row says.
 */
import type { Members } from "./members.ts";
import type { NodeId, NodeRef } from "../../shard/name/ids.ts";
import type { NodeParts } from "./parts.ts";
import { type Peer, type PeerFrame, peerKey } from "./peers.ts";
import { DRIFT } from "./members.ts";
import { majorityOf, VOUCH_OVER_MS, type Vouching } from "./vouching.ts";

/** Time between two questions about one process (ms). */
const ASK_MS = 250;

/** What it needs of its cell. */
export interface ConsentsHost {
  linked(): Iterable<Peer>;
  send(peer: NodeId, frame: PeerFrame): void;
  /** Since when a process is known to have ended (monotonic, ms); null: it is not. */
  goneMs(node: NodeRef): number | null;
  /** Enough may have agreed by now. */
  changed(): void;
}

interface Asking {
  /** The beat of the silent process's row. */
  readonly beat: number;
  askedMs: number;
  /** Who has agreed, and when their votes end (monotonic, ms). */
  readonly agreed: Map<NodeId, number>;
}

/** See the head of this file. */
export class Consents {
  readonly #parts: () => NodeParts;
  readonly #members: Members;
  readonly #vouching: Vouching;
  readonly #host: ConsentsHost;
  readonly #asking = new Map<NodeId, Asking>();

  constructor(
    parts: () => NodeParts,
    members: Members,
    vouching: Vouching,
    host: ConsentsHost,
  ) {
    this.#parts = parts;
    this.#members = members;
    this.#vouching = vouching;
    this.#host = host;
  }

  /**
   * Whether nobody can vouch for a process that is silent in the store. Where others are to agree to
   * that first it asks them, and `changed` follows.
   */
  mayTake(node: NodeRef): boolean {
    const row = this.#host.goneMs(node) !== null ? null : this.#members.rowOf(node);
    const key = peerKey(node);
    // A longer time by any clock than the process counts for itself.
    if (row === null || row.silentMs * (1 - DRIFT) >= row.withoutStoreMs * (1 + DRIFT)) {
      this.#asking.delete(key);
      return true;
    }
    const asking = this.#askingOf(node, row.beat);
    const nowMs = this.#nowMs;
    const over = (id: NodeId) => (asking.agreed.get(id) ?? Infinity) <= nowMs;
    const left = row.view.filter((id) => !over(id) && (id === node.id || !this.#isAway(id)));
    if (over(node.id) || left.length < majorityOf(row.view.length)) return true;
    this.#ask(node, asking, left);
    return false;
  }

  get #nowMs(): number {
    return this.#parts().ports.clock.monoMs();
  }

  #askingOf(node: NodeRef, beat: number): Asking {
    const key = peerKey(node);
    const before = this.#asking.get(key);
    if (before?.beat === beat) return before;
    const asking: Asking = { beat, askedMs: -Infinity, agreed: new Map() };
    this.#asking.set(key, asking);
    this.#agrees(this.#parts().ownership.self.id, asking, this.#vouching.agree(node, beat));
    return asking;
  }

  /**
   * Whether a node has no process, and the last vote of the former one is over. A new process reads
   * who owns what before it votes.
   */
  #isAway(id: NodeId): boolean {
    if (id === this.#parts().ownership.self.id) return false;
    const process = this.#members.processOf(id);
    const endedMs = process === null ? this.#members.leftMs(id) : this.#host.goneMs(process);
    return endedMs !== null && this.#nowMs - endedMs >= VOUCH_OVER_MS;
  }

  #agrees(id: NodeId, asking: Asking, waitMs: number | null): void {
    if (waitMs === null || asking.agreed.has(id)) return;
    asking.agreed.set(id, this.#nowMs + waitMs);
    if (waitMs > 0) this.#parts().ports.timers.after(waitMs, () => this.#host.changed());
  }

  #ask(of: NodeRef, asking: Asking, left: readonly NodeId[]): void {
    const nowMs = this.#nowMs;
    if (nowMs - asking.askedMs < ASK_MS) return;
    asking.askedMs = nowMs;
    const { beat } = asking;
    const { id, incarnation } = of;
    const frame = { kind: "consent", of: { id, incarnation }, beat } as const;
    for (const peer of this.#host.linked()) {
      if (left.includes(peer.id)) this.#host.send(peer.key, frame);
    }
  }

  /** Another node asks for consent. */
  asked(from: Peer, { of, beat }: PeerFrame & { readonly kind: "consent" }): void {
    const waitMs = this.#vouching.agree(of, beat);
    if (waitMs !== null) this.#host.send(from.key, { kind: "consented", of, beat, waitMs });
  }

  /** Another node agrees. */
  consented(from: Peer, { of, beat, waitMs }: PeerFrame & { readonly kind: "consented" }): void {
    const asking = this.#asking.get(peerKey(of));
    if (asking === undefined || asking.beat !== beat) return;
    this.#agrees(from.id, asking, waitMs);
    if (waitMs === 0) this.#host.changed();
  }
}
