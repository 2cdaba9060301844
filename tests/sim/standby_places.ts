/**
 * A store with a standby as its processes are wired: the member at its own place, the station of the
 * place that keeps the copy, the process that this one starts to serve it, and a third place that votes.
 * Disks, links, clocks and processes are simulated; everything else is the program's.
 */
import type { CellName } from "../../shard/name/ids.ts";
import { channelName } from "../../server/peer/cells/channel_name.ts";
import { memoryLog } from "./sim_ports.ts";
import { type MemberId, roleTimes } from "../../server/standby/role_types.ts";
import { type Prng, simRandom } from "./prng.ts";
import { NO_VOTE, type RolesFile, RoleVoter } from "../../server/standby/voter.ts";
import { NumberedRows } from "../../server/standby/numbered_rows.ts";
import type { Promoted } from "../../server/standby/station.ts";
import type { Runtime } from "../../server/node/ports.ts";
import { copyOf, type Host, type Place, rolesFileOf } from "./standby_hosts.ts";
import { StandbyNetwork } from "./standby_network.ts";
import { StandbyWorker } from "./standby_worker.ts";
import { StandbyStation } from "../../server/standby/station.ts";
import { StoreMember } from "../../server/standby/store_member.ts";
import type { UnreplicatedFile } from "../../server/standby/unreplicated_delivery.ts";
import type { VirtualProcess, VirtualTime } from "./virtual_time.ts";

/** Whose store it is, where its copy is, and who votes besides. */
export const A = "a" as CellName;
export const B = "b" as CellName;
export const W = "w" as CellName;

const LIMITS = { windowBytes: 20_000, fillBytesPerSecond: 10_000_000 };
const LAG = { writesMax: 200, msMax: 2000 };
const RING_BYTES = 40_000;
/** How soon a service manager starts a process again (ms). */
const AGAIN_MS = 300;
/** How long a process with workers that has handed its role over is there (ms). */
const DRAIN_MS = 800;

/** A process that serves the store, once it is the primary. */
export interface Server {
  readonly host: Host;
  readonly member: StoreMember;
  readonly place: Place;
  rows: NumberedRows | null;
  /** One of its workers; null where it has none. */
  worker: StandbyWorker | null;
}

/** The process of the place with the copy, and the one that it has started to serve. */
interface Copy {
  readonly host: Host;
  child: Server | null;
}

/** What the seeds see. */
export interface PlacesOptions {
  readonly time: VirtualTime;
  readonly prng: Prng;
  readonly sync: boolean;
  /** Whether the process at the own place has workers. */
  readonly workers: boolean;
  /** As in `StationOptions`. */
  readonly handBackMs: number | null;
  place(name: CellName): Place;
  say(text: string): void;
  /** A process has opened the rows as the primary; `resets`: clients' cursors end. */
  opened(server: Server, resets: boolean): void;
}

/** See the head of this file. */
export class StandbyPlaces {
  readonly #options: PlacesOptions;
  readonly #network: StandbyNetwork;
  readonly servers = new Set<Server>();
  /** Workers of the own place, those that have ended among them. */
  readonly workers: StandbyWorker[] = [];
  station: StandbyStation | null = null;
  #own: Host | null = null;
  /** The same process as a node of its cell, with the station of it. */
  #node: Host | null = null;
  #copy: Copy | null = null;
  #voter: Host | null = null;
  #members = 0;
  /** Places whose processes are started again when they end. */
  readonly kept = new Set<CellName>([A, B, W]);

  constructor(options: PlacesOptions) {
    this.#options = options;
    this.#network = new StandbyNetwork(options.time, options.prng);
  }

  /** What takes part in the roles now. */
  get members(): readonly StoreMember[] {
    const kept = this.station?.member(A) ?? null;
    return [...[...this.servers].map(({ member }) => member), ...kept === null ? [] : [kept]];
  }

  // ---- processes

