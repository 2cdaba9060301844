/** The command line: gives the commands this machine, and exits with their code. */
import { runCli } from "./server/admin/cli.ts";
import type { CliHost } from "./server/admin/cli_host.ts";
import { socketTransport } from "./server/admin/socket.ts";
import { systemProcess } from "./server/system/process.ts";
import { systemTerminal } from "./server/system/terminal.ts";

async function readTextFile(path: string): Promise<string | null> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

function systemHost(): CliHost {
  const process = systemProcess();
  return {
    ...systemTerminal(),
    env: Deno.env.toObject(),
    filesMax: process.filesMax(),
    readTextFile,
    fileFaults: async (config) => (await import("./server/files.ts")).configFileFaults(config),
    // Loaded late: `roost config check` should not wait for the store and the HTTP stack.
    launcher: () => import("./server/start.ts"),
    adminSocket: socketTransport,
    onSignal: (run) => process.onSignal(run),
  };
}

if (import.meta.main) Deno.exit(await runCli(Deno.args, systemHost()));
