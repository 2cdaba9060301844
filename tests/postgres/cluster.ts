/**
 * A PostgreSQL server of its own for a test, with a new directory and a Unix socket. Its programs
 * are Debian's, or those in the directory that the variable POSTGRES_BIN names.
 */
import { join } from "node:path";
// @ts-types="@types/pg"
import pg from "pg";

const LIB = "/usr/lib/postgresql";
/** PostgreSQL refuses to run as root. */
export const UNPRIVILEGED = Deno.readTextFileSync("/etc/passwd").includes("\npostgres:")
  ? "postgres"
  : "nobody";

/** Attempts to start a server whose killed processes may not have ended yet. */
const START_ATTEMPTS = 100;
const START_PAUSE_MS = 100;

/** A server that runs. */
export interface Cluster {
  /** Directory of its Unix socket. */
  readonly dir: string;
  /** Its address for `roost --store`, of an empty database. */
  readonly url: string;
  /** Runs a statement as the superuser; resolves with the first column of its rows. */
  sql(text: string, database?: string): Promise<readonly string[]>;
  /** Makes an empty database and resolves with its address. */
  database(name: string): Promise<string>;
  /** Ends the server and its processes by kill -9; its directory stays. */
  kill(): void;
  start(): void;
  stop(): void;
}

/** Where the newest installed server's programs are; throws where none is installed. */
export function binaries(): string {
  const named = Deno.env.get("POSTGRES_BIN");
  if (named !== undefined) return named;
  const versions = [...Deno.readDirSync(LIB)].map(({ name }) => Number(name)).sort((a, b) => b - a);
  const newest = versions[0];
  if (newest === undefined) throw new Error(`no PostgreSQL in ${LIB}: install postgresql-15`);
  return join(LIB, String(newest), "bin");
}

/** Runs a program as a user that PostgreSQL runs as; returns its output, throws where it fails. */
export function run(program: string, args: readonly string[]): string {
  const root = Deno.uid() === 0;
  const command = root
    ? new Deno.Command("runuser", { args: ["-u", UNPRIVILEGED, "--", program, ...args] })
    : new Deno.Command(program, { args: [...args] });
  const { success, stdout, stderr } = command.outputSync();
  const text = new TextDecoder();
  if (!success) throw new Error(`${program} ${args.join(" ")}: ${text.decode(stderr)}`);
  return text.decode(stdout).trim();
}

/** Runs a statement as the superuser; resolves with the first column of its rows. */
export async function firstColumn(
  host: string,
  database: string,
  text: string,
  port = 5432,
): Promise<string[]> {
  const client = new pg.Client({ host, port, user: "roost", database });
  await client.connect();
  try {
    const { rows } = await client.query({ text, rowMode: "array" });
    return rows.map(([first]) => String(first));
  } finally {
    await client.end();
  }
}

/** Sends a signal to a process and its children. */
export function signalTree(pid: number, signal: Deno.Signal): void {
  const children = new Deno.Command("ps", { args: ["-o", "pid=", "--ppid", String(pid)] });
  const pids = new TextDecoder().decode(children.outputSync().stdout).split("\n");
  for (const each of [pid, ...pids.map(Number).filter((child) => child > 0)]) {
    try {
      Deno.kill(each, signal);
    } catch (error) {
      // It has ended with its parent.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

/** Makes a data directory without checksums, which version 18 would have of its own accord. */
export function initialize(bin: string, data: string): void {
  const version = Number(/ (\d+)/.exec(run(join(bin, "initdb"), ["--version"]))?.[1]);
  const unchecked = version < 18 ? [] : ["--no-data-checksums"];
  const options = ["-U", "roost", "-A", "trust", "-E", "UTF8", "--no-sync", ...unchecked];
  run(join(bin, "initdb"), ["-D", data, ...options]);
}

/** Makes a directory that PostgreSQL's user may write to. */
export function clusterDir(): string {
  const dir = Deno.makeTempDirSync({ prefix: "roost-pg-" });
  if (Deno.uid() === 0) new Deno.Command("chown", { args: [UNPRIVILEGED, dir] }).outputSync();
  return dir;
}

/** Id of the main process of the server in a data directory. */
export function postmaster(data: string): number {
  return Number(Deno.readTextFileSync(join(data, "postmaster.pid")).split("\n")[0]);
}

/** Starts the server in a data directory, of which killed processes may not have ended yet. */
export function startServer(bin: string, data: string, log: string, attempts = START_ATTEMPTS) {
  try {
    run(join(bin, "pg_ctl"), ["-D", data, "-w", "-l", log, "start"]);
  } catch (error) {
    if (attempts <= 1) throw error;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, START_PAUSE_MS);
    startServer(bin, data, log, attempts - 1);
  }
}

/** Makes a server and starts it. `settings` are lines of its configuration. */
export function startCluster(settings: readonly string[] = []): Cluster {
  const bin = binaries();
  const dir = clusterDir();
  const data = join(dir, "data");
  initialize(bin, data);
  const lines = ["listen_addresses = ''", `unix_socket_directories = '${dir}'`, ...settings];
  const config = join(data, "postgresql.auto.conf");
  Deno.writeTextFileSync(config, lines.join("\n") + "\n", { append: true });
  const start = () => startServer(bin, data, join(dir, "log"));
  const sql = (text: string, database = "postgres") => firstColumn(dir, database, text);
  const url = (database: string) => `postgres://roost@/${database}?host=${dir}`;
  start();
  return {
    dir,
    url: url("postgres"),
    sql,
    async database(name) {
      await sql(`CREATE DATABASE ${name}`);
      return url(name);
    },
    kill() {
      signalTree(postmaster(data), "SIGKILL");
    },
    start,
    stop() {
      try {
        run(join(bin, "pg_ctl"), ["-D", data, "-w", "-m", "immediate", "stop"]);
      } catch {
        // It was killed and not started again.
      }
      Deno.removeSync(dir, { recursive: true });
    },
  };
}
