/** `roost check` and `roost repair`. */
import type { Command } from "commander";
import type { Config } from "../config/config.ts";
import { addConfigOptions, loadConfig } from "./config.ts";
import { type CliHost, counted, EXIT } from "./host.ts";

const CHECK_HELP = `
It reads all of the store and changes nothing; servers may run meanwhile. Damage is listed with the
account or shard that it belongs to. Exit code 1: something is damaged.`;

type ConfigOptions = Parameters<typeof loadConfig>[1];

function progressOn(host: CliHost): (rows: number) => void {
  return (rows) => host.err(`${rows} rows so far\n`);
}

/** Adds `roost check`. */
export function addCheckCommand(
  program: Command,
  host: CliHost,
  exit: (code: number) => void,
): void {
  addConfigOptions(program.command("check"))
    .description("look through the store for damage, and change nothing")
    .addHelpText("after", CHECK_HELP)
    .allowExcessArguments(false)
    .action(async (options: ConfigOptions) => {
      const { config } = await loadConfig(host, options);
      if (config.store.url !== null || config.store.urlFile !== null) {
        return await checkSharedStore(host, config, exit);
      }
      const { checkStore } = await host.repairs();
      const { rows, accounts, plainRows, faults, inUse } = await checkStore(
        config.dataDir,
        progressOn(host),
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

async function checkSharedStore(
  host: CliHost,
  config: Config,
  exit: (code: number) => void,
): Promise<void> {
  const { store, facts, faults: said } = await host.openShared(config);
  try {
    const { checkShared } = await host.repairs();
    const { rows, accounts, faults } = await checkShared(store, progressOn(host));
    for (const fact of facts) host.err(`${fact}\n`);
    for (const fault of [...said, ...faults]) host.out(`${fault}\n`);
    host.err(`${counted(rows, "row")} of ${counted(accounts, "account")} looked through\n`);
    const count = said.length + faults.length;
    if (count === 0) return host.out("No damage was found\n");
    host.err(
      `${
        counted(count, "fault")
      }. PostgreSQL is repaired by its own means: restore a base backup, ` +
        "or promote a standby\n",
    );
    exit(EXIT.failed);
  } finally {
    await new Promise<void>((done) => store.close(done));
  }
}

const REPAIR_HELP = `
The server must be stopped. Without --yes nothing is changed. What can be kept is written to a new
store, each row with a checksum; the damaged files stay beside it under other names. Where something
is given up, every client reads its state anew when it reconnects. It needs free space of twice the
store's size.`;

interface RepairOptions extends ConfigOptions {
  readonly yes?: boolean;
}

/** Adds `roost repair`. */
export function addRepairCommand(
  program: Command,
  host: CliHost,
  exit: (code: number) => void,
): void {
  addConfigOptions(program.command("repair"))
    .description("say what can be kept of a damaged store and what is given up; with --yes, do it")
    .option("--yes", "repair the store, and give up what is listed")
    .addHelpText("after", REPAIR_HELP)
    .allowExcessArguments(false)
    .action(async (options: RepairOptions) => {
      const { config } = await loadConfig(host, options);
      const { repairStore } = await host.repairs();
      const does = options.yes === true;
      const result = await repairStore(config.dataDir, does, progressOn(host));
      const { kept, givenUp, impossible, damagedFile } = result;
      for (const line of impossible) host.out(`not repairable: ${line}\n`);
      for (const line of kept) host.out(`kept: ${line}\n`);
      for (const line of givenUp) host.out(`given up: ${line}\n`);
      if (impossible.length > 0) {
        host.err("Nothing was changed. Restore a backup to a new directory with: roost restore\n");
        return exit(EXIT.failed);
      }
      if (kept.length + givenUp.length === 0) return host.out("Nothing is to be repaired\n");
      if (damagedFile === null) {
        host.err("Nothing was changed. To repair the store, repeat the command with --yes\n");
        return exit(EXIT.failed);
      }
      await host.recordAction(config.dataDir, "roost repair");
      host.err(`The store is repaired; the damaged one is ${damagedFile}\n`);
    });
}
