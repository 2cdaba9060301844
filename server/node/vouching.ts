/**
 * How a node serves reads without the store: while a majority of the cell's nodes cannot reach it
 * either, and still takes this node for the owner of its shards. A vote counts for `VOUCH_MS` from
 * when it was asked for. A node that has a lease itself votes for nobody: it knows better. One that
 * has agreed to a takeover from a process does not vote for that any more; see `Consents`.
 */
import type { Cancel, Claim } from "./ports.ts";
import { DRIFT, LEASE_MS, type Members, TAKEOVER_MS } from "./members.ts";
import type { NodeId, NodeRef } from "../../shard/name/ids.ts";
import type { NodeParts } from "./parts.ts";
import { type Peer, type PeerFrame, peerKey } from "./peers.ts";
import { sameNode } from "../../shard/table/placement.ts";

/** How long a vote counts, from when it was asked for (ms). */
export const VOUCH_MS = 1000;
/** After so long (ms) a vote has ended by any clock; shorter than any wait for a takeover. */
export const VOUCH_OVER_MS = VOUCH_MS * 1.5;
/** Time between two questions (ms). */
const ASK_MS = 250;
/** Age of a lease (ms) from which on votes are asked for: it may end. */
const ASK_FROM_MS = LEASE_MS / 2;

/** What it needs of its cell. */
export interface VouchingHost {
  /** The nodes that are linked. */
  linked(): Iterable<Peer>;
  send(peer: NodeId, frame: PeerFrame): void;
  /** The shards that this node owns. */
  claims(): readonly Claim[];
  /** Whether this node is asking the store for a shard. */
  isClaiming(shard: number): boolean;
  /** This node may serve from now on, without a lease. */
  vouched(): void;
}

/** More than half of so many. */
export function majorityOf(nodes: number): number {
  return Math.floor(nodes / 2) + 1;
}

/** See the head of this file. */
export class Vouching {
  readonly #parts: () => NodeParts;
  readonly #members: Members;
  readonly #host: VouchingHost;
  /** When the votes of nodes that count were asked for. */
  readonly #votes = new Map<NodeId, number>();
  readonly #askedMs = new Map<number, number>();
  /** Processes that this node votes for no more, until their rows have later beats than these. */
  readonly #agreed = new Map<NodeId, number>();
  /** When this node has voted for a process last. */
  readonly #votedMs = new Map<NodeId, number>();
  /** When this process began: what a former one has voted for is not known. */
  #beganMs: number | null = null;
  #asked = 0;
  /** Another node may take over: this one serves again with a lease only. */
  #yielded = false;
  #served = false;
  #next: Cancel | null = null;

  constructor(parts: () => NodeParts, members: Members, host: VouchingHost) {
    if (VOUCH_OVER_MS * (1 - DRIFT) < VOUCH_MS * (1 + DRIFT) || VOUCH_OVER_MS >= TAKEOVER_MS) {
      throw new Error("A vote must end before others take over, by any two clocks");
    }
    this.#parts = parts;
    this.#members = members;
    this.#host = host;
  }

  start(): void {
    this.#beganMs ??= this.#nowMs;
    this.#next = this.#parts().ports.timers.after(ASK_MS, () => {
      this.start();
      this.#ask();
    });
  }

  stop(): void {
    this.#next?.();
    this.#votes.clear();
  }

  /** Whether a majority vouches for this node now. */
  get serves(): boolean {
    const { leaseAgeMs, views, withoutStoreMs } = this.#members;
    if (this.#yielded || leaseAgeMs >= withoutStoreMs) return false;
    const { id } = this.#parts().ownership.self;
    const nowMs = this.#nowMs;
    // Which of several views the store has is not known: each must do.
    return views.length > 0 && views.every((view) => {
      const votes = view.filter((node) => {
        return node === id || nowMs - (this.#votes.get(node) ?? -Infinity) < VOUCH_MS;
      });
      return votes.length >= majorityOf(view.length);
    });
  }

  get #nowMs(): number {
    return this.#parts().ports.clock.monoMs();
  }

  #ask(): void {
    if (this.#members.leased) this.#yielded = false;
    const { leaseAgeMs, withoutStoreMs } = this.#members;
    if (leaseAgeMs < ASK_FROM_MS || leaseAgeMs >= withoutStoreMs || this.#yielded) {
      return this.#note();
    }
    const nowMs = this.#nowMs;
    const asked = ++this.#asked;
    for (const [id, askedMs] of this.#askedMs) {
      if (nowMs - askedMs >= VOUCH_MS) this.#askedMs.delete(id);
    }
    this.#askedMs.set(asked, nowMs);
    const frame = { kind: "vouch", asked, claims: this.#host.claims() } as const;
    for (const { key } of this.#host.linked()) this.#host.send(key, frame);
    this.#note();
  }

  /** Logs when this node begins and ceases to serve without a lease. */
  #note(): void {
    const serves = !this.#members.leased && this.serves;
    if (serves === this.#served) return;
    this.#served = serves;
    this.#parts().ports.log.warn("serving without the store", { serves });
    if (serves) this.#host.vouched();
  }

  /** Another node asks for a vote. */
  asked(from: Peer, { asked, claims }: PeerFrame & { readonly kind: "vouch" }): void {
    if (!this.#mayVote(from, claims)) return;
    this.#votedMs.set(from.key, this.#nowMs);
    this.#host.send(from.key, { kind: "vouched", asked });
  }

  #mayVote(from: Peer, claims: readonly Claim[]): boolean {
    // Who has not read the table since it started may know of no newer one.
    if (this.#members.leased || !this.#members.hasLooked) return false;
    const agreed = this.#agreed.get(from.key);
    if (agreed !== undefined && (this.#members.rowOf(from)?.beat ?? 0) <= agreed) return false;
    const rows = new Map(this.#parts().map.table.shards.map((row) => [row.id, row]));
    return claims.every(({ shard, epoch }) => {
      const row = rows.get(shard);
      if (row === undefined || this.#host.isClaiming(shard)) return false;
      return row.epoch === epoch && sameNode(row.owner, from);
    });
  }

  /** A vote arrives. */
  voted(from: Peer, asked: number): void {
    const askedMs = this.#askedMs.get(asked);
    if (askedMs === undefined) return;
    this.#votes.set(from.id, Math.max(askedMs, this.#votes.get(from.id) ?? -Infinity));
    this.#note();
  }

  /**
   * Agrees that a process is taken over whose row has this beat: this node does not vote for it before
   * that has a later one. Returns how long its last vote may still count (ms); null: it does not
   * agree.
   */
  agree(of: NodeRef, beat: number): number | null {
    if (sameNode(of, this.#parts().ownership.self)) {
      if (this.#members.leased) return null;
      this.#yielded = true;
      this.#note();
      return 0;
    }
    const row = this.#members.rowOf(of);
    if (row !== null && row.beat > beat) return null;
    const key = peerKey(of);
    this.#agreed.set(key, Math.max(beat, this.#agreed.get(key) ?? 0));
    const votedMs = this.#votedMs.get(key) ?? this.#beganMs ?? this.#nowMs;
    return Math.max(0, Math.ceil(VOUCH_OVER_MS - (this.#nowMs - votedMs)));
  }
}
