/** Opens the station of a cell: its votes on other cells' stores, copies of these, and who serves one. */
import type { Assignment, WorkerLine, WorkerShare } from "./workers/share.ts";
import type { CellMesh } from "./peer/cells/mesh.ts";
import type { CellName } from "../shard/name/ids.ts";
import type { Config, ConfigInput } from "./config/config.ts";
import {
  copyDir,
  keptLines,
  rolesFile,
  standbyDir,
  storedCells,
  unreplicatedPath,
} from "./system/standby_files.ts";
import type { DataDir } from "./system/data_dir.ts";
import { engineOf } from "./open_store.ts";
import { join } from "node:path";
import { lockFile } from "./system/dir_lock.ts";
import type { MemberId } from "./standby/role_types.ts";
import { MeshPeers } from "./standby/mesh_peers.ts";
import { openStoredRows } from "./store/kv_store.ts";
import { storedRoles } from "./standby/voter.ts";
import {
  type Promoted,
  type ServingEvents,
  type ServingProcess,
  StandbyStation,
} from "./standby/station.ts";
import { randomName, type StandbyPorts, streamLimits } from "./open_standby.ts";
import type { OwnProcess } from "./system/worker_process.ts";
import { SpareProcesses } from "./system/spare_processes.ts";
import { isFirst, type ReloadInput, type SupervisorLine, workerInput } from "./workers/share.ts";
import { WORKER_COMMAND } from "./cli/launcher.ts";

/** How long after two drains a process that serves a copy is killed (ms), as workers are. */
const END_MS = 5000;

/** A station, and what gives it its links. */
export interface Station {
  readonly station: StandbyStation;
  readonly user: MeshPeers;
  /** Has the processes that serve copies, and those that will, go on with other settings. */
  reload(next: ReloadInput): void;
  /** Its cell has links. */
  begin(mesh: CellMesh): void;
}

/** What a process is opened for. */
export interface StationUse {
  readonly serves: boolean;
  readonly share: WorkerShare | null;
  readonly promoted: Promoted | null;
  /** What the configuration was read from; a process that serves has it. */
  readonly input: ConfigInput | undefined;
}

/**
 * The station of this process; null: one that serves another cell's copy has none, and of workers the
 * first has it.
 */
export function openStation(
  config: Config,
  dir: DataDir,
  ports: StandbyPorts,
  { serves, share, promoted, input: first }: StationUse,
): Station | null {
  const has = promoted === null && isFirst(share) && engineOf(config) === "kv";
  if (!serves || !has || first === undefined || config.cells.name === null) return null;
  let input = first;
  const serving = new Set<OwnProcess>();
  const user = new MeshPeers();
  const spare = new SpareProcesses([WORKER_COMMAND], 1);
  let mesh: CellMesh | null = null;
  const { random, log, timers } = ports;
  const endMs = 2 * config.timeouts.drainMs + END_MS;
  const station = new StandbyStation({
    ...ports,
    ...streamLimits(config),
    place: config.cells.name!,
    handBackMs: config.standby.handBackMs === 0 ? null : config.standby.handBackMs,
    linked: () => user.all,
    stored: () => storedCells(dir.path).filter((cell) => cell !== config.cells.name),
    file: (cell) => storedRoles(rolesFile(dir.path, cell)),
    newMember: () => randomName(random) as MemberId,
    openCopy: config.cells.witness ? null : (cell) => openCopy(dir, cell, ports),
    prepare: () => spare.prepare(),
    unreplicated: (cell) => keptLines(unreplicatedPath(standbyDir(dir.path), cell)),
    serve: (promoted, events) => {
      const address = mesh!.view().self.address;
      const pages = mesh!.addressesOf(promoted.cell) ?? [];
      const copy = { input, promoted, address, pages, events, log, timers, endMs, serving };
      return serveCopy(spare, copy);
    },
  });
  user.taker = station;
  return {
    station,
    user,
    reload(next) {
      if (next.kind === "config") input = next.input;
      const line: SupervisorLine = { kind: "reload", reload: next };
      for (const process of serving) process.say(line);
    },
    begin(own) {
      mesh = own;
      station.start();
    },
  };
}

async function openCopy(dir: DataDir, cell: CellName, { random }: StandbyPorts) {
  const path = copyDir(dir.path, cell, random);
  // A process that serves it may be about to end.
  const lock = await lockFile(join(path, "lock"));
  if (!("release" in lock)) throw new Error(`another process uses ${path}`);
  lock.release();
  return await openStoredRows(join(path, "kv.sqlite3"), join(path, "kv.mark"));
}

/** Has a process serve a copy. */
function serveCopy(spare: SpareProcesses, copy: {
  readonly input: ConfigInput;
  readonly promoted: Promoted;
  readonly address: string;
  readonly pages: readonly string[];
  readonly events: ServingEvents;
  readonly log: StandbyPorts["log"];
  readonly timers: StandbyPorts["timers"];
  /** How long it may take to end (ms). */
  readonly endMs: number;
  /** Has the processes that serve copies. */
  readonly serving: Set<OwnProcess>;
}): ServingProcess {
  const { input, promoted, address, pages, events, log, timers, endMs, serving } = copy;
  const { cell } = promoted;
  let kept = () => {};
  let handed: ((done: boolean) => void) | null = null;
  const reply = (done: boolean) => {
    const run = handed;
    handed = null;
    run?.(done);
  };
  const process = spare.take({
    said(text) {
      const line: WorkerLine = JSON.parse(text);
      if (line.kind === "serving") {
        log.info("another cell is served", { cell, url: line.url });
        events.serves();
      } else if (line.kind === "handed") reply(line.done);
      else if (line.kind === "failed") {
        log.error("another cell cannot be served", { cell, error: line.message });
      }
    },
    logged: (line) => log.info("of another cell", { cell, line }),
    exited(code) {
      serving.delete(process);
      log.info("another cell is not served any more", { cell, code });
      kept();
      reply(false);
      events.ended();
    },
  });
  const assignment: Assignment = {
    input: workerInput(input),
    share: null,
    promoted: { ...promoted, join: address, pages },
  };
  process.say(assignment);
  serving.add(process);
  const say = (line: SupervisorLine) => process.say(line);
  return {
    handBack(done) {
      handed = done;
      say({ kind: "hand_back" });
    },
    stop() {
      say({ kind: "stop" });
      kept = timers.after(endMs, () => process.kill());
    },
  };
}
