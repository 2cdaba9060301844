/**
 * The links between the cells of a simulation: slow, lossy, and cut now and then. Frames travel as
 * bytes; each takes its own time, so that some overtake others.
 */
import type { CellFrame, PeerCellEvents, PeerCells } from "../../server/node/peer_cells.ts";
import type { CellName } from "../../shard/name/ids.ts";
import type { Cancel } from "../../server/node/ports.ts";
import { decodeFrame, encodeFrame } from "../../server/peer/frames.ts";
import type { Prng } from "./prng.ts";
import type { VirtualProcess, VirtualTime } from "./virtual_time.ts";

/** How often a node looks whether other cells can be reached (ms). */
const LOOK_MS = 250;
/** For how long a cell may be silent before it counts as one that cannot be reached (ms). */
const SILENT_MS = 3000;

/** How the links are. */
export interface WanQuality {
  /** Shortest and longest way of a frame (ms). */
  readonly wayMs: readonly [number, number];
  /** Probabilities of each frame. */
  readonly lost: number;
  readonly twice: number;
}

/** Links as they should be, between cells that are far apart. */
export const CALM_WAN: WanQuality = { wayMs: [20, 150], lost: 0, twice: 0 };

/** All links between cells. */
export class SimWan {
  quality: WanQuality;
  /** Sees every frame that is sent. */
  onSent: (from: CellName, to: CellName, frame: CellFrame) => void = () => {};
  readonly cells: readonly CellName[];
  readonly time: VirtualTime;
  readonly #prng: Prng;
  readonly #ends = new Set<WanEnd>();
  /** Pairs "from to" of cells between which nothing gets through that way, and since when (ms). */
  readonly #cuts = new Map<string, number>();

  constructor(time: VirtualTime, prng: Prng, cells: readonly CellName[], quality = CALM_WAN) {
    this.time = time;
    this.#prng = prng;
    this.cells = cells;
    this.quality = quality;
  }

  /** The links of a process of a node of a cell. */
  links(cell: CellName, process: VirtualProcess): PeerCells {
    return new WanEnd(this, cell, process);
  }

  // ---- faults

  /** Cuts the way from one cell to another, or mends it. */
  cutWay(from: CellName, to: CellName, cut: boolean): void {
    const way = `${from} ${to}`;
    if (!cut) this.#cuts.delete(way);
    else if (!this.#cuts.has(way)) this.#cuts.set(way, this.time.nowMs);
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
    this.#cuts.clear();
    this.quality = CALM_WAN;
  }

  // ---- for the ends of links

  add(end: WanEnd): void {
    this.#ends.add(end);
  }

  remove(end: WanEnd): void {
    this.#ends.delete(end);
  }

  /** Whether one cell hears from another, or did until lately. */
  reaches(from: CellName, to: CellName): boolean {
    const sinceMs = (way: string) => this.time.nowMs - (this.#cuts.get(way) ?? this.time.nowMs);
    const silentMs = Math.max(sinceMs(`${from} ${to}`), sinceMs(`${to} ${from}`));
    return silentMs < SILENT_MS && this.#nodesOf(to).length > 0;
  }

  #nodesOf(cell: CellName): readonly WanEnd[] {
    return [...this.#ends].filter((end) => end.self === cell && end.runs);
  }

  /** Carries a frame to some node of the cell. */
  carry(from: CellName, to: CellName, point: number, bytes: Uint8Array): void {
    const { lost, twice, wayMs: [least, most] } = this.quality;
    if (this.#cuts.has(`${from} ${to}`) || this.#prng.chance(lost)) return;
    for (let copies = this.#prng.chance(twice) ? 2 : 1; copies > 0; copies--) {
      this.time.global.timers.after(least + this.#prng.number() * (most - least), () => {
        const nodes = this.#nodesOf(to);
        if (nodes.length > 0) this.#prng.pick(nodes).arrive(from, point, bytes);
      });
    }
  }
}

/** One node's ends of its links with other cells. */
class WanEnd implements PeerCells {
  readonly self: CellName;
  readonly version = 1;
  readonly voters: readonly CellName[];
  readonly peers: readonly CellName[];
  readonly #wan: SimWan;
  readonly #process: VirtualProcess;
  readonly #linked = new Set<CellName>();
  #events: PeerCellEvents | null = null;
  #next: Cancel = () => {};

  constructor(wan: SimWan, self: CellName, process: VirtualProcess) {
    this.#wan = wan;
    this.self = self;
    this.#process = process;
    this.voters = wan.cells;
    this.peers = wan.cells.filter((cell) => cell !== self);
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
    const events = this.#events;
    if (events === null) return;
    for (const cell of this.peers) {
      const reaches = this.#wan.reaches(this.self, cell);
      if (reaches === this.#linked.has(cell)) continue;
      if (reaches) this.#linked.add(cell);
      else this.#linked.delete(cell);
      this.#process.timers.soon(() => reaches ? events.linked(cell) : events.unlinked(cell));
    }
    this.#next = this.#process.timers.after(LOOK_MS, () => this.#look());
  }

  send(cell: CellName, point: number, frame: CellFrame): void {
    if (!this.#linked.has(cell)) return;
    this.#wan.onSent(this.self, cell, frame);
    const { packet, hops } = frame;
    // As bytes, for what a frame cannot carry must not arrive.
    const bytes = encodeFrame({ kind: "carried", packet, hops }, this.#process.clock.monoMs());
    this.#wan.carry(this.self, cell, point, bytes);
  }

  arrive(from: CellName, point: number, bytes: Uint8Array): void {
    this.#process.timers.soon(() => {
      const frame = decodeFrame(bytes, this.#process.clock.monoMs());
      if (frame?.kind !== "carried") throw new Error(`a frame of kind ${frame?.kind}`);
      const { packet, hops } = frame;
      this.#events?.frame(from, point, { kind: "packet", packet, hops });
    });
  }

  stop(done: () => void): void {
    this.#events = null;
    this.#next();
    this.#wan.remove(this);
    this.#process.timers.soon(done);
  }
}
