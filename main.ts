/** The command line: gives the commands this machine, and exits with their code. */
import { encodeBase64Url } from "byte-encodings/base64url";
import { runCli } from "./server/cli/cli.ts";
import type { CliHost } from "./server/cli/host.ts";
import { addLoadCommand } from "./server/load/command.ts";
import { machineActor } from "./server/ops/actor.ts";
import { socketTransport } from "./server/ops/socket.ts";
import { systemProcess } from "./server/system/process.ts";
import { fileMark, FileWatch } from "./server/system/file_watch.ts";
import { claimFile, createFile, readLines } from "./server/system/text_file.ts";
import { systemServiceManager } from "./server/system/service_manager.ts";
import { systemRandom } from "./server/system/random.ts";
import { systemTerminal } from "./server/system/terminal.ts";
import { systemTimers } from "./server/system/timers.ts";

async function readTextFile(path: string): Promise<string | null> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** Who runs the command; with sudo, who asked for it. */
function userName(env: Readonly<Record<string, string>>): string {
  return env["SUDO_USER"] ?? env["USER"] ?? env["LOGNAME"] ?? `uid ${Deno.uid() ?? "unknown"}`;
}

function systemHost(): CliHost {
  const process = systemProcess();
  const timers = systemTimers();
  const env = Deno.env.toObject();
  return {
    ...systemTerminal(),
    env,
    cwd: Deno.cwd(),
    filesMax: process.filesMax(),
    readTextFile,
    createFile,
    claimFile,
    readLines,
    fileFaults: async (config) =>
      (await import("./server/config_files.ts")).configFileFaults(config),
    // Loaded late: `roost config check` should not wait for the store and the HTTP stack.
    user: userName(env),
    launcher: () => import("./server/launch.ts"),
    backups: async () => (await import("./server/ops/backup.ts")).systemBackups(),
    openShared: async (config) =>
      (await import("./server/open_store.ts")).openShared(config, timers),
    repairs: async () => (await import("./server/ops/repair.ts")).systemRepairs(),
    storeCopies: async () => (await import("./server/ops/store_copy.ts")).systemStoreCopies(),
    adminToken: async (dataDir, renew) => {
      const { readDataDir } = await import("./server/system/data_dir.ts");
      readDataDir(dataDir);
      const { adminToken } = await import("./server/system/admin_token.ts");
      return adminToken(dataDir, systemRandom(), renew);
    },
    recordAction: async (dataDir, action) => {
      const { recordAction } = await import("./server/system/offline_actions.ts");
      const { systemClock } = await import("./server/system/clock.ts");
      const at = new Date(systemClock().wallMs()).toISOString();
      recordAction(dataDir, {
        at,
        actor: machineActor(userName(env)),
        address: "this machine",
        action,
        outcome: "ok",
      });
    },
    secret: () => encodeBase64Url(systemRandom().bytes(32)),
    adminSocket: (path) => socketTransport(path, userName(env)),
    pause: (delayMs) => new Promise((done) => void timers.after(delayMs, done)),
    onSignal: (run) => process.onSignal(run),
    onReload: (run) => process.onReload(run),
    watchFiles: (changed) => new FileWatch({ timers, mark: fileMark, changed }),
    serviceManager: systemServiceManager(env, process.pid, timers),
  };
}

if (import.meta.main) Deno.exit(await runCli(Deno.args, systemHost(), [addLoadCommand]));
