/**
 * The links between the cells of a simulation: slow, lossy, and cut now and then. Frames travel as
 * bytes; each takes its own time, so that some overtake others. What is never sent again is lost
 * only where a link breaks, which both sides notice before the next one.
 */
import type { CellFrame, PeerCellEvents, PeerCells } from "../../server/node/peer_cells.ts";
import type { AccountName, CellName, NodeId } from "../../shard/name/ids.ts";
import type { Cancel } from "../../server/node/ports.ts";
import { decodeLinkFrame, encodeLinkFrame } from "../../server/peer/cells/frames.ts";
import type { NameMessage } from "../../shard/federation/name_packets.ts";
import type { Prng } from "./prng.ts";
import type { ProxyMessage } from "../../shard/federation/proxy_message.ts";
import type { ShardPacket } from "../../shard/message/packets.ts";
import type { VirtualProcess, VirtualTime } from "./virtual_time.ts";

/** How often a node looks whether other cells can be reached (ms). */
const LOOK_MS = 250;
/** A link over which nothing gets through for so long breaks (ms). */
const SILENT_MS = 3000;

/** Probability that a frame goes to the node that has its shard now, where there are several. */
const KNOWN = 0.8;

/** How the links are. */
export interface WanQuality {
  /** Shortest and longest way of a frame (ms). */
  readonly wayMs: readonly [number, number];
  /** Probabilities of each frame that its sender repeats. */
  readonly lost: number;
  readonly twice: number;
}

/** Links as they should be, between cells that are far apart. */
export const CALM_WAN: WanQuality = { wayMs: [20, 150], lost: 0, twice: 0 };

/** Whether the sender of such a packet repeats it until it has arrived; null: it is no packet. */
function isRepeated(kind: ShardPacket["kind"] | null): boolean {
  return kind !== null && kind !== "rewatch" && kind !== "proxy";
}

/** One way from a node to one of another cell. */
interface Way {
  /** What waits for the end of a cut. */
  stopped: (() => void)[];
  /** When the last frame arrives that none may overtake (ms). */
  lastMs: number;
}

/** The name of a cell, or the id of a node: what a way leads from or to. */
type Party = string;

/** All links between cells: each node has one with each node of the other cells. */
export class SimWan {
  quality: WanQuality;
  /** Sees what every frame carries, and where to; null: no packet. */
  onCarried: (kind: ShardPacket["kind"] | null, from: CellName, to: CellName) => void = () => {};
  /** Sees what the shards of a name in two cells say to each other. */
  onSaid: (
    from: Party,
    to: Party,
    name: AccountName,
    message: NameMessage | ProxyMessage,
  ) => void = () => {};
  /** Which node of a cell has a shard with this point, as far as others know; null: any may. */
  ownerOf: (cell: CellName, point: number) => NodeId | null = () => null;
  /** Cells of whose servers nobody has heard yet. */
  readonly unheard = new Set<CellName>();
  readonly cells: readonly CellName[];
  /** The cells that vote on names now, and the version of their list. */
  members: { readonly version: number; readonly cells: readonly CellName[] };
  readonly time: VirtualTime;
  readonly #prng: Prng;
  readonly #ends = new Set<WanEnd>();
  readonly #ways = new Map<string, Way>();
  /** Ways between cells, or nodes, where nothing gets through, and since when (ms). */
  readonly #cuts = new Map<string, number>();
  /** How often each link, by its nodes, has broken. */
  readonly #breaks = new Map<string, number>();

  constructor(time: VirtualTime, prng: Prng, cells: readonly CellName[], quality = CALM_WAN) {
    this.time = time;
    this.#prng = prng;
    this.cells = cells;
    this.members = { version: 1, cells };
    this.quality = quality;
  }

  /** The links of a process of a node of a cell; `node`: its id, where the cell has several. */
  links(cell: CellName, process: VirtualProcess, node: Party = cell): PeerCells {
    return new WanEnd(this, cell, node, process);
  }

  // ---- faults

