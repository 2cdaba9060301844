/** The options that make a configuration, and the commands that show it. */
import { join, resolve } from "node:path";
import { type Command, Option } from "commander";
import { z } from "zod";
import { type ConfigInput, type ConfigResult, resolveConfig } from "../config/config.ts";
import {
  filterSettings,
  showJson,
  type ShownSetting,
  shownSettings,
  showText,
} from "../config/show.ts";
import { watchedPaths } from "../config/paths.ts";
import { NoServerError } from "../ops/socket.ts";
import { adminCall, MISSING, noteMissing } from "./client.ts";
import { visibleLines } from "../text/visible.ts";
import { type CliHost, UsageError } from "./host.ts";

/** Where a node keeps everything unless told otherwise. */
const DATA_DEFAULT = "roost-data";

/** The file that is read from the data directory where none is named. */
const FILE_DEFAULT = "roost.toml";

/** Flags for single settings: option, setting, what it says in the help. */
const SETTING_FLAGS = [
  ["--bind <host:port>", "server.bind", "where to listen (127.0.0.1:8420)"],
  ["--domain <name>", "server.domain", "the domain of all accounts (localhost)"],
  ["--registration <mode>", "registration.mode", "open, invite or closed"],
  ["--store <url>", "store.url", "PostgreSQL instead of the directory's own store; ROOST_STORE"],
  ["--store-file <file>", "store.urlFile", "a file that holds its address and password"],
  ["--workers <count>", "cell.workers", "processes that share the port, auto: one for each core"],
  ["--cell-listen <host:port>", "cell.listen", "where to listen for the cell's other nodes"],
  ["--cell-secret-file <file>", "cell.secretFile", "the secret that these nodes share"],
  ["--cells-name <name>", "cells.name", "this cell's name among those that share the domain"],
  ["--cells-listen <host:port>", "cells.listen", "where to listen for other cells"],
  ["--cells-join <host:port,…>", "cells.join", "nodes of other cells"],
  ["--cells-secret-file <file>", "cells.secretFile", "the secret that all cells share"],
  ["--tls-cert <file>", "server.tlsCert", "PEM certificate and chain"],
  ["--tls-key <file>", "server.tlsKey", "PEM private key of the certificate"],
  ["--acme <email>", "acme.email", "get the certificate from Let's Encrypt, under its terms"],
  ["--acme-directory <url>", "acme.directory", "another ACME authority, or one for trials"],
  ["--log-level <level>", "log.level", "debug, info, warn or error"],
] as const;

/** What commander makes of the options. */
interface ConfigOptions {
  readonly data?: string;
  readonly config?: string;
  readonly set: readonly string[];
  readonly [flag: string]: unknown;
}

/** A configuration that may run. */
export type Loaded = Extract<ConfigResult, { readonly ok: true }> & {
  /** What it was read from. */
  readonly input: ConfigInput;
  /** The files after whose changes it is to be read again. */
  readonly watched: readonly string[];
};

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

/** Adds the options that `loadConfig` reads. */
export function addConfigOptions(command: Command): Command {
  command
    .option("--data <dir>", `data directory (${DATA_DEFAULT}; ROOST_DATA)`)
    .option("--config <file>", `settings (${FILE_DEFAULT} in the data directory; ROOST_CONFIG)`);
  for (const [flags, , doc] of SETTING_FLAGS) command.option(flags, doc);
  command.addOption(
    new Option("--set <key=value>", "any setting, repeatable; see `roost config show`")
      .argParser(collect).default([], "none"),
  );
  return command;
}

function readFlags(options: ConfigOptions): ConfigInput["flags"] {
  const sets = options.set.map((text) => {
    const at = text.indexOf("=");
    if (at > 0) return { flag: "--set", key: text.slice(0, at).trim(), text: text.slice(at + 1) };
    throw new UsageError(`--set ${text} has no value: write --set group.name=value`);
  });
  const singles = SETTING_FLAGS.flatMap(([flags, key]) => {
    const option = new Option(flags);
    const text = options[option.attributeName()];
    return typeof text === "string" ? [{ flag: option.long ?? flags, key, text }] : [];
  });
  return [...sets, ...singles];
}

async function readFile(host: CliHost, path: string, wanted: boolean): Promise<string | null> {
  let text: string | null;
  try {
    text = await host.readTextFile(path);
  } catch (cause) {
    throw new UsageError(`Cannot read ${path}: ${cause instanceof Error ? cause.message : cause}`);
  }
  if (text === null && wanted) throw new UsageError(`Cannot read ${path}: there is no such file`);
  return text;
}

