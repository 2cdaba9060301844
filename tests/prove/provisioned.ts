/**
 * Data directories with many users. Making 15,000 with 40 contacts each takes minutes and leaves a
 * server's memory large: it is done once, and every measurement has a server that is started anew
 * on a copy.
 */
import type { ProofOptions } from "./proof.ts";
import { parsePool, tokensOf } from "../../server/load/pool.ts";
import type { RunResult } from "../../server/load/result.ts";
import type { ServerProcess } from "../process/server.ts";
import { beginLoad, type LoadRun, runLoad, startPinned } from "../process/pinned.ts";
import { tempDir } from "../process/server.ts";

/** Users of one kind. */
export interface PoolShape {
  readonly name: string;
  readonly users: number;
  readonly contacts: number;
  /** Contacts besides who never come. */
  readonly absent?: number;
  /** Whether they have a password. */
  readonly password?: boolean;
  /** Whether all of them have been online before. */
  readonly seen?: boolean;
}

/** The users that most figures are about. */
export function thousand({ scale }: ProofOptions): PoolShape {
  return { name: "thousand", users: scaled(1000, scale), contacts: 40, seen: true };
}

/** The users of logins, idle sessions and storms of returns. */
export function crowd({ scale }: ProofOptions): PoolShape {
  return { name: "crowd", users: scaled(15_000, scale), contacts: 40, seen: true };
}

/** A share of a number of users, an even one and enough to have 40 contacts. */
export function scaled(users: number, scale: number): number {
  return Math.max(Math.min(users, 50), 2 * Math.round(users * scale / 2));
}

/** A copy of a data directory, to start servers on. */
export class PoolFixture {
  readonly #dataDir: string;
  readonly #options: ProofOptions;
  readonly #root: string | undefined;

  /** Servers are of the checkout at `root`, or of this one. */
  constructor(path: string, options: ProofOptions, root?: string) {
    this.#dataDir = `${path}/data`;
    this.#options = options;
    this.#root = root;
  }

  /** Starts a server, as long as `use` takes. */
  async serve<T>(use: (server: ServerProcess) => Promise<T>): Promise<T> {
    const server = await this.start();
    try {
      return await use(server);
    } finally {
      await server.stop();
    }
  }

  /** Starts a server, for the caller to stop; on a core, or on all (null). */
  start(flags: readonly string[] = [], core: number | null = 0): Promise<ServerProcess> {
    return startPinned(this.#dataDir, flags, this.#root, core);
  }

  /** The tokens of a pool's users, once a scenario has run with it. */
  tokens({ name, users }: PoolShape): readonly string[] {
    const pool = parsePool(Deno.readTextFileSync(`${this.#dataDir}.${name}.json`));
    if (typeof pool === "string") throw new Error(pool);
    const token = tokensOf(pool);
    return Array.from({ length: users }, (_, user) => token(user));
  }

  /** Starts a server of several workers, on all cores, for the caller to stop. */
  startWorkers(workers: number): Promise<ServerProcess> {
    return startPinned(this.#dataDir, ["--workers", String(workers)], this.#root, null);
  }

  /** Begins a load scenario with a pool. */
  begin(
    server: ServerProcess,
    scenario: string,
    pool: PoolShape,
    options: Readonly<Record<string, string | number>> = {},
  ): LoadRun {
    return beginLoad(server, loadArgs(scenario, pool, options), pool.name);
  }

  /** Runs a load scenario with a pool, on a server of its own where none is given. */
  async load(
    scenario: string,
    pool: PoolShape,
    options: Readonly<Record<string, string | number>> = {},
    server?: ServerProcess,
  ): Promise<RunResult> {
    const words = Object.entries(options).map(([key, value]) => ` --${key} ${value}`).join("");
    this.#options.say(`roost load ${scenario}${words}: ${pool.users} users`);
    const args = loadArgs(scenario, pool, options);
    if (server !== undefined) return await runLoad(server, args, pool.name);
    return await this.serve((own) => runLoad(own, args, pool.name));
  }
}

function loadArgs(
  scenario: string,
  { name, users, contacts, absent = 0, password = false }: PoolShape,
  options: Readonly<Record<string, string | number>>,
): readonly string[] {
  const all: Record<string, string | number> = { pool: `roost.${name}`, users, contacts, absent };
  if (password) all["auth"] = "scram";
  const given = Object.entries({ ...all, ...options });
  return [scenario, ...given.flatMap(([key, value]) => [`--${key}`, String(value)])];
}

/**
 * Gives `use` a copy of the data directory that holds the pools, which is made where there is none.
 * Servers are of the checkout at `root`; where an earlier version is measured beside this one, it
 * makes the directory, since only the later version reads both.
 */
export async function withPools<T>(
  options: ProofOptions,
  pools: readonly PoolShape[],
  use: (fixture: PoolFixture) => Promise<T>,
  root?: string,
): Promise<T> {
  const key = pools.map(({ name, users, contacts, absent = 0 }) =>
    `${name}-${users}x${contacts + absent}`
  ).join("_");
  const kept = `${options.keep}/${options.before === null ? "" : "before-"}${key}`;
  if (!exists(`${kept}/complete`)) await make(kept, options, pools);
  using dir = tempDir();
  copy(kept, dir.path);
  return await use(new PoolFixture(dir.path, options, root));
}

async function make(
  path: string,
  options: ProofOptions,
  pools: readonly PoolShape[],
): Promise<void> {
  if (exists(path)) Deno.removeSync(path, { recursive: true });
  Deno.mkdirSync(`${path}/data`, { recursive: true, mode: 0o700 });
  const fixture = new PoolFixture(path, options, options.before ?? undefined);
  const began = performance.now();
  options.say(`making users once, kept in ${path}`);
  for (const pool of pools) {
    await fixture.load("provision", pool);
    if (pool.seen === true) await fixture.load("idle", pool, { seconds: 1 });
  }
  Deno.writeTextFileSync(`${path}/complete`, "");
  options.say(`made in ${Math.round((performance.now() - began) / 1000)} s`);
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function copy(from: string, to: string): void {
  const { code, stderr } = new Deno.Command("cp", { args: ["-a", `${from}/.`, to] }).outputSync();
  if (code !== 0) throw new Error(new TextDecoder().decode(stderr));
}
