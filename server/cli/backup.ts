/** `roost backup` and `roost restore`. */
import type { Command } from "commander";
import { addConfigOptions, loadConfig } from "./config.ts";
import { type CliHost, sized } from "./host.ts";

const BACKUP_HELP = `
The server goes on while the copy is made. The backup holds everything that was acknowledged before
the moment that is printed, and nothing that was sent after the command ended. It holds all keys of
passwords: keep it as secret as the data directory. Settings and certificates are not in it. Of a
store in PostgreSQL it holds one moment too, and takes twice its space while it is made; for a large
one use pg_basebackup and an archive of the write-ahead log.`;

const RESTORE_HELP = `
The directory must be new or empty (but for roost.toml). Clients' tokens stay good; every client
reads its state anew when it reconnects, for it may know of messages that the backup does not hold.
Never let the restored server and the old one serve the same clients. To put it into PostgreSQL, copy
the new directory there with: roost store copy`;

type ConfigOptions = Parameters<typeof loadConfig>[1];

interface BackupOptions extends ConfigOptions {
  readonly out: string;
}

function when(momentMs: number): string {
  return new Date(momentMs).toISOString();
}

/** Adds both commands. */
export function addBackupCommands(program: Command, host: CliHost): void {
  addConfigOptions(program.command("backup"))
    .description("copy all accounts and messages to a file, while the server runs or not")
    .requiredOption(
      "--out <path>",
      "a new file such as x.backup, or a directory to put it in (made if needed)",
    )
    .addHelpText("after", BACKUP_HELP)
    .allowExcessArguments(false)
    .action(async (options: BackupOptions) => {
      const { config } = await loadConfig(host, options);
      const backups = await host.backups();
      const { file, bytes, momentMs } = await backups.backup(config, options.out);
      host.out(`${file}\n`);
      host.err(
        `${sized(bytes)}, with everything that was acknowledged before ${when(momentMs)} ` +
          `(${momentMs} ms).\n`,
      );
    });
  program.command("restore <file>")
    .description("make a new data directory from a backup")
    .requiredOption("--data <dir>", "the data directory to make")
    .addHelpText("after", RESTORE_HELP)
    .allowExcessArguments(false)
    .action(async (file: string, { data }: { readonly data: string }) => {
      const backups = await host.backups();
      const { momentMs, domain } = await backups.restore(file, data);
      await host.recordAction(data, "roost restore");
      host.out(`${data} holds what was acknowledged before ${when(momentMs)}.\n`);
      const flag = domain === null ? "" : ` --domain ${domain}`;
      host.err(`Start it with: roost --data ${data}${flag}\n`);
    });
}
