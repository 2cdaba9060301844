/** Opens a store in PostgreSQL: makes or checks its schema, and reports how durable it is. */
import { FUNCTIONS, SCHEMA_VERSION, STORAGE, TABLES } from "./pg_sql.ts";
import { type LaneError, PgLane, type PgLink, type PgRows, type PgValue } from "./pg_lane.ts";
import { PgStore } from "./pg_store.ts";
import { StoreOpenError } from "./store_open_error.ts";
import { formatPgAddress } from "../config/pg_url.ts";

/** What the engine says of itself. */
export interface PgReport {
  /** Such as `15.6 (Debian 15.6-1)`. */
  readonly version: string;
  /** Level of the acks of this store's connections: `on`, `remote_write` or `remote_apply`. */
  readonly synchronousCommit: string;
  /** Standbys that a commit waits for; null where this user may not see them. */
  readonly synchronousStandbys: number | null;
  /** Whether commits are written to the disk at all (`fsync`). */
  readonly fsync: boolean;
  /** Whether the engine notices what its disk has changed (`data_checksums`); null: it does not say. */
  readonly dataChecksums: boolean | null;
  /** Pages of this database in which it has; null where it does not count them. */
  readonly checksumFailures: number | null;
}

/** A store that was opened. */
export interface OpenedPgStore {
  readonly store: PgStore;
  readonly report: PgReport;
}

/** Attempts to make the schema while another node makes it. */
const SCHEMA_ATTEMPTS = 10;

/**
 * Opens the store; makes its schema in an empty database, unless `makes` is false. Rejects with
 * `StoreOpenError`, whose message says what to change and has no password.
 */
export async function openPgStore(link: PgLink, makes = true): Promise<OpenedPgStore> {
  const lane = new PgLane(link);
  const place = formatPgAddress(link.address);
  try {
    await keepSchema(lane, makes ? SCHEMA_ATTEMPTS : 0, place);
    const report = await reportOf(lane);
    return { store: new PgStore(link), report };
  } catch (cause) {
    if (cause instanceof StoreOpenError) throw cause;
    const actual = cause instanceof Error ? cause.message : String(cause);
    throw new StoreOpenError(`Cannot open the store ${place}: ${actual}`, { cause });
  } finally {
    await new Promise<void>((done) => lane.close(done));
  }
}

function ask(lane: PgLane, text: string, values: readonly PgValue[] = []): Promise<PgRows> {
  return new Promise((resolve, reject) =>
    lane.query(
      text,
      values,
      (error, rows) => error === null ? resolve(rows) : reject(failure(error)),
    )
  );
}

function failure(error: LaneError): Error {
  return new Error(error.kind === "raised" ? error.state : error.message);
}

async function keepSchema(lane: PgLane, left: number, place: string): Promise<void> {
  const [found] = await ask(lane, "SELECT to_regclass('roost_schema') IS NOT NULL AS made");
  if (found?.["made"] !== true) {
    if (left === 0) throw new StoreOpenError(`${place} has no store: no server has used it yet.`);
    try {
      await ask(lane, `BEGIN; ${TABLES} ${FUNCTIONS} COMMIT`);
      await ask(lane, STORAGE).catch(() => {});
    } catch (cause) {
      await ask(lane, "ROLLBACK");
      // Another node makes it at the same time.
      if (left > 1) return keepSchema(lane, left - 1, place);
      throw cause;
    }
    return;
  }
  const [row] = await ask(lane, "SELECT version FROM roost_schema");
  const version = Number(row?.["version"]);
  if (version > SCHEMA_VERSION) {
    throw new StoreOpenError(
      `Cannot open the store ${place}: its schema has version ${version}, this program knows up to ` +
        `${SCHEMA_VERSION}. Use the newer program that made it.`,
    );
  }
}

async function reportOf(lane: PgLane): Promise<PgReport> {
  const [row] = await ask(
    lane,
    "SELECT current_setting('server_version') AS version, current_setting('fsync') AS fsync, " +
      "current_setting('synchronous_commit') AS level, " +
      "current_setting('synchronous_standby_names') AS names, " +
      "current_setting('data_checksums', true) AS checksums",
  );
  const [counted] = await ask(
    lane,
    "SELECT checksum_failures AS failures FROM pg_stat_database WHERE datname = current_database()",
  ).catch(() => []);
  const checksums = row?.["checksums"] ?? null;
  const failures = counted?.["failures"] ?? null;
  const standbys = row?.["names"] === "" ? 0 : await syncStandbys(lane);
  return {
    version: String(row?.["version"]),
    synchronousCommit: String(row?.["level"]),
    synchronousStandbys: standbys,
    fsync: row?.["fsync"] === "on",
    dataChecksums: checksums === null ? null : checksums === "on",
    checksumFailures: failures === null ? null : Number(failures),
  };
}

/** Users without the role `pg_monitor` see that there are standbys, but not their states. */
async function syncStandbys(lane: PgLane): Promise<number | null> {
  const [row] = await ask(
    lane,
    "SELECT count(*) AS all, count(sync_state) AS seen, " +
      "count(*) FILTER (WHERE sync_state IN ('sync', 'quorum')) AS waited FROM pg_stat_replication",
  ).catch(() => []);
  if (row === undefined || row["seen"] !== row["all"]) return null;
  return Number(row["waited"]);
}
