/**
 * Opens what keeps copies of stores: of this cell's own store as a member, which a server waits for
 * until it is the primary; and of other cells' stores, in the station of this one.
 */
import { type CellName, newId, type NodeId } from "../shard/name/ids.ts";
import { cellOfChannel, cellsOf, channelName } from "./peer/cells/channel_name.ts";
import { CellMesh } from "./peer/cells/mesh.ts";
import { StartEnded } from "./cli/launcher.ts";
import type { Config } from "./config/config.ts";
import type { DataDir } from "./system/data_dir.ts";
import { IDLE_MEMBERS, idleHost, MemoryValue } from "./standby/idle_host.ts";
import { type MemberId, roleTimes } from "./standby/role_types.ts";
import { KnownPlace } from "./standby/known_place.ts";
import { MeshPeers } from "./standby/mesh_peers.ts";
import type { MemberOptions } from "./standby/member_options.ts";
import { StoreMember } from "./standby/store_member.ts";
import {
  NO_VOTE,
  type RolesFile,
  RoleVoter,
  type StoredRoles,
  storedRoles,
} from "./standby/voter.ts";
import { NumberedRows } from "./standby/numbered_rows.ts";
import { openStoredRows } from "./store/kv_store.ts";
import { openTcpWires } from "./peer/cells/tcp_wires.ts";
import type { Ports, Random } from "./node/ports.ts";
import type { Promoted } from "./standby/station.ts";
import { readSecret } from "./open_links.ts";
import { dirname } from "node:path";
import { keptLines, rolesFile, standbyDir, unreplicatedPath } from "./system/standby_files.ts";
import { markRestored } from "./node/restore_tag.ts";
import type { Registers } from "./node/cell_value.ts";
import type { RowStore } from "./store/row_store.ts";
import type { Shared } from "./peer/cells/sharing.ts";
import type { StandbyPeer } from "./standby/peer.ts";
import { VERSION } from "./config/version.ts";

/** Bytes of writes that are kept for standbys that were away. */
const RING_BYTES_MAX = 64 * 1024 * 1024;
/** Bytes of writes that are on their way to a standby. */
const WINDOW_BYTES = 4 * 1024 * 1024;
/** How long a start without a majority waits for what the standby's cell knows (ms). */
const VOTERS_WAIT_MS = 5000;
const VOTERS_LOOK_MS = 100;

/** What stores with standbys and their copies need of the process. */
export type StandbyPorts = Pick<Ports, "clock" | "timers" | "random" | "log" | "retries">;

/** This process's part in its cell's store, once it is the primary. */
export interface OwnStandby {
  readonly member: StoreMember;
  /** The cell that has another copy, or where this one was kept: its nodes know who serves. */
  readonly elsewhere: CellName;
  /** What stands between the rows as they are stored and their checksums. */
  between(stored: RowStore): Promise<RowStore>;
  /** Called once when another place is the primary; `handedOver`: as it was ordered. */
  onLost(lost: (handedOver: boolean) => void): void;
  /**
   * Ends the cursors of all clients where events that they know may be missing here; before anybody
   * is served.
   */
  resetCursors(store: Registers): Promise<void>;
  close(): Promise<void>;
}

/** Bounds of streams and lag, from the configuration. */
export function streamLimits({ standby }: Pick<Config, "standby">) {
  const { fillBytesPerSecond, lagMsMax, lagWritesMax } = standby;
  return {
    lag: { writesMax: lagWritesMax, msMax: lagMsMax },
    limits: { windowBytes: WINDOW_BYTES, fillBytesPerSecond },
  };
}

/** A random text for a member or a run. */
export function randomName(random: Random): string {
  return newId<NodeId>(random.bytes(12));
}

/**
 * Takes part in the store of this cell, and resolves when this process is its primary; until then its
 * rows are a standby's copy. Null where the cell has no standby. `promoted`: it serves a copy that
 * another cell has kept. Rejects with `StartEnded` where `ending` comes first.
 */
