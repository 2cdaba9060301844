/**
 * What the nodes of a simulated cell share: one store, which outlives them, and links between them
 * that can be cut.
 */
import type { NodeId, NodeRef } from "../../shard/name/ids.ts";
import type { LinkAbout, Peer, PeerEvents, PeerFrame, PeerLinks } from "../../server/node/peers.ts";
import type { MemoryDisk } from "./memory_store.ts";
import type { Prng } from "./prng.ts";
import type { VirtualProcess, VirtualTime } from "./virtual_time.ts";
import { decodeFrame, encodeFrame } from "../../server/peer/frames.ts";
import {
  agreedVersion,
  isKnown,
  PEER_VERSIONS,
  type PeerVersions,
  replyFor,
} from "../../server/peer/versions.ts";
import { peerKey } from "../../server/node/peers.ts";
import { FreshReads } from "./fresh_reads.ts";
import { SimCellStore } from "./sim_cell_store.ts";
import { VisibleCell } from "./visible.ts";

/** Longest way of a frame, ms. */
const WAY_MS = 1;
/** How long a side waits for a sign of life before it cuts a link off, ms. */
const SILENT_MS = 3000;
/** How long a broken link may be taken for a good one, ms. */
const UNNOTICED_MS = 3000;
/** How long until others know that a process has ended, ms. */
const ENDED_MS = 3;

/** See the head of this file. */
export class SimCell {
  readonly visible = new VisibleCell();
  readonly fresh = new FreshReads();
  readonly store: SimCellStore;
  /** Sees every frame that goes over a link. */
  onSent: (frame: PeerFrame) => void = () => {};
  /** Sees who votes that another node may serve without the store. */
  onVote: (node: NodeId) => void = () => {};
  readonly #time: VirtualTime;
  readonly #prng: Prng;
  readonly #ends = new Map<NodeId, LinkEnd>();
  /** How much longer the frames of some nodes take (ms). */
  readonly #lateMs = new Map<NodeId, number>();
  /** Pairs of node ids between which nothing gets through. */
  readonly #cuts = new Set<string>();
  /** Pairs "from to" of node ids: what is sent that way waits, then the link breaks. */
  readonly #oneWay = new Set<string>();

  /** `storeServed`: the nodes are workers of one machine, whose store another process has open. */
  constructor(time: VirtualTime, prng: Prng, disk: MemoryDisk, storeServed: boolean) {
    this.#time = time;
    this.#prng = prng;
    this.store = new SimCellStore(time, prng.fork("store"), disk, storeServed);
  }

  /** The links of a process of a node; `versions`: of the frames that its program speaks. */
  links(node: NodeId, process: VirtualProcess, versions = PEER_VERSIONS): PeerLinks {
    return new LinkEnd(this, node, process, versions);
  }

  // ---- faults

  /** The process of a node is killed: the others find out. */
  killed(node: NodeId): void {
    this.#ends.get(node)?.ended();
    this.store.ended(node);
  }

