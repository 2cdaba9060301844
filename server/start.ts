/** Wires a node: store, shards, edge, protocols, HTTP server, admin socket; and takes it down. */
import type { Hono } from "hono";
import type { OfflineRoost, Reload, RunningRoost } from "./cli/launcher.ts";
import type { Config, ConfigInput } from "./config/config.ts";
import type { ShownSetting } from "./config/show.ts";
import type { EdgePacket } from "../shard/edge_packet.ts";
import type { PushEffect } from "../shard/effects.ts";
import { VERSION } from "./config/version.ts";
import { adminDeps } from "./ops/accounts.ts";
import { createAdminApp } from "./ops/api.ts";
import { createFront } from "./front.ts";
import type { Front } from "./front_types.ts";
import { addOperatorRoutes } from "./ops/operators_api.ts";
import type { Operators } from "./ops/operators.ts";
import { addServiceRoutes } from "./ops/services_api.ts";
import { addProvisionRoute } from "./load/provision_route.ts";
import { addInspectRoutes, type Busyness } from "./ops/inspect_api.ts";
import { addAuditRoutes } from "./ops/audit_api.ts";
import { addConfigRoute } from "./ops/config_api.ts";
import { addDocumentRoute } from "./ops/openapi.ts";
import { addCellsRoute } from "./ops/cells_api.ts";
import { addStandbyRoutes } from "./ops/standby_api.ts";
import { addMoveRoutes, type MovesHost } from "./ops/moves_api.ts";
import { openMoves } from "./open_moves.ts";
import { addClusterRoutes } from "./ops/cluster_api.ts";
import { addTraceRoutes } from "./ops/trace_api.ts";
import { addShardRoutes } from "./ops/shards_api.ts";
import { cellText, CellValue } from "./node/cell_value.ts";
import { keepShardsEven } from "./node/shard_keeper.ts";
import { addTransferRoutes, type ImportLimits } from "./ops/transfer_api.ts";
import { type AdminListener, listenAdmin } from "./ops/socket.ts";
import { listenAdminNetwork, type NetworkListener } from "./ops/admin_network.ts";
import type { InEffect } from "./config/reload.ts";
import { NodeReload } from "./reload.ts";
import type { TlsFiles } from "./system/config_files.ts";
import type { Cancel } from "./node/ports.ts";
import type { RecordAction } from "./ops/audit.ts";
import { isFirst, reloadInput, type WorkerShare } from "./workers/share.ts";
import type { RoleLease } from "./workers/role_lease.ts";
import { beginRole, ownStandby, type RoleParts } from "./own_role.ts";
import { within } from "./system/within.ts";
import { announceFirst } from "./gateway/presences.ts";
import { adminToken, adminTokenFile } from "./system/admin_token.ts";
import { guardRecords } from "./open_audit.ts";
import { guardAdmin, guardBrowsers, type GuardedApp } from "./ops/guard.ts";
import { isLoopback, isUnspecified } from "./config/address.ts";
import { type NodeAcme, openAcme } from "./open_acme.ts";
import type { TlsTexts } from "./http/node_server.ts";
import { fail, ok } from "../shard/errors.ts";
import { question } from "./node/asks.ts";
import { type OpenNode, openNode } from "./open.ts";
import type { Promoted } from "./standby/station.ts";
import { dashboard } from "./web/assets.ts";
import { docs } from "./web/docs/docs.ts";
import { linkOptions, shardLimits } from "./settings.ts";
import { exitOnBug, recordActions } from "./process_life.ts";
import { openOperators, openServices, type Services } from "./services.ts";
import { openPush } from "./open_push.ts";
import { recordAction } from "./system/offline_actions.ts";
import { systemProfiler } from "./system/profiler.ts";
import { type Process, systemProcess } from "./system/process.ts";
import { giveUp } from "./system/confine.ts";
import { giveWhenQuiet, systemMemoryGiver } from "./system/freed_memory.ts";

/** Reads the admin token anew. */
const READ_TOKEN = question<null, null>("admin.token");

