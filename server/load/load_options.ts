/** The options of `roost load`, checked. */
import { isLoopback, parseTarget, type Target } from "./target.ts";
import { ABSENT_MAX, makeRing, poolFault, poolName } from "./ring.ts";
import type { Proof } from "./channel.ts";
import { isReserved, RESERVED_PREFIX, RESERVED_REASON } from "../node/reserved_names.ts";
import { type Scenario, type ScenarioOptions, SCENARIOS } from "./scenario.ts";

/** Name of the hidden command that the processes of a run are started with. */
export const WORKER_COMMAND = "load-worker";

/** Options as the command line gives them; numbers are texts. */
export interface RawLoadOptions {
  readonly [name: string]: string | boolean | undefined;
}

/** What is to be done, whatever the scenario. */
export interface CommonOptions {
  readonly target: Target;
  readonly users: number;
  readonly contacts: number;
  /** Contacts of each besides, who never come. */
  readonly absent: number;
  readonly pool: string;
  readonly state: string | null;
  /** The server's data directory, for its admin socket and process id. */
  readonly dataDir: string;
  readonly pid: number | null;
  readonly provision: "admin" | "public";
  /** Whether the pool's accounts go when it is over. */
  readonly remove: boolean;
  readonly json: string | null;
  readonly html: string | null;
  readonly quiet: boolean;
  readonly bodyBytes: number;
}

/** A run of a scenario. */
export interface LoadRequest extends CommonOptions {
  readonly kind: "scenario";
  readonly scenario: Scenario;
  readonly options: ScenarioOptions;
  readonly auth: Proof["kind"];
  readonly processes: number;
  readonly ackMs: number;
  readonly graceMs: number;
  readonly settleSeconds: number;
}

/** A dark launch. */
export interface DarkRequest extends CommonOptions {
  readonly kind: "dark";
  /** Presence changes and messages a second, together. */
  readonly rate: number;
  /** The p99 of deliveries that is to hold. */
  readonly objectiveMs: number;
  /** Share of the deliveries that are to arrive at all. */
  readonly objectiveShare: number;
  readonly reportSeconds: number;
  /** null: until it is stopped. */
  readonly seconds: number | null;
}

/** Only the pool's accounts are to be removed. */
export interface RemoveRequest extends CommonOptions {
  readonly kind: "remove";
}

/** What the command line asks for. */
export type Request = LoadRequest | DarkRequest | RemoveRequest;

/** Connections that a process keeps for other things than users. */
const FILES_RESERVED = 300;
const DEFAULT_URL = "http://127.0.0.1:8420";

class Options {
  readonly faults: string[] = [];
  readonly #raw: RawLoadOptions;

  constructor(raw: RawLoadOptions) {
    this.#raw = raw;
  }

  text(name: string): string | null {
    const value = this.#raw[name];
    return typeof value === "string" && value !== "" ? value : null;
  }

  flag(name: string): boolean {
    return this.#raw[name] === true;
  }

  number(name: string, fallback: number, min: number, max: number, whole = true): number {
    const text = this.text(name);
    if (text === null) return fallback;
    const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
    if (value >= min && value <= max && (!whole || Number.isInteger(value))) return value;
    this.faults.push(`--${dashed(name)} is ${text}, must be ${min} to ${max}`);
    return fallback;
  }

  choice<T extends string>(name: string, fallback: T, of: readonly T[]): T {
    const text = this.text(name);
    if (text === null) return fallback;
    const known = of.find((one) => one === text);
    if (known === undefined) this.faults.push(`--${dashed(name)} is ${text}: use ${of.join(", ")}`);
    return known ?? fallback;
  }

  /** Seconds of `90`, `90s`, `15m`, `2h` or `7d`. */
  span(name: string): number | null {
    const text = this.text(name);
    if (text === null) return null;
    const match = /^(\d+(?:\.\d+)?)([smhd]?)$/.exec(text);
    const unit = { s: 1, m: 60, h: 3600, d: 86_400 }[match?.[2] || "s"];
    if (match === null || unit === undefined || Number(match[1]) === 0) {
      this.faults.push(`--${dashed(name)} is ${text}: write for example 90s, 15m, 2h or 7d`);
      return null;
    }
    return Number(match[1]) * unit;
  }
}

function dashed(name: string): string {
  return name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
}

/** Reads the options, or says everything that is wrong with them. */
export function readRequest(
  scenarioName: string | null,
  raw: RawLoadOptions,
  machine: { readonly filesMax: number | null },
): Request | readonly string[] {
  const options = new Options(raw);
  const dark = options.flag("dark");
  const scenario = SCENARIOS.find(({ name }) => name === scenarioName) ?? null;
  const request = dark
    ? readDark(options)
    : scenario === null
    ? readRemove(options, scenarioName)
    : readScenario(options, scenario, machine);
  if (dark && scenarioName !== null) options.faults.push("--dark takes no scenario");
  return options.faults.length > 0 ? options.faults : request;
}

