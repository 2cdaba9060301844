/** A PostgreSQL server of its own for a test: Debian's binaries, a new directory, a Unix socket. */
import { join } from "node:path";

const LIB = "/usr/lib/postgresql";
/** PostgreSQL refuses to run as root. */
const UNPRIVILEGED = "postgres";

/** A server that runs. */
export interface Cluster {
  /** Its address for `roost --store`, of an empty database. */
  readonly url: string;
  /** Runs a statement as the superuser; returns what psql prints, unaligned, without headers. */
  sql(text: string, database?: string): string;
  /** Makes an empty database and returns its address. */
  database(name: string): string;
  /** Ends the server process at once (SIGQUIT) or by kill -9, keeping its directory. */
  kill(): void;
  start(): void;
  stop(): void;
}

/** Where the newest installed server's programs are; throws where none is installed. */
function binaries(): string {
  const versions = [...Deno.readDirSync(LIB)].map(({ name }) => Number(name)).sort((a, b) => b - a);
  const newest = versions[0];
  if (newest === undefined) throw new Error(`no PostgreSQL in ${LIB}: install postgresql-15`);
  return join(LIB, String(newest), "bin");
}

function run(program: string, args: readonly string[]): string {
  const root = Deno.uid() === 0;
  const command = root
    ? new Deno.Command("runuser", { args: ["-u", UNPRIVILEGED, "--", program, ...args] })
    : new Deno.Command(program, { args: [...args] });
  const { success, stdout, stderr } = command.outputSync();
  const text = new TextDecoder();
  if (!success) throw new Error(`${program} ${args.join(" ")}: ${text.decode(stderr)}`);
  return text.decode(stdout).trim();
}

/** Makes a server and starts it. `settings` are lines of its configuration. */
export function startCluster(settings: readonly string[] = []): Cluster {
  const bin = binaries();
  const dir = Deno.makeTempDirSync({ prefix: "roost-pg-" });
  if (Deno.uid() === 0) new Deno.Command("chown", { args: [UNPRIVILEGED, dir] }).outputSync();
  const data = join(dir, "data");
  run(join(bin, "initdb"), ["-D", data, "-U", "roost", "-A", "trust", "-E", "UTF8", "--no-sync"]);
  const lines = ["listen_addresses = ''", `unix_socket_directories = '${dir}'`, ...settings];
  const config = join(data, "postgresql.auto.conf");
  Deno.writeTextFileSync(config, lines.join("\n") + "\n", { append: true });
  const start = () => {
    const log = join(dir, "log");
    run(join(bin, "pg_ctl"), ["-D", data, "-w", "-l", log, "start"]);
  };
  const psql = (text: string, database = "postgres") =>
    run(join(bin, "psql"), ["-h", dir, "-U", "roost", "-d", database, "-At", "-c", text]);
  const url = (database: string) => `postgres://roost@/${database}?host=${dir}`;
  start();
  return {
    url: url("postgres"),
    sql: psql,
    database(name) {
      psql(`CREATE DATABASE ${name}`);
      return url(name);
    },
    kill() {
      const pid = Number(Deno.readTextFileSync(join(data, "postmaster.pid")).split("\n")[0]);
      Deno.kill(pid, "SIGKILL");
    },
    start,
    stop() {
      run(join(bin, "pg_ctl"), ["-D", data, "-w", "-m", "immediate", "stop"]);
      Deno.removeSync(dir, { recursive: true });
    },
  };
}
