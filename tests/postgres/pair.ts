/** Two PostgreSQL servers on loopback: a primary, and a synchronous standby that follows it. */
import { join } from "node:path";
import { binaries, clusterDir, firstColumn, postmaster, run, signalTree } from "./cluster.ts";
import { initialize, startServer } from "./cluster.ts";

/** How long the standby may take to follow (ms), and between two looks. */
const FOLLOWS_MS = 20_000;
const LOOK_MS = 50;

/** One of them. */
export interface PairServer {
  readonly port: number;
  /** Runs a statement as the superuser; resolves with the first column of its rows. */
  sql(text: string, database?: string): Promise<readonly string[]>;
  start(): void;
  /** Ends it and its processes by kill -9. */
  kill(): void;
  /** Stops its processes where they are, as a host that does not respond; or lets them go on. */
  freeze(frozen: boolean): void;
  /** Makes it the primary; returns when it takes writes. */
  promote(): void;
}

/** Both of them. */
export interface Pair {
  readonly primary: PairServer;
  readonly standby: PairServer;
  /** Makes an empty database and resolves with its address, which names both servers. */
  database(name: string): Promise<string>;
  stop(): void;
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

function server(bin: string, dir: string, name: string, port: number): PairServer {
  const data = join(dir, name);
  return {
    port,
    sql: (text, database = "postgres") => firstColumn("127.0.0.1", database, text, port),
    start: () => startServer(bin, data, join(dir, `${name}.log`)),
    kill: () => signalTree(postmaster(data), "SIGKILL"),
    freeze: (frozen) => signalTree(postmaster(data), frozen ? "SIGSTOP" : "SIGCONT"),
    promote: () => void run(join(bin, "pg_ctl"), ["-D", data, "-w", "promote"]),
  };
}

function configure(data: string, lines: readonly string[]): void {
  Deno.writeTextFileSync(join(data, "postgresql.auto.conf"), `${lines.join("\n")}\n`, {
    append: true,
  });
}

/** Makes and starts both; resolves when a commit waits for the standby. */
export async function startPair(settings: readonly string[] = []): Promise<Pair> {
  const bin = binaries();
  const dir = clusterDir();
  const [main, copy] = [join(dir, "primary"), join(dir, "standby")];
  initialize(bin, main);
  const common = ["listen_addresses = '127.0.0.1'", `unix_socket_directories = '${dir}'`];
  configure(main, [...common, ...settings]);
  run("cp", ["-a", main, copy]);
  const [mainPort, copyPort] = [freePort(), freePort()];
  configure(main, [`port = ${mainPort}`, "synchronous_standby_names = '*'"]);
  configure(copy, [
    `port = ${copyPort}`,
    `primary_conninfo = 'host=127.0.0.1 port=${mainPort} user=roost application_name=standby'`,
    "primary_slot_name = 'standby'",
  ]);
  run("touch", [join(copy, "standby.signal")]);
  const primary = server(bin, dir, "primary", mainPort);
  const standby = server(bin, dir, "standby", copyPort);
  primary.start();
  await primary.sql("SELECT pg_create_physical_replication_slot('standby')");
  standby.start();
  const follows = "SELECT 1 FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')";
  for (const endMs = performance.now() + FOLLOWS_MS; (await primary.sql(follows)).length === 0;) {
    if (performance.now() > endMs) throw new Error(`the standby does not follow: see ${dir}`);
    await new Promise((done) => setTimeout(done, LOOK_MS));
  }
  return {
    primary,
    standby,
    async database(name) {
      await primary.sql(`CREATE DATABASE ${name}`);
      return `postgres://roost@127.0.0.1:${mainPort},127.0.0.1:${copyPort}/${name}`;
    },
    stop() {
      for (const data of [main, copy]) end(data);
      Deno.removeSync(dir, { recursive: true });
    },
  };
}

/** Ends the server in a data directory, if it runs. */
function end(data: string): void {
  try {
    signalTree(postmaster(data), "SIGKILL");
  } catch (error) {
    // It was stopped.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
