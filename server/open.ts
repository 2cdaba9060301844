/** Opens a node over its data directory, with the real ports, but lets nobody in yet. */
import type { EdgePacket } from "../shard/edge_packet.ts";
import type { Config, ConfigInput } from "./config/config.ts";
import { RegisterPoll } from "./node/register_poll.ts";
import { cellSecret } from "./node/cell_secret.ts";
import { ArrivalRate } from "./node/arrival_rate.ts";
import { beginCells, openCells, openRelayProofs, whyNoAccounts } from "./open_cells.ts";
import type { RelayProofs } from "./http/relay_proof.ts";
import type { Audit } from "./audit/audit.ts";
import { openAudit } from "./open_audit.ts";
import type { CellMesh } from "./peer/cells/mesh.ts";
import type { Counters } from "./http/counters.ts";
import type { Ports, Random, Runtime, Store } from "./node/ports.ts";
import type { Registers } from "./node/cell_value.ts";
import type { Evacuation } from "./node/evacuation.ts";
import { openEvacuation } from "./open_moves.ts";
import type { MoveOutcome, PushEffect, SilentCause } from "../shard/effects.ts";
import type { SignInOptions } from "./auth/sign_in_options.ts";
import { configFilePaths } from "./config/paths.ts";
import { type DataDir, openDataDir, sharedDataDir, workerSockets } from "./system/data_dir.ts";
import { type LiveLog, startLog } from "./system/logger.ts";
import { createCounters } from "./http/counters.ts";
import { keepDomain, storedDomain } from "./node/domain.ts";
import { keepStoreMark } from "./node/store_mark.ts";
import { noteDamage } from "./node/damage.ts";
import { type CellName, newId } from "../shard/name/ids.ts";
import { Node } from "./node/node.ts";
import type { NodeOptions } from "./node/parts.ts";
import { NodeIdUsedTwice } from "./node/former_process.ts";
import { engineOf, openStore, servedStore } from "./open_store.ts";
import { openLinks } from "./open_links.ts";
import { openStation, type Station } from "./open_station.ts";
import { openOwnStandby, type OwnStandby } from "./open_standby.ts";
import type { Promoted, StandbyStation } from "./standby/station.ts";
import type { RoleLease } from "./workers/role_lease.ts";
import { restoreTag } from "./node/restore_tag.ts";
import { retries, shardLimits, signInOptions } from "./settings.ts";
import { type LogOut, stderrOut } from "./system/stderr.ts";
import type { ReloadInput, WorkerShare } from "./workers/share.ts";
import { openTelemetry, type Telemetry } from "./system/telemetry.ts";
import { systemClock } from "./system/clock.ts";
import { systemKdf } from "./system/kdf.ts";
import { systemRandom } from "./system/random.ts";
import { VERSION } from "./config/version.ts";
import { systemTimers } from "./system/timers.ts";

/** A node that serves its shards. */
export interface OpenNode {
  readonly dir: DataDir;
  readonly ports: Ports;
  readonly log: LiveLog;
  readonly node: Node;
  /** The cell's registers, of which changes of other nodes are noticed whatever the store is. */
  readonly registers: RegisterPoll;
  /** The links with the other cells of the federation; null where the cell is alone. */
  readonly cells: CellMesh | null;
  /** This cell's part in the copies of its own store, and in those of others; null where it has none. */
  readonly standby: OwnStandby | null;
  readonly station: StandbyStation | null;
  /** Has processes that serve copies go on with other settings. */
  reloadCopies(next: ReloadInput): void;
  /** The cell of which nodes know who serves this one; null where that is never another place. */
  readonly elsewhere: CellName | null;
  /** The proofs of clients that other cells pass on; null where the cell is alone. */
  readonly relays: RelayProofs | null;
  /** How many accounts of other cells move here. */
  readonly arrivals: ArrivalRate;
  /** Moves of all accounts to other cells; null where the cell is alone. */
  readonly evacuation: Evacuation | null;
  readonly counters: Counters;
  readonly audit: Audit;
  readonly signIn: SignInOptions;
  /** What takes spans and metrics; null where nothing does. */
  readonly telemetry: Telemetry | null;
  /** Tells the other nodes of the cell whether this one wants clients. */
  setBusy(busy: boolean): void;
  /** Its part of a server of several processes; null where it is the only one. */
  readonly share: WorkerShare | null;
  /** Calls back when what was logged is written. */
  flushLog(done: () => void): void;
  /** Commits and checkpoints what there is, closes the store, gives the directory back. */
  close(): Promise<void>;
}