  /** Cuts the way from one cell, or one node, to another, or mends it. */
  cutWay(from: Party, to: Party, cut: boolean): void {
    const key = `${from} ${to}`;
    if (!cut) {
      this.#cuts.delete(key);
      for (const [a, b] of this.#pairs()) {
        if (this.#cutMs(a, b) !== null) continue;
        for (const arrive of this.#way(a, b).stopped.splice(0)) arrive();
      }
      return;
    }
    if (this.#cuts.has(key)) return;
    const { nowMs } = this.time;
    this.#cuts.set(key, nowMs);
    this.time.global.timers.after(SILENT_MS, () => {
      if (this.#cuts.get(key) !== nowMs) return;
      for (const [a, b] of this.#pairs()) {
        if ([a.self, a.node].includes(from) && [b.self, b.node].includes(to)) this.#break(a, b);
      }
    });
  }

  /** Cuts a cell off from all others, or mends it. */
  isolate(cell: CellName, cut: boolean): void {
    for (const other of this.cells) {
      if (other === cell) continue;
      this.cutWay(cell, other, cut);
      this.cutWay(other, cell, cut);
    }
  }

  /** Breaks the links of two cells: what is under way is lost. */
  breakLinks(one: CellName, other: CellName): void {
    for (const [a, b] of this.#pairs()) if (a.self === one && b.self === other) this.#break(a, b);
  }

  /** Everything gets through again. */
  heal(): void {
    for (const key of [...this.#cuts.keys()]) {
      const [from, to] = key.split(" ") as [Party, Party];
      this.cutWay(from, to, false);
    }
    this.quality = CALM_WAN;
  }

  // ---- for the ends of links

  /** A process begins to link. */
  add(end: WanEnd): void {
    for (const other of this.#ends) if (!other.runs) this.#ends.delete(other);
    this.#ends.add(end);
    for (const other of this.#ends) if (other.self !== end.self) this.#break(other, end);
  }

  remove(end: WanEnd): void {
    this.#ends.delete(end);
  }

  /** All ways. */
  *#pairs(): Iterable<readonly [WanEnd, WanEnd]> {
    const ends = [...this.#ends];
    for (const a of ends) for (const b of ends) if (a.self !== b.self) yield [a, b];
  }

  #way(from: WanEnd, to: WanEnd): Way {
    const key = `${from.node} ${to.node}`;
    const way = this.#ways.get(key) ?? { stopped: [], lastMs: 0 };
    this.#ways.set(key, way);
    return way;
  }

  /** Since when nothing gets from one node to another (ms); null: everything does. */
  #cutMs(from: WanEnd, to: WanEnd): number | null {
    const cuts = [`${from.self} ${to.self}`, `${from.node} ${to.node}`]
      .flatMap((key) => this.#cuts.get(key) ?? []);
    return cuts.length === 0 ? null : Math.min(...cuts);
  }

  #break(a: WanEnd, b: WanEnd): void {
    this.#breaks.set([a.node, b.node].sort().join(" "), this.breaks(a, b) + 1);
    this.#way(a, b).stopped = [];
    this.#way(b, a).stopped = [];
  }

  /** How often the link of two nodes has broken. */
  breaks(a: WanEnd, b: WanEnd): number {
    return this.#breaks.get([a.node, b.node].sort().join(" ")) ?? 0;
  }

  /** Whether two nodes can have a link. */
  reaches(a: WanEnd, b: WanEnd): boolean {
    const isCut = (from: WanEnd, to: WanEnd) => {
      const cutMs = this.#cutMs(from, to);
      return cutMs !== null && this.time.nowMs - cutMs >= SILENT_MS;
    };
    return !isCut(a, b) && !isCut(b, a) && b.runs;
  }

  /** The nodes of a cell that run. */
  nodesOf(cell: CellName): readonly WanEnd[] {
    return [...this.#ends].filter((end) => end.self === cell && end.runs);
  }

  /** Writes down what is said of names and presence. */
  note(from: WanEnd, to: WanEnd, frame: CellFrame): void {
    const { packet } = frame as { packet?: ShardPacket };
    if (packet?.kind !== "name" && packet?.kind !== "proxy") return;
    this.onSaid(from.node, to.node, packet.to, packet.message);
  }

  /** To which of the nodes of a cell a frame goes: as mostly, what others know of it is new. */
  pick(cell: CellName, point: number, nodes: readonly WanEnd[]): WanEnd {
    if (nodes.length === 1) return nodes[0]!;
    const owner = this.#prng.chance(KNOWN) ? this.ownerOf(cell, point) : null;
    return nodes.find(({ node }) => node === owner) ?? this.#prng.pick(nodes);
  }

  /** Carries a frame. */
  carry(
    from: WanEnd,
    to: WanEnd,
    bytes: Uint8Array,
    kind: ShardPacket["kind"] | null,
  ): void {
    const { lost, twice, wayMs: [least, most] } = this.quality;
    this.onCarried(kind, from.self, to.self);
    const repeated = isRepeated(kind);
    if (repeated && this.#prng.chance(lost)) return;
    const way = this.#way(from, to);
    const breaks = this.breaks(from, to);
    // Nobody notices that a signal came twice.
    const doubled = repeated && kind !== "signal" && this.#prng.chance(twice);
    for (let copies = doubled ? 2 : 1; copies > 0; copies--) {
      const ms = least + this.#prng.number() * (most - least);
      const atMs = repeated ? this.time.nowMs + ms : Math.max(way.lastMs, this.time.nowMs + ms);
      if (!repeated) way.lastMs = atMs;
      const arrive = () => {
        if (this.breaks(from, to) === breaks && to.runs) to.arrive(from, bytes);
      };
      this.time.global.timers.after(atMs - this.time.nowMs, () => {
        if (this.#cutMs(from, to) === null) arrive();
        else if (this.breaks(from, to) === breaks) way.stopped.push(arrive);
      });
    }
  }
}

/** One node's ends of its links with other cells. */
class WanEnd implements PeerCells {
  readonly self: CellName;
  /** Which node of its cell it is of. */
  readonly node: Party;
  readonly #wan: SimWan;
  readonly #process: VirtualProcess;
  /** How often the link with each linked node had broken when it was linked. */
  readonly #linked = new Map<WanEnd, number>();
  #events: PeerCellEvents | null = null;
  #next: Cancel = () => {};

  constructor(wan: SimWan, self: CellName, node: Party, process: VirtualProcess) {
    this.#wan = wan;
    this.self = self;
    this.node = node;
    this.#process = process;
  }

  get version(): number {
    return this.#wan.members.version;
  }

  get voters(): readonly CellName[] {
    return this.#wan.members.cells;
  }

  get peers(): readonly CellName[] {
    return this.voters.filter((cell) => cell !== this.self);
  }

  get runs(): boolean {
    return this.#events !== null && this.#process.state !== "dead";
  }

  isLinked(cell: CellName): boolean {
    return this.#linkedOf(cell).length > 0;
  }

  #linkedOf(cell: CellName): readonly WanEnd[] {
    return [...this.#linked.keys()].filter(({ self }) => self === cell);
  }

  addressesOf(cell: CellName): readonly string[] | null {
    return this.#wan.unheard.has(cell) ? null : [`https://${cell}.test`];
  }

  start(events: PeerCellEvents): void {
    this.#events = events;
    this.#wan.add(this);
    this.#look();
  }

  #look(): void {
    if (this.#events === null) return;
    this.#next();
    for (const cell of this.#wan.cells) if (cell !== this.self) this.#lookAtCell(cell);
    this.#next = this.#process.timers.after(LOOK_MS, () => this.#look());
  }

  #lookAtCell(cell: CellName): void {
    for (const other of this.#linkedOf(cell)) this.#lookAt(other);
    for (const other of this.#wan.nodesOf(cell)) this.#lookAt(other);
  }

  #lookAt(other: WanEnd): void {
    const { self: cell } = other;
    const tell = (what: "linked" | "unlinked") =>
      this.#process.timers.soon(() => this.#events?.[what](cell));
    const reaches = this.#wan.reaches(this, other);
    const breaks = this.#wan.breaks(this, other);
    const linked = this.#linked.get(other);
    if (linked !== undefined && (!reaches || linked !== breaks)) {
      this.#linked.delete(other);
      tell("unlinked");
      if (this.isLinked(cell)) tell("linked");
    }
    if (!reaches || this.#linked.has(other)) return;
    const first = !this.isLinked(cell);
    this.#linked.set(other, breaks);
    this.#process.timers.soon(() =>
      this.#events?.opened(cell, (frame) => this.#sendTo(other, 0, frame))
    );
    if (first) tell("linked");
  }

  send(cell: CellName, point: number, frame: CellFrame): void {
    // A link may be broken by now.
    this.#lookAtCell(cell);
    const nodes = this.#linkedOf(cell);
    if (nodes.length > 0) this.#sendTo(this.#wan.pick(cell, point, nodes), point, frame);
  }

  #sendTo(to: WanEnd, point: number, frame: CellFrame): void {
    // As bytes, for what a frame cannot carry must not arrive.
    const monoMs = this.#process.clock.monoMs();
    const bytes = encodeLinkFrame({ kind: "cell", point, frame }, monoMs);
    this.#wan.note(this, to, frame);
    this.#wan.carry(this, to, bytes, frame.kind === "packet" ? frame.packet.kind : null);
  }

  tell(cell: CellName, frame: CellFrame): void {
    this.#lookAtCell(cell);
    for (const to of this.#linkedOf(cell)) this.#sendTo(to, 0, frame);
  }

  arrive(from: WanEnd, bytes: Uint8Array): void {
    // A new link is noticed before what comes over it.
    this.#lookAt(from);
    this.#process.timers.soon(() => {
      const frame = decodeLinkFrame(bytes, this.#process.clock.monoMs());
      if (frame?.kind !== "cell" || frame.frame === null) {
        throw new Error(`not read: ${frame?.kind}`);
      }
      this.#events?.frame(from.self, frame.point, frame.frame);
    });
  }

  stop(done: () => void): void {
    this.#events = null;
    this.#next();
    this.#wan.remove(this);
    this.#process.timers.soon(done);
  }
}
