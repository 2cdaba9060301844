/** The options that make a configuration, and the commands that show it. */
import { join } from "node:path";
import { type Command, Option } from "commander";
import { type ConfigInput, type ConfigResult, resolveConfig } from "../config/config.ts";
import { showJson, showText } from "../config/show.ts";
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
  ["--tls-cert <file>", "server.tlsCert", "PEM certificate and chain"],
  ["--tls-key <file>", "server.tlsKey", "PEM private key of the certificate"],
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
export type Loaded = Extract<ConfigResult, { readonly ok: true }>;

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
  const result = resolveConfig({
    dataDir,
    file: text === null ? null : { path, text },
    env: host.env,
    flags: readFlags(options),
    filesMax: host.filesMax,
  });
  if (!result.ok) throw new UsageError(...result.errors);
  return result;
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
  addConfigOptions(config.command("show"))
    .description("show every setting: its value, source, bounds and meaning")
    .option("--json", "as JSON")
    .allowExcessArguments(false)
    .action(async (options: ConfigOptions & { readonly json?: true }) => {
      const loaded = await loadConfig(host, options);
      const show = options.json === true ? showJson : showText;
      host.out(show(loaded.config.dataDir, loaded.effective));
    });
}