/** What a node is opened for. */
export interface OpenOptions {
  /** Whether a data directory is made where there is none. */
  readonly makes: boolean;
  /**
   * Whether clients will be served: then the directory keeps the configuration's domain, and must
   * have no other. Else the domain that it has counts.
   */
  readonly serves: boolean;
  /** Makes it a worker of the process that has taken the directory. */
  readonly share?: WorkerShare | null;
  /** At a worker of a cell that has a standby: until when it may serve. */
  readonly lease?: RoleLease | null;
  /** It serves a copy that another cell has kept. */
  readonly promoted?: Promoted | null;
  /** What the configuration was read from, for processes that serve copies. */
  readonly input?: ConfigInput;
  /** As in `Launcher.startRoost`. */
  readonly ending?: AbortSignal;
  /** Sends push messages. */
  readonly push?: (push: PushEffect) => void;
}

/** Takes the data directory, opens the store and reads the logs. */
export async function openNode(
  config: Config,
  deliver: (packet: EdgePacket) => void,
  { makes, serves, share = null, lease = null, promoted = null, input, ending, push }: OpenOptions,
): Promise<OpenNode> {
  const random = systemRandom();
  const { dir, out, log } = await openDir(config, random, makes, share);
  let opened: Store | null = null;
  let standby: OwnStandby | null = null;
  try {
    const counters = createCounters();
    const observe = noteDamage(log, counters.damaged);
    const machine = machineOf(config, random, log);
    const takesPart = serves && share === null;
    standby = takesPart ? await openOwnStandby(config, dir, machine, { promoted, ending }) : null;
    const how = { ...machine, observe, serves, standby };
    const store = opened = await storeOf(config, dir, share, how);
    await standby?.resetCursors(store);
    const use = { serves, replicated: standby !== null || lease !== null };
    const { domain, mark, tag, secret } = await identify(store, dir, config, random, use);
    const ports = { ...machine, store, kdf: systemKdf() };
    const shared = sharedOf(config, ports, dir);
    const about = aboutOf(config);
    const arrivals = new ArrivalRate(ports.clock, config.cells.arrivalsPerSecondMax);
    const links = serves ? await openLinks(config, domain, ports, linksOf(dir, share)) : null;
    const noAccounts = await whyNoAccounts(config, { store, mark, serves });
    const station = openStation(config, dir, ports, { serves, share, promoted, input });
    const named = { domain, mark, user: station?.user };
    const cells = serves ? await openCells(config, named, { ...ports, ...shared }) : null;
    const telemetry = serves ? openTelemetry(dir.nodeId, config.log.otelPercent, VERSION) : null;
    const node = new Node(ports, {
      id: dir.nodeId,
      observeStep: telemetry?.step,
      ...(links === null ? {} : { links, about, withoutStoreMs: config.cell.withoutStoreMs }),
      ...(cells === null ? {} : { cells, presenceUnknownMs: config.cells.presenceUnknownMs }),
      ...(noAccounts === null ? {} : { noAccounts }),
      ...rolesOf(standby, lease),
      arrivals,
      process: newId(random.bytes(12)),
      usedTwice: (why) => reportError(new NodeIdUsedTwice(why)),
      limits: shardLimits(config, tag),
      ...sizesOf(config, share),
      ...counted(counters, deliver, push),
    });
    await started(node);
    const evacuation = begin({ ...ports, ...shared }, cells, node, station, () => about.busy);
    const copies = { ...copiesOf(station), ...roleOf(config, standby, lease), ...shared };
    const close = () => closeAll({ ...copies, node, store, dir });
    const signIn = { ...signInOptions(config, secret), domain };
    const setBusy = (busy: boolean) => void (about.busy = busy);
    const relays = await openRelayProofs(config, cells);
    const made = { ...copies, arrivals, evacuation, relays, setBusy, flushLog: flushing(out) };
    return { dir, ports, log, node, cells, counters, signIn, telemetry, share, close, ...made };
  } catch (error) {
    if (opened !== null) await closed(opened);
    await standby?.close();
    dir.release();
    throw error;
  }
}

/** The store: this process opens it, or the one does of which it is a worker. */
async function storeOf(
  config: Config,
  dir: DataDir,
  share: WorkerShare | null,
  how: Parameters<typeof openStore>[2],
): Promise<Store> {
  return share === null ? await openStore(config, dir, how) : servedStore(dir, how.observe);
}

/** What nodes of the cell share, and what each adds to. */
function sharedOf(
  config: Config,
  ports: Ports & Parameters<typeof openAudit>[1],
  { nodeId }: DataDir,
) {
  return { registers: new RegisterPoll(ports), audit: openAudit(config, ports, nodeId) };
}

function roleOf(
  config: Config,
  standby: OwnStandby | null,
  lease: RoleLease | null,
): Pick<OpenNode, "standby" | "elsewhere"> {
  return { standby, elsewhere: standby?.elsewhere ?? (lease === null ? null : config.standby.at) };
}

function begin(
  ports: Runtime & { readonly registers: Registers },
  cells: CellMesh | null,
  node: Node,
  station: Station | null,
  busy: () => boolean,
): Evacuation | null {
  if (cells === null) return null;
  beginCells(cells, node, busy);
  station?.begin(cells);
  return openEvacuation(ports, node, cells);
}

