/** `roost check`: looks through the store of a data directory, whether a server uses it or not. */
import { join } from "node:path";
import { lockFile } from "../system/dir_lock.ts";
import { markFault, walFault } from "../store/start_check.ts";
import { ownerOf, survey } from "./survey.ts";
import { readDataDir } from "../system/data_dir.ts";
import { readMark } from "../store/write_mark.ts";
import { readWal } from "../store/wal_file.ts";
import { StoreFile } from "../store/store_file.ts";

/** What a check found. */
export interface Checked {
  readonly rows: number;
  readonly accounts: number;
  readonly plainRows: number;
  /** What is wrong, a sentence without its end each; the owner comes first. */
  readonly faults: readonly string[];
  /** Whether a server uses the directory: then its write-ahead file and head mark change meanwhile. */
  readonly inUse: boolean;
}

/**
 * Looks through the store; `progress` is called with the rows so far. Rejects where the directory is
 * not one, or its store is elsewhere.
 */
export async function checkStore(
  dataDir: string,
  progress: (rows: number) => void,
): Promise<Checked> {
  const { kvPath, engine } = readDataDir(dataDir);
  if (engine !== "kv") {
    throw new Error(
      `Cannot check --data ${dataDir}: its store is in PostgreSQL. Name it with --store-file or ` +
        "--store, as for `roost start`",
    );
  }
  const lock = await lockFile(join(dataDir, "lock"));
  const inUse = !("release" in lock);
  try {
    return { ...lookAt(dataDir, kvPath, inUse, progress), inUse };
  } finally {
    if ("release" in lock) lock.release();
  }
}

function lookAt(
  dataDir: string,
  kvPath: string,
  inUse: boolean,
  progress: (rows: number) => void,
): Omit<Checked, "inUse"> {
  const faults: string[] = [];
  const add = (fault: string | null) => void (fault !== null && faults.push(fault));
  if (!inUse) add(walFault(readWal(kvPath)));
  let file: StoreFile;
  try {
    file = new StoreFile(kvPath);
  } catch (error) {
    add(`the file kv.sqlite3 cannot be read: ${error instanceof Error ? error.message : error}`);
    return { rows: 0, accounts: 0, plainRows: 0, faults };
  }
  try {
    // Read first: a running server raises it meanwhile.
    const mark = readMark(join(dataDir, "kv.mark"));
    if (!inUse) add(markFault(mark, file.lastWrite()));
    const found = survey(file, progress);
    for (const { key, reason } of found.faults) add(`${ownerOf(key, found)}: ${reason}`);
    return { rows: found.rows, accounts: found.accounts, plainRows: found.plainRows, faults };
  } finally {
    file.close();
  }
}
