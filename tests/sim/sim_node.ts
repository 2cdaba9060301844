/**
 * One node of a simulation: a disk that stays, and processes on it that come and go. It runs
 * the code that production runs, from the protocol down to the store; only the ports, the
 * transports and the rim of HTTP are the simulation's.
 */
import type { AccountName, NodeId, SessionId } from "../../shard/name/ids.ts";
import { SignInQueue } from "../../server/http/sign_in_queue.ts";
import type { Log, Ports } from "../../server/node/ports.ts";
import type { PeerCells } from "../../server/node/peer_cells.ts";
import type { EdgePacket } from "../../shard/edge_packet.ts";
import type { EdgeCounters } from "../../server/edge/types.ts";
import type { LogLine } from "./sim_ports.ts";
import type { MemoryDisk } from "./memory_store.ts";
import type { Prng } from "./prng.ts";
import type { ProtocolHost } from "../../server/v1/protocol_host.ts";
import type { Server } from "./network.ts";
import type { SimCell } from "./sim_cell.ts";
import type { SimConfig } from "./config.ts";
import type { VirtualProcess, VirtualTime } from "./virtual_time.ts";
import type { Wire } from "./wire.ts";
import type { WireConnection, WireHandler } from "../../server/v1/wire.ts";
import { type Edge } from "../../server/edge/edge.ts";
import { CellServers } from "../../server/v1/servers.ts";
import { createSignIn } from "../../server/auth/sign_in.ts";
import { makeConnector } from "../../server/v1/connection.ts";
import { memoryLog } from "./sim_ports.ts";
import { INJECTED } from "./step_faults.ts";
import { Node } from "../../server/node/node.ts";
import { PEER_VERSIONS } from "../../server/peer/versions.ts";
import { VisibleCell, VisibleSessions } from "./visible.ts";
import { CONNECTION_LIMITS, DOMAIN, PROTOCOL, SIGN_IN_OPTIONS } from "./limits.ts";
import { SessionReach } from "../../server/edge/reach.ts";
import { SimRest } from "./sim_rest.ts";
import { FIXED_SIGN_IN_QUEUE } from "../../server/config/fixed.ts";
import { makeEdge, makeNode, type TestNode } from "./test_node.ts";

const CONNECTION = {
  ...CONNECTION_LIMITS,
  rates: {
    ...CONNECTION_LIMITS.rates,
    sends: { perSecond: 50, burst: 50 },
    presence: { perSecond: 10, burst: 10 },
  },
};
/** What keys of the server follow from. */
export const SERVER_SECRET = new Uint8Array(16);

const SIGN_IN = {
  ...SIGN_IN_OPTIONS,
  domain: DOMAIN,
  registration: "open",
  // One iteration: the cost of real ones is virtual time only.
  iterations: { sha256: 1, sha1: null },
  fakeSaltSecret: SERVER_SECRET,
  failures: {
    ...SIGN_IN_OPTIONS.failures,
    perAccount: { burst: 1000, refillMs: 1, keysMax: 100 },
    perAddress: { burst: 1000, refillMs: 1, keysMax: 100 },
  },
} as const;

/** What a node logs before it ends the sessions of an edge that it cannot reach. */
const SESSIONS_END = "lost node's sessions ended";

const UNCOUNTED = { observe: () => {}, acked: () => {}, signedIn: () => {}, limited: () => {} };

/** A process of a node. */
interface Running {
  readonly process: VirtualProcess;
  readonly ports: Ports;
  readonly node: Node;
  /** Its links with other cells; null in a lone cell. */
  readonly cells: PeerCells | null;
  readonly edge: Edge;
  readonly reach: SessionReach;
  readonly counters: EdgeCounters;
  readonly served: ProtocolHost;
  readonly connect: (wire: WireConnection) => WireHandler;
  readonly lines: readonly LogLine[];
  readonly visible: VisibleSessions;
  serving: boolean;
  stopping: boolean;
}

/** What a node needs of its cluster. */
export interface NodeHost {
  readonly time: VirtualTime;
  readonly config: SimConfig;
  note(who: string, text: string): void;
  /** Carries what one shard of a process tells another. */
  readonly wire: Wire;
  /** What it shares with the other nodes of its cell; null where the cell is this node. */
  readonly cell: SimCell | null;
  /** The links of a process of it with other cells; null in a lone cell. */
  linksFor(node: NodeId, process: VirtualProcess): PeerCells | null;
  /** Its process has ended by itself: it could not start. */
  exited(node: SimNode): void;
}

