/**
 * Starts servers: as one process, or as a supervisor with workers; see `Launcher`. Each is loaded
 * when it is started: a supervisor needs nothing of what serves clients.
 */
import type { Launcher, OfflineRoost } from "./cli/launcher.ts";
import { coresOf } from "./system/process.ts";

/** A process that serves the cell's own store by itself. */
const ALONE = { share: null, lease: null, promoted: null };

/** Starts a server. */
export const startRoost: Launcher["startRoost"] = async (config, settings, input, ending) => {
  const { workers } = config.cell;
  const count = workers === "auto" ? coresOf() : workers;
  if (count > 1) {
    const { supervise } = await import("./supervise.ts");
    return await supervise(config, input, count, ending);
  }
  const { startNode } = await import("./start.ts");
  return await startNode(config, settings, { input, ...ALONE, ending });
};

/** Serves as a worker. */
export const runWorker: Launcher["runWorker"] = async () => {
  const worker = await import("./worker.ts");
  return await worker.runWorker();
};

/** Opens the store for the admin API alone. */
export const openOffline: Launcher["openOffline"] = async (
  config,
  makes,
): Promise<OfflineRoost> => {
  const start = await import("./start.ts");
  return await start.openOffline(config, makes);
};
