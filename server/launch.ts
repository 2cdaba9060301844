/**
 * Starts servers: as one process, or as a supervisor with workers; see `Launcher`. Each is loaded
 * when it is started: a supervisor needs nothing of what serves clients.
 */
import type { Launcher, OfflineRoost } from "./cli/launcher.ts";
import { coresOf } from "./system/process.ts";

/** Starts a server. */
export const startRoost: Launcher["startRoost"] = async (config, settings, input, ending) => {
  const { workers } = config.cell;
  const count = workers === "auto" ? coresOf() : workers;
  if (count > 1) {
    const { supervise } = await import("./supervise.ts");
    return await supervise(config, input, count);
  }
  const { startNode } = await import("./start.ts");
  return await startNode(config, settings, { input, share: null, promoted: null, ending });
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
