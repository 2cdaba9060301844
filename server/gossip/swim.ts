/**
 * Who of the cell's nodes lives, as one of them sees it: SWIM (Das, Gupta, Motivala 2002) with
 * suspicion, and Lifeguard's local health (Dadgar, Phillips, Currey 2018), as in memberlist. Pure:
 * time is passed in, random numbers come from `random`, messages go out as effects. Its results are
 * hints; who is a member of the cell is decided in the store and passed in.
 */
import {
  type GossipHints,
  type GossipMessage,
  type GossipProbe,
  type GossipUpdate,
  sameHints,
} from "./message.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import { LocalHealth } from "./local_health.ts";
import type { Probe, Relay } from "./probe.ts";
import { Suspicion } from "./suspicion.ts";
import { Updates } from "./updates.ts";

/** Time between two probes, while this node is healthy (ms). */
export const PROBE_MS = 500;
/** How long a direct probe may take before others are asked to probe as well (ms). */
export const PROBE_TIMEOUT_MS = 200;
/** Nodes that are asked to. */
export const INDIRECT_PROBES = 3;
/** Longest time between two steps; a later one means that this process was stopped (ms). */
export const LATE_MS = 1000;

/** What a node takes another one for. */
export type GossipState = "alive" | "suspect" | "dead";

/** Another node, as this one sees it. */
export interface GossipView {
  readonly state: GossipState;
  /** What it says of itself; null where nothing is known. */
  readonly hints: GossipHints | null;
  /** Last sign of life: from itself, or a newer statement of it (monotonic, ms). */
  readonly lifeMs: number;
  /** Time of its last direct reply, there and back (ms); null where none came. */
  readonly rttMs: number | null;
}

/** What happens. */
export type SwimInput =
  | { readonly kind: "tick" }
  /** The other nodes of the cell, by their processes. */
  | { readonly kind: "members"; readonly nodes: readonly NodeId[] }
  | { readonly kind: "message"; readonly from: NodeId; readonly message: GossipMessage }
  /** Another node can be reached, which what this one has said before may not have reached. */
  | { readonly kind: "linked" }
  /** What this node says of itself from now on. */
  | { readonly kind: "hints"; readonly hints: GossipHints };

/** What is to be done. */
export type SwimEffect =
  | { readonly kind: "send"; readonly to: NodeId; readonly message: GossipMessage }
  | { readonly kind: "state"; readonly node: NodeId; readonly state: GossipState };

interface Member {
  state: GossipState;
  refuted: number;
  stamp: number;
  suspicion: Suspicion | null;
  hints: GossipHints | null;
  lifeMs: number;
  rttMs: number | null;
  /** Whether it has probed this node: it knows it since then. */
  probed: boolean;
  /** The statement of this node that it was sent last; 0: none that it has for certain. */
  told: number;
}

/** See the head of this file. */
export class Swim {
  readonly health = new LocalHealth();
  readonly #self: NodeId;
  readonly #random: () => number;
  readonly #members = new Map<NodeId, Member>();
  readonly #updates = new Updates();
  readonly #relays = new Map<number, Relay>();
  #hints: GossipHints;
  #refuted = 0;
  #stamp = 0;
  /** One more with each statement of this node about itself. */
  #said = 1;
  #seq = 0;
  #probe: Probe | null = null;
  #nextProbeMs = -Infinity;
  #steppedMs = Infinity;
  /** Nodes that are still to be probed in this round, in random order. */
  #round: NodeId[] = [];
  #out: SwimEffect[] = [];
  #nowMs = 0;

  /** `self`: this process; `random`: numbers in [0, 1). */
  constructor(self: NodeId, random: () => number, hints: GossipHints) {
    this.#self = self;
    this.#random = random;
    this.#hints = hints;
  }

  /** A member; undefined where there is none by that key. */
  view(node: NodeId): GossipView | undefined {
    return this.#members.get(node);
  }