function adminApp(
  config: Config,
  open: OpenNode,
  services: Pick<Services, "gateway" | "experiments">,
  operators: Operators,
  record: RecordAction = (input) => open.audit.admin(input),
): Hono {
  const deps = adminDeps(open.node, open.ports, open.signIn, linkOptions(config), record);
  const app = createAdminApp(deps);
  addProvisionRoute(app, deps);
  addServiceRoutes(app, services.gateway, services.experiments);
  addTransferRoutes(app, deps, open.ports, importLimits(config, open));
  addAuditRoutes(app, open.ports.store, open.ports.clock);
  addOperatorRoutes(app, operators, open.ports.clock);
  return app;
}

function importLimits(config: Config, { signIn }: OpenNode): ImportLimits {
  const { sha256, sha1 } = signIn.iterations;
  const counts = [sha256, sha1 ?? sha256, ...signIn.formerIterations];
  return { ...shardLimits(config), iterations: [...new Set(counts)] };
}

/** Where the admin API listens: the socket, and the network where that is configured. */
interface AdminListeners {
  readonly network: { readonly url: string; readonly tokenFile: string } | null;
  /** Gives the one on the network another certificate. */
  changeTls(tls: TlsFiles): void;
  close(): Promise<void>;
}

async function listen(
  config: Config,
  open: OpenNode,
  { admin, operators }: { readonly admin: Hono; readonly operators: Operators },
  tls: TlsTexts | null,
): Promise<AdminListeners> {
  const { dir, ports, log } = open;
  let token = adminToken(dir.path, ports.random);
  // Every worker of this directory has read it.
  open.node.asks.on(READ_TOKEN, (_, done) => {
    token = adminToken(dir.path, ports.random);
    done(ok(null));
  });
  admin.post(
    "/admin/token/reload",
    () =>
      new Promise<Response>((done) =>
        open.node.asks.all(READ_TOKEN, null, ({ missing }) => done(Response.json({ missing })))
      ),
  );
  const guarded = guardAdmin(admin, {
    open: new Map([...dashboard(), ...docs()]),
    token: () => token,
    operators,
    clock: ports.clock,
    log,
    ...guardRecords(open.audit),
  });
  let url: string | null = null;
  admin.get("/admin/listener", (c) => c.json({ url }));
  addDocumentRoute(admin, VERSION);
  const network = await listenNetwork(config, guarded, tls);
  url = network?.url ?? null;
  if (network !== null) log.info("admin listens", { url: network.url });
  const socket = await listenAdmin(guardBrowsers(admin, guarded), dir.adminSocketPath);
  return {
    network: network === null ? null : { url: network.url, tokenFile: adminTokenFile(dir.path) },
    changeTls: (tls) => network?.changeTls(tls),
    close: () => closeAll([network, socket]),
  };
}

async function listenNetwork(
  config: Config,
  app: GuardedApp,
  own: TlsTexts | null,
): Promise<NetworkListener | null> {
  const { listen } = config.admin;
  if (listen === null) return null;
  // The configuration was checked; what listens makes sure of it.
  if (!isLoopback(listen.host) && !config.admin.allowRemote) {
    throw new Error("Cannot listen at admin.listen: it is not loopback, see admin.allowRemote");
  }
  // On this machine nobody listens in, and the certificate is for another name.
  const tls = isLoopback(listen.host) ? null : own;
  return await listenAdminNetwork(app, listen, tls);
}

/** What can be asked only of a node that runs. */
function addRunningRoutes(
  admin: Hono,
  config: Config,
  open: OpenNode,
  process: Process,
  busyness: () => Busyness,
): MovesHost | null {
  const { node, cells, ports, log, dir, share, station } = open;
  const moves = openMoves(open, config.server.domain);
  addShardRoutes(admin, node, ports.timers);
  node.coordinator.start();
  addClusterRoutes(admin, node, share !== null);
  addCellsRoute(admin, node.asks, cells, ports);
  addStandbyRoutes(admin, { own: () => ownStandby(open), station });
  addMoveRoutes(admin, moves);
  addTraceRoutes(admin, node, cells?.queries ?? null);
  if (config.storage.shardsFollowLoad) keepShardsEven(node, ports, config.storage.shards);
  addInspectRoutes(admin, {
    ...ports,
    log,
    asks: node.asks,
    profiler: systemProfiler(),
    busyness,
    rssBytes: () => process.rssBytes(),
    dataDir: dir.path,
  });
  return moves;
}

