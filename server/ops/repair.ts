/**
 * `roost repair`: makes a new store of what can be kept of a damaged one. The damaged files stay beside
 * it under other names until somebody removes them.
 */
import { checkShared } from "./check_shared.ts";
import { checkStore } from "./check.ts";
import { join } from "node:path";
import { lockFile } from "../system/dir_lock.ts";
import { markFault, walFault } from "../store/start_check.ts";
import { markRestored } from "../node/restore_tag.ts";
import { openKvRows, openKvStore } from "../store/kv_store.ts";
import { readDataDir } from "../system/data_dir.ts";
import { readMark } from "../store/write_mark.ts";
import { readWal, repairWal } from "../store/wal_file.ts";
import { removeIfThere, statOf } from "../system/small_file.ts";
import { RepairPlan } from "./repair_plan.ts";
import type { Row } from "../node/ports.ts";
import type { RowStore } from "../store/row_store.ts";
import { withoutNumber } from "../standby/write_number.ts";
import { StoreFile } from "../store/store_file.ts";
import { survey } from "./survey.ts";
import { systemClock } from "../system/clock.ts";
import { systemRandom } from "../system/random.ts";

/** Looks for damage, and repairs it; loaded late. */
export interface Repairs {
  readonly checkStore: typeof checkStore;
  readonly checkShared: typeof checkShared;
  readonly repairStore: typeof repairStore;
}

/** The real ones. */
export function systemRepairs(): Repairs {
  return { checkShared, checkStore, repairStore };
}

/** Rows and bytes of one write of the new store. */
const WRITE_ROWS = 400;
const WRITE_BYTES = 400_000;

/** What a repair keeps and gives up, or why it cannot be made. */
export interface Repaired {
  readonly kept: readonly string[];
  readonly givenUp: readonly string[];
  readonly impossible: readonly string[];
  /** Where the damaged files are; null where nothing was changed. */
  readonly damagedFile: string | null;
}

/**
 * Says what a repair keeps and gives up; `does`: and makes it. Rejects where a server uses the
 * directory, or the store is elsewhere.
 */
export async function repairStore(
  dataDir: string,
  does: boolean,
  progress: (rows: number) => void,
): Promise<Repaired> {
  const { kvPath, engine } = readDataDir(dataDir);
  if (engine !== "kv") {
    throw new Error(
      `Cannot repair --data ${dataDir}: its store is in PostgreSQL, which is repaired by its own ` +
        "means: restore a base backup, or promote a standby",
    );
  }
  const lock = await lockFile(join(dataDir, "lock"));
  if (!("release" in lock)) {
    throw new Error(`Cannot repair --data ${dataDir}: a server is using it. Stop it first.`);
  }
  const work = Deno.makeTempDirSync({ dir: dataDir, prefix: "repair-" });
  try {
    return await new Repair(dataDir, kvPath, work).run(does, progress);
  } finally {
    Deno.removeSync(work, { recursive: true });
    lock.release();
  }
}

/** One repair. */
class Repair {
  readonly #dataDir: string;
  readonly #kvPath: string;
  readonly #copy: string;
  readonly #made: string;
  readonly #kept: string[] = [];
  readonly #givenUp: string[] = [];

  constructor(dataDir: string, kvPath: string, work: string) {
    this.#dataDir = dataDir;
    this.#kvPath = kvPath;
    this.#copy = join(work, "damaged.sqlite3");
    this.#made = join(work, "made.sqlite3");
  }