/** One node. */
export class SimNode implements Server {
  readonly id: NodeId;
  readonly who: string;
  readonly disk: MemoryDisk;
  /** What its REST routes do. */
  readonly rest = new SimRest(this);
  /** Called when its process is no node of the cell any more; stops it. */
  onLeft: () => void = () => this.stop(() => {});
  /** Called when a process of it serves. */
  onServes: () => void = () => {};
  readonly #host: NodeHost;
  readonly #prng: Prng;
  readonly #number: number;
  #running: Running | null = null;
  #starts = 0;
  /** Where the cell is this node. */
  readonly #alone = new VisibleCell();
  #wallAheadMs = 0;

  constructor(host: NodeHost, number: number, disk: MemoryDisk, prng: Prng) {
    this.#host = host;
    this.#number = number;
    this.id = `node${String(number).padStart(12, "0")}` as NodeId;
    this.who = `node ${number}`;
    this.disk = disk;
    this.#prng = prng;
  }

  get process(): VirtualProcess {
    return this.#running?.process ?? this.#host.time.global;
  }

  /** Whether it is up and every shard has read its log. */
  get serving(): boolean {
    return this.#running?.serving === true && this.#running.process.state === "running";
  }

  /** Whether it is stopping: it refuses what is new. */
  get stopping(): boolean {
    return this.#running?.stopping === true;
  }

  /** How often it has been started. */
  get starts(): number {
    return this.#starts;
  }

  /** The shards that it answers for now. */
  get answering(): readonly number[] {
    const { node } = this.running;
    return node.mayServe ? node.shards.filter(({ ready }) => ready).map(({ id }) => id) : [];
  }

  get up(): boolean {
    return this.#running !== null;
  }

  /** The node's code, for checkers. Throws while it is down. */
  get running(): Running {
    if (this.#running === null) throw new Error(`${this.who} is down`);
    return this.#running;
  }

  /** Starts a process. */
  start(): void {
    const { cell, config, time } = this.#host;
    this.#starts++;
    const process = time.process({ monoStartMs: 1000, wallAheadMs: this.#wallAheadMs, rate: 1 });
    const { log, lines } = memoryLog(false, (line) => {
      if (cell !== null) this.#logged(line);
    });
    let deliver: (packet: EdgePacket) => void = () => {};
    const visible = new VisibleSessions(cell?.visible ?? this.#alone, () => time.nowMs);
    const cells = this.#host.linksFor(this.id, process);
    const parts = this.#makeNode(process, cells, log, (packet) => {
      visible.delivered(packet);
      this.#host.wire.deliver(process, packet, () => deliver(packet));
    });
    const { ports, node } = parts;
    visible.watch(node);
    cell?.fresh.watch(node);
    const { edge, counters } = makeEdge(parts, config.edge);
    deliver = (packet) => edge.deliver(packet);
    visible.hasSessions = () => edge.gauges().sessions > 0;
    const session = (id: SessionId) => edge.session(id);
    const calls = node.cell?.calls ?? null;
    const reach = new SessionReach({ node: this.id, session, calls });
    if (calls !== null) calls.serveSession = reach.serve;
    const served: ProtocolHost = {
      ...ports,
      ...UNCOUNTED,
      protocol: PROTOCOL,
      router: node,
      signIn: createSignIn({ ...ports, ...UNCOUNTED, router: node, issuers: null }, SIGN_IN),
      domain: DOMAIN,
      admit: () => null,
      servers: new CellServers(() => node.nodes, ports.clock),
      signInQueue: new SignInQueue(ports, FIXED_SIGN_IN_QUEUE),
      open: (options, done) => edge.open(options, done),
    };
    const connect = makeConnector({ ...served, connection: CONNECTION });
    const made = { process, ports, node, edge, reach, counters, served, connect, lines, visible };
    const running: Running = { ...made, cells, serving: false, stopping: false };
    this.#running = running;
    this.#host.note(this.who, `starts (${this.#starts})`);
    node.start((error) => {
      if (error !== null) {
        this.#host.note(this.who, `cannot start: ${error.kind}`);
        this.kill();
        return this.#host.exited(this);
      }
      running.serving = true;
      node.coordinator.orders.onLeft = () => running.stopping || this.onLeft();
      node.coordinator.start();
      this.#host.note(this.who, "serves");
      this.onServes();
    });
  }

  #logged({ event, fields }: LogLine): void {
    this.#host.note(this.who, `${event} ${JSON.stringify(fields)}`);
    if (event === SESSIONS_END) this.#sessionsEnd(fields["edge"] as NodeId);
  }

  /** It ends the sessions of an edge that it cannot reach. */
  #sessionsEnd(edge: NodeId): void {
    const { node, visible } = this.running;
    for (const shard of node.shards) {
      for (const { name, session } of shard.ofEdge(edge).sessions) {
        // The memory of a former owner is nothing to others: the next one has the session.
        if (!this.#isFormer(name)) visible.lost(name, session);
      }
    }
  }

  /** Whether all other processes of the cell know the sessions of this one. */
  #linkedWithAll({ node }: Running): boolean {
    const { cell } = this.#host;
    if (cell === null) return true;
    return node.nodes.every(({ id }) =>
      id === this.id || cell.end(id) === undefined || cell.linkedMs(this.id, id) > 5000
    );
  }

