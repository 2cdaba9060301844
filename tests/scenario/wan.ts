/** Cells over a simulated WAN: their meshes, with wires in memory and virtual time. */
import { CellMesh } from "../../server/peer/cells/mesh.ts";
import type { CellFrame } from "../../server/node/peer_cells.ts";
import type { CellHello } from "../../server/peer/cells/hello.ts";
import type { Shared, ShareSource } from "../../server/peer/cells/sharing.ts";
import type { NameSource } from "../../server/peer/cells/name_check.ts";
import type { Timers } from "../../server/node/ports.ts";
import type { AccountName, CellName, NodeId, NodeRef } from "../../shard/name/ids.ts";
import { evenTable, type ShardTable, withEpochs } from "../../shard/table/table.ts";
import type { LinkRefusal, Role } from "../../server/peer/handshake.ts";
import { MemoryValue } from "./wan_value.ts";
import {
  founded,
  type Members,
  type MembersState,
  NO_MEMBERS,
} from "../../shard/federation/members.ts";
import { memoryLog, simRetries } from "../sim/sim_ports.ts";
import { Prng, simRandom } from "../sim/prng.ts";
import { VirtualTime } from "../sim/virtual_time.ts";
import type { Wire, WireEvents, WireHost, Wires } from "../../server/peer/cells/wires.ts";

/** How long nodes may be silent (ms). */
export const SILENT_MS = 10_000;
/** Bytes that may wait for a node. */
export const QUEUE_BYTES = 1_048_576;

/** One end of a connection. */
class MemoryWire implements Wire {
  readonly role: Role;
  readonly hello: CellHello;
  readonly peer = "";
  readonly events: WireEvents;
  other!: MemoryWire;
  waitingBytes = 0;
  closed = false;
  heardMs: number;
  readonly #wan: Wan;
  readonly #from: string;
  readonly #to: string;
  #arrivalMs = 0;

  constructor(
    wan: Wan,
    role: Role,
    ends: readonly [string, string],
    hello: CellHello,
    events: WireEvents,
  ) {
    this.#wan = wan;
    this.role = role;
    [this.#from, this.#to] = ends;
    this.hello = hello;
    this.events = events;
    this.heardMs = wan.time.nowMs;
    this.#beat();
  }

  send(message: Uint8Array): void {
    if (this.closed) return;
    this.waitingBytes += message.length;
    this.#carry(() => {
      this.other.heardMs = this.#wan.time.nowMs;
      this.other.#guard(() => this.other.events.message(message));
      this.waitingBytes -= message.length;
      if (this.waitingBytes === 0 && !this.closed) this.events.drained();
    });
  }

  close(why: string): void {
    this.end({ cause: "linked", why });
    this.#carry(() => this.other.end({ cause: "ended", why: "the connection was closed" }));
  }

  end(refusal: LinkRefusal): void {
    if (this.closed) return;
    this.closed = true;
    this.events.closed(refusal);
  }

  /** In order; what is on its way while the two are cut is lost with the connection. */
  #carry(arrive: () => void): void {
    const { time } = this.#wan;
    if (this.#wan.isCut(this.#from, this.#to) || this.#wan.isStuck(this.#to)) return;
    this.#arrivalMs = Math.max(
      this.#arrivalMs,
      time.nowMs + this.#wan.delayMs(this.#from, this.#to),
    );
    time.at(this.#arrivalMs, () => {
      if (!this.other.closed && !this.#wan.isCut(this.#from, this.#to)) arrive();
    });
  }

  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.close(String(error));
    }
  }

  #beat(): void {
    const { time } = this.#wan;
    time.at(time.nowMs + SILENT_MS / 3, () => {
      if (this.closed) return;
      if (time.nowMs - this.heardMs > SILENT_MS) {
        return this.end({ cause: "ended", why: "it is silent" });
      }
      this.#carry(() => void (this.other.heardMs = time.nowMs));
      this.#beat();
    });
  }
}

class MemoryWires implements Wires {
  readonly address: string;
  host: WireHost | null = null;
  readonly all = new Set<MemoryWire>();
  readonly #wan: Wan;

  constructor(wan: Wan, address: string) {
    this.#wan = wan;
    this.address = address;
  }

  start(host: WireHost): void {
    this.host = host;
  }

