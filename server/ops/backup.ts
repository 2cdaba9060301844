/** Backups of a data directory, whether a server uses it or not, and restoring them. */
import type { Clock, Random, Store } from "../node/ports.ts";
import { backupFile, extractStore, readBackup, writeBackup } from "../system/backup_file.ts";
import { DataDirError, readDataDir, restoreDataDir } from "../system/data_dir.ts";
import { markRestored } from "../node/restore_tag.ts";
import { openKvStore } from "../store/kv_store.ts";
import { storedDomain } from "../node/domain.ts";
import { systemClock } from "../system/clock.ts";
import { systemRandom } from "../system/random.ts";
import { VERSION } from "../config/version.ts";

/** A backup that was made. */
export interface Backup {
  readonly file: string;
  readonly bytes: number;
  /** Everything that was acknowledged before this is in it (ms since 1970). */
  readonly momentMs: number;
}

/** What became of a backup. */
export interface Restored {
  readonly momentMs: number;
  /** The domain of its accounts; null where it was never served. */
  readonly domain: string | null;
}

/** Backups and restoring; both reject with an error whose message says what to change. */
export interface Backups {
  /**
   * Copies the store of the data directory as of now to `out`, a new file or a directory, in which
   * the file is named after the moment.
   */
  backup(dataDir: string, out: string): Backup;
  /** Makes the data directory `dataDir`, which must be empty or new, from the file. */
  restore(file: string, dataDir: string): Promise<Restored>;
}

/** The real ones. */
export function systemBackups(): Backups {
  const clock = systemClock();
  const random = systemRandom();
  return {
    backup: (dataDir, out) => backup(clock, dataDir, out),
    restore: (file, dataDir) => restore(random, file, dataDir),
  };
}

function backup(clock: Clock, dataDir: string, out: string): Backup {
  const { kvPath, serverSecret, engine } = readDataDir(dataDir);
  if (engine === "postgres") {
    throw new DataDirError(
      "unusable",
      `Cannot back up --data ${dataDir}: its store is in PostgreSQL. Use pg_basebackup or pg_dump.`,
    );
  }
  // Before the copy begins: what was acknowledged by then is committed.
  const momentMs = clock.wallMs();
  const file = backupFile(out, momentMs);
  const secret = Array.from(serverSecret, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const bytes = writeBackup(kvPath, file, { momentMs, program: VERSION, serverSecret: secret });
  return { file, bytes, momentMs };
}

async function restore(random: Random, file: string, dataDir: string): Promise<Restored> {
  const { momentMs, serverSecret } = readBackup(file);
  const secret = new Uint8Array(serverSecret.match(/../g)!.map((pair) => parseInt(pair, 16)));
  let domain: string | null = null;
  await restoreDataDir(dataDir, random, secret, async (kvPath) => {
    extractStore(file, kvPath);
    const store = await openKvStore(kvPath);
    try {
      domain = await storedDomain(store);
      await markRestored(store, random);
    } finally {
      await closed(store);
    }
  });
  return { momentMs, domain };
}

function closed(store: Store): Promise<void> {
  return new Promise((done) => store.close(done));
}