function copiesOf(station: Station | null): Pick<OpenNode, "station" | "reloadCopies"> {
  return { station: station?.station ?? null, reloadCopies: station?.reload ?? (() => {}) };
}

function flushing(out: LogOut): OpenNode["flushLog"] {
  return (done) => out.flush(done);
}

/** Where lines of the log go. */
export function logOut(): LogOut {
  return stderrOut({
    pendingCharsMax: 1_000_000,
    droppedLine: (count) => `{"level":"warn","event":"log lines dropped","count":${count}}`,
  });
}

async function openDir(config: Config, random: Random, makes: boolean, share: WorkerShare | null) {
  const { dataDir, log: { level, format } } = config;
  const out = logOut();
  if (share !== null) {
    const dir = sharedDataDir(dataDir, share.number);
    return { dir, out, log: startLog({ level, format, out, fields: { node: dir.nodeId } }) };
  }
  const log = startLog({ level, format, out });
  const engine = engineOf(config);
  return {
    dir: await openDataDir(dataDir, random, makes, configFilePaths(config), engine),
    out,
    log,
  };
}

function linksOf({ path }: DataDir, share: WorkerShare | null) {
  if (share === null) return null;
  return { path: workerSockets(path, share.number).links, secret: share.secret };
}

/** Epochs of roles rise with every process that opens the store, at any place. */
function rolesOf(
  standby: OwnStandby | null,
  lease: RoleLease | null,
): Pick<NodeOptions, "incarnation" | "mayServe"> {
  if (lease !== null) {
    return { incarnation: lease.incarnation, mayServe: () => lease.mayServe };
  }
  if (standby === null) return {};
  const { member } = standby;
  return {
    incarnation: member.registered?.roles?.epoch ?? 0,
    mayServe: () => member.mayServe,
  };
}

function sizesOf({ log, storage }: Config, share: WorkerShare | null) {
  const { cacheUsersMax, shards } = storage;
  const writers = share?.count ?? 1;
  return { traceStepsMax: log.traceStepsMax, cacheUsersMax, shards, writers };
}

/** What is under way is finished while standbys still acknowledge it. */
async function closeAll(
  { audit, standby, station, registers, node, store, dir }:
    & Pick<OpenNode, "audit" | "standby" | "station" | "registers" | "node" | "dir">
    & { readonly store: Store },
): Promise<void> {
  registers.stop();
  await new Promise<void>((done) => station === null ? done() : station.stop(done));
  await new Promise<void>((done) => node.stop(done));
  await audit.stop();
  await closed(store);
  await standby?.close();
  dir.release();
}

function machineOf(config: Config, random: Random, log: LiveLog) {
  const timers = systemTimers();
  return { timers, random, log, retries: retries(config), clock: systemClock() };
}

/** Takes what a node has for its edge and for push services, and counts what it observes. */
function counted(
  { commits, messages, moves }: Counters,
  deliver: (packet: EdgePacket) => void,
  push: OpenOptions["push"],
) {
  return {
    deliver,
    ...(push === undefined ? {} : { push }),
    observeCommit(ms: number, rows: number, bytes: number) {
      commits.latencyMs.observe(ms);
      commits.rows.observe(rows);
      commits.bytes.observe(bytes);
    },
    observeRefused: (cause: SilentCause, count: number) =>
      void (messages.refusedSilently[cause] += count),
    observeMoved: (outcome: MoveOutcome) => void moves[outcome]++,
  };
}

/** What the node says of itself to the others of its cell. */
function aboutOf({ cell, server: { publicUrl } }: Config) {
  const url = cell.publicUrl ?? publicUrl;
  return { version: VERSION, addresses: url === null ? [] : [url], busy: false };
}

function closed(store: Store): Promise<void> {
  return new Promise((done) => store.close(done));
}

/** What the store says of its cell, once it is known to be the one that belongs to the directory. */
export async function identify(
  store: Store,
  dir: DataDir,
  config: Config,
  random: Random,
  { serves, replicated }: { readonly serves: boolean; readonly replicated: boolean },
) {
  const mark = await keepStoreMark(store, random, dir.storeMark, dir.path);
  if (dir.storeMark === null) dir.noteStoreMark(mark);
  if (serves) await keepDomain(store, config.server.domain, dir.path);
  const own = engineOf(config) === "kv" && !replicated;
  return {
    domain: await storedDomain(store) ?? config.server.domain,
    mark,
    tag: await restoreTag(store),
    secret: own ? dir.serverSecret : await cellSecret(store, dir.serverSecret),
  };
}

function started(node: Node): Promise<void> {
  return new Promise((resolve, reject) => {
    node.start((error) => {
      if (error === null) resolve();
      else {
        const whole = error.message.startsWith("Cannot ");
        reject(new Error(whole ? error.message : `Cannot open the store: ${error.message}`));
      }
    });
  });
}
