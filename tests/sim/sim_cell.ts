/**
 * What the nodes of a simulated cell share: one store, which outlives them, and links between them
 * that can be cut.
 */
import type { NodeId, NodeRef } from "../../shard/name/ids.ts";
import type { Peer, PeerEvents, PeerFrame, PeerLinks } from "../../server/node/peers.ts";
import type { MemoryDisk } from "./memory_store.ts";
import type { Prng } from "./prng.ts";
import type { Store } from "../../server/node/ports.ts";
import type { VirtualProcess, VirtualTime } from "./virtual_time.ts";
import { decodeFrame, encodeFrame } from "../../server/peer/frames.ts";
import { FencedStore } from "../../server/store/fenced_store.ts";
import { peerKey } from "../../server/node/peers.ts";
import { VisibleCell } from "./visible.ts";

/** Longest way of a frame, and to the store and back, ms. */
const WAY_MS = 1;
/** How long until others know that a process has ended, ms. */
const ENDED_MS = 3;

type Call = (...args: unknown[]) => void;

/** The operations that end with a callback. */
const CALLS = [
  "append",
  "readLog",
  "checkpoint",
  "write",
  "read",
  "list",
  "holders",
  "claim",
  "reshape",
  "register",
  "cas",
] as const;

/** See the head of this file. */
export class SimCell {
  readonly visible = new VisibleCell();
  readonly #time: VirtualTime;
  readonly #prng: Prng;
  readonly #store: Store;
  readonly #ends = new Map<NodeId, LinkEnd>();
  /** Pairs of node ids between which nothing gets through. */
  readonly #cuts = new Set<string>();
  /** Nodes that cannot reach the store. */
  readonly #away = new Set<NodeId>();
  /** Nodes that reach it, but get no replies: the outcome of what they ask is unknown. */
  readonly #deaf = new Set<NodeId>();
  /** How long each way to the store takes besides, for some nodes (ms). */
  readonly #slowMs = new Map<NodeId, number>();
  /** Appends wait for each other: the store takes one at a time. */
  #appends: (() => void)[] = [];

  constructor(time: VirtualTime, prng: Prng, disk: MemoryDisk) {
    this.#time = time;
    this.#prng = prng;
    this.#store = new FencedStore(disk.open(time.process()));
  }