export async function openOwnStandby(
  config: Config,
  dir: DataDir,
  ports: StandbyPorts,
  { promoted, ending }: {
    readonly promoted: Promoted | null;
    readonly ending?: AbortSignal | undefined;
  },
): Promise<OwnStandby | null> {
  const { at } = config.standby;
  if (promoted === null && at === null) return null;
  const cell = config.cells.name!;
  const place = promoted?.place ?? cell;
  const voter = promoted === null ? ownVoter(config, dir, ports) : lentVoter(promoted, ports);
  const peers = new MeshPeers();
  const isStandby = (peer: StandbyPeer) =>
    promoted === null ? peer.cell === at : cellOfChannel(peer.cell) === cell;
  const mesh = await openChannel(config, dir, ports, place, peers);
  const wanted = at === null || promoted !== null
    ? null
    : new KnownPlace(ports, at, () => cellsOf(mesh.directory));
  const primary = new Primary(ports, peers, mesh, wanted, {
    ...ports,
    ...streamLimits(config),
    cell,
    place,
    member: voter.stored.member!,
    voter,
    votes: promoted === null,
    founds: promoted === null,
    servedEpoch: promoted?.servedEpoch ?? voter.stored.servedEpoch,
    mode: voter.stored.sync ? "sync" : "async",
    linked: () => peers.all,
    standbys: () => peers.all.filter(isStandby),
    openCopy: promoted === null ? () => openStoredRows(dir.kvPath, dir.markPath) : null,
    unreplicated: keptLines(
      unreplicatedPath(promoted === null ? standbyDir(dir.path) : dirname(dir.path), cell),
    ),
    elsewhere: at ?? place,
  });
  try {
    const began = async () => {
      if (voter.voters.places.join() === place) await primary.askVoters();
      ports.log.info("waits until it is the primary of its store", { cell });
      await primary.begin();
    };
    await unlessEnded(ending, began());
    return primary;
  } catch (error) {
    await primary.close();
    throw error;
  }
}

/** Rejects with `StartEnded` where the signal comes before the task's end. */
function unlessEnded(ending: AbortSignal | undefined, task: Promise<void>): Promise<void> {
  if (ending === undefined) return task;
  return new Promise((resolve, reject) => {
    const end = () => reject(new StartEnded());
    if (ending.aborted) end();
    ending.addEventListener("abort", end);
    task.then(resolve, reject).finally(() => ending.removeEventListener("abort", end));
  });
}

class Primary implements OwnStandby {
  readonly member: StoreMember;
  readonly elsewhere: CellName;
  readonly #ports: StandbyPorts;
  readonly #peers: MeshPeers;
  readonly #mesh: CellMesh;
  readonly #wanted: KnownPlace | null;
  readonly #cell: CellName;
  readonly #voter: RoleVoter;
  #serves: () => void = () => {};
  #lost: ((handedOver: boolean) => void) | null = null;
  #wasLost: boolean | null = null;
  #heard: () => void = () => {};

  constructor(
    ports: StandbyPorts,
    peers: MeshPeers,
    mesh: CellMesh,
    wanted: KnownPlace | null,
    options: Omit<MemberOptions, "ready" | "serves" | "lost"> & { readonly elsewhere: CellName },
  ) {
    this.elsewhere = options.elsewhere;
    this.#ports = ports;
    this.#peers = peers;
    this.#mesh = mesh;
    this.#wanted = wanted;
    wanted?.start();
    this.#voter = options.voter;
    this.#cell = options.cell;
    this.member = new StoreMember({
      ...options,
      ...(wanted === null ? {} : { wanted: () => wanted.view }),
      ready: () => {},
      serves: () => this.#serves(),
      lost: (handedOver) => {
        this.#wasLost = handedOver;
        this.#lost?.(handedOver);
      },
    });
    peers.taker = {
      linked: () => this.member.linked(),
      closed: (peer) => this.member.closed(peer),
      take: (peer, frame) => {
        this.member.take(peer, frame);
        if (frame.kind === "voters") this.#heard();
      },
    };
  }

