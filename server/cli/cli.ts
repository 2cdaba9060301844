/** The command line. Exit codes: 0 done, 1 the operation failed, 2 wrong usage or configuration. */
import { Command, CommanderError } from "commander";
import { nearest } from "../config/nearest.ts";
import { visible, visibleLines } from "../text/visible.ts";
import { VERSION } from "../config/version.ts";
import { addAdminCommands } from "./admin.ts";
import { addAuditCommands } from "./audit.ts";
import { addOperatorCommands } from "./operators.ts";
import { addBackupCommands } from "./backup.ts";
import { addCheckCommand, addRepairCommand } from "./check.ts";
import { addCompletionCommand } from "./completion.ts";
import { addConfigCommands, addConfigOptions, type loadConfig } from "./config.ts";
import { type CliHost, EXIT, UsageError } from "./host.ts";
import { WORKER_COMMAND } from "./launcher.ts";
import { addInspectCommands } from "./inspect.ts";
import { addCellsCommand } from "./cells.ts";
import { addClusterCommands } from "./cluster.ts";
import { addTraceCommand } from "./trace.ts";
import { addShardCommands } from "./shards.ts";
import { start } from "./start.ts";
import { addInviteCommands } from "./invites.ts";
import { addTransferCommands } from "./transfer.ts";
import { addStoreCommands } from "./store.ts";
import { addServiceCommands } from "./services.ts";
import { addUserCommands } from "./users.ts";

const EXAMPLES = `
Examples:
  roost                                      serve on http://127.0.0.1:8420
  roost --data /srv/roost --domain chat.example.org --acme you@example.org
                                             serve https; the certificate comes by itself
  roost --data /srv/roost --domain chat.example.org --bind 0.0.0.0:443 \\
        --tls-cert fullchain.pem --tls-key privkey.pem
  roost --set limits.rosterMax=200           change any setting
  roost config show                          every setting, its bounds and meaning
  roost user add alice                       asks for the password
  roost user passwd alice --password-stdin < secret
  roost invite create
  roost service add mail --scope send,outcomes  a token for another system
  roost backup --out /backups                copy everything, while the server runs
  roost check                                look for damage of the store

Commands about users, invites, services and experiments, export and import talk to the server that
runs on the same data directory (--data); while none runs, they use the directory itself.
Exit codes: 0 done, 1 the operation failed, 2 wrong usage or configuration.`;

const WITNESS_HELP = `
Two cells and a witness decide on names while any one of the three is lost. It needs little of a
machine, which should share nothing with those of the others; --cells-name, --cells-listen,
--cells-join and --cells-secret-file as for any cell.`;

/** Adds commands to the tree; `exit` takes the exit code of an action. */
export type AddCommands = (program: Command, host: CliHost, exit: (code: number) => void) => void;

/**
 * Builds the command tree, with the commands of `more` besides its own; `exit` takes the exit code
 * of an action. Does nothing outside the process.
 */
export function buildProgram(
  host: CliHost,
  exit: (code: number) => void,
  more: readonly AddCommands[],
): Command {
  const program = new Command("roost")
    .description("Presence and instant messaging in one process.")
    .version(`roost ${VERSION}`, "-V, --version", "print the version")
    .helpCommand("help [command]", "explain a command")
    .addHelpText("after", EXAMPLES)
    .configureOutput({
      writeOut: (text) => host.out(text),
      writeErr: (text) => host.err(text),
      outputError: (text, write) => write(text.replace(/^error:/, "roost:")),
    })
    .exitOverride();
  // Subcommands inherit output and exit handling from here on.
  addConfigOptions(program.command("start", { isDefault: true }))
    .description("serve (what roost does without a command)")
    .allowExcessArguments(false)
    .action(async (options: Parameters<typeof loadConfig>[1]) => exit(await start(host, options)));
  addConfigOptions(program.command("witness"))
    .description("serve as a cell that votes on names, but has no users")
    .addHelpText("after", WITNESS_HELP)
    .allowExcessArguments(false)
    .action(async (options: Parameters<typeof loadConfig>[1]) => {
      const witness = { ...options, set: [...options.set, "cells.witness=true"] };
      exit(await start(host, witness));
    });
  program.command(WORKER_COMMAND, { hidden: true })
    .description("serve as a worker of the process that starts this one")
    .allowExcessArguments(false)
    .action(async () => exit(await (await host.launcher()).runWorker()));
  addUserCommands(program, host);
  addInviteCommands(program, host);
  addServiceCommands(program, host);
  addAdminCommands(program, host);
  addAuditCommands(program, host, exit);
  addOperatorCommands(program, host);
  addBackupCommands(program, host);
  addCheckCommand(program, host, exit);
  addRepairCommand(program, host, exit);
  addStoreCommands(program, host);
  addTransferCommands(program, host);
  addInspectCommands(program, host);
  addShardCommands(program, host);
  addClusterCommands(program, host);
  addCellsCommand(program, host);
  addTraceCommand(program, host);
  for (const add of more) add(program, host, exit);
  addConfigCommands(program, host);
  addCompletionCommand(program, host);
  program.command("version").description("print the version")
    .allowExcessArguments(false)
    .action(() => host.out(`roost ${VERSION}\n`));
  return program;
}

/**
 * The words that name a command, checked: the default command would take a mistyped one for an
 * argument of its own. `help` among them asks for the help of what the others name.
 */
function readCommand(program: Command, args: readonly string[]): readonly string[] {
  const words: string[] = [];
  let command = program;
  let help = false;
  for (const word of args) {
    if (word.startsWith("-") || command.commands.length === 0) break;
    if (word === "help") {
      help = true;
      continue;
    }
    const next = command.commands.find((one) => one.name() === word);
    if (next === undefined) throw unknownCommand(words, word, command);
    words.push(word);
    command = next;
  }
  return help ? [...words, "--help"] : args;
}

function unknownCommand(words: readonly string[], word: string, { commands }: Command): UsageError {
  const meant = nearest(word, commands.map((command) => command.name()));
  const hint = meant === null
    ? `see ${["roost", ...words].join(" ")} --help`
    : `did you mean ${[...words, meant].join(" ")}?`;
  return new UsageError(`there is no command ${[...words, word].join(" ")}: ${hint}`);
}

/** Messages of an error and what caused it; with the stack where it is a bug of ours. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const bug = error instanceof TypeError || error instanceof RangeError ||
    error instanceof ReferenceError || error.name === "AssertionError";
  if (bug) return error.stack ?? error.message;
  const { cause } = error;
  return cause instanceof Error && !error.message.includes(cause.message)
    ? `${error.message} (${cause.message})`
    : error.message;
}

/** Runs one command line, with the commands of `more`; returns its exit code. Never rejects. */
export async function runCli(
  args: readonly string[],
  host: CliHost,
  more: readonly AddCommands[],
): Promise<number> {
  let code: number = EXIT.ok;
  const program = buildProgram(host, (given) => code = given, more);
  try {
    await program.parseAsync(readCommand(program, args), { from: "user" });
    return code;
  } catch (error) {
    // commander has printed its message, or the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    if (error instanceof UsageError) {
      for (const line of error.lines) host.err(`roost: ${visible(line)}\n`);
      return EXIT.usage;
    }
    host.err(`roost: ${visibleLines(describe(error))}\n`);
    return EXIT.failed;
  }
}
