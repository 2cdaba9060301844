/** Wires a supervisor: it has the store, which it serves to its workers, and keeps those running. */
import type { Config, ConfigInput } from "./config/config.ts";
import type { RunningRoost } from "./cli/launcher.ts";
import type { Store } from "./node/ports.ts";
import { adminToken } from "./system/admin_token.ts";
import { configFilePaths } from "./config/paths.ts";
import {
  type DataDir,
  meterSocketPath,
  openDataDir,
  storeSocketPath,
  workerNodeId,
  workerSockets,
} from "./system/data_dir.ts";
import { encodeBase64Url } from "byte-encodings/base64url";
import { exitOnBug, LOST_EXIT, LOST_MS, recordActions } from "./process_life.ts";
import { giveUp } from "./system/confine.ts";
import { identify, logOut } from "./open.ts";
import { openOwnStandby, type OwnStandby } from "./open_standby.ts";
import { listenAdmin } from "./ops/socket.ts";
import { OWN_METRICS_PATH } from "./worker_metrics.ts";
import { OWN_STANDBY_PATH } from "./ops/standby_api.ts";
import { removeIfThere } from "./system/small_file.ts";
import { supervisorMetrics } from "./ops/supervisor_metrics.ts";
import { listenFramed } from "./system/framed_socket.ts";
import { noteEnded } from "./node/members.ts";
import { openAudit } from "./open_audit.ts";
import { openStore } from "./open_store.ts";
import { proxySocket } from "./system/socket_proxy.ts";
import { retries } from "./settings.ts";
import { canShare, type SharedPort, takeSharedPort } from "./system/shared_port.ts";
import { type LiveLog, startLog } from "./system/logger.ts";
import { SpareProcesses } from "./system/spare_processes.ts";
import { RoleLender } from "./workers/role_lender.ts";
import {
  type Assignment,
  reloadInput,
  type SupervisorLine,
  workerInput,
  type WorkerLine,
} from "./workers/share.ts";
import { STORE_FRAME_BYTES_MAX } from "./store/store_frames.ts";
import { StoreServer } from "./store/store_server.ts";
import { Supervisor, type SupervisorDeps } from "./workers/supervisor.ts";
import { systemClock } from "./system/clock.ts";
import { openProcessFigures } from "./system/process_figures.ts";
import { systemProcess } from "./system/process.ts";
import { systemRandom } from "./system/random.ts";
import { systemTimers } from "./system/timers.ts";
import { WORKER_COMMAND } from "./cli/launcher.ts";

const SECRET_BYTES = 32;
/** What a command gets while no worker serves. */
const NOBODY = JSON.stringify({
  error: { code: "unavailable", message: "No worker of the server serves now" },
});
const REFUSAL = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n" +
  `Content-Length: ${NOBODY.length}\r\nConnection: close\r\n\r\n${NOBODY}`;

type Runtime = Pick<SupervisorDeps, "clock" | "timers" | "random" | "retries"> & {
  readonly log: LiveLog;
};

/** What is closed at the end, the last one first. */
class Opened {
  readonly #closers: (() => unknown)[] = [];

  add(close: () => unknown): void {
    this.#closers.push(close);
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close();
  }
}