function readCommon(options: Options, defaults: {
  readonly users: number;
  readonly contacts: number;
  readonly pool: string | null;
}): CommonOptions {
  const users = options.number("users", defaults.users, 2, 1_000_000);
  const contacts = options.number(
    "contacts",
    Math.min(defaults.contacts, 2 * ((users - 1) >> 1)),
    0,
    10_000,
  );
  const ring = makeRing(users, contacts);
  if (typeof ring === "string") options.faults.push(`--users or --contacts: ${ring}`);
  const absent = options.number("absent", 0, 0, ABSENT_MAX);
  const target = readTarget(options);
  const way = isLoopback(target) ? "admin" : "public";
  const provision = options.choice("provision", way, ["admin", "public"]);
  if (provision === "public" && absent > 0) {
    options.faults.push("--absent: accounts that nobody signs in to are made over the admin API");
  }
  const shape = `${users}x${contacts}${absent === 0 ? "" : `-${absent}`}`;
  const own = provision === "public" ? `load${shape}` : `${RESERVED_PREFIX}${shape}`;
  const pool = options.text("pool") ?? defaults.pool ?? own;
  const fault = poolFault(pool);
  if (fault !== null) options.faults.push(`--pool ${pool}: ${fault}`);
  return {
    target,
    users,
    contacts,
    absent,
    pool,
    provision,
    state: options.text("state"),
    dataDir: options.text("data") ?? "roost-data",
    pid: options.text("pid") === null ? null : options.number("pid", 0, 1, 2 ** 31),
    remove: options.flag("remove"),
    json: options.text("json"),
    html: options.text("html"),
    quiet: options.flag("quiet"),
    bodyBytes: options.number("bodyBytes", 100, 32, 16_384),
  };
}

function readTarget(options: Options): Target {
  const target = parseTarget(options.text("url") ?? DEFAULT_URL);
  const none = { url: "", secure: false, host: "", port: 0 };
  if (typeof target === "string") {
    options.faults.push(`--url: ${target}`);
    return none;
  }
  if (!isLoopback(target) && !options.flag("iOwnThisServer")) {
    options.faults.push(
      `${target.url} is not on this machine: load is an attack on a server that is not yours. ` +
        "Add --i-own-this-server if it is",
    );
  }
  return target;
}

function readScenario(
  options: Options,
  scenario: Scenario,
  { filesMax }: { readonly filesMax: number | null },
): LoadRequest {
  const common = readCommon(options, { users: scenario.users, contacts: 40, pool: null });
  const { users, contacts, pool } = common;
  if (common.provision === "public" && isReserved(poolName(pool, 0))) {
    options.faults.push(
      `--pool ${pool}: users of the public API cannot have it, for ${RESERVED_REASON}`,
    );
  }
  const auth = options.choice("auth", "token", ["token", "password", "scram"]);
  if (auth !== "token" && scenario.pollShare > 0) {
    options.faults.push(`--auth ${auth}: users of ${scenario.name} poll, which needs tokens`);
  }
  const base = scenario.defaults(users);
  const room = Math.max(100, (filesMax ?? 1024) - FILES_RESERVED);
  const rate = options.number("rate", base.rate, 0.01, 10_000_000, false);
  const online = options.number("online", base.online, 0, users);
  if (online >= users) options.faults.push(`--online is ${online}, must be less than --users`);
  return {
    ...common,
    kind: "scenario",
    scenario,
    auth,
    options: {
      users,
      contacts,
      rate,
      online,
      seconds: options.span("seconds") ?? base.seconds,
      presenceRate: options.number("presenceRate", base.presenceRate, 0, 10_000_000, false),
      messageRate: options.number("messageRate", base.messageRate, 0, 10_000_000, false),
      drop: options.number("drop", base.drop, 0, 1, false),
      over: options.span("over") ?? base.over,
    },
    processes: options.number("processes", Math.ceil(users / room), 1, 64),
    ackMs: options.number("ackMs", 1000, 0, 600_000),
    graceMs: options.number("graceMs", 10_000, 0, 600_000),
    settleSeconds: options.span("settle") ?? 20,
  };
}

function readDark(options: Options): DarkRequest | RemoveRequest {
  const pool = `${RESERVED_PREFIX}dark`;
  const common = readCommon(options, { users: 20, contacts: 4, pool });
  if (common.contacts === 0) options.faults.push("--contacts is 0: there would be no deliveries");
  if (common.remove) return { ...common, kind: "remove" };
  return {
    ...common,
    kind: "dark",
    rate: options.number("rate", 1, 0.001, 100, false),
    objectiveMs: options.number("objectiveMs", 100, 1, 60_000, false),
    objectiveShare: options.number("objectiveSuccess", 99.9, 1, 100, false) / 100,
    reportSeconds: options.span("report") ?? 300,
    seconds: options.span("seconds"),
  };
}

function readRemove(options: Options, scenarioName: string | null): RemoveRequest {
  const names = SCENARIOS.map(({ name }) => name).join(", ");
  if (scenarioName !== null) {
    options.faults.push(`there is no scenario ${scenarioName}: use ${names}, or --dark`);
  } else if (!options.flag("remove")) {
    options.faults.push(`name a scenario (${names}), or use --dark or --remove`);
  }
  return { ...readCommon(options, { users: 1000, contacts: 40, pool: null }), kind: "remove" };
}
