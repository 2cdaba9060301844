/**
 * The links between the cells of a simulation: slow, lossy, and cut now and then. Frames travel as
 * bytes; each takes its own time, so that some overtake others. What is never sent again is lost
 * only where a link breaks, which both sides notice before the next one.
 */
import type { CellFrame, PeerCellEvents, PeerCells } from "../../server/node/peer_cells.ts";
import type { CellName } from "../../shard/name/ids.ts";
import type { Cancel } from "../../server/node/ports.ts";
import { decodeLinkFrame, encodeLinkFrame } from "../../server/peer/cells/frames.ts";
import type { Prng } from "./prng.ts";
import type { ShardPacket } from "../../shard/message/packets.ts";
import type { VirtualProcess, VirtualTime } from "./virtual_time.ts";

/** How often a node looks whether other cells can be reached (ms). */
const LOOK_MS = 250;
/** A link over which nothing gets through for so long breaks (ms). */
const SILENT_MS = 3000;

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

/** One way from a cell to another. */
interface Way {
  /** Since when nothing gets through (ms); null: everything does. */
  cutMs: number | null;
  /** What waits for its end. */
  stopped: (() => void)[];
  /** When the last frame arrives that none may overtake (ms). */
  lastMs: number;
}

/** All links between cells. */
export class SimWan {
  quality: WanQuality;
  /** Sees what every frame carries; null: no packet. */
  onCarried: (kind: ShardPacket["kind"] | null) => void = () => {};
  readonly cells: readonly CellName[];
  /** The cells that vote on names now, and the version of their list. */
  members: { readonly version: number; readonly cells: readonly CellName[] };
  readonly time: VirtualTime;
  readonly #prng: Prng;
  readonly #ends = new Set<WanEnd>();
  readonly #ways = new Map<string, Way>();
  /** How often each link, by the names of its cells, has broken. */
  readonly #breaks = new Map<string, number>();

  constructor(time: VirtualTime, prng: Prng, cells: readonly CellName[], quality = CALM_WAN) {
    this.time = time;
    this.#prng = prng;
    this.cells = cells;
    this.members = { version: 1, cells };
    this.quality = quality;
  }

  /** The links of a process of a node of a cell. */
  links(cell: CellName, process: VirtualProcess): PeerCells {
    return new WanEnd(this, cell, process);
  }

  // ---- faults

  /** Cuts the way from one cell to another, or mends it. */
  cutWay(from: CellName, to: CellName, cut: boolean): void {
    const way = this.#way(from, to);
    if (!cut) {
      way.cutMs = null;
      for (const arrive of way.stopped.splice(0)) arrive();
      return;
    }
    if (way.cutMs !== null) return;
    const { nowMs } = this.time;
    way.cutMs = nowMs;
    this.time.global.timers.after(SILENT_MS, () => {
      if (way.cutMs === nowMs) this.#break(from, to);
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

  /** Everything gets through again. */
  heal(): void {
    for (const cell of this.cells) this.isolate(cell, false);
    this.quality = CALM_WAN;
  }

  // ---- for the ends of links

  /** A process begins to link. */
  add(end: WanEnd): void {
    this.#ends.add(end);
    for (const cell of this.cells) if (cell !== end.self) this.#break(cell, end.self);
  }

  remove(end: WanEnd): void {
    this.#ends.delete(end);
  }

  #way(from: CellName, to: CellName): Way {
    const key = `${from} ${to}`;
    const way = this.#ways.get(key) ?? { cutMs: null, stopped: [], lastMs: 0 };
    this.#ways.set(key, way);
    return way;
  }

  #break(a: CellName, b: CellName): void {
    this.#breaks.set([a, b].sort().join(" "), this.breaks(a, b) + 1);
    this.#way(a, b).stopped = [];
    this.#way(b, a).stopped = [];
  }

  /** How often the link of two cells has broken. */
  breaks(a: CellName, b: CellName): number {
    return this.#breaks.get([a, b].sort().join(" ")) ?? 0;
  }

  /** Whether two cells can have a link. */
  reaches(a: CellName, b: CellName): boolean {
    const isCut = ({ cutMs }: Way) => cutMs !== null && this.time.nowMs - cutMs >= SILENT_MS;
    return !isCut(this.#way(a, b)) && !isCut(this.#way(b, a)) && this.#nodesOf(b).length > 0;
  }

  #nodesOf(cell: CellName): readonly WanEnd[] {
    return [...this.#ends].filter((end) => end.self === cell && end.runs);
  }

  /** Carries a frame to some node of the cell. */
  carry(from: CellName, to: CellName, bytes: Uint8Array, kind: ShardPacket["kind"] | null): void {
    const { lost, twice, wayMs: [least, most] } = this.quality;
    this.onCarried(kind);
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
        const nodes = this.#nodesOf(to);
        const same = this.breaks(from, to) === breaks;
        if (same && nodes.length > 0) this.#prng.pick(nodes).arrive(from, bytes);
      };
      this.time.global.timers.after(atMs - this.time.nowMs, () => {
        if (way.cutMs === null) arrive();
        else if (this.breaks(from, to) === breaks) way.stopped.push(arrive);
      });
    }
  }
}