/** Starts a server of `count` workers, once it is the primary of its store; as `Launcher.startRoost`. */
export async function supervise(
  config: Config,
  input: ConfigInput,
  count: number,
  ending: AbortSignal,
): Promise<RunningRoost> {
  if (!canShare()) {
    throw new Error("Cannot start workers: they share the port, which this build cannot");
  }
  const { out, log, runtime } = begin(config);
  const opened = new Opened();
  const processes = new SpareProcesses([WORKER_COMMAND], count);
  opened.add(() => processes.end());
  try {
    // They start while another place serves: a handover does not wait for that.
    if (config.standby.at !== null) processes.prepare();
    const { dir, store, server, standby } = await openServed(config, runtime, opened, ending);
    const role = standby === null ? null : lentRole(standby);
    const port = await takeSharedPort(config.server.bind);
    const write = (line: string) => out.write(line);
    const own = { port, count, runtime, role, processes, log: write };
    const { spawn, use } = spawner(config, input, own);
    const supervisor = new Supervisor({
      ...runtime,
      count,
      drainMs: config.timeouts.drainMs,
      spawn,
      ended: (number, done) => {
        const node = workerNodeId(dir.nodeId, number);
        server.drop(node);
        noteEnded(store, (id) => id === node, done);
      },
    });
    const stopped = ended(supervisor, opened, standby, runtime, (done) => out.flush(done));
    const meter = await listenMeter(dir, count, supervisor, standby);
    opened.add(() => meter.close());
    const targets = () => supervisor.serving.map((n) => workerSockets(dir.path, n).admin);
    const proxy = await proxySocket(dir.adminSocketPath, targets, REFUSAL);
    opened.add(() => proxy.close());
    const { url, invite, admin } = await supervisor.start();
    // It starts workers that end again.
    giveUp("ffi", "import");
    log.info("serving", { url, domain: config.server.domain, workers: count });
    const stop = () => {
      log.info("draining", { limitMs: config.timeouts.drainMs });
      supervisor.stop();
    };
    return { url, invite, admin, stop, reload: reloading(supervisor, log, use), stopped };
  } catch (error) {
    await opened.close();
    throw error;
  }
}

/** The log of the process, and what else it needs of the machine. */
function begin(config: Config) {
  const out = logOut();
  const { level, format } = config.log;
  const log = startLog({ level, format, out });
  const timers = systemTimers();
  exitOnBug(systemProcess(), log, (done) => out.flush(done), timers);
  const runtime: Runtime = {
    clock: systemClock(),
    timers,
    random: systemRandom(),
    log,
    retries: retries(config),
  };
  return { out, log, runtime };
}

function reloading(
  supervisor: Supervisor,
  log: LiveLog,
  use: (input: ConfigInput) => void,
): RunningRoost["reload"] {
  return (next) => {
    if (next.kind === "config") {
      use(next.input);
      log.setLevel(next.config.log.level);
    }
    return supervisor.reload(reloadInput(next));
  };
}

/** What workers serve by; messages that a former primary has acknowledged alone go to one of them. */
function lentRole({ member }: OwnStandby) {
  const lender = new RoleLender(() => member.lend());
  member.takeUnreplicated = lender.resubmit;
  return { lender, epoch: () => member.registered?.roles?.epoch ?? 0 };
}

/** The exit code, once everything is closed; never where another place serves. */
function ended(
  supervisor: Supervisor,
  opened: Opened,
  standby: OwnStandby | null,
  runtime: Runtime,
  flush: (done: () => void) => void,
): Promise<number> {
  let lost = false;
  standby?.onLost((handedOver) => {
    lost = true;
    endLost(supervisor, handedOver, runtime, flush);
  });
  return supervisor.stopped.then((code) => {
    // Its store takes nothing any more, and the process exits by itself.
    return lost ? new Promise<never>(() => {}) : opened.close().then(() => code);
  });
}

/** Ends the process once another place serves its cell: started again, it is the standby. */
function endLost(
  supervisor: Supervisor,
  handedOver: boolean,
  { log, timers }: Runtime,
  flush: (done: () => void) => void,
): void {
  log.warn("another place serves this cell: the process ends", { handedOver });
  const exit = () => systemProcess().exit(handedOver ? 0 : LOST_EXIT);
  timers.after(LOST_MS * 2, exit);
  supervisor.stopped.then(() => flush(exit));
  supervisor.leave(handedOver);
}

