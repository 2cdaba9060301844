/** Gets the pool that a run needs: reused from its file, or provisioned. */
import { join } from "node:path";
import { type CliHost, UsageError } from "../cli/host.ts";
import { newPool, parsePool, type Pool, poolMismatch, type PoolWish, tokensOf } from "./pool.ts";
import { provisionByAdmin, removeByAdmin } from "./provision_admin.ts";
import type { CommonOptions } from "./load_options.ts";
import { grouped } from "./report_text.ts";
import type { HttpResult } from "./network.ts";
import { sourceAddress } from "./target.ts";
import type { LoadPorts } from "./ports.ts";
import { NoServerError } from "../ops/socket.ts";
import { loadWaitMs } from "./schedule.ts";
import type { Progress } from "./provision_admin.ts";
import { provisionByPublic } from "./provision_public.ts";

/** How often a busy server is asked again. */
const ATTEMPTS_MAX = 30;

/** What provisioning is doing, for people. */
const STEPS = {
  accounts: "accounts created",
  contacts: "users have their contacts",
  check: "users checked",
  remove: "accounts removed",
} as const;

/** The file that a pool is kept in. */
export function poolPath(options: CommonOptions, stateDir: string): string {
  const { host, port } = options.target;
  const where = host.replace(/[^A-Za-z0-9.]/g, "_");
  return options.state ?? join(stateDir, `load-${where}-${port}-${options.pool}.json`);
}

/** Pools of one run. */
export class PoolStore {
  readonly #ports: LoadPorts;
  readonly #options: CommonOptions;
  readonly #path: string;

  constructor(ports: LoadPorts, options: CommonOptions) {
    this.#ports = ports;
    this.#options = options;
    this.#path = poolPath(options, ports.machine.stateDir);
  }

  /** A pool whose users can sign in. Rejects with what to do about it where there is none. */
  async get(password: boolean): Promise<Pool> {
    const kept = await this.#read();
    await this.#reach();
    const { target, pool: name, users, contacts, absent, provision: via } = this.#options;
    const wish: PoolWish = { url: target.url, pool: name, users, contacts, absent, via, password };
    const nowMs = this.#ports.clock.wallMs();
    const mismatch = kept === null ? "" : poolMismatch(kept, wish, nowMs);
    if (kept !== null && mismatch === null && kept.complete && await this.#works(kept)) return kept;
    if (kept !== null && mismatch !== null && this.#options.state !== null) {
      throw new UsageError(
        `--state ${this.#path} does not fit: ${mismatch}. Give another file, or remove this one`,
      );
    }
    const fresh = newPool(wish, this.#ports.random, nowMs);
    const made = kept !== null && mismatch === null && !kept.complete ? kept : fresh;
    await this.#write(made);
    const provisioned = await this.#provision(made);
    const complete = { ...provisioned, complete: true };
    await this.#write(complete);
    if (await this.#works(complete)) return complete;
    throw new Error(
      `The users that were made do not exist at ${wish.url}: is ${this.#options.dataDir} the data ` +
        "directory of that server? Give it with --data",
    );
  }

  /** Removes the pool's accounts and its file. */
  async remove(): Promise<void> {
    const kept = await this.#read();
    const { target, users, contacts, absent, pool } = this.#options;
    const wish = { url: target.url, pool, users, contacts, absent, password: false } as const;
    const known = kept ?? newPool({ ...wish, via: "admin" }, this.#ports.random, 0);
    await removeByAdmin(await this.#admin(), known);
    await this.#ports.machine.removeFile(this.#path);
    this.#ports.console.note(`${grouped(known.users)} accounts of ${known.pool} are removed.`);
  }

  async #provision(pool: Pool): Promise<Pool> {
    const { console, timers, random, network, clock } = this.#ports;
    const startMs = clock.monoMs();
    const contacts = pool.contacts + pool.absent;
    const shape = `${grouped(pool.users)} users with ${contacts} contacts each`;
    console.note(`Provisioning ${shape} (${pool.pool}) over the ${pool.via} API …`);
    const { target } = this.#options;
    const progress = this.#progress();
    const from = (user: string) => sourceAddress(target, Number(user.slice(-6)));
    let made = pool;
    if (pool.via === "public") {
      made = await provisionByPublic({ target, network, timers, random, progress, from }, pool);
    } else {
      await provisionByAdmin(await this.#admin(), pool);
    }
    const seconds = (clock.monoMs() - startMs) / 1000;
    console.note(`Provisioned in ${seconds.toFixed(1)} s; kept in ${this.#path}`);
    return made;
  }

  #progress(): Progress {
    return (step, done, of) =>
      this.#ports.console.progress(`${grouped(done)} of ${grouped(of)} ${STEPS[step]}`);
  }

  async #admin() {
    const { dataDir } = this.#options;
    const admin: ReturnType<CliHost["adminSocket"]> = this.#ports.adminSocket(
      join(dataDir, "admin.sock"),
    );
    try {
      await admin({ method: "GET", path: "/admin/status" });
    } catch (error) {
      if (!(error instanceof NoServerError)) throw error;
      throw new UsageError(
        `no server runs on the data directory ${dataDir}: give the server's with --data, ` +
          "or register users over the public API with --provision public",
      );
    }
    const { timers, random } = this.#ports;
    return { admin, timers, random, progress: this.#progress() };
  }

  /** Rejects where nothing that speaks the protocol answers. */
  async #reach(): Promise<void> {
    const status = await this.#ask("/v1/info", {});
    const { url } = this.#options.target;
    if (status !== 200) throw new Error(`${url} answered ${status}: it is no Roost server`);
  }

  /** Whether the first and the last user's tokens are accepted. */
  async #works(pool: Pool): Promise<boolean> {
    const token = tokensOf(pool);
    for (const user of [0, pool.users - 1]) {
      const status = await this.#ask("/v1/devices", { authorization: `Bearer ${token(user)}` });
      if (status === 401) return false;
      if (status !== 200) throw new Error(`${pool.url} answered a token with ${status}`);
    }
    return true;
  }

  /** The status of an answer, once the server is not too busy; rejects where there is none. */
  async #ask(path: string, headers: Readonly<Record<string, string>>): Promise<number> {
    let status = 0;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      status = await this.#askOnce(path, headers);
      if (status !== 429 && status !== 503) break;
      const { timers, random } = this.#ports;
      const waitMs = loadWaitMs(attempt + 1, random.number());
      await new Promise<void>((resolve) => void timers.after(waitMs, resolve));
    }
    return status;
  }

  async #askOnce(path: string, headers: Readonly<Record<string, string>>): Promise<number> {
    const { network } = this.#ports;
    const { target } = this.#options;
    const connection = network.http(target, null);
    const result = await new Promise<HttpResult>((resolve) =>
      connection.ask({ method: "GET", path, headers, body: null }, resolve)
    );
    connection.drop();
    if (!result.ok) throw new Error(`Cannot reach ${target.url}: ${result.why}`);
    return result.response.status;
  }

  async #read(): Promise<Pool | null> {
    const text = await this.#ports.machine.readFile(this.#path);
    if (text === null) return null;
    const pool = parsePool(text);
    if (typeof pool !== "string") return pool;
    throw new UsageError(`${this.#path} is no pool of users: ${pool}. Remove it, or name another`);
  }

  async #write(pool: Pool): Promise<void> {
    await this.#ports.machine.writeFile(this.#path, JSON.stringify(pool) + "\n", true);
  }
}
