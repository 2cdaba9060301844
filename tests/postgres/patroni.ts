/**
 * Two PostgreSQL servers that Patroni manages over one etcd, on loopback: a primary and a synchronous
 * standby, which Patroni promotes by itself. Needs Debian's packages `patroni` and `etcd-server`.
 */
import { join } from "node:path";
import { binaries, clusterDir, firstColumn, signalTree, UNPRIVILEGED } from "./cluster.ts";

const SCOPE = "roost";
/** How long the servers may take to start or to rejoin (ms), and between two looks. */
const READY_MS = 90_000;
const LOOK_MS = 200;

/** One of the two machines: Patroni and its PostgreSQL. */
export interface PatroniHost {
  readonly name: string;
  /** Ends PostgreSQL by kill -9; Patroni goes on. */
  killPostgres(): void;
  /** Ends Patroni and PostgreSQL at once by kill -9, as the loss of the machine does. */
  kill(): void;
}

/** Both, and the etcd. */
export interface PatroniPair {
  /** Makes an empty database and resolves with its address, which names both servers. */
  database(name: string): Promise<string>;
  /** The machine that has the primary; resolves when the other one is its synchronous standby. */
  ready(): Promise<PatroniHost>;
  stop(): void;
}

function freePorts(count: number): readonly number[] {
  const listeners = Array.from(
    { length: count },
    () => Deno.listen({ hostname: "127.0.0.1", port: 0 }),
  );
  const ports = listeners.map(({ addr }) => addr.port);
  for (const listener of listeners) listener.close();
  return ports;
}

/** Starts a program as a user that PostgreSQL runs as; its output goes to a file. */
function spawn(program: string, args: readonly string[], log: string): Deno.ChildProcess {
  const words = [program, ...args].map((word) => `'${word}'`).join(" ");
  const as = Deno.uid() === 0
    ? ["setpriv", `--reuid=${UNPRIVILEGED}`, `--regid=${UNPRIVILEGED}`, "--clear-groups"]
    : ["env"];
  return new Deno.Command(as[0]!, {
    args: [...as.slice(1), "sh", "-c", `exec ${words} >>'${log}' 2>&1`],
    stdin: "null",
    env: { HOME: "/tmp" },
  }).spawn();
}

interface Ports {
  readonly pg: number;
  readonly rest: number;
}

/** Patroni's settings, as the documents advise them. */
function settings(dir: string, name: string, { pg, rest }: Ports, etcd: number): string {
  return `scope: ${SCOPE}
name: ${name}
restapi: {listen: "127.0.0.1:${rest}", connect_address: "127.0.0.1:${rest}"}
etcd3: {host: "127.0.0.1:${etcd}"}
bootstrap:
  dcs:
    ttl: 20
    loop_wait: 2
    retry_timeout: 5
    primary_start_timeout: 0
    synchronous_mode: true
    postgresql:
      use_pg_rewind: true
      use_slots: true
  initdb: [{encoding: UTF8}, data-checksums]
  pg_hba:
    - local all all trust
    - host all all 127.0.0.1/32 trust
    - host replication all 127.0.0.1/32 trust
postgresql:
  listen: 127.0.0.1:${pg}
  connect_address: 127.0.0.1:${pg}
  data_dir: ${join(dir, name)}
  bin_dir: ${binaries()}
  pgpass: ${join(dir, `${name}.pgpass`)}
  parameters: {unix_socket_directories: "${dir}"}
  authentication:
    superuser: {username: roost}
    replication: {username: replicator}
    rewind: {username: roost}
`;
}

class Host implements PatroniHost {
  readonly #data: string;
  readonly #child: Deno.ChildProcess;

  constructor(readonly name: string, readonly ports: Ports, dir: string, etcd: number) {
    this.#data = join(dir, name);
    const file = join(dir, `${name}.yml`);
    Deno.writeTextFileSync(file, settings(dir, name, ports, etcd));
    this.#child = spawn("/usr/bin/patroni", [file], join(dir, `${name}.log`));
  }

  killPostgres(): void {
    const pid = Number(Deno.readTextFileSync(join(this.#data, "postmaster.pid")).split("\n")[0]);
    signalTree(pid, "SIGKILL");
  }

  kill(): void {
    signalTree(this.#child.pid, "SIGKILL");
    try {
      this.killPostgres();
    } catch (error) {
      // It does not run.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  /** Whether it is what Patroni's REST API asks for: `primary`, `sync`. */
  async is(role: string): Promise<boolean> {
    try {
      const response = await fetch(`http://127.0.0.1:${this.ports.rest}/${role}`);
      await response.body?.cancel();
      return response.ok;
    } catch {
      // It does not listen yet.
      return false;
    }
  }
}

/** Starts all of it; resolves when the standby is synchronous. */
export async function startPatroni(): Promise<PatroniPair> {
  const dir = clusterDir();
  const [client, peer, ...rest] = freePorts(6) as [number, number, ...number[]];
  const [clients, peers] = [`http://127.0.0.1:${client}`, `http://127.0.0.1:${peer}`];
  const etcd = spawn("/usr/bin/etcd", [
    ...["--data-dir", join(dir, "etcd"), "--name", "etcd"],
    ...["--listen-client-urls", clients, "--advertise-client-urls", clients],
    ...["--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers],
    ...["--initial-cluster", `etcd=${peers}`],
  ], join(dir, "etcd.log"));
  const hosts = ["one", "two"].map((name, i) =>
    new Host(name, { pg: rest[i]!, rest: rest[i + 2]! }, dir, client)
  );
  const stop = () => {
    for (const host of hosts) host.kill();
    signalTree(etcd.pid, "SIGKILL");
    Deno.removeSync(dir, { recursive: true });
  };
  const ready = async (): Promise<Host> => {
    for (const endMs = performance.now() + READY_MS; performance.now() < endMs;) {
      for (const [main, other] of [hosts, hosts.toReversed()] as [Host, Host][]) {
        if (await main.is("primary") && await other.is("sync")) return main;
      }
      await new Promise((done) => setTimeout(done, LOOK_MS));
    }
    throw new Error(`Patroni's servers are not ready: see ${dir}`);
  };
  try {
    await ready();
  } catch (error) {
    stop();
    throw error;
  }
  return {
    ready,
    stop,
    async database(name) {
      const { ports: { pg } } = await ready();
      await firstColumn("127.0.0.1", "postgres", `CREATE DATABASE ${name}`, pg);
      const places = hosts.map(({ ports }) => `127.0.0.1:${ports.pg}`);
      return `postgres://roost@${places.join(",")}/${name}`;
    },
  };
}
