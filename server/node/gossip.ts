/**
 * Gossip of this node with the others of its cell, over their links: signs of life, and what each
 * says of itself. All of it is a hint. A node that shows a lease by gossip is not taken for dead; one
 * that does not is judged by its row in the store alone.
 */
import type { Cancel } from "./ports.ts";
import type { GossipHints, GossipMessage } from "../gossip/message.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import type { NodeParts } from "./parts.ts";
import type { PeerFrame } from "./peers.ts";
import { type GossipState, Swim, type SwimInput } from "../gossip/swim.ts";
import { TAKEOVER_MS } from "./members.ts";

/** Time between two ticks of the gossip (ms). */
const TICK_MS = 100;

/** What gossip says of another node, for operators. */
export interface GossipOfNode {
  readonly state: GossipState;
  /** Time since its last sign of life (ms). */
  readonly silentMs: number;
  /** Time of a probe and its reply (ms); null where none came. */
  readonly rttMs: number | null;
  /** What it says of itself; null where nothing is known. */
  readonly says: GossipHints | null;
}

/** What it needs of its cell. */
export interface GossipHost {
  /** Whether this node serves by its own lease. */
  readonly leased: boolean;
  send(peer: NodeId, frame: PeerFrame): void;
  /** A newer table exists in the store, as another node says. */
  newerTable(): void;
}

/** See the head of this file. */
export class Gossip {
  readonly #parts: () => NodeParts;
  readonly #host: GossipHost;
  #swim: Swim | null = null;
  #next: Cancel | null = null;

  constructor(parts: () => NodeParts, host: GossipHost) {
    this.#parts = parts;
    this.#host = host;
  }

  /** Begins to probe the members, as the process with this key. */
  start(self: NodeId): void {
    const { ports: { random } } = this.#parts();
    this.#swim = new Swim(self, () => random.number(), this.#hints());
    this.#schedule();
  }

  stop(): void {
    this.#next?.();
    this.#swim = null;
  }

  /** The other nodes of the cell, by their processes. */
  setMembers(nodes: readonly NodeId[]): void {
    this.#step({ kind: "members", nodes });
  }

  /** A node is linked, perhaps again: what was said meanwhile is lost on it. */
  linked(): void {
    this.#step({ kind: "linked" });
  }

  /** Takes a message of another node. */
  take(from: NodeId, message: GossipMessage): void {
    this.#step({ kind: "message", from, message });
    const newest = this.#parts().map.table.version;
    const newer = message.updates.some((u) => u.kind === "alive" && u.hints.table > newest);
    if (newer) this.#host.newerTable();
  }

  /** How much this node itself is behind: 0 (healthy) to 7. */
  get healthScore(): number {
    return this.#swim?.health.score ?? 0;
  }

  /** What is known of a process; null where it is no member. */
  of(node: NodeId): GossipOfNode | null {
    const view = this.#swim?.view(node);
    if (view === undefined) return null;
    const { state, lifeMs, rttMs, hints } = view;
    return { state, silentMs: this.#nowMs - lifeMs, rttMs, says: hints };
  }

  /**
   * Whether a process lives and has a lease, as it says itself: its row in the store is newer than
   * the one that this node has read.
   */
  showsLease(node: NodeId): boolean {
    const view = this.#swim?.view(node);
    if (view === undefined || view.state !== "alive" || view.hints?.leased !== true) return false;
    return this.#nowMs - view.lifeMs < TAKEOVER_MS;
  }

  get #nowMs(): number {
    return this.#parts().ports.clock.monoMs();
  }

  #hints(): GossipHints {
    const { map, options: { about } } = this.#parts();
    return {
      leased: this.#host.leased,
      table: map.table.version,
      version: about?.version ?? "",
      load: map.shards.reduce((sum, { presence }) => sum + presence.size, 0),
      addresses: about?.addresses ?? [],
      busy: about?.busy ?? false,
    };
  }

  #schedule(): void {
    this.#next = this.#parts().ports.timers.after(TICK_MS, () => {
      if (this.#swim === null) return;
      this.#schedule();
      this.#step({ kind: "hints", hints: this.#hints() });
      this.#step({ kind: "tick" });
    });
  }

  #step(input: SwimInput): void {
    const effects = this.#swim?.step(this.#nowMs, input) ?? [];
    for (const effect of effects) {
      if (effect.kind === "state") {
        const { node, state } = effect;
        this.#parts().ports.log.info("gossip state", { node, state });
      } else this.#host.send(effect.to, { kind: "gossip", message: effect.message });
    }
  }
}