  start(name: CellName): void {
    if (name === A && this.#own === null) this.#startOwn();
    if (name === B && this.#copy === null) this.#startStation();
    if (name === W && this.#voter === null) this.#startVoter();
  }

  /** kill -9 of the place's processes, one of which may have started another. */
  kill(name: CellName): void {
    this.#options.say(`${name} is killed`);
    if (name === A) this.#endOwn();
    if (name === W && this.#voter !== null) this.#end(this.#voter);
    if (name === W) this.#voter = null;
    const copy = this.#copy;
    if (name !== B || copy === null) return;
    if (copy.child !== null) this.#endServer(copy.child);
    this.#end(copy.host);
    this.#copy = null;
    this.station = null;
    this.#options.place(B).disk.crash();
  }

  /** SIGSTOP for a while of all processes of a place. */
  pause(name: CellName, forMs: number): void {
    this.#options.say(`${name} is paused for ${Math.round(forMs)} ms`);
    for (const { process, place } of this.#network.hosts) {
      // One of several names may have been met before.
      if (place !== name || process.state !== "running") continue;
      process.pause();
      this.#options.time.global.timers.after(forMs, () => process.resume());
    }
  }

  /** Cuts the way from one place to another. */
  cut(from: CellName, to: CellName): void {
    this.#options.say(`cut ${from} to ${to}`);
    this.#network.cut(from, to);
  }

  /** Breaks the links between two places. */
  break(one: CellName, other: CellName): void {
    this.#options.say(`links of ${one} and ${other} break`);
    this.#network.break(one, other);
  }

  /** Mends all ways. */
  mend(): void {
    this.#options.say("all ways are mended");
    this.#network.mend();
  }

  heal(): void {
    this.mend();
    for (const { process } of this.#network.hosts) process.resume();
  }

  /** Links processes that reach each other. */
  link(): void {
    this.#network.link();
  }

  /** As it is linked; `process`: one that has another name as well. */
  #host(name: CellName, place: CellName, process = this.#process()): Host {
    const host: Host = { name, place, process, peers: new Map(), taker: null };
    this.#network.add(host);
    return host;
  }

  #process(): VirtualProcess {
    const { prng, time } = this.#options;
    const rate = 1 + (prng.number() - 0.5) * 0.018;
    return time.process({ monoStartMs: prng.number() * 1e6, wallAheadMs: 0, rate });
  }

  #runtime({ process: { clock, timers } }: Host): Runtime {
    return { clock, timers, random: simRandom(this.#options.prng), log: memoryLog().log };
  }

  #end(host: Host): void {
    host.process.kill();
    this.#network.remove(host);
  }

  // ---- the own place

  #startOwn(): void {
    const place = this.#options.place(A);
    const host = this.#host(channelName(A, A), A);
    this.#own = host;
    if (place.roles === null) {
      const voters = { generation: 1, places: [A, B, W] };
      const times = roleTimes(3000);
      const { sync } = this.#options;
      const member = this.#newMember();
      place.roles = { member, voters, vote: NO_VOTE, servedEpoch: 0, times, sync, knows: true };
    }
    const voter = new RoleVoter(rolesFileOf(place), place.roles, memoryLog().log);
    this.#node = this.#host(A, A, host.process);
    this.#stationOf(this.#node, place, () => [], null);
    this.#serverOf(host, place, voter, {
      votes: true,
      standby: B,
      openCopy: () => Promise.resolve(place.disk.openStored(host.process)),
      unreplicated: place.messages,
      opened: () => {},
      lost: (handedOver) => {
        const end = () => {
          if (this.#own !== host) return;
          this.#endOwn();
          this.#again(A);
        };
        // It sends its clients away first.
        if (handedOver && this.#options.workers) host.process.timers.after(DRAIN_MS, end);
        else end();
      },
    });
  }

  #endOwn(): void {
    if (this.#own === null) return;
    const server = [...this.servers].find(({ host }) => host === this.#own);
    this.servers.delete(server!);
    server!.worker?.end();
    this.#end(this.#own);
    this.#end(this.#node!);
    this.#own = this.#node = null;
    this.#options.place(A).disk.crash();
  }

  #again(name: CellName): void {
    this.#options.time.global.timers.after(AGAIN_MS, () => {
      if (this.kept.has(name)) this.start(name);
    });
  }

