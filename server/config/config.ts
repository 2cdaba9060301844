/**
 * The configuration of a node: every setting with its value and where it came from. Settings are
 * read from, in rising order of precedence: defaults, the TOML file, `ROOST_…` environment
 * variables, flags. All faults are reported at once, each with what to change. Keys are named by their
 * files; a setting that may hold a secret is shown without it, and refused as a flag with it.
 */
import { dirname, resolve } from "node:path";
import { parse as parseToml, TomlError } from "smol-toml";
import { z } from "zod";
import { ACME_BIND, ACME_KNOBS } from "./acme.ts";
import { formatBind } from "./address.ts";
import { ADMIN_KNOBS } from "./admin.ts";
import { GATEWAY_KNOBS } from "./gateway.ts";
import { GENERAL_KNOBS } from "./knobs.ts";
import { LIMIT_KNOBS } from "./limits.ts";
import { type Knob, knobOf } from "./knob.ts";
import { CELL_KNOBS } from "./cell.ts";
import { CELLS_KNOBS } from "./cells.ts";
import { STANDBY_KNOBS } from "./standby.ts";
import { PUSH_KNOBS } from "./push.ts";
import { SIGN_IN_KNOBS } from "./sign_in.ts";
import { STORE_KNOBS } from "./store.ts";
import { nearest } from "./nearest.ts";
import { connectionsUsable, deriveMode, relationFaults, warnings } from "./relations.ts";

/** Every setting, by group. */
const SETTINGS = z.object({
  ...GENERAL_KNOBS,
  ...ACME_KNOBS,
  ...SIGN_IN_KNOBS,
  ...STORE_KNOBS,
  ...CELL_KNOBS,
  ...CELLS_KNOBS,
  ...STANDBY_KNOBS,
  ...LIMIT_KNOBS,
  ...GATEWAY_KNOBS,
  ...PUSH_KNOBS,
  ...ADMIN_KNOBS,
}).readonly();

/** Every setting as it was read, by group. */
export type Settings = z.infer<typeof SETTINGS>;

/** Who may create an account. */
export type RegistrationMode = "open" | "invite" | "closed";

/**
 * What a node runs with: the settings, where `registration.mode` and `limits.connectionsMax` are
 * decided and never `auto` or 0, and the data directory.
 */
export type Config = Omit<Settings, "registration"> & {
  /** Directory of everything the node keeps. */
  readonly dataDir: string;
  readonly registration: Omit<Settings["registration"], "mode"> & {
    readonly mode: RegistrationMode;
  };
};

/** Where settings are read from. */
export interface ConfigInput {
  readonly dataDir: string;
  /** The file's path (for messages) and text; null where there is none. */
  readonly file: { readonly path: string; readonly text: string } | null;
  /** Only `ROOST_…` variables are looked at. */
  readonly env: Readonly<Record<string, string>>;
  /** In order; a later one of the same key wins. `flag` is named in messages. */
  readonly flags: readonly { readonly flag: string; readonly key: string; readonly text: string }[];
  /** How many files the process may open; null where the system does not tell. */
  readonly filesMax: number | null;
  /** The current directory: files that flags and variables name are relative to it. */
  readonly cwd: string;
}

/** A setting in effect. */
export interface EffectiveSetting {
  /** `group.name`. */
  readonly key: string;
  /** As it would stand in a TOML file. */
  readonly value: unknown;
  /** `default`, `file PATH`, `environment NAME` or `flag NAME`, and what was decided from it. */
  readonly source: string;
  readonly knob: Knob;
}

/** A configuration, or every reason why there is none. */
export type ConfigResult =
  | {
    readonly ok: true;
    readonly config: Config;
    readonly effective: readonly EffectiveSetting[];
    /** What works but is probably not meant. */
    readonly warnings: readonly string[];
  }
  | { readonly ok: false; readonly errors: readonly string[] };

interface Given {
  readonly raw: unknown;
  readonly source: string;
  /** Directory that relative paths start from. */
  readonly base: string;
}

/** Every setting: `group.name` → knob, in the order of the documentation. */
export const KNOB_TABLE: ReadonlyMap<string, Knob> = new Map(
  Object.entries(SETTINGS.unwrap().shape).flatMap(([group, settings]) =>
    Object.entries(settings.unwrap().shape).map(([name, setting]) => [
      `${group}.${name}`,
      knobOf(setting),
    ])
  ),
);

