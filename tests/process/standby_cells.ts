/** A cell with a standby in another cell, and a witness: real servers on one machine. */
import { descendants } from "../prove/descendants.ts";
import type { Machines } from "./machines.ts";
import { SERVER_PROCESSES, ServerProcess } from "./server.ts";
import { socketTransport } from "../../server/ops/socket.ts";
import { until } from "./until.ts";

/** What a server says of copies; the rest is not looked at. */
export interface CopiesSeen {
  readonly own: MemberSeen | null;
  readonly copies: readonly MemberSeen[];
}

/** A copy as its place sees it. */
export interface MemberSeen {
  readonly cell: string;
  readonly role: string;
  readonly epoch: number;
  readonly inSync: boolean;
  readonly serves?: boolean;
  readonly copy: { readonly w: number | null; readonly whole: boolean } | null;
  readonly standbys: readonly {
    readonly peer: string | null;
    readonly state: string;
    readonly lagWrites: number;
  }[];
}

/** How the cells are set up. */
export interface StandbySetup {
  /** Null: `a` has no standby. */
  readonly mode: "sync" | "async" | null;
  /** Whether the witness votes, so that the standby takes over by itself. */
  readonly automatic: boolean;
  readonly flags?: readonly string[];
  /** Processes that serve the clients of `a`, and of `b`; as all servers of the tests otherwise. */
  readonly workers?: { readonly a?: number; readonly b?: number };
  /** Where each runs; on this machine otherwise. */
  readonly machines?: Machines;
}

/** Asks the admin API of a data directory. */
export async function admin<T>(
  dataDir: string,
  method: "GET" | "POST",
  path: string,
  body?: unknown,
): Promise<T> {
  const reply = await socketTransport(`${dataDir}/admin.sock`, "test")({ method, path, body });
  if (reply.status !== 200) throw new Error(`${path}: ${JSON.stringify(reply.body)}`);
  return reply.body as T;
}

/** See the head of this file: `a` has its standby at `b`. */
export class StandbyCells {
  readonly #dir: string;
  readonly #setup: StandbySetup;
  /** The addresses that each got at its first start: for clients, and for other cells. */
  readonly #addresses = new Map<string, { readonly url: string; readonly cells: string }>();
  readonly #running = new Map<string, ServerProcess>();

  private constructor(dir: string, setup: StandbySetup) {
    this.#dir = dir;
    this.#setup = setup;
  }

  /** Starts all; the standby is in sync. */
  static async start(dir: string, setup: StandbySetup): Promise<StandbyCells> {
    const cells = new StandbyCells(dir, setup);
    Deno.writeTextFileSync(`${dir}/secret`, "a secret of a federation, which has no other use\n", {
      mode: 0o600,
    });
    for (const name of ["w", "b", "a"]) await cells.begin(name);
    if (setup.mode !== null) await cells.untilInSync();
    return cells;
  }

  dataDir(name: string): string {
    return `${this.#dir}/${name}`;
  }

  /** Where the process that serves `a` from the copy has its files. */
  get promotedDir(): string {
    return `${this.dataDir("b")}/standby/a`;
  }

  server(name: string): ServerProcess {
    return this.#running.get(name)!;
  }

  /** Where clients reach a cell that has served. */
  urlOf(name: string): string {
    return this.#addresses.get(name)!.url;
  }

  /** Starts a server, at its addresses of before; resolves when it serves. */
  async begin(name: string, spawned: (pid: number) => void = () => {}): Promise<ServerProcess> {
    const known = this.#addresses.get(name);
    const { automatic, flags = [], machines, mode, workers = {} } = this.#setup;
    const count = name === "w" ? undefined : workers[name as "a" | "b"];
    const several = (count ?? SERVER_PROCESSES) > 1;
    const host = machines?.hostOf(name) ?? "127.0.0.1";
    const join = [...this.#addresses].filter(([other]) => other !== name)
      .map(([, { cells }]) => cells).join();
    const standby = ["--set", "standby.at=b", "--set", `standby.mode=${mode}`];
    const server = await ServerProcess.start({
      dataDir: this.dataDir(name),
      spawned,
      before: machines?.on(name) ?? [],
      flags: [
        ...["--cells-name", name, "--cells-secret-file", `${this.#dir}/secret`],
        // The next ports, of its other workers, may be in use by now; it finds the others, and they it.
        ...["--cells-listen", several ? `${host}:0` : known?.cells ?? `${host}:0`],
        ...["--bind", known === undefined ? `${host}:0` : new URL(known.url).host],
        ...(join === "" ? [] : ["--cells-join", join]),
        ...(name === "w" ? ["--set", "cells.witness=true"] : flags),
        ...(count === undefined ? [] : ["--workers", String(count)]),
        ...(name === "a" && mode !== null ? standby : []),
        ...(name === "a" && mode !== null && automatic ? ["--set", "standby.voters=w"] : []),
      ],
    });
    this.#running.set(name, server);
    if (known === undefined) {
      const { self } = await admin<{ self: { address: string } }>(
        server.dataDir,
        "GET",
        "/admin/cells",
      );
      this.#addresses.set(name, { url: server.url, cells: self.address });
      await until(`${name} is a member`, async () => {
        const path = "/admin/cells";
        const seen = await admin<{ members: { joined: boolean } }>(server.dataDir, "GET", path);
        return seen.members.joined;
      });
    }
    return server;
  }

  /** kill -9 of a server and of all that it has started, at once: their machine is lost. */
  async lose(name: string): Promise<void> {
    const server = this.server(name);
    for (const pid of [server.pid, ...descendants(server.pid)]) {
      try {
        Deno.kill(pid, "SIGKILL");
      } catch {
        // It has ended already.
      }
    }
    await server.kill();
  }

  copies(name: string): Promise<CopiesSeen> {
    return this.copiesAt(this.dataDir(name));
  }

  async copiesAt(dataDir: string): Promise<CopiesSeen> {
    return await admin(dataDir, "GET", "/admin/standby");
  }

  /** Waits until the standby of what serves from a directory may take over, or may not. */
  async untilInSync(dataDir = this.dataDir("a"), wanted = true): Promise<void> {
    await until(`the standby is ${wanted ? "" : "not "}in sync`, async () => {
      const { own } = await this.copiesAt(dataDir);
      return own?.standbys.some(({ state }) => state === "in sync") === wanted;
    });
  }

  /** Waits until `a` is served from the copy; returns how long that took (ms). */
  async untilPromoted(): Promise<number> {
    const startMs = performance.now();
    const served = async () => (await this.copies("b")).copies[0]?.serves === true;
    await until("the takeover", served);
    return performance.now() - startMs;
  }

  async stop(): Promise<void> {
    for (const server of this.#running.values()) await server.kill();
  }
}