  async run(does: boolean, progress: (rows: number) => void): Promise<Repaired> {
    this.#takeCopy();
    let file: StoreFile;
    try {
      file = new StoreFile(this.#copy);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return this.#cannot([`kv.sqlite3 cannot be read at all: ${why}`]);
    }
    try {
      const mark = markFault(readMark(join(this.#dataDir, "kv.mark")), file.lastWrite());
      if (mark !== null) this.#givenUp.push(`what was written last: ${mark}`);
      const found = survey(file, progress);
      const plan = new RepairPlan(file, found);
      if (plan.impossible.length > 0) return this.#cannot(plan.impossible);
      const rows = await this.#make(plan, does);
      const kept = [...this.#kept, ...plan.kept];
      const givenUp = [...this.#givenUp, ...plan.givenUp];
      if (found.faults.length > 0 || found.plainRows > 0) kept.push(`${rows} rows with checksums`);
      const nothing = kept.length + givenUp.length === 0;
      if (!does || nothing) return { kept, givenUp, impossible: [], damagedFile: null };
      if (givenUp.length > 0) await this.#markForgetting();
      this.#verify();
      return { kept, givenUp, impossible: [], damagedFile: this.#swap() };
    } finally {
      file.close();
    }
  }

  #cannot(impossible: readonly string[]): Repaired {
    return { kept: [], givenUp: [], impossible, damagedFile: null };
  }

  /** The files are looked at in a copy: SQLite may write to those that it opens. */
  #takeCopy(): void {
    for (const end of ["", "-wal"]) {
      if (statOf(this.#kvPath + end) !== null) {
        Deno.copyFileSync(this.#kvPath + end, this.#copy + end);
      }
    }
    const fault = walFault(readWal(this.#copy));
    if (fault === null) return;
    const { restored, signed } = repairWal(this.#copy);
    this.#kept.push(
      `the commits behind a damaged frame of the write-ahead file: ${restored} frames restored, ` +
        `${signed} taken as they are`,
    );
  }

  /** Writes the new store, or only finds out what is given up; returns its rows. */
  async #make(plan: RepairPlan, does: boolean): Promise<number> {
    const rows: Row[] = [];
    let count = 0;
    if (!does) {
      plan.run(() => count++);
      return count;
    }
    const store = await openKvRows(this.#made, {});
    plan.run((row) => {
      count++;
      rows.push({ key: row.key, value: row.value.slice() });
    });
    await writeRows(store, rows);
    await new Promise<void>((done) => store.close(done));
    return count;
  }

  /** Clients may have seen what the store does not have any more: they are to read it anew. */
  async #markForgetting(): Promise<void> {
    const store = await openKvStore(this.#made, { between: withoutNumber });
    await markRestored(store, systemRandom());
    await new Promise<void>((done) => store.close(done));
  }

  /** The new store must be whole. */
  #verify(): void {
    const file = new StoreFile(this.#made);
    try {
      const bad = survey(file, () => {}).faults.filter(({ kind }) => kind !== "unreadable");
      if (bad.length > 0) {
        throw new Error(`Cannot repair: the new store is not whole: ${bad[0]!.reason}`);
      }
    } finally {
      file.close();
    }
  }

  /** Puts the new store in place. A crash leaves a directory that a start refuses. */
  #swap(): string {
    const stamp = new Date(systemClock().wallMs()).toISOString().replaceAll(/[-:]/g, "");
    const damaged = `${this.#kvPath}.damaged-${stamp}`;
    for (const end of ["-wal", "-shm", ""]) {
      if (statOf(this.#kvPath + end) !== null) Deno.renameSync(this.#kvPath + end, damaged + end);
    }
    Deno.chmodSync(this.#made, 0o600);
    const made = Deno.openSync(this.#made);
    made.syncSync();
    made.close();
    Deno.renameSync(this.#made, this.#kvPath);
    // Last, for it refuses a start until all of this is done.
    removeIfThere(join(this.#dataDir, "kv.mark"));
    return damaged;
  }
}

async function writeRows(store: RowStore, rows: readonly Row[]): Promise<void> {
  for (let from = 0; from < rows.length;) {
    let bytes = 0;
    let to = from;
    while (to < rows.length && to - from < WRITE_ROWS && bytes < WRITE_BYTES) {
      bytes += rows[to++]!.value.length + 200;
    }
    const batch = rows.slice(from, to).map((row) => ({ kind: "set", ...row }) as const);
    await new Promise<void>((resolve, reject) =>
      store.write(batch, (error) => error === null ? resolve() : reject(new Error(error.message)))
    );
    from = to;
  }
}