/** Takes the directory, opens its store once this process is the primary, and serves that. */
async function openServed(config: Config, runtime: Runtime, opened: Opened, ending: AbortSignal) {
  const { random, log, timers } = runtime;
  const dir = await openDataDir(config.dataDir, random, true, configFilePaths(config), "kv");
  opened.add(() => dir.release());
  const observe = (key: readonly unknown[], reason: string) =>
    log.error("damaged row", { key: key.join(" "), reason });
  const standby = await openOwnStandby(config, dir, runtime, { promoted: null, ending });
  opened.add(() => standby?.close());
  const store = await openStore(config, dir, { log, timers, observe, serves: true, standby });
  opened.add(() => new Promise<void>((done) => store.close(done)));
  await standby?.resetCursors(store);
  await identify(store, dir, config, random, { serves: true, replicated: standby !== null });
  // Made before workers look for it, each for itself.
  adminToken(dir.path, random);
  const audit = openAudit(config, { ...runtime, store }, dir.nodeId);
  await recordActions(dir.path, (input) => audit.admin(input));
  await audit.stop();
  // Nobody else has the directory: its workers of before have ended, or are about to.
  await settled(store, dir);
  const server = new StoreServer(store, log);
  const accept: Parameters<typeof listenFramed>[2] = (socket) => server.accept(socket);
  const listener = await listenFramed(storeSocketPath(dir.path), STORE_FRAME_BYTES_MAX, accept);
  opened.add(() => {
    listener.close();
    server.close();
  });
  return { dir, store, server, standby };
}

/** Serves what it counts of its workers and its store's standby: any worker shows it. */
async function listenMeter(
  dir: DataDir,
  count: number,
  supervisor: Supervisor,
  standby: OwnStandby | null,
) {
  const figures = () => ({ count, serving: supervisor.serving, ends: supervisor.ends });
  const startedAtMs = systemClock().wallMs();
  const own = standby?.member ?? null;
  const ofProcess = openProcessFigures();
  const process = systemProcess();
  const app = supervisorMetrics(OWN_METRICS_PATH, figures, own, process, ofProcess, startedAtMs);
  app.get(OWN_STANDBY_PATH, () => Response.json(own?.view ?? null));
  const path = meterSocketPath(dir.path);
  // One that was killed has left it.
  removeIfThere(path);
  return await listenAdmin(app, path);
}

function settled(store: Store, { nodeId }: DataDir): Promise<void> {
  return new Promise((done) => noteEnded(store, (id) => id.startsWith(`${nodeId}-`), done));
}

function spawner(
  config: Config,
  input: ConfigInput,
  { port, count, runtime, role, processes, log }: {
    readonly port: SharedPort;
    readonly count: number;
    readonly runtime: Runtime;
    /** Null: the cell has no standby. */
    readonly role: ReturnType<typeof lentRole> | null;
    readonly processes: SpareProcesses;
    readonly log: (line: string) => void;
  },
): {
  readonly spawn: SupervisorDeps["spawn"];
  /** Has workers that start from now on read another configuration. */
  use(input: ConfigInput): void;
} {
  const secret = encodeBase64Url(runtime.random.bytes(SECRET_BYTES));
  const sharedOf = (input: ConfigInput) => workerInput({ ...input, dataDir: config.dataDir });
  let shared = sharedOf(input);
  let kept = true;
  const spawn: SupervisorDeps["spawn"] = (number, { said, exited }) => {
    const say = (line: SupervisorLine) => process.say(line);
    const process = processes.take({
      said(text) {
        const line: WorkerLine = JSON.parse(text);
        // It listens.
        if (line.kind === "serving" && kept) {
          kept = false;
          port.release();
        }
        role?.lender.said(number, line, say);
        said(line);
      },
      logged: log,
      exited(code) {
        role?.lender.exited(number);
        exited(code);
      },
    });
    const assignment: Assignment = {
      input: shared,
      share: { number, count, port: port.port, secret },
      ...(role === null ? {} : { epoch: role.epoch() }),
    };
    process.say(assignment);
    return {
      pid: process.pid,
      stop: () => say({ kind: "stop" }),
      reload: (reload) => say({ kind: "reload", reload }),
      leave: () => say({ kind: "lost" }),
      kill: () => process.kill(),
    };
  };
  return { spawn, use: (input) => void (shared = sharedOf(input)) };
}
