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
import { exitOnBug, logActions } from "./process_life.ts";
import { giveUp } from "./system/confine.ts";
import { identify, logOut } from "./open.ts";
import { listenAdmin } from "./ops/socket.ts";
import { OWN_METRICS_PATH } from "./worker_metrics.ts";
import { removeIfThere } from "./system/small_file.ts";
import { supervisorMetrics } from "./ops/supervisor_metrics.ts";
import { listenFramed } from "./system/framed_socket.ts";
import { noteEnded } from "./node/members.ts";
import { openStore } from "./open_store.ts";
import { proxySocket } from "./system/socket_proxy.ts";
import { retries } from "./settings.ts";
import { canShare, type SharedPort, takeSharedPort } from "./system/shared_port.ts";
import { type LiveLog, startLog } from "./system/logger.ts";
import { startOwn } from "./system/worker_process.ts";
import {
  reloadInput,
  reloadLine,
  STOP_LINE,
  workerInput,
  type WorkerLine,
} from "./workers/share.ts";
import { STORE_FRAME_BYTES_MAX } from "./store/store_frames.ts";
import { StoreServer } from "./store/store_server.ts";
import { Supervisor, type SupervisorDeps } from "./workers/supervisor.ts";
import { systemClock } from "./system/clock.ts";
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

type Runtime = Pick<SupervisorDeps, "clock" | "timers" | "random" | "log" | "retries">;

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

/** Starts a server of `count` workers; as `Launcher.startRoost`. */
export async function supervise(
  config: Config,
  input: ConfigInput,
  count: number,
): Promise<RunningRoost> {
  if (!canShare()) {
    throw new Error("Cannot start workers: they share the port, which this build cannot");
  }
  const out = logOut();
  const { level, format } = config.log;
  const log = startLog({ level, format, out });
  const timers = systemTimers();
  const runtime: Runtime = {
    clock: systemClock(),
    timers,
    random: systemRandom(),
    log,
    retries: retries(config),
  };
  exitOnBug(systemProcess(), log, (done) => out.flush(done), timers);
  const opened = new Opened();
  try {
    const { dir, store, server } = await openServed(config, runtime, opened);
    const port = await takeSharedPort(config.server.bind);
    const write = (line: string) => out.write(line);
    const { spawn, use } = spawner(config, input, { port, count, runtime, log: write });
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
    const meter = await listenMeter(dir, count, supervisor);
    opened.add(() => meter.close());
    const targets = () => supervisor.serving.map((n) => workerSockets(dir.path, n).admin);
    const proxy = await proxySocket(dir.adminSocketPath, targets, REFUSAL);
    opened.add(() => proxy.close());
    const { url, invite, admin } = await supervisor.start();
    // It starts workers that end again.
    giveUp("ffi", "import");
    log.info("serving", { url, domain: config.server.domain, workers: count });
    const stopped = supervisor.stopped.then((code) => opened.close().then(() => code));
    const stop = () => {
      log.info("draining", { limitMs: config.timeouts.drainMs });
      supervisor.stop();
    };
    const reload = reloading(supervisor, log, use);
    return { url, invite, admin, stop, reload, handOver: (done) => done(false), stopped };
  } catch (error) {
    await opened.close();
    throw error;
  }
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

/** Takes the directory, opens its store, and serves that. */
async function openServed(config: Config, { random, log, timers }: Runtime, opened: Opened) {
  const dir = await openDataDir(config.dataDir, random, true, configFilePaths(config), "kv");
  opened.add(() => dir.release());
  const observe = (key: readonly unknown[], reason: string) =>
    log.error("damaged row", { key: key.join(" "), reason });
  const store = await openStore(config, dir, { log, timers, observe, serves: true });
  opened.add(() => new Promise<void>((done) => store.close(done)));
  await identify(store, dir, config, random, { serves: true, replicated: false });
  // Made before workers look for it, each for itself.
  adminToken(dir.path, random);
  await logActions(dir.path, log);
  // Nobody else has the directory: its workers of before have ended, or are about to.
  await settled(store, dir);
  const server = new StoreServer(store, log);
  const accept: Parameters<typeof listenFramed>[2] = (socket) => server.accept(socket);
  const listener = await listenFramed(storeSocketPath(dir.path), STORE_FRAME_BYTES_MAX, accept);
  opened.add(() => {
    listener.close();
    server.close();
  });
  return { dir, store, server };
}

/** Serves what it counts of its workers, for the metrics that any of them serves. */
async function listenMeter(dir: DataDir, count: number, supervisor: Supervisor) {
  const figures = () => ({ count, serving: supervisor.serving, ends: supervisor.ends });
  const startedAtMs = systemClock().wallMs();
  const app = supervisorMetrics(OWN_METRICS_PATH, figures, systemProcess(), startedAtMs);
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
  { port, count, runtime, log }: {
    readonly port: SharedPort;
    readonly count: number;
    readonly runtime: Runtime;
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
    const process = startOwn([WORKER_COMMAND], {
      said(text) {
        const line: WorkerLine = JSON.parse(text);
        // It listens.
        if (line.kind === "serving" && kept) {
          kept = false;
          port.release();
        }
        said(line);
      },
      logged: log,
      exited,
    });
    process.say(
      JSON.stringify({ input: shared, share: { number, count, port: port.port, secret } }),
    );
    return {
      pid: process.pid,
      stop: () => process.say(STOP_LINE),
      reload: (wanted) => process.say(reloadLine(wanted)),
      kill: () => process.kill(),
    };
  };
  return { spawn, use: (input) => void (shared = sharedOf(input)) };
}