/** `limits.frameBytesMax` → `ROOST_LIMITS_FRAME_BYTES_MAX`. */
export function envName(key: string): string {
  return `ROOST_${key.replace(".", "_").replace(/(?<=[a-z0-9])[A-Z]/g, "_$&").toUpperCase()}`;
}

/** Variables that name files for the command line, not settings. */
const ENV_OTHER: ReadonlySet<string> = new Set(["ROOST_DATA", "ROOST_CONFIG"]);
/**
 * Docker and Kubernetes set these for containers beside a service whose name begins with `roost`:
 * `ROOST_CHAT_SERVICE_HOST`, `ROOST_CHAT_SERVICE_PORT_HTTP`, `ROOST_CHAT_PORT_8420_TCP_ADDR` …
 */
const ENV_SERVICE_LINK = new RegExp(
  "^ROOST_(?:[A-Z0-9_]+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT|" +
    "PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:START|END))?(?:_(?:PROTO|PORT|ADDR))?)$",
);

function unknownKey(key: string, where: string): string {
  const meant = nearest(key, KNOB_TABLE.keys());
  const hint = meant === null
    ? "see `roost config show` for all of them"
    : `did you mean ${meant}?`;
  return `${key} in ${where} is not a setting: ${hint}`;
}

function readFile(
  file: NonNullable<ConfigInput["file"]>,
  cwd: string,
  given: Map<string, Given>,
): string[] {
  const base = resolve(cwd, dirname(file.path));
  let tables: Readonly<Record<string, unknown>>;
  try {
    tables = parseToml(file.text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const reason = error.message.split("\n")[0]!.replace(/^Invalid TOML document: /, "");
    return [`${file.path} line ${error.line}, column ${error.column} is not TOML: ${reason}`];
  }
  const errors: string[] = [];
  for (const [group, table] of Object.entries(tables)) {
    const isTable = typeof table === "object" && table !== null && !Array.isArray(table);
    for (const [name, raw] of Object.entries(isTable ? table : { [group]: table })) {
      const key = isTable ? `${group}.${name}` : group;
      if (!KNOB_TABLE.has(key)) errors.push(unknownKey(key, file.path));
      given.set(key, { raw, source: `file ${file.path}`, base });
    }
  }
  return errors;
}

function readEnv({ env, cwd: base }: ConfigInput, given: Map<string, Given>): string[] {
  const keyOf = new Map([...KNOB_TABLE.keys()].map((key) => [envName(key), key]));
  for (const [key, knob] of KNOB_TABLE) if (knob.env !== undefined) keyOf.set(knob.env, key);
  const errors: string[] = [];
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith("ROOST_") || ENV_OTHER.has(name)) continue;
    const key = keyOf.get(name);
    if (key === undefined) {
      if (ENV_SERVICE_LINK.test(name)) continue;
      const meant = nearest(name, [...keyOf.keys(), ...ENV_OTHER]);
      const hint = meant === null ? "unset it" : `did you mean ${meant}?`;
      errors.push(`${name} in the environment is not a setting: ${hint}`);
    } else {
      given.set(key, {
        raw: KNOB_TABLE.get(key)!.parse(text),
        source: `environment ${name}`,
        base,
      });
    }
  }
  return errors;
}

function readFlags({ flags, cwd: base }: ConfigInput, given: Map<string, Given>): string[] {
  const errors: string[] = [];
  for (const { flag, key, text } of flags) {
    const knob = KNOB_TABLE.get(key);
    if (knob === undefined) errors.push(unknownKey(key, flag));
    else given.set(key, { raw: knob.parse(text), source: `flag ${flag}`, base });
  }
  return errors;
}

