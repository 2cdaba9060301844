/** Opens a store in PostgreSQL: makes or checks its schema, and reports how durable it is. */
import { FUNCTIONS, SCHEMA_VERSION, STORAGE, TABLES } from "./pg_sql.ts";
import type { PgLink } from "./pg_engine.ts";
import { type LaneError, PgLane, type PgRows, type PgValue } from "./pg_lane.ts";
import { PgStore } from "./pg_store.ts";
import { StoreOpenError } from "./store_open_error.ts";
import { encodeKey } from "./key_bytes.ts";
import type { StoreKey } from "../node/ports.ts";
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
  /** Connections of other servers to the same database. */
  readonly others: number;
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
    await keepSchema(lane, place, makes ? SCHEMA_ATTEMPTS : 0);
    await refuseUnfinished(lane, place);
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

/** Runs one statement, or several without values. Rejects where it fails. */
export function askLane(
  lane: PgLane,
  text: string,
  values: readonly PgValue[] = [],
): Promise<PgRows> {
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

/** Key of the row of a store that `roost store copy` has begun to write and not finished. */
export const UNFINISHED_KEY: StoreKey = ["meta", "unfinished copy"];

async function refuseUnfinished(lane: PgLane, place: string): Promise<void> {
  const [row] = await askLane(
    lane,
    "SELECT EXISTS (SELECT FROM roost_row WHERE key = $1) AS unfinished",
    [encodeKey(UNFINISHED_KEY)],
  );
  if (row?.["unfinished"] !== true) return;
  throw new StoreOpenError(
    `Cannot open the store ${place}: a copy to it has not finished. Repeat \`roost store copy\`, ` +
      "which begins anew, or name another database.",
  );
}

/** Connections of servers to the same database, besides those of the caller. */
export async function othersOf(lane: PgLane): Promise<number> {
  const [row] = await askLane(
    lane,
    "SELECT count(*) AS others FROM pg_stat_activity WHERE datname = current_database() " +
      "AND application_name = 'roost' AND pid <> pg_backend_pid()",
  );
  return Number(row?.["others"] ?? 0);
}

/** Makes the schema in an empty database; rejects with `StoreOpenError` where it is a newer one. */
export async function keepSchema(
  lane: PgLane,
  place: string,
  left = SCHEMA_ATTEMPTS,
): Promise<void> {
  const [found] = await askLane(lane, "SELECT to_regclass('roost_schema') IS NOT NULL AS made");
  if (found?.["made"] !== true) {
    if (left === 0) throw new StoreOpenError(`${place} has no store: no server has used it yet.`);
    try {
      await askLane(lane, `BEGIN; ${TABLES} ${FUNCTIONS} COMMIT`);
      await askLane(lane, STORAGE).catch(() => {});
    } catch (cause) {
      await askLane(lane, "ROLLBACK");
      // Another node makes it at the same time.
      if (left > 1) return keepSchema(lane, place, left - 1);
      throw cause;
    }
    return;
  }
  const [row] = await askLane(lane, "SELECT version FROM roost_schema");
  const version = Number(row?.["version"]);
  if (version > SCHEMA_VERSION) {
    throw new StoreOpenError(
      `Cannot open the store ${place}: its schema has version ${version}, this program knows up to ` +
        `${SCHEMA_VERSION}. Use the newer program that made it.`,
    );
  }
}

async function reportOf(lane: PgLane): Promise<PgReport> {
  const [row] = await askLane(
    lane,
    "SELECT current_setting('server_version') AS version, current_setting('fsync') AS fsync, " +
      "current_setting('synchronous_commit') AS level, " +
      "current_setting('synchronous_standby_names') AS names, " +
      "current_setting('data_checksums', true) AS checksums",
  );
  const [counted] = await askLane(
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
    others: await othersOf(lane),
  };
}

/** Users without the role `pg_monitor` see that there are standbys, but not their states. */
async function syncStandbys(lane: PgLane): Promise<number | null> {
  const [row] = await askLane(
    lane,
    "SELECT count(*) AS all, count(sync_state) AS seen, " +
      "count(*) FILTER (WHERE sync_state IN ('sync', 'quorum')) AS waited FROM pg_stat_replication",
  ).catch(() => []);
  if (row === undefined || row["seen"] !== row["all"]) return null;
  return Number(row["waited"]);
}