  /** Whether an account's shard has another owner in the store than it has here. */
  #isFormer(account: AccountName): boolean {
    const { node } = this.running;
    const { cell } = this.#host;
    if (cell === null) return false;
    if (!node.owns(account)) return true;
    const { id: shard, row: { epoch } } = node.shardOf(account);
    return cell.store.book.isFormer({ shard, epoch });
  }

  #makeNode(
    process: VirtualProcess,
    cells: PeerCells | null,
    log: Log,
    deliver: (packet: EdgePacket) => void,
  ): TestNode {
    const { cell, config: { limits, nodes, older, shards, withheldMax } } = this.#host;
    const { newest } = PEER_VERSIONS;
    const versions = this.#number > nodes - older
      ? { oldest: newest - 1, newest: newest - 1 }
      : PEER_VERSIONS;
    return makeNode({
      process,
      disk: this.disk,
      store: cell?.store.of(this.id, process) ?? null,
      prng: this.#prng.fork(`start ${this.#starts}`),
      log,
      deliver,
      node: {
        id: this.id,
        limits,
        shards,
        withheldMax,
        carry: (packet, arrive) =>
          this.#host.wire.carry(process, packet, arrive, () => this.#isFormer(packet.from)),
        ...(cells === null ? {} : { cells }),
        ...(cell === null
          ? {}
          : { links: cell.links(this.id, process, versions), withoutStoreMs: 20_000 }),
      },
    });
  }

  /** kill -9 and power loss: the process is gone, and what its disk had not synced. */
  kill(): void {
    const running = this.#running;
    if (running === null) return;
    this.#end(running);
    if (this.#host.cell === null) this.disk.crash();
    this.#host.note(this.who, "is killed");
  }

  /** SIGTERM: sends everybody away, finishes, and closes the disk; `done` when it is gone. */
  stop(done: () => void): void {
    const running = this.running;
    running.stopping = true;
    this.#host.note(this.who, "stops");
    const { node } = running;
    let left = false;
    const leaving = () => left ||= node.nodes.some(({ state }) => state === "linked");
    running.edge.drain({ spreadMs: 100, retryAfterMs: 500, leaving }, () => {
      if (!leaving()) node.cell?.lost.endAll();
      node.stop(() => {
        running.ports.store.close(() => {
          if (this.#running !== running) return;
          this.#end(running);
          this.#host.note(this.who, "has stopped");
          done();
        });
      });
    });
  }

  #end(running: Running): void {
    this.#checkLog(running);
    if (this.#linkedWithAll(running)) running.visible.ended();
    this.#running = null;
    this.#wallAheadMs = running.process.clock.wallMs() - this.#host.time.global.clock.wallMs();
    running.process.kill();
    this.#host.cell?.killed(this.id);
  }

  /** The wall clock of its machine jumps, which the next process starts with while it is down. */
  jumpWall(deltaMs: number): void {
    if (this.#running === null) this.#wallAheadMs += deltaMs;
    else this.#running.process.jumpWall(deltaMs);
  }

  /** Code that catches what it did not expect must not hide it. */
  #checkLog(running: Running): void {
    const bug = running.lines.find(({ event, fields }) => {
      return /bug/.test(event) && !String(fields["error"]).includes(INJECTED);
    });
    if (bug !== undefined) throw new Error(`${bug.event}: ${JSON.stringify(bug.fields)}`);
  }

  /** Looks for what the node has caught and logged as a bug; throws it. */
  checkLog(): void {
    if (this.#running !== null) this.#checkLog(this.#running);
  }

  // ---- Server

  accept(wire: WireConnection): WireHandler | null {
    return this.serving ? this.running.connect(wire) : null;
  }
}
