/** `roost check`. */
import type { Command } from "commander";
import { addConfigOptions, loadConfig } from "./config.ts";
import { type CliHost, counted, EXIT } from "./host.ts";

const CHECK_HELP = `
It reads all of the store and changes nothing; a server may run meanwhile. Damage is listed with the
account or shard that it belongs to. Exit code 1: something is damaged.`;

/** Adds the command. */
export function addCheckCommand(
  program: Command,
  host: CliHost,
  exit: (code: number) => void,
): void {
  addConfigOptions(program.command("check"))
    .description("look through the store for damage, and change nothing")
    .addHelpText("after", CHECK_HELP)
    .allowExcessArguments(false)
    .action(async (options: Parameters<typeof loadConfig>[1]) => {
      const { config } = await loadConfig(host, options);
      const { checkStore } = await host.repairs();
      const progress = (rows: number) => host.err(`${rows} rows so far\n`);
      const { rows, accounts, plainRows, faults, inUse } = await checkStore(
        config.dataDir,
        progress,
      );
      for (const fault of faults) host.out(`${fault}\n`);
      host.err(`${counted(rows, "row")} of ${counted(accounts, "account")} looked through\n`);
      if (plainRows > 0) {
        host.err(`${counted(plainRows, "row")} of an earlier version have no checksum yet\n`);
      }
      if (inUse) {
        host.err("A server uses the directory: its write-ahead file was not looked at by itself\n");
      }
      if (faults.length === 0) return host.out("No damage was found\n");
      host.err(
        `${counted(faults.length, "fault")}. ` +
          `Stop the server and run: roost repair --data ${config.dataDir}\n`,
      );
      exit(EXIT.failed);
    });
}