  /** The store as a process of a node reaches it: what it has asked happens, though it may have died. */
  store(node: NodeId, process: VirtualProcess): Store {
    const server = this.#store as unknown as Record<string, Call>;
    const client: Record<string, Call> = {};
    for (const name of CALLS) {
      client[name] = (...args) => {
        const done = args.pop() as Call;
        const lost = { kind: "unknown", message: "the store cannot be reached" };
        const reply: Call = (...values) => {
          const known = this.#deaf.has(node) ? [lost, []] : values;
          this.#toStore(node, () => process.timers.soon(() => done(...known)));
        };
        if (this.#away.has(node)) {
          return void process.timers.after(WAY_MS, () => done(lost, []));
        }
        this.#toStore(node, () => {
          if (name !== "append") return server[name]!(...args, reply);
          this.#append(() =>
            server[name]!(...args, (...values: unknown[]) => {
              this.#appends.shift();
              reply(...values);
              this.#appends[0]?.();
            })
          );
        });
      };
    }
    return {
      ...client as unknown as Store,
      watch: () => () => {},
      close: (done) => process.timers.soon(done),
    };
  }

  #append(run: () => void): void {
    this.#appends.push(run);
    if (this.#appends.length === 1) run();
  }

  /** One way between a node and the store. */
  #toStore(node: NodeId, run: () => void): void {
    const slowMs = this.#slowMs.get(node) ?? 0;
    this.after(this.#prng.number() * (WAY_MS + slowMs), run);
  }

  /** The links of a process of a node. */
  links(node: NodeId, process: VirtualProcess): PeerLinks {
    return new LinkEnd(this, node, process);
  }

  // ---- faults

  /** The process of a node is killed: the others find out. */
  killed(node: NodeId): void {
    this.#ends.get(node)?.ended();
  }

  /** Cuts the link between two nodes, or mends it. */
  cut(a: NodeId, b: NodeId, cut: boolean): void {
    const pair = [a, b].sort().join(" ");
    if (!cut) return void this.#cuts.delete(pair);
    this.#cuts.add(pair);
    this.#ends.get(a)?.lost(b);
    this.#ends.get(b)?.lost(a);
  }

  /** Keeps a node from the store, or lets it reach it again. */
  keepFromStore(node: NodeId, away: boolean): void {
    if (away) this.#away.add(node);
    else this.#away.delete(node);
  }

  /** Loses the store's replies to a node, or no longer. */
  loseReplies(node: NodeId, lost: boolean): void {
    if (lost) this.#deaf.add(node);
    else this.#deaf.delete(node);
  }

  /** Makes a node's ways to the store take up to `ms` longer. */
  slowDown(node: NodeId, ms: number): void {
    this.#slowMs.set(node, ms);
  }

  /** Everything gets through again. */
  heal(): void {
    for (const broken of [this.#cuts, this.#away, this.#deaf, this.#slowMs]) broken.clear();
  }

  /** How long two nodes have been linked (ms); 0 where they are not. */
  linkedMs(a: NodeId, b: NodeId): number {
    const sinceMs = this.#ends.get(a)?.linkedSince(b);
    return sinceMs === undefined ? 0 : this.#time.nowMs - sinceMs;
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
    return this.#cuts.has([a, b].sort().join(" "));
  }

  after(ms: number, run: () => void): void {
    this.#time.global.timers.after(ms, run);
  }

  wayMs(): number {
    return this.#prng.number() * WAY_MS;
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
}

/** One node's ends of its links. */
class LinkEnd implements PeerLinks {
  readonly address: string;
  readonly node: NodeId;
  readonly #cell: SimCell;
  readonly #process: VirtualProcess;
  self: NodeRef | null = null;
  #events: PeerEvents | null = null;
  readonly #linked = new Map<NodeId, Linked>();

  constructor(cell: SimCell, node: NodeId, process: VirtualProcess) {
    this.#cell = cell;
    this.node = node;
    this.#process = process;
    this.address = `sim:${node}`;
  }

  start(self: NodeRef, events: PeerEvents): void {
    this.self = self;
    this.#events = events;
    this.#cell.add(this);
  }

  expect(nodes: readonly (NodeRef & { readonly address: string })[]): void {
    for (const { id, incarnation } of nodes) {
      const other = this.#cell.end(id);
      if (this.#linked.has(id) || this.#cell.isCut(this.node, id)) continue;
      if (other?.self?.incarnation !== incarnation) continue;
      this.#link(other);
      other.#link(this);
    }
  }

  #link(other: LinkEnd): void {
    const linked = { end: other, sinceMs: this.#cell.nowMs, lastMs: 0 };
    this.#linked.set(other.node, linked);
    this.#tell(() => {
      if (this.#linked.get(other.node) === linked) this.#events?.linked(other.peer);
    });
  }

  linkedSince(node: NodeId): number | undefined {
    return this.#linked.get(node)?.sinceMs;
  }

  get peer(): Peer {
    return { ...this.self!, key: peerKey(this.self!) };
  }

  #tell(run: () => void): void {
    this.#process.timers.soon(run);
  }

  send(peer: NodeId, frame: PeerFrame): void {
    const linked = [...this.#linked.values()].find(({ end }) => end.peer.key === peer);
    if (linked === undefined) return;
    // As bytes, for what a frame cannot carry must not arrive.
    const sent = encodeFrame(frame, this.#process.clock.monoMs());
    linked.lastMs = Math.max(linked.lastMs, this.#cell.nowMs + this.#cell.wayMs());
    const { end } = linked;
    const mine = end.#linked.get(this.node);
    this.#cell.after(linked.lastMs - this.#cell.nowMs, () => {
      // What is under way when the link breaks is lost.
      if (end.#linked.get(this.node) !== mine || mine === undefined) return;
      const copy = decodeFrame(sent, end.#process.clock.monoMs());
      if (copy !== null) end.#tell(() => end.#events?.frame(this.peer, copy));
    });
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
