/**
 * What a start makes sure of before the store is opened and anything is served. Damage that one
 * account or one shard has is reported, for the others can be served; everything else refuses the
 * start, and nothing is changed.
 */
import { dirname } from "node:path";
import { damageKind } from "../node/damage.ts";
import { CHECKSUMS_KEY, type ObserveDamage } from "./checked_rows.ts";
import { type FileRow, StoreFile } from "./store_file.ts";
import { decodeRegister, registerKey } from "./register_rows.ts";
import { readMark } from "./write_mark.ts";
import { readWal, type WalState } from "./wal_file.ts";
import { sizeOf } from "../system/small_file.ts";

/** The files of a store. */
export interface StorePaths {
  /** That of the rows; SQLite's other ones are beside it. */
  readonly kvPath: string;
  /** The head mark. */
  readonly markPath: string;
  /** The mark of the store that belongs here; null before its first start. */
  readonly storeMark: string | null;
}

/** Why a store may not be served; the message says what to do. */
export class StoreDamaged extends Error {
  override readonly name = "StoreDamaged";

  /** `what`: a sentence without its end. */
  constructor(dataDir: string, what: string) {
    super(
      `Cannot serve --data ${dataDir}: ${what}. Nothing was changed. \`roost check --data ${dataDir}\` ` +
        `lists the damage; \`roost repair --data ${dataDir}\` says what can be kept and what is given ` +
        "up, and does it with --yes. Or restore a backup to a new directory with `roost restore`.",
    );
  }
}

/** What a start has looked at. */
export interface StartCheck {
  readonly bytes: number;
  /** Rows that were checked; null where the store is larger than is looked through. */
  readonly rows: number | null;
  readonly damaged: number;
}

/** What is wrong with the write-ahead file; null where nothing is. */
export function walFault(wal: WalState | null): string | null {
  if (wal?.damaged !== true) return null;
  return `its write-ahead file kv.sqlite3-wal is damaged at frame ${
    wal.whole + 1
  } of ${wal.frames}, ` +
    `and up to ${wal.commits} commits from there on would be lost`;
}

/** What is wrong where the store ends before a write that was durable; null where it does not. */
export function markFault(mark: number | null, lastWrite: number): string | null {
  if (mark === null || lastWrite >= mark) return null;
  return `its log is shorter than it was: its last write is number ${lastWrite}, and number ${mark} ` +
    "was durable (kv.sqlite3 or its write-ahead file was cut short, or replaced by an older one)";
}

/** The mark that the store has. */
function markOf(file: StoreFile): string | null {
  const row = file.value(registerKey("store"));
  return row === null ? null : new TextDecoder().decode(decodeRegister(row).value);
}

/** Whether a damaged row is the affair of one account or one shard. */
function isOnes({ key, trueKey }: FileRow): boolean {
  if (trueKey !== null) return false;
  return damageKind(key) !== "other" || key.join() === CHECKSUMS_KEY.join();
}

/**
 * Looks at the store, which no process may have open. A store of more than `bytesMax` bytes is not
 * looked through: there damage of rows is noticed when they are read. `observe` is called with damaged
 * rows that do not refuse the start. Throws `StoreDamaged`.
 */
export function checkAtStart(
  { kvPath, markPath, storeMark }: StorePaths,
  bytesMax: number,
  observe: ObserveDamage,
): StartCheck {
  const dataDir = dirname(kvPath);
  const bytes = sizeOf(kvPath) + sizeOf(`${kvPath}-wal`);
  if (bytes === 0) return { bytes, rows: 0, damaged: 0 };
  const refuse = (what: string | null) => {
    if (what !== null) throw new StoreDamaged(dataDir, what);
  };
  const refuseDamage = (fault: string): never => {
    throw new StoreDamaged(dataDir, `its store kv.sqlite3 is damaged: ${fault}`);
  };
  refuse(walFault(readWal(kvPath)));
  let file: StoreFile | null = null;
  try {
    file = new StoreFile(kvPath);
    const found = bytes > bytesMax ? null : lookThrough(file, refuseDamage, observe);
    // Another store than the one that belongs here is refused as that, when it is opened.
    if (storeMark === null || markOf(file) === storeMark) {
      refuse(markFault(readMark(markPath), file.lastWrite()));
    }
    return { bytes, rows: found?.rows ?? null, damaged: found?.damaged ?? 0 };
  } catch (error) {
    if (error instanceof StoreDamaged) throw error;
    return refuseDamage(error instanceof Error ? error.message : String(error));
  } finally {
    file?.close();
  }
}

/** Checks the structure and every row; calls `refuse` with what is nobody's own. */
function lookThrough(
  file: StoreFile,
  refuse: (fault: string) => never,
  observe: ObserveDamage,
): { readonly rows: number; readonly damaged: number } {
  const [fault, ...others] = file.faults();
  const more = others.length === 0 ? "" : ` (and ${others.length} other faults)`;
  if (fault !== undefined) refuse(fault + more);
  let rows = 0;
  let damaged = 0;
  const broken = file.rows((row) => {
    rows++;
    if (row.kind !== "damaged") return;
    damaged++;
    if (!isOnes(row)) refuse(`row ${row.key.join(" ")}: ${row.reason}`);
    observe(row.key, row.reason);
  });
  if (broken !== null) refuse(broken);
  return { rows, damaged };
}
