/** Backups of a data directory, whether a server uses it or not, and restoring them. */
import { dirname, join } from "node:path";
import type { Config } from "../config/config.ts";
import { formatSecret, parseSecret } from "../node/cell_secret.ts";
import { openKvImage } from "../store/kv_image.ts";
import { openPgPlace, transfer } from "./store_copy.ts";
import { pgAddress } from "../store/pg_address.ts";
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
  backup(config: BackedUp, out: string): Promise<Backup>;
  /** Makes the data directory `dataDir`, which must be empty or new, from the file. */
  restore(file: string, dataDir: string): Promise<Restored>;
}

/** What a backup needs of the configuration. */
export type BackedUp = Pick<Config, "dataDir" | "store">;

/** The real ones. */
export function systemBackups(): Backups {
  const clock = systemClock();
  const random = systemRandom();
  return {
    backup: (config, out) => backup(clock, config, out),
    restore: (file, dataDir) => restore(random, file, dataDir),
  };
}

async function backup(clock: Clock, config: BackedUp, out: string): Promise<Backup> {
  const { kvPath, serverSecret, engine } = readDataDir(config.dataDir);
  if (engine === "postgres") return await backupPg(clock, config, out);
  // Before the copy begins: what was acknowledged by then is committed.
  const momentMs = clock.wallMs();
  const file = backupFile(out, momentMs);
  const manifest = { momentMs, program: VERSION, serverSecret: formatSecret(serverSecret) };
  return { file, bytes: writeBackup(kvPath, file, manifest), momentMs };
}

/** By way of a store of this program's own, beside the file, which needs as much space again. */
async function backupPg(clock: Clock, config: BackedUp, out: string): Promise<Backup> {
  const source = await openPgPlace(await pgAddress(config.store));
  try {
    const secret = await source.secret();
    if (secret === null) {
      throw new DataDirError("missing", "Nothing to back up: no server has used the store.");
    }
    const momentMs = clock.wallMs();
    const file = backupFile(out, momentMs);
    const dir = Deno.makeTempDirSync({ dir: dirname(file), prefix: ".roost-backup-" });
    try {
      const kvPath = join(dir, "kv.sqlite3");
      const target = await openKvImage(kvPath);
      try {
        await transfer(source, target, () => {});
      } finally {
        await target.close();
      }
      const manifest = { momentMs, program: VERSION, serverSecret: formatSecret(secret) };
      return { file, bytes: writeBackup(kvPath, file, manifest), momentMs };
    } finally {
      Deno.removeSync(dir, { recursive: true });
    }
  } finally {
    await source.close();
  }
}

async function restore(random: Random, file: string, dataDir: string): Promise<Restored> {
  const { momentMs, serverSecret } = readBackup(file);
  const secret = parseSecret(serverSecret)!;
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
