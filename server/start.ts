/** Wires a node with the real ports. */
import type { OfflineRoost, RunningRoost } from "./admin/launcher.ts";
import type { Config } from "./config.ts";

/** Starts a node; see `Launcher`. */
export function startRoost(_config: Config): Promise<RunningRoost> {
  return Promise.reject(new Error("The node is not wired yet"));
}

/** Opens the store for the admin API alone; see `Launcher`. */
export function openOffline(_config: Config): Promise<OfflineRoost> {
  return Promise.reject(new Error("The node is not wired yet"));
}