  dial(address: string, events: WireEvents): void {
    const { time } = this.#wan;
    const there = this.#wan.wires.get(address);
    const cut = this.#wan.isCut(this.address, address);
    if (there?.host == null || cut) {
      const refusal = { cause: "unreached", why: "no connection" } as const;
      return void time.at(time.nowMs + (cut ? SILENT_MS : 1), () => events.closed(refusal));
    }
    time.at(time.nowMs + 2 * this.#wan.delayMs(this.address, address), () => {
      if (this.host === null || there.host === null) {
        return events.closed({ cause: "unreached", why: "no connection" });
      }
      const [ours, theirs] = [this.host.hello(), there.host.hello()];
      const [fault, refused] = [this.host.fault(theirs), there.host.fault(ours)];
      if (fault !== null || refused !== null) return events.closed(fault ?? refused!);
      this.#connect(there, ours, theirs, events);
    });
  }

  #connect(there: MemoryWires, ours: CellHello, theirs: CellHello, events: WireEvents): void {
    const ends = [this.address, there.address] as const;
    const wire = new MemoryWire(this.#wan, "dialler", ends, theirs, events);
    const other = new MemoryWire(
      this.#wan,
      "listener",
      [ends[1], ends[0]],
      ours,
      there.host!.accepted(),
    );
    [wire.other, other.other] = [other, wire];
    this.all.add(wire);
    there.all.add(other);
    wire.events.opened(wire);
    // The last proof is on its way.
    const { time } = this.#wan;
    time.at(time.nowMs + this.#wan.tripMs / 2, () => other.closed || other.events.opened(other));
  }

  /** Its process has ended: the others notice. */
  end(): void {
    this.host = null;
    for (const wire of this.all) {
      if (wire.closed) continue;
      wire.closed = true;
      wire.other.end({ cause: "ended", why: "the connection was closed" });
    }
  }

  stop(done: () => void): void {
    this.host = null;
    for (const wire of this.all) if (!wire.closed) wire.close("this node stops");
    done();
  }
}

/** A node of a cell on the WAN. */
export class WanNode {
  readonly mesh: CellMesh;
  readonly events: string[] = [];
  readonly frames: { readonly from: CellName; readonly point: number; readonly atMs: number }[] =
    [];
  readonly self: NodeRef;
  table: ShardTable;
  /** kill -9. */
  readonly kill: () => void;
  readonly timers: Timers;
  /** Cells that have not acknowledged the home of a name. */
  readonly owed = new Map<AccountName, Set<CellName>>();
  /** Names that its cell keeps for another one. */
  readonly reserved = new Map<AccountName, CellName>();
  /** Names of its cell's accounts. */
  names: readonly string[] = [];
  /** Those that are in memory only. */
  readonly unwritten = new Set<string>();
  /** How often its names were read, and how often what is in memory was written for it. */
  readonly readings = { stored: 0, written: 0 };
  readonly #memory = memoryLog();

  constructor(wan: Wan, given: NodeGiven) {
    const { cell, id = `${cell}-1`, incarnation = 1, join = [] } = given;
    const process = wan.time.process();
    this.timers = process.timers;
    this.kill = () => {
      process.kill();
      wires.end();
    };
    this.self = { id: id as NodeId, incarnation };
    const table = evenTable(4);
    this.table = withEpochs(
      table,
      table.shards.map(({ id }) => ({ shard: id, epoch: incarnation, owner: this.self })),
    );
    const wires = new MemoryWires(wan, `${id}:1`);
    wan.wires.set(wires.address, wires);
    this.mesh = new CellMesh({
      clock: process.clock,
      timers: process.timers,
      random: simRandom(new Prng(wan.random.u32())),
      log: this.#memory.log,
      retries: simRetries(),
      wires,
      domain: given.domain ?? "example.org",
      cell: cell as CellName,
      mark: given.mark ?? `mark of ${cell}`,
      program: "1.0.0",
      join: join.map((node) => `${node}:1`),
      publicUrls: [`https://${id}.example.org`],
      queueBytesMax: QUEUE_BYTES,
      stalledMs: SILENT_MS,
      members: wan.membersOf(cell, given.mark ?? `mark of ${cell}`),
      shared: wan.sharedOf(cell),
      witness: false,
    });
    this.mesh.start({
      linked: (cell) => this.events.push(`linked ${cell}`),
      opened: () => {},
      unlinked: (cell) => this.events.push(`unlinked ${cell}`),
      frame: (from, point) => this.frames.push({ from, point, atMs: wan.time.nowMs }),
    });
    this.mesh.begin({
      self: this.self,
      table: () => this.table,
      users: () => 7,
      busy: () => false,
      names: this.#source(),
      isFresh: () => given.alone ?? true,
      isEmpty: (done) => this.timers.soon(() => done(true)),
      isFirst: () => true,
    });
  }

