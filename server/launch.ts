/** Starts servers: as one process, or as a supervisor with workers; see `Launcher`. */
import type { Config, ConfigInput } from "./config/config.ts";
import type { RunningRoost } from "./cli/launcher.ts";
import type { ShownSetting } from "./config/show.ts";
import { coresOf } from "./system/process.ts";
import { startNode } from "./start.ts";
import { supervise } from "./supervise.ts";

export { openOffline } from "./start.ts";
export { runWorker } from "./worker.ts";

/** Starts a server. */
export async function startRoost(
  config: Config,
  settings: readonly ShownSetting[],
  input: ConfigInput,
): Promise<RunningRoost> {
  const { workers } = config.cell;
  const count = workers === "auto" ? coresOf() : workers;
  if (count > 1) return await supervise(config, input, count);
  return await startNode(config, settings, null);
}