/** Reads the configuration as the options say; every fault is one line of a `UsageError`. */
export async function loadConfig(host: CliHost, options: ConfigOptions): Promise<Loaded> {
  const dataDir = options.data || host.env["ROOST_DATA"] || DATA_DEFAULT;
  const named = options.config || host.env["ROOST_CONFIG"] || null;
  const path = named ?? join(dataDir, FILE_DEFAULT);
  const text = await readFile(host, path, named !== null);
  const input: ConfigInput = {
    dataDir,
    file: text === null ? null : { path, text },
    env: host.env,
    flags: readFlags(options),
    filesMax: host.filesMax,
    cwd: host.cwd,
  };
  const result = resolveConfig(input);
  if (!result.ok) throw new UsageError(...result.errors);
  return { ...result, input, watched: [resolve(host.cwd, path), ...watchedPaths(result.config)] };
}

/** Prints what is probably not meant. */
export function printWarnings(host: CliHost, { warnings }: Loaded): void {
  for (const warning of warnings) host.err(`roost: warning: ${warning}\n`);
}

/** Adds `roost config check` and `roost config show`. */
export function addConfigCommands(program: Command, host: CliHost): void {
  const config = program.command("config").description("check or show the configuration");
  addConfigOptions(config.command("check"))
    .description("check the configuration and its files, and say what to change")
    .allowExcessArguments(false)
    .action(async (options: ConfigOptions) => {
      const loaded = await loadConfig(host, options);
      const faults = await host.fileFaults(loaded.config);
      if (faults.length > 0) throw new UsageError(...faults);
      printWarnings(host, loaded);
      host.out("The configuration is valid.\n");
    });
  addConfigOptions(config.command("show [filter]"))
    .description(
      "show settings: value, source, bounds and meaning; of the server that runs, if one does",
    )
    .option("--next", "what a start with these options would have, even while a server runs")
    .option("--json", "as JSON")
    .addHelpText("after", SHOW_HELP)
    .allowExcessArguments(false)
    .action((filter: string | undefined, options: ShowOptions) => show(host, filter, options));
}

interface ShowOptions extends ConfigOptions {
  readonly json?: true;
  readonly next?: true;
}

const SHOW_HELP = `
With a filter, only settings whose name or meaning contains it: roost config show rate
Setting options (--set, --bind and the like) ask for what a start would have, as --next does.`;

const SHOWN: z.ZodType<readonly ShownSetting[]> = z.array(z.object({
  key: z.string(),
  value: z.unknown(),
  source: z.string(),
  default: z.unknown(),
  unit: z.string(),
  wants: z.string(),
  doc: z.string(),
  env: z.string(),
}));
const RUNNING = z.object({
  settings: SHOWN,
  differ: z.array(z.object({ node: z.string(), key: z.string(), value: z.unknown() })).default([]),
  missing: MISSING,
});

/** The settings of the server that runs on the data directory; null where none runs. */
async function runningSettings(
  host: CliHost,
  dataDir: string,
): Promise<z.output<typeof RUNNING> | null> {
  try {
    const call = adminCall(host.adminSocket(join(dataDir, "admin.sock")));
    return await call({ method: "GET", path: "/admin/config" }, RUNNING);
  } catch (error) {
    if (error instanceof NoServerError) return null;
    throw error;
  }
}

async function show(
  host: CliHost,
  filter: string | undefined,
  options: ShowOptions,
): Promise<void> {
  const loaded = await loadConfig(host, options);
  const { dataDir } = loaded.config;
  const next = options.next === true || readFlags(options).length > 0;
  const running = next ? null : await runningSettings(host, dataDir);
  const all = running?.settings ?? shownSettings(loaded.effective);
  const settings = filter === undefined ? all : filterSettings(all, filter);
  if (settings.length === 0) {
    throw new UsageError(`no setting has ${filter} in its name or meaning`);
  }
  if (running !== null) {
    host.err(`Of the server that runs on ${dataDir}; --next shows what a start would have.\n`);
  }
  host.out(visibleLines((options.json === true ? showJson : showText)(dataDir, settings)));
  if (running === null) return;
  for (const { node, key, value } of running.differ) {
    host.err(visibleLines(`Node ${node} has another ${key}: ${JSON.stringify(value ?? null)}.\n`));
  }
  noteMissing(host, running.missing);
}