  /** Learns whether an operator has made another copy the primary, as far as others can be reached. */
  askVoters(): Promise<void> {
    const { timers } = this.#ports;
    return new Promise((resolve) => {
      let left = VOTERS_WAIT_MS / VOTERS_LOOK_MS;
      this.#heard = () => left = 0;
      const ask = () => {
        if (left-- <= 0) return resolve();
        for (const peer of this.#peers.all) peer.send({ kind: "voters_ask", cell: this.#cell });
        timers.after(VOTERS_LOOK_MS, ask);
      };
      ask();
    });
  }

  /** Resolves when it is the primary; rejects where it follows nobody and another place is. */
  async begin(): Promise<void> {
    const serves = new Promise<void>((resolve, reject) => {
      this.#serves = resolve;
      this.#lost = () => reject(new Error("another place serves this cell"));
    });
    await this.member.start();
    await serves;
  }

  between(stored: RowStore): Promise<RowStore> {
    return new Promise((resolve, reject) =>
      NumberedRows.open(stored, numbering(this.#ports), (error, rows) => {
        if (rows === null) return reject(new Error(error!.message));
        this.member.opened(rows);
        resolve(rows);
      })
    );
  }

  onLost(lost: (handedOver: boolean) => void): void {
    this.#lost = lost;
    if (this.#wasLost !== null) lost(this.#wasLost);
  }

  async resetCursors(store: Registers): Promise<void> {
    if (this.#voter.stored.resets !== true) return;
    await markRestored(store, this.#ports.random);
    this.#voter.save({ resets: false });
    this.#ports.log.warn("acknowledged writes may be missing: cursors of clients were reset", {
      cell: this.#cell,
    });
  }

  async close(): Promise<void> {
    this.#wanted?.stop();
    await new Promise<void>((done) => this.member.end(done));
    await new Promise<void>((done) => this.#mesh.stop(done));
  }
}

function numbering({ random, timers }: StandbyPorts) {
  return {
    ringBytesMax: RING_BYTES_MAX,
    newRun: () => randomName(random),
    later: (run: () => void) => timers.soon(run),
  };
}

/** What this place remembers; at its first start, what it begins with. */
function ownVoter(
  { cells, standby }: Config,
  dir: DataDir,
  { log, random }: StandbyPorts,
): RoleVoter {
  const file = storedRoles(rolesFile(dir.path, cells.name!));
  const settings = { times: roleTimes(standby.takeoverMs), sync: standby.mode === "sync" };
  const stored = file.load();
  if (stored !== null) {
    const { sync, times: { takeoverMs } } = stored;
    if (sync !== settings.sync || takeoverMs !== settings.times.takeoverMs) {
      log.warn("standby.mode and standby.takeoverMs stay as at the first start", {
        mode: sync ? "sync" : "async",
        takeoverMs,
        reason: "the copies know no others",
      });
    }
    return new RoleVoter(file, stored, log);
  }
  const places = standby.voters.length === 0
    ? [cells.name!]
    : [cells.name!, standby.at!, ...standby.voters];
  const voters = { generation: 1, places };
  const member = randomName(random) as MemberId;
  // In an empty directory it may be a machine that was replaced, whose votes are lost.
  const knows = dir.storeMark !== null || places.length === 1;
  const first = { member, voters, vote: NO_VOTE, servedEpoch: 0, knows, ...settings };
  const voter = new RoleVoter(file, first, log);
  if (!voter.save({})) throw new Error("Cannot store the roles of the store: see the log");
  return voter;
}

/** That of a process which serves a copy of another place: it does not vote, and remembers nothing. */
function lentVoter(
  { member, resets, servedEpoch, sync, times, voters }: Promoted,
  { log }: StandbyPorts,
): RoleVoter {
  const file: RolesFile = { load: () => null, save: () => {} };
  const stored: StoredRoles = {
    member,
    voters,
    vote: NO_VOTE,
    servedEpoch,
    times,
    sync,
    resets,
  };
  return new RoleVoter(file, stored, log);
}

/** The links of this process for its store: they do not depend on whether it serves. */
async function openChannel(
  config: Config,
  dir: DataDir,
  { clock, log, random, retries, timers }: StandbyPorts,
  place: CellName,
  user: MeshPeers,
): Promise<CellMesh> {
  const { join, listen, name, queueBytesMax, secretFile, silentMs } = config.cells;
  const secret = await readSecret("cells.secretFile", secretFile!);
  const runtime = { clock, timers, random, log };
  const bind = { host: listen!.host, port: 0 };
  const mesh = new CellMesh({
    ...runtime,
    retries,
    wires: await openTcpWires({ ...runtime, bind, advertise: null, secret, silentMs }),
    domain: config.server.domain,
    mark: dir.nodeId,
    cell: channelName(name!, place),
    program: VERSION,
    join,
    publicUrls: [],
    queueBytesMax,
    stalledMs: silentMs,
    members: new MemoryValue(IDLE_MEMBERS),
    shared: new MemoryValue<Shared>({ version: 0, cells: [] }),
    witness: false,
    user,
  });
  mesh.start({ linked: () => {}, opened: () => {}, unlinked: () => {}, frame: () => {} });
  mesh.begin(idleHost({ id: dir.nodeId, incarnation: Math.floor(clock.wallMs()) }));
  return mesh;
}