  #newMember(): MemberId {
    return `member ${++this.#members}` as MemberId;
  }

  /** As `openOwnStandby` makes one. */
  #serverOf(host: Host, place: Place, voter: RoleVoter, how: {
    readonly votes: boolean;
    readonly standby: CellName;
    readonly openCopy: ConstructorParameters<typeof StoreMember>[0]["openCopy"];
    readonly unreplicated: UnreplicatedFile;
    opened(): void;
    lost(handedOver: boolean): void;
  }): Server {
    const { say } = this.#options;
    const member = new StoreMember({
      ...this.#runtime(host),
      cell: A,
      place: place.name,
      member: voter.stored.member!,
      voter,
      votes: how.votes,
      founds: how.votes,
      servedEpoch: voter.stored.servedEpoch,
      mode: voter.stored.sync ? "sync" : "async",
      lag: LAG,
      limits: LIMITS,
      linked: () => [...host.peers.values()],
      standbys: () =>
        [...host.peers.values()].filter(({ cell }) =>
          cell === how.standby || cell === channelName(A, how.standby)
        ),
      openCopy: how.openCopy,
      unreplicated: how.unreplicated,
      ready: () => {},
      serves: (epoch) => {
        say(`${place.name} serves at epoch ${epoch}`);
        this.#open(server, voter, how);
      },
      lost: (handedOver) => {
        say(`${place.name} is lost${handedOver ? ", as ordered" : ""}`);
        how.lost(handedOver);
      },
    });
    const server: Server = { host, member, place, rows: null, worker: null };
    this.servers.add(server);
    host.taker = member;
    member.start().catch((error) => say(`${place.name}: ${error}`));
    return server;
  }

  #open(
    server: Server,
    voter: RoleVoter,
    { lost, opened }: { lost(handedOver: boolean): void; opened(): void },
  ): void {
    const { process } = server.host;
    const options = {
      ringBytesMax: RING_BYTES,
      newRun: () => `run ${this.#newMember()}`,
      later: (run: () => void) => process.timers.soon(run),
    };
    NumberedRows.open(server.place.disk.openStored(process), options, (error, rows) => {
      if (rows === null) {
        this.#options.say(`not opened: ${error!.message}`);
        return lost(false);
      }
      server.rows = rows;
      server.member.opened(rows);
      const { time, workers } = this.#options;
      if (workers && server.place.name === A) {
        server.worker = new StandbyWorker(time, process, server.member);
        this.workers.push(server.worker);
      }
      const resets = voter.stored.resets === true;
      this.#options.opened(server, resets);
      if (resets) voter.save({ resets: false });
      opened();
    });
  }

  // ---- the place with the copy, and the one that votes

  #startStation(): void {
    const place = this.#options.place(B);
    const host = this.#host(B, B);
    const copy: Copy = { host, child: null };
    this.#copy = copy;
    const stored = () => place.roles === null ? [] : [A];
    this.station = this.#stationOf(host, place, stored, (promoted, served) => {
      copy.child = this.#startChild(copy, promoted, served.serves, () => {
        copy.child = null;
        served.ended();
      });
      const { member } = copy.child;
      return {
        handBack: (done) => member.handOver(done),
        stop: () => {},
      };
    });
  }

  #startVoter(): void {
    const place = this.#options.place(W);
    this.#voter = this.#host(W, W);
    const stored = () => place.roles === null ? [] : [A];
    this.#stationOf(this.#voter, place, stored, null);
  }

  #stationOf(
    host: Host,
    place: Place,
    stored: () => readonly CellName[],
    serve: ConstructorParameters<typeof StandbyStation>[0]["serve"] | null,
  ): StandbyStation {
    const station = new StandbyStation({
      ...this.#runtime(host),
      place: place.name,
      lag: LAG,
      limits: LIMITS,
      handBackMs: this.#options.handBackMs,
      linked: () => [...host.peers.values()],
      stored,
      file: () => rolesFileOf(place),
      unreplicated: () => place.messages,
      newMember: () => this.#newMember(),
      openCopy: serve === null ? null : async () => await copyOf(place, host),
      prepare: () => {},
      serve: serve ?? (() => {
        throw new Error("a voter serves nothing");
      }),
    });
    host.taker = station;
    station.start();
    return station;
  }

  /** The process that serves the copy: it votes through its parent, and ends with it. */
  #startChild(
    { host: parent }: { readonly host: Host },
    { member, resets, servedEpoch, sync, times, voters }: Promoted,
    serves: () => void,
    ended: () => void,
  ): Server {
    const place = this.#options.place(B);
    const host = this.#host(channelName(A, B), B);
    const file: RolesFile = { load: () => null, save: () => {} };
    const stored = { member, voters, vote: NO_VOTE, servedEpoch, times, sync, resets };
    const server = this.#serverOf(host, place, new RoleVoter(file, stored, memoryLog().log), {
      votes: false,
      standby: A,
      openCopy: null,
      unreplicated: place.messages,
      opened: () => parent.process.timers.after(50, () => this.servers.has(server) && serves()),
      lost: () => {
        this.#endServer(server);
        place.disk.crash();
        parent.process.timers.soon(ended);
      },
    });
    return server;
  }

  #endServer(server: Server): void {
    this.servers.delete(server);
    server.worker?.end();
    this.#end(server.host);
  }
}