/** One node's ends of its links with other cells. */
class WanEnd implements PeerCells {
  readonly self: CellName;
  readonly #wan: SimWan;
  readonly #process: VirtualProcess;
  /** How often each linked cell's link had broken when it was linked. */
  readonly #linked = new Map<CellName, number>();
  #events: PeerCellEvents | null = null;
  #next: Cancel = () => {};

  constructor(wan: SimWan, self: CellName, process: VirtualProcess) {
    this.#wan = wan;
    this.self = self;
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
    return this.#linked.has(cell);
  }

  addressesOf(cell: CellName): readonly string[] {
    return [`https://${cell}.test`];
  }

  start(events: PeerCellEvents): void {
    this.#events = events;
    this.#wan.add(this);
    this.#look();
  }

  #look(): void {
    if (this.#events === null) return;
    this.#next();
    for (const cell of this.#wan.cells) if (cell !== this.self) this.#lookAt(cell);
    this.#next = this.#process.timers.after(LOOK_MS, () => this.#look());
  }

  #lookAt(cell: CellName): void {
    const tell = (what: "linked" | "unlinked") =>
      this.#process.timers.soon(() => this.#events?.[what](cell));
    const reaches = this.#wan.reaches(this.self, cell);
    const breaks = this.#wan.breaks(this.self, cell);
    const linked = this.#linked.get(cell);
    if (linked !== undefined && (!reaches || linked !== breaks)) {
      this.#linked.delete(cell);
      tell("unlinked");
    }
    if (!reaches || this.#linked.has(cell)) return;
    this.#linked.set(cell, breaks);
    tell("linked");
  }

  send(cell: CellName, point: number, frame: CellFrame): void {
    // It may be broken by now.
    this.#lookAt(cell);
    if (!this.#linked.has(cell)) return;
    // As bytes, for what a frame cannot carry must not arrive.
    const monoMs = this.#process.clock.monoMs();
    const bytes = encodeLinkFrame({ kind: "cell", point, frame }, monoMs);
    this.#wan.carry(this.self, cell, bytes, frame.kind === "packet" ? frame.packet.kind : null);
  }

  tell(cell: CellName, frame: CellFrame): void {
    // Cells have one node each.
    this.send(cell, 0, frame);
  }

  arrive(from: CellName, bytes: Uint8Array): void {
    // A new link is noticed before what comes over it.
    this.#lookAt(from);
    this.#process.timers.soon(() => {
      const frame = decodeLinkFrame(bytes, this.#process.clock.monoMs());
      if (frame?.kind !== "cell" || frame.frame === null) {
        throw new Error(`not read: ${frame?.kind}`);
      }
      this.#events?.frame(from, frame.point, frame.frame);
    });
  }

  stop(done: () => void): void {
    this.#events = null;
    this.#next();
    this.#wan.remove(this);
    this.#process.timers.soon(done);
  }
}