/** All native functions are loaded. Only what serves another cell's copy starts processes. */
function confine({ station }: OpenNode): void {
  giveUp("ffi", "import");
  if (station === null) giveUp("run");
}

function nodeReload(
  { audit, log, ports: { clock } }: OpenNode,
  front: Front,
  { changeTls }: AdminListeners,
  now: InEffect,
): NodeReload {
  const record: RecordAction = (input) => audit.admin(input);
  return new NodeReload({ front, log, clock, changeTls, record }, now);
}

/** Begins to keep the certificate valid that the node orders, if it does. */
async function beginAcme(acme: NodeAcme | null, front: Front, reloads: NodeReload): Promise<void> {
  await acme?.start({
    httpsPort: front.port,
    counters: front.reloads.orders,
    serve: (certificate) => reloads.serve(certificate),
  });
}

/** How a node is started. */
export interface StartOptions {
  /** What the configuration was read from. */
  readonly input: ConfigInput;
  /** Its part as one of several workers; null where it is none. */
  readonly share: WorkerShare | null;
  /** At a worker of a cell that has a standby: until when it may serve. */
  readonly lease: RoleLease | null;
  /** The copy of another cell's store that it serves. */
  readonly promoted: Promoted | null;
  /** As in `Launcher.startRoost`. */
  readonly ending: AbortSignal;
}

/** A node that serves, and what the process that has started it may have it do. */
export type StartedNode = RunningRoost & RoleParts;

/** Starts a node, which may be one worker of several; see `Launcher`. */
export async function startNode(
  config: Config,
  settings: readonly ShownSetting[],
  { input, share, lease, promoted, ending }: StartOptions,
): Promise<StartedNode> {
  // The shards' packets wait for the edge: before that no session can exist, but it may be asked for
  // those that there are.
  const early: EdgePacket[] = [];
  let deliver: (packet: EdgePacket) => void = (packet) => void early.push(packet);
  // What is owed since before the start may be due before the sender is made.
  const earlyPushes: PushEffect[] = [];
  const { waitingMax } = config.push;
  let push = (p: PushEffect): void => {
    if (earlyPushes.length < waitingMax) earlyPushes.push(p);
  };
  const given = { makes: true, serves: true, share, lease, promoted, input, ending };
  const open = await openNode(config, (p) => deliver(p), { ...given, push: (p) => push(p) });
  const process = systemProcess();
  exitOnBug(process, open.log, open.flushLog, open.ports.timers);
  try {
    const invite = isFirst(share) ? await firstInvite(config, open) : null;
    const opened = await openServices(config, open, (o, done) => front.openSession(o, done));
    const services: Services = { ...opened, push: await openPush(config, open) };
    push = (p) => services.push?.sender.take(p);
    for (const p of earlyPushes.splice(0)) push(p);
    const acme = await openAcme(config, open);
    const front = await createFront(config, open, process, services, acme?.tls ?? null);
    deliver = announceFirst(services.gateway.presences, (packet) => front.deliver(packet));
    for (const packet of early.splice(0)) deliver(packet);
    const operators = await openOperators(open);
    const admin = adminApp(config, open, services, operators);
    services.gateway.start();
    front.addAdminRoutes(admin);
    addConfigRoute(admin, open.node.asks, () => reloads.settings);
    const moves = addRunningRoutes(admin, config, open, process, () => front.busyness());
    const listeners = await listen(config, open, { admin, operators }, front.tls);
    const reloads = nodeReload(open, front, listeners, { config, settings });
    if (share === null) await recordActions(open.dir.path, (input) => open.audit.admin(input));
    open.audit.start();
    if (!isUnspecified(config.server.bind.host)) open.cells?.setPublicUrl(front.url);
    open.log.info("serving", { url: front.url, domain: config.server.domain });
    await beginAcme(acme, front, reloads);
    const giving = giveWhenQuiet(open.ports, process, systemMemoryGiver());
    confine(open);
    const parts = { front, services, listeners, moves, giving, acme };
    const { stop, stopped } = stopper(config, open, parts);
    open.node.coordinator.orders.onLeft = stop;
    const role = beginRole(open, config, front, process);
    const reload = (next: Reload) => {
      open.reloadCopies(reloadInput(next));
      acme?.hurry();
      return reloads.reload(next);
    };
    const started = { url: front.url, invite, admin: listeners.network, stop, reload, stopped };
    return { ...started, ...role };
  } catch (error) {
    await open.close();
    throw error;
  }
}

