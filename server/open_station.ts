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
import { type OwnProcess, type OwnProcessEvents, startOwn } from "./system/worker_process.ts";
import { type ReloadInput, reloadLine, STOP_LINE, workerInput } from "./workers/share.ts";
import { WORKER_COMMAND } from "./cli/launcher.ts";

/** How long after two drains a process that serves a copy is killed (ms), as workers are. */
const END_MS = 5000;

/** A later line to a process that serves a copy: the cell's own place becomes the primary. */
export const HAND_BACK_LINE = JSON.stringify({ kind: "hand_back" });

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

/** The station of this process; null: one that serves another cell's copy, and a worker, has none. */
export function openStation(
  config: Config,
  dir: DataDir,
  ports: StandbyPorts,
  { serves, share, promoted, input: first }: StationUse,
): Station | null {
  const alone = promoted === null && share === null && engineOf(config) === "kv";
  if (!serves || !alone || first === undefined || config.cells.name === null) return null;
  let input = first;
  const serving = new Set<OwnProcess>();
  const user = new MeshPeers();
  const spare = new SpareProcess();
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
    openCopy: keepsCopies(config) ? (cell) => openCopy(dir, cell, ports) : null,
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
      for (const process of serving) process.say(reloadLine(next));
    },
    begin(own) {
      mesh = own;
      station.start();
    },
  };
}

/** A copy is a file beside the cell's own one. */
function keepsCopies(config: Config): boolean {
  return config.cell.workers === 1 && !config.cells.witness;
}

async function openCopy(dir: DataDir, cell: CellName, { random }: StandbyPorts) {
  const path = copyDir(dir.path, cell, random);
  // A process that serves it may be about to end.
  const lock = await lockFile(join(path, "lock"));
  if (!("release" in lock)) throw new Error(`another process uses ${path}`);
  lock.release();
  return await openStoredRows(join(path, "kv.sqlite3"), join(path, "kv.mark"));
}

/** A process of this program that has started and waits for what it is to serve. */
class SpareProcess {
  #process: OwnProcess | null = null;
  #begin: (events: OwnProcessEvents) => void = () => {};

  /** Starts one where none waits: its start is then no part of a takeover. */
  prepare(): void {
    if (this.#process !== null) return;
    let events: OwnProcessEvents | null = null;
    const process = startOwn([WORKER_COMMAND], {
      said: (line) => events?.said(line),
      logged: (line) => events?.logged(line),
      exited: (code) => {
        if (this.#process === process) this.#process = null;
        events?.exited(code);
      },
    });
    this.#process = process;
    this.#begin = (taken) => events = taken;
  }

  /** Takes the one that waits, or a new one. */
  take(events: OwnProcessEvents): OwnProcess {
    this.prepare();
    const process = this.#process!;
    this.#process = null;
    this.#begin(events);
    return process;
  }
}

/** Has a process serve a copy. */
function serveCopy(spare: SpareProcess, copy: {
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
  process.say(JSON.stringify(assignment));
  serving.add(process);
  return {
    handBack(done) {
      handed = done;
      process.say(HAND_BACK_LINE);
    },
    stop() {
      process.say(STOP_LINE);
      kept = timers.after(endMs, () => process.kill());
    },
  };
}