/** One line, short enough for a message. */
function quote(raw: unknown): string {
  const text = typeof raw === "bigint" ? String(raw) : JSON.stringify(raw) ?? String(raw);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** The value with its paths made absolute, where it names files. */
function absolute({ raw, base }: Given, { path, pathFields }: Knob): unknown {
  const one = (file: unknown) =>
    typeof file === "string" && file !== "" ? resolve(base, file) : file;
  if (pathFields !== undefined && Array.isArray(raw)) {
    return raw.map((table) => withFields(table, pathFields, one));
  }
  if (path !== true) return raw;
  return Array.isArray(raw) ? raw.map(one) : one(raw);
}

/** A table with these fields changed, where it has them. */
function withFields(
  table: unknown,
  names: readonly string[],
  change: (value: unknown) => unknown,
): unknown {
  if (typeof table !== "object" || table === null) return table;
  const entries = Object.entries(table).map(([name, value]) =>
    [name, names.includes(name) ? change(value) : value] as const
  );
  return Object.fromEntries(entries);
}

interface Checked {
  /** Null where something is wrong. */
  readonly settings: Settings | null;
  readonly effective: EffectiveSetting[];
  readonly errors: readonly string[];
}

/** Where secrets belong. */
const SECRETS = "put it into the settings file, the environment or a file of its own";

function check(given: ReadonlyMap<string, Given>): Checked {
  const groups: Record<string, Record<string, unknown>> = {};
  for (const [key, knob] of KNOB_TABLE) {
    const [head, name] = key.split(".") as [string, string];
    const found = given.get(key);
    (groups[head] ??= {})[name] = found === undefined ? knob.default : absolute(found, knob);
  }
  const parsed = SETTINGS.safeParse(groups);
  const bad = new Set(parsed.error?.issues.map(({ path }) => path.slice(0, 2).join(".")));
  const effective: EffectiveSetting[] = [];
  const errors: string[] = [];
  for (const [key, knob] of KNOB_TABLE) {
    const { source } = given.get(key) ?? { source: "default" };
    const [head, name] = key.split(".") as [string, string];
    const raw = groups[head]![name];
    const shown = knob.shown?.(raw) ?? raw;
    if (shown !== raw && source.startsWith("flag ")) {
      errors.push(
        `${key} has a secret in ${source}, which all users of this machine can read: ${SECRETS}`,
      );
    } else if (bad.has(key)) {
      const where = source.replace(/^(file|environment|flag) /, "");
      errors.push(`${key} is ${quote(shown)} in ${where}: it must be ${knob.wants}`);
    }
    effective.push({ key, value: shown, source, knob });
  }
  return { settings: parsed.data ?? null, effective, errors };
}

/** Decides what was left open and notes on what ground. */
function decide(read: Settings, input: ConfigInput, effective: EffectiveSetting[]): Config {
  const open = effective.find(({ key }) => key === "server.bind")!.source === "default";
  const onAcme = open && read.acme.email !== null;
  const settings = onAcme ? { ...read, server: { ...read.server, bind: ACME_BIND } } : read;
  const mode = settings.registration.mode;
  const decidedMode = mode === "auto" ? deriveMode(settings) : { mode, reason: "" };
  const usable = connectionsUsable(input.filesMax);
  const connectionsMax = settings.limits.connectionsMax === 0
    ? usable
    : settings.limits.connectionsMax;
  const note = (key: string, value: unknown, reason: string) => {
    const at = effective.findIndex((setting) => setting.key === key);
    const setting = effective[at]!;
    effective[at] = { ...setting, value, source: `${setting.source}: ${reason}` };
  };
  if (onAcme) note("server.bind", formatBind(ACME_BIND), "acme.email is set");
  if (mode === "auto") note("registration.mode", decidedMode.mode, decidedMode.reason);
  if (settings.limits.connectionsMax === 0) {
    note(
      "limits.connectionsMax",
      connectionsMax,
      `${input.filesMax ?? "unknown"} files may be open`,
    );
  }
  return {
    ...settings,
    dataDir: input.dataDir,
    registration: { ...settings.registration, mode: decidedMode.mode },
    limits: { ...settings.limits, connectionsMax },
  };
}

/** Reads, checks and relates all settings. Pure: the same input gives the same result. */
export function resolveConfig(input: ConfigInput): ConfigResult {
  const given = new Map<string, Given>();
  const unknown = [
    ...input.file === null ? [] : readFile(input.file, input.cwd, given),
    ...readEnv(input, given),
    ...readFlags(input, given),
  ];
  const { settings, effective, errors } = check(given);
  if (unknown.length + errors.length > 0 || settings === null) {
    return { ok: false, errors: [...unknown, ...errors] };
  }
  const config = decide(settings, input, effective);
  const faults = relationFaults(config, input.filesMax);
  if (faults.length > 0) return { ok: false, errors: faults };
  return { ok: true, config, effective, warnings: warnings(config) };
}

/** The defaults, with `settings` (`group.name` → text as in a flag) on top; throws on faults. */
export function configOf(
  dataDir: string,
  settings: Readonly<Record<string, string>> = {},
): Config {
  const flags = Object.entries(settings).map(([key, text]) => ({ flag: key, key, text }));
  const result = resolveConfig({
    dataDir,
    file: null,
    env: {},
    flags,
    filesMax: null,
    cwd: dataDir,
  });
  if (!result.ok) throw new Error(result.errors.join("\n"));
  return result.config;
}