  #source(): NameSource & ShareSource {
    return {
      share: (name, add, done) => {
        const owed = new Set([...this.owed.get(name) ?? [], ...add]);
        this.owed.set(name, owed);
        this.timers.soon(() => done(owed.size));
      },
      stored: (limit, done) => {
        this.readings.stored++;
        const names = this.names.filter((name) => !this.unwritten.has(name)).slice(0, limit);
        this.timers.soon(() => done(null, names as AccountName[]));
      },
      names: (after, limit, done) => {
        if (after === null) this.readings.written++;
        const from = after === null ? 0 : after as number;
        const names = this.names.slice(from, from + limit) as AccountName[];
        const next = from + limit < this.names.length ? from + limit : null;
        this.timers.soon(() => done(null, names, next));
      },
      home: (name, reserve, done) => {
        const home = this.names.includes(name) ? this.mesh.self : null;
        if (home === null && reserve !== null) this.reserved.set(name, reserve);
        this.timers.soon(() => done({ home }));
      },
    };
  }

  /** Events of its log. */
  get logged(): readonly string[] {
    return this.#memory.lines.map(({ event }) => event);
  }

  /** Ids of the nodes that it is linked with. */
  get linked(): readonly string[] {
    return this.mesh.directory.cells.flatMap((cell) =>
      this.mesh.linksOf(cell).map(({ node }) => node.node.id)
    )
      .sort();
  }
}

/** What a node is made with. */
export interface NodeGiven {
  readonly cell: string;
  readonly id?: string;
  readonly incarnation?: number;
  /** Ids of nodes. */
  readonly join?: readonly string[];
  readonly domain?: string;
  readonly mark?: string;
  /** Whether it is the only node of its cell; absent: it is. */
  readonly alone?: boolean;
}

/** See the head of this file. */
export class Wan {
  readonly time = new VirtualTime();
  readonly random: Prng;
  readonly wires = new Map<string, MemoryWires>();
  readonly #cut = new Set<string>();
  readonly #members = new Map<string, MemoryValue<MembersState>>();
  readonly #shared = new Map<string, MemoryValue<Shared>>();
  readonly #stuck = new Set<string>();
  tripMs = 40;
  /** What was decided about the members, by version. */
  readonly versions = new Map<number, string>();

  constructor(seed: number | string = 1) {
    this.random = new Prng(seed);
  }

  /** Checks that nothing else was decided about this version. */
  decided({ version, cells }: Members): void {
    const text = cells.map(({ cell }) => cell).join();
    const before = this.versions.get(version) ?? text;
    if (before !== text) throw new Error(`version ${version} is ${before}, and ${text}`);
    this.versions.set(version, text);
  }

  node(given: NodeGiven): WanNode {
    return new WanNode(this, given);
  }

  /** Makes a cell the first member of a federation, as it was before it had others to join. */
  found(cell: string): void {
    const founder = { cell: cell as CellName, mark: `mark of ${cell}`, witness: false };
    this.membersOf(cell, founder.mark).state = founded(founder, `founded by ${cell}`);
  }

  membersOf(cell: string, mark = ""): MemoryValue<MembersState> {
    const key = `${cell} ${mark}`;
    const members = this.#members.get(key) ??
      new MemoryValue(this, NO_MEMBERS, ({ current }) => this.decided(current));
    this.#members.set(key, members);
    return members;
  }

  sharedOf(cell: string): MemoryValue<Shared> {
    const shared = this.#shared.get(cell) ??
      new MemoryValue<Shared>(this, { version: 0, cells: [] });
    this.#shared.set(cell, shared);
    return shared;
  }

  /** Cuts nodes off from each other, by their ids, both ways; or heals that. */
  cut(a: string, b: string, cut = true): void {
    for (const key of [`${a}:1 ${b}:1`, `${b}:1 ${a}:1`]) {
      cut ? this.#cut.add(key) : this.#cut.delete(key);
    }
  }

  /** Makes a node take nothing of what is sent to it, though its system confirms nothing either. */
  stick(id: string, stuck = true): void {
    stuck ? this.#stuck.add(`${id}:1`) : this.#stuck.delete(`${id}:1`);
  }

  isCut(a: string, b: string): boolean {
    return this.#cut.has(`${a} ${b}`);
  }

  isStuck(address: string): boolean {
    return this.#stuck.has(address);
  }

  delayMs(_from: string, _to: string): number {
    return this.tripMs * (0.9 + 0.2 * this.random.number());
  }
}

/** A packet, as frames carry it. */
export function someFrame(text = ""): CellFrame {
  const packet = { kind: "resolve", from: `alice${text}`, to: "bob" } as never;
  return { kind: "packet", packet, hops: 0 };
}
