/** Opens the store that a configuration names: the data directory's own, or one in PostgreSQL. */
import type { Config } from "./config/config.ts";
import { type DataDir, type Engine, storeSocketPath } from "./system/data_dir.ts";
import { dialFramed, type FramedEvents } from "./system/framed_socket.ts";
import { runCallback } from "./system/callback.ts";
import { ServedStore } from "./store/served_store.ts";
import { STORE_FRAME_BYTES_MAX } from "./store/store_frames.ts";
import { checkAtStart, type StorePaths } from "./store/start_check.ts";
import type { ObserveDamage } from "./store/checked_rows.ts";
import type { Log, Store, Timers } from "./node/ports.ts";
import { type KvOptions, openKvStore } from "./store/kv_store.ts";
import type { OpenedPgStore, PgReport } from "./store/pg_open.ts";
import { pgAddress } from "./store/pg_address.ts";
import { formatPgAddress, type PgAddress } from "./config/pg_url.ts";
import { readConfigFile } from "./system/config_files.ts";
import type { RowStore } from "./store/row_store.ts";
import type { SharedStore } from "./ops/check_shared.ts";
import { withoutNumber } from "./standby/write_number.ts";
import { StoreOpenError } from "./store/store_open_error.ts";

/** Which kind of store the configuration names. */
export function engineOf({ store }: Pick<Config, "store">): Engine {
  return store.url === null && store.urlFile === null ? "kv" : "postgres";
}

/**
 * Opens it; `observe` is called with every damaged row that is read. Rejects with an error whose message says what to change, and never has a
 * password.
 */
export async function openStore(
  config: Pick<Config, "store" | "storage" | "cell">,
  dir: StorePaths,
  { log, timers, observe, serves, standby }: {
    readonly log: Log;
    readonly timers: Timers;
    readonly observe: ObserveDamage;
    /** Whether clients will be served; without, other servers must not use the store. */
    readonly serves: boolean;
    /** The cell's part in the copies of its store; absent or null where it has none. */
    readonly standby?: { between(stored: RowStore): Promise<RowStore> } | null;
  },
): Promise<Store> {
  if (engineOf(config) === "kv") {
    const between = standby?.between.bind(standby) ?? withoutNumber;
    return await openOwnStore(config, dir, log, { observe, between });
  }
  const { store, report, address } = await openPostgres(config, timers, true);
  try {
    refuseInUse(config, address, report, serves, log);
    requireDurable(config, address, report, log);
    if (serves) store.warm();
    return store;
  } catch (error) {
    await new Promise<void>((done) => store.close(done));
    throw error;
  }
}

/** The store that the process which has taken the directory serves to this one, a worker of it. */
export function servedStore(dir: DataDir, observe: ObserveDamage): Store {
  const path = storeSocketPath(dir.path);
  const dial = (events: FramedEvents) => dialFramed(path, STORE_FRAME_BYTES_MAX, events);
  return new ServedStore({
    dial,
    node: dir.nodeId,
    observe,
    call: runCallback,
    later: queueMicrotask,
  });
}

/** Opens a store in PostgreSQL for a check, which changes nothing. Rejects as `openStore` does. */
export async function openShared(
  config: Pick<Config, "store">,
  timers: Timers,
): Promise<SharedStore> {
  const { store, report, place } = await openPostgres(config, timers, false);
  const { version, dataChecksums, checksumFailures } = report;
  const checks = dataChecksums === null
    ? "it does not say whether it checks its data"
    : dataChecksums
    ? "data_checksums is on"
    : "data_checksums is off: it does not notice what its disk has changed";
  const failures = checksumFailures ?? 0;
  return {
    store,
    facts: [`${place} is PostgreSQL ${version}; ${checks}`],
    faults: failures === 0 ? [] : [`PostgreSQL has counted ${failures} damaged pages`],
  };
}

async function openPostgres(
  config: Pick<Config, "store">,
  timers: Timers,
  makes: boolean,
): Promise<OpenedPgStore & { readonly address: PgAddress; readonly place: string }> {
  const address = await pgAddress(config.store);
  const { rootCertFile } = address;
  const rootCert = rootCertFile === null
    ? null
    : await readConfigFile("the root certificate", rootCertFile);
  // Loaded late: a server with a store of its own does not wait for the client of PostgreSQL.
  const { openPgStore } = await import("./store/pg_open.ts");
  const opened = await openPgStore({ address, rootCert, timers }, makes);
  return { ...opened, address, place: formatPgAddress(address) };
}

/** The directory's own store, after a look at its files. Rejects with `StoreDamaged`. */
async function openOwnStore(
  config: Pick<Config, "storage">,
  dir: StorePaths,
  log: Log,
  { observe, between }: Pick<KvOptions, "between"> & { readonly observe: ObserveDamage },
): Promise<Store> {
  const bytesMax = config.storage.checkAtStartMb * 1_000_000;
  log.debug("store checked", { ...checkAtStart(dir, bytesMax, observe) });
  return await openKvStore(dir.kvPath, { observe, markPath: dir.markPath, between });
}

/**
 * A command takes the shards from servers that serve them, and so does a server that is not of their
 * cell. One that was killed with its machine may look like one that runs, so that is a warning.
 */
function refuseInUse(
  { cell }: Pick<Config, "cell">,
  address: PgAddress,
  { others }: PgReport,
  serves: boolean,
  log: Log,
): void {
  if (others === 0 || (serves && cell.listen !== null)) return;
  const place = formatPgAddress(address);
  if (!serves) {
    throw new StoreOpenError(
      `Servers use the store ${place} (${others} connections): run the command on the machine of ` +
        "one of them, with its --data, or stop them all first.",
    );
  }
  log.warn("other servers use the store", {
    store: place,
    connections: others,
    advice: "Nodes of one cell need --cell-listen and --cell-secret-file; others a store each.",
  });
}

/** Says how durable an ack is; refuses where the configuration wants more. */
function requireDurable(
  config: Pick<Config, "store">,
  address: PgAddress,
  report: PgReport,
  log: Log,
): void {
  const place = formatPgAddress(address);
  const { version, synchronousCommit, synchronousStandbys, fsync, dataChecksums } = report;
  log.info("store opened", {
    store: place,
    version,
    synchronousCommit,
    synchronousStandbys,
    fsync,
    dataChecksums,
  });
  if (config.store.requireSynchronous && (synchronousStandbys ?? 0) === 0) {
    const found = synchronousStandbys === null
      ? "this user may not see its standbys: grant it the role pg_monitor"
      : "its commits wait for no standby: set synchronous_standby_names there";
    throw new StoreOpenError(
      `Cannot start with store.requireSynchronous on ${place}: ${found}`,
    );
  }
  if (!fsync) log.warn("the store does not write to the disk: fsync is off", { store: place });
  if (dataChecksums === false) {
    log.warn("the store does not notice what its disk has changed: data_checksums is off", {
      store: place,
    });
  }
  if (synchronousStandbys === 0) {
    log.warn("the store has no synchronous standby: what is acked is lost with its machine", {
      store: place,
    });
  }
}