  /** Does what follows from an input at `nowMs` (monotonic). A tick is due every 100 ms. */
  step(nowMs: number, input: SwimInput): readonly SwimEffect[] {
    this.#nowMs = nowMs;
    this.#out = [];
    this.#excuseLateness();
    switch (input.kind) {
      case "tick":
        this.#tick();
        break;
      case "members":
        this.#setMembers(input.nodes);
        break;
      case "message":
        this.#receive(input.from, input.message);
        break;
      case "linked":
        for (const member of this.#members.values()) member.told = 0;
        this.#updates.add(this.#own());
        break;
      case "hints":
        if (!sameHints(this.#hints, input.hints)) this.#state(input.hints);
    }
    return this.#out;
  }

  /** Where this process was stopped, it is not the others that were silent. */
  #excuseLateness(): void {
    const lateMs = this.#nowMs - this.#steppedMs;
    this.#steppedMs = this.#nowMs;
    if (lateMs <= LATE_MS) return;
    this.health.note(1);
    this.#probe = null;
    for (const { suspicion } of this.#members.values()) suspicion?.delay(lateMs);
  }

  #setMembers(nodes: readonly NodeId[]): void {
    const wanted = new Set(nodes.filter((node) => node !== this.#self));
    for (const node of this.#members.keys()) {
      if (wanted.has(node)) continue;
      this.#members.delete(node);
      this.#updates.delete(node);
    }
    for (const node of wanted) {
      if (this.#members.has(node)) continue;
      this.#members.set(node, {
        state: "alive",
        refuted: 0,
        stamp: -1,
        suspicion: null,
        hints: null,
        lifeMs: this.#nowMs,
        rttMs: null,
        probed: false,
        told: 0,
      });
      // The newcomer knows nothing of this node.
      this.#updates.add(this.#own());
    }
  }

  // ---- probes

  #tick(): void {
    for (const [seq, relay] of this.#relays) {
      if (relay.untilMs > this.#nowMs) continue;
      this.#relays.delete(seq);
      this.#send(relay.from, { kind: "nack", seq: relay.seq });
    }
    this.#goOn();
    if (this.#probe === null && this.#nowMs >= this.#nextProbeMs) this.#begin();
    const of = { nodes: this.#members.size + 1, probeMs: PROBE_MS };
    for (const [node, { refuted, state, suspicion }] of this.#members) {
      if (state !== "suspect" || suspicion!.untilMs(of) > this.#nowMs) continue;
      this.#bury({ kind: "dead", node, refuted, by: this.#self });
    }
  }

  #begin(): void {
    const target = this.#nextTarget();
    this.#nextProbeMs = this.#nowMs + this.health.scaled(PROBE_MS);
    if (target === undefined) return;
    this.#probe = {
      target,
      seq: ++this.#seq,
      sentMs: this.#nowMs,
      indirectMs: this.#nowMs + this.health.scaled(PROBE_TIMEOUT_MS),
      endMs: this.#nextProbeMs,
      fresh: this.#members.get(target)!.state === "alive",
      helpers: null,
      asked: 0,
      acked: false,
    };
    this.#send(target, { kind: "ping", seq: this.#probe.seq });
  }

  /** All are probed in a round, so that none waits for long; the dead as well, for they may return. */
  #nextTarget(): NodeId | undefined {
    this.#round = this.#round.filter((node) => this.#members.has(node));
    if (this.#round.length === 0) this.#round = this.#shuffled([...this.#members.keys()]);
    return this.#round.pop();
  }

  /** Asks others to probe where the direct probe takes long; suspects where none is acked. */
  #goOn(): void {
    const probe = this.#probe;
    if (probe === null) return;
    const { acked, endMs, helpers, indirectMs, seq, target } = probe;
    if (!acked && helpers === null && this.#nowMs >= indirectMs) {
      const asked = this.#shuffled(this.#othersAlive(target)).slice(0, INDIRECT_PROBES);
      probe.helpers = new Set(asked);
      probe.asked = asked.length;
      for (const node of asked) this.#send(node, { kind: "ping_req", seq, target });
    }
    if (this.#nowMs < endMs) return;
    this.#probe = null;
    if (acked) return;
    // Helpers that say nothing at all mean that this node is cut off, or slow.
    if (probe.fresh) this.health.note(probe.asked > 0 ? probe.helpers!.size : 1);
    const member = this.#members.get(target);
    if (member === undefined) return;
    this.#suspect({ kind: "suspect", node: target, refuted: member.refuted, by: this.#self });
  }

  #othersAlive(target: NodeId): NodeId[] {
    return [...this.#members].filter(([node, { state }]) => node !== target && state === "alive")
      .map(([node]) => node);
  }

  #shuffled(nodes: NodeId[]): NodeId[] {
    for (let i = nodes.length - 1; i > 0; i--) {
      const j = Math.floor(this.#random() * (i + 1));
      [nodes[i], nodes[j]] = [nodes[j]!, nodes[i]!];
    }
    return nodes;
  }

  // ---- messages

  /** Says to a node that it is not taken for alive, which it can refute; else what is news to it. */
  #send(to: NodeId, probe: GossipProbe): void {
    const member = this.#members.get(to);
    let first: GossipUpdate | null = null;
    if (member !== undefined && member.state !== "alive") {
      first = { kind: member.state, node: to, refuted: member.refuted, by: this.#self };
    } else if (member !== undefined && member.told !== this.#said) {
      first = this.#own();
      member.told = this.#said;
    }
    const updates = this.#updates.take(this.#members.size + 1, first);
    this.#out.push({ kind: "send", to, message: { probe, updates } });
  }

  #receive(from: NodeId, { probe, updates }: GossipMessage): void {
    this.#lives(from);
    for (const update of updates) this.#take(update);
    switch (probe.kind) {
      case "ping":
        this.#probed(from);
        return this.#send(from, { kind: "ack", seq: probe.seq });
      case "ping_req": {
        const { seq, target } = probe;
        // A ping says that its sender knows the node, which tells it then what it has said before.
        if (!this.#members.has(target)) return this.#send(from, { kind: "nack", seq });
        const untilMs = this.#nowMs + PROBE_TIMEOUT_MS;
        this.#relays.set(++this.#seq, { from, seq, target, untilMs });
        return this.#send(target, { kind: "ping", seq: this.#seq });
      }
      case "ack":
        return this.#acked(from, probe.seq);
      case "nack":
        if (this.#probe?.seq === probe.seq) this.#probe.helpers?.delete(from);
    }
  }

  /** What this node has said before another one knew it was lost on that one. */
  #probed(from: NodeId): void {
    const member = this.#members.get(from);
    if (member === undefined || member.probed) return;
    member.probed = true;
    member.told = 0;
  }

  #acked(from: NodeId, seq: number): void {
    const relay = this.#relays.get(seq);
    if (relay !== undefined && relay.target === from) {
      this.#relays.delete(seq);
      return this.#send(relay.from, { kind: "ack", seq: relay.seq });
    }
    const probe = this.#probe;
    if (probe === null || probe.seq !== seq || probe.acked) return;
    const member = this.#members.get(probe.target);
    probe.acked = true;
    this.health.note(-1);
    if (from === probe.target && member !== undefined) {
      member.rttMs = this.#nowMs - probe.sentMs;
    }
    this.#lives(probe.target);
  }

  #lives(node: NodeId): void {
    const member = this.#members.get(node);
    if (member !== undefined) member.lifeMs = this.#nowMs;
  }

  // ---- statements

  #own(): GossipUpdate {
    const [refuted, stamp, hints] = [this.#refuted, this.#stamp, this.#hints];
    return { kind: "alive", node: this.#self, refuted, stamp, hints };
  }

  #state(hints: GossipHints): void {
    this.#hints = hints;
    this.#stamp++;
    this.#said++;
    this.#updates.add(this.#own());
  }

  #take(update: GossipUpdate): void {
    if (update.node === this.#self) {
      if (update.kind === "alive") return;
      // The refutation was lost on its way.
      if (update.refuted < this.#refuted) return this.#updates.add(this.#own());
      // It may be this node that is slow.
      this.health.note(1);
      this.#refuted = update.refuted + 1;
      this.#said++;
      return this.#state(this.#hints);
    }
    if (!this.#members.has(update.node)) return;
    if (update.kind === "alive") this.#alive(update);
    else if (update.kind === "suspect") this.#suspect(update);
    else this.#bury(update);
  }

  #alive(update: GossipUpdate & { readonly kind: "alive" }): void {
    const member = this.#members.get(update.node)!;
    const { hints, refuted, stamp } = update;
    if (refuted < member.refuted || stamp <= member.stamp) return;
    member.stamp = stamp;
    member.hints = hints;
    this.#lives(update.node);
    // A suspicion stays until it is refuted.
    if (member.state !== "alive" && refuted === member.refuted) return;
    member.refuted = refuted;
    member.suspicion = null;
    this.#updates.add(update);
    this.#become(update.node, member, "alive");
  }

  #suspect(update: GossipUpdate & { readonly kind: "suspect" | "dead" }): void {
    const { by, node, refuted } = update;
    const member = this.#members.get(node)!;
    if (refuted < member.refuted || member.state === "dead" && refuted === member.refuted) return;
    if (member.state === "suspect" && refuted === member.refuted) {
      if (member.suspicion!.confirm(by)) this.#updates.add(update);
      return;
    }
    member.refuted = refuted;
    member.suspicion = new Suspicion(this.#nowMs, by);
    this.#updates.add(update);
    this.#become(node, member, "suspect");
  }

  #bury(update: GossipUpdate & { readonly kind: "suspect" | "dead" }): void {
    const { node, refuted } = update;
    const member = this.#members.get(node)!;
    if (refuted < member.refuted || member.state === "dead" && refuted === member.refuted) return;
    member.refuted = refuted;
    member.suspicion = null;
    this.#updates.add(update);
    this.#become(node, member, "dead");
  }

  #become(node: NodeId, member: Member, state: GossipState): void {
    if (member.state === state) return;
    member.state = state;
    this.#out.push({ kind: "state", node, state });
  }
}