  /** Cuts the link between two nodes, or mends it. */
  cut(a: NodeId, b: NodeId, cut: boolean): void {
    const pair = [a, b].sort().join(" ");
    if (!cut) return void this.#cuts.delete(pair);
    this.#cuts.add(pair);
    this.#ends.get(a)?.lost(b);
    const end = this.#ends.get(b);
    const linked = end?.linkedSince(a);
    // Some notice it later, and send what nobody gets.
    this.after(this.#prng.chance(0.3) ? this.#prng.number() * UNNOTICED_MS : 0, () => {
      if (end?.linkedSince(a) === linked) end?.lost(a);
    });
  }

  /** Makes what a node sends to others take up to `ms` longer; the order of each link stays. */
  delay(node: NodeId, ms: number): void {
    this.#lateMs.set(node, ms);
  }

  /**
   * Stops what one node sends to another, or lets it go on. A connection repeats what is not
   * acknowledged; the side that gets nothing cuts it off some time.
   */
  cutOneWay(from: NodeId, to: NodeId, cut: boolean): void {
    const way = `${from} ${to}`;
    if (!cut) {
      this.#oneWay.delete(way);
      return this.#ends.get(from)?.goesOn(to);
    }
    this.#oneWay.add(way);
    const linked = this.#ends.get(from)?.linkedSince(to);
    this.after(SILENT_MS, () => {
      const end = this.#ends.get(from);
      if (!this.#oneWay.has(way) || linked === undefined) return;
      if (end?.linkedSince(to) !== linked) return;
      end.lost(to);
      this.#ends.get(to)?.lost(from);
    });
  }

  /** Whether nothing gets from one node to another. */
  isOneWayCut(from: NodeId, to: NodeId): boolean {
    return this.#oneWay.has(`${from} ${to}`);
  }

  /** Everything gets through again. */
  heal(): void {
    for (const way of [...this.#oneWay]) {
      const [from, to] = way.split(" ") as [NodeId, NodeId];
      this.cutOneWay(from, to, false);
    }
    this.#cuts.clear();
    this.#lateMs.clear();
    this.store.heal();
  }

  /** How long two nodes have been linked (ms); 0 where they are not, or only over a slow way. */
  linkedMs(a: NodeId, b: NodeId): number {
    const from = this.#ends.get(a)?.linkedSince(b);
    const back = this.#ends.get(b)?.linkedSince(a);
    if (from === undefined || back === undefined) return 0;
    // What they send takes its time.
    const late = this.isOneWayCut(a, b) || this.isOneWayCut(b, a) ||
      [a, b].some((node) => (this.#lateMs.get(node) ?? 0) > 0) ||
      this.#ends.get(a)!.owesUntilMs(b) > this.#time.nowMs + WAY_MS ||
      this.#ends.get(b)!.owesUntilMs(a) > this.#time.nowMs + WAY_MS;
    return late ? 0 : this.#time.nowMs - Math.max(from, back);
  }

  // ---- for the ends of links

  end(node: NodeId): LinkEnd | undefined {
    return this.#ends.get(node);
  }

  add(end: LinkEnd): void {
    this.#ends.set(end.node, end);
  }

  remove(end: LinkEnd): void {
    if (this.#ends.get(end.node) === end) this.#ends.delete(end.node);
  }

  isCut(a: NodeId, b: NodeId): boolean {
    // A handshake needs both ways.
    if (this.isOneWayCut(a, b) || this.isOneWayCut(b, a)) return true;
    return this.#cuts.has([a, b].sort().join(" "));
  }

  after(ms: number, run: () => void): void {
    this.#time.global.timers.after(ms, run);
  }

  /** How long a frame of a node takes. */
  wayMs(node: NodeId): number {
    return this.#prng.number() * (WAY_MS + (this.#lateMs.get(node) ?? 0));
  }

  get nowMs(): number {
    return this.#time.nowMs;
  }
}

interface Linked {
  readonly end: LinkEnd;
  readonly sinceMs: number;
  /** When the last frame arrives. */
  lastMs: number;
  /** Frames that have not got through, in their order. */
  readonly stopped: (() => void)[];
}

/** One node's ends of its links. */
class LinkEnd implements PeerLinks {
  readonly address: string;
  readonly exclusive = true;
  readonly node: NodeId;
  readonly #cell: SimCell;
  readonly #process: VirtualProcess;
  self: NodeRef | null = null;
  /** This process as the others know it, once it has started. */
  peer!: Peer;
  #events: PeerEvents | null = null;
  readonly #linked = new Map<NodeId, Linked>();

  constructor(
    cell: SimCell,
    node: NodeId,
    process: VirtualProcess,
    readonly versions: PeerVersions,
  ) {
    this.#cell = cell;
    this.node = node;
    this.#process = process;
    this.address = `sim:${node}`;
  }

  start(self: NodeRef, events: PeerEvents): void {
    this.self = self;
    this.peer = { ...self, key: peerKey(self) };
    this.#events = events;
    this.#cell.add(this);
  }

  expect(nodes: readonly (NodeRef & { readonly address: string })[]): void {
    for (const { id, incarnation } of nodes) {
      const other = this.#cell.end(id);
      if (this.#linked.has(id) || this.#cell.isCut(this.node, id)) continue;
      if (other?.self?.incarnation !== incarnation) continue;
      // It has not noticed that the former link is broken.
      other.lost(this.node);
      this.#link(other);
      other.#link(this);
    }
  }

  #link(other: LinkEnd): void {
    const linked = { end: other, sinceMs: this.#cell.nowMs, lastMs: 0, stopped: [] };
    this.#linked.set(other.node, linked);
    this.#tell(() => {
      if (this.#linked.get(other.node) === linked) this.#events?.linked(other.peer);
    });
  }

  /** When the last frame to a node arrives. */
  owesUntilMs(node: NodeId): number {
    return this.#linked.get(node)?.lastMs ?? 0;
  }

  linkedSince(node: NodeId): number | undefined {
    return this.#linked.get(node)?.sinceMs;
  }

  #linkedBy(peer: NodeId): Linked | undefined {
    for (const linked of this.#linked.values()) if (linked.end.peer.key === peer) return linked;
    return undefined;
  }

  #tell(run: () => void): void {
    this.#process.timers.soon(run);
  }

  hasEnded(_address: string, done: (ended: boolean) => void): void {
    done(false);
  }

  about(): LinkAbout {
    return { clockOffsetMs: null, fault: null };
  }

  send(peer: NodeId, frame: PeerFrame): void {
    const linked = this.#linkedBy(peer);
    if (linked === undefined) return;
    const version = agreedVersion(this.versions, linked.end.versions)!;
    if (!isKnown(frame, version)) {
      const reply = replyFor(frame, version);
      if (reply !== null) this.#tell(() => this.#events?.frame(linked.end.peer, reply));
      return;
    }
    this.#cell.onSent(frame);
    if (frame.kind === "vouched") this.#cell.onVote(this.node);
    // As bytes, for what a frame cannot carry must not arrive.
    const sent = encodeFrame(frame, this.#process.clock.monoMs());
    linked.lastMs = Math.max(linked.lastMs, this.#cell.nowMs + this.#cell.wayMs(this.node));
    const { end } = linked;
    const mine = end.#linked.get(this.node);
    this.#cell.after(linked.lastMs - this.#cell.nowMs, () => {
      const arrive = () => {
        // What is under way when the link breaks is lost.
        if (end.#linked.get(this.node) !== mine || mine === undefined) return;
        const copy = decodeFrame(sent, end.#process.clock.monoMs(), version);
        if (copy !== null) end.#tell(() => end.#events?.frame(this.peer, copy));
      };
      if (this.#cell.isOneWayCut(this.node, end.node)) linked.stopped.push(arrive);
      else arrive();
    });
  }

  /** What waits on its way to a node arrives. */
  goesOn(node: NodeId): void {
    for (const arrive of this.#linked.get(node)?.stopped.splice(0) ?? []) arrive();
  }

  /** The link to a node is broken. */
  lost(node: NodeId, gone = false): void {
    const linked = this.#linked.get(node);
    if (linked === undefined) return;
    this.#linked.delete(node);
    const { peer } = linked.end;
    this.#tell(() => this.#events?.unlinked(peer, gone));
  }

  /** The process has ended. */
  ended(): void {
    this.#cell.remove(this);
    for (const { end } of this.#linked.values()) {
      this.#cell.after(ENDED_MS, () => end.lost(this.node, true));
    }
    this.#linked.clear();
    this.#events = null;
  }

  stop(done: () => void): void {
    this.ended();
    this.#process.timers.soon(done);
  }
}