/** Drains the node, once. */
function stopper({ timeouts: { drainMs } }: Config, open: OpenNode, parts: {
  readonly front: Front;
  readonly services: Services;
  readonly listeners: AdminListeners;
  readonly moves: MovesHost | null;
  /** Ends the giving back of memory. */
  readonly giving: Cancel;
  readonly acme: NodeAcme | null;
}): Pick<RunningRoost, "stop" | "stopped"> {
  const { acme, front, services, listeners, moves, giving } = parts;
  const { log, ports: { timers } } = open;
  let stopping = false;
  let resolve: (code: number) => void;
  const stopped = new Promise<number>((done) => resolve = done);
  const stop = () => {
    if (stopping) return;
    stopping = true;
    log.info("draining", { limitMs: drainMs });
    giving();
    moves?.evacuation.stop();
    services.gateway.stop();
    services.push?.sender.stop();
    open.registers.stop();
    front.drain()
      .then(() => acme?.stop())
      .then(() => within(timers, drainMs, listeners.close()))
      .then(() => open.close())
      .then(() => resolve(0), (error) => {
        log.error("drain failed", { error: String(error) });
        resolve(1);
      });
  };
  return { stop, stopped };
}

async function closeAll(listeners: readonly (AdminListener | null)[]): Promise<void> {
  await Promise.all(listeners.map((listener) => listener?.close()));
}

/** A server that needs invites prints one at its first start, or nobody could get in. */
async function firstInvite(config: Config, open: OpenNode): Promise<string | null> {
  if (config.registration.mode !== "invite") return null;
  const mark = new CellValue(open.ports.store, cellText("invited"));
  const invited = await new Promise<boolean>((done) =>
    mark.load((error, invited) => done(error !== null || invited !== null))
  );
  if (invited) return null;
  const links = linkOptions(config);
  const record: RecordAction = (input) => open.audit.admin(input);
  const deps = adminDeps(open.node, open.ports, open.signIn, links, record);
  const made = await new Promise<string | null>((done) =>
    deps.invites.create((result) => done(result.ok ? result.value.code : null))
  );
  // As where the lease of a cell's role is over for a moment: the next start makes it.
  if (made === null) return null;
  await new Promise<void>((done) => mark.update(() => "1", () => done()));
  return made;
}

/** Opens the store for the admin API alone; see `Launcher`. */
export async function openOffline(config: Config, makes: boolean): Promise<OfflineRoost> {
  const quiet: Config = { ...config, log: { ...config.log, level: "warn" } };
  const open = await openNode(quiet, () => {}, { makes, serves: false });
  const away = fail("unavailable", "No server runs");
  const services = await openServices(config, open, (_, done) => done(away));
  // The command is no server, whose log is read: the next start logs what it does.
  const { dir: { path }, ports: { clock } } = open;
  const record: RecordAction = (input) => {
    recordAction(path, { ...input, at: new Date(clock.wallMs()).toISOString() });
    return Promise.resolve(null);
  };
  const admin = adminApp(config, open, services, await openOperators(open), record);
  return { admin, domain: open.signIn.domain, close: open.close };
}
