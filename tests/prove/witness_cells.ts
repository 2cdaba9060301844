/** Two cells and a witness on three machines, and users that write and read where one may be served. */
import { admin, type CopiesSeen, StandbyCells } from "../process/standby_cells.ts";
import { FLAGS, mailbox } from "./crash.ts";
import { FREE } from "./cell_nodes.ts";
import type { Machines } from "../process/machines.ts";
import { again, pause } from "./cell_load.ts";
import { PlaceUser, type Served } from "./one_primary.ts";
import { rest } from "../process/client.ts";
import type { ServerProcess } from "../process/server.ts";
import { until } from "../process/until.ts";

/** The machines, in the order in which they are started. */
export const NAMES = ["w", "b", "a"] as const;
/** Where `a` is served at `b`. */
const PROMOTED_PORT = 8430;
/** How long a loss or a cut lasts (ms), and at most where nobody serves for longer. */
export const LASTS_MS = 10_000;
const LASTS_MAX_MS = 40_000;
/** Longest time until all is as before, and between two looks whether it is (ms). */
const WELL_MS = 90_000;
const LOOK_MS = 200;
/** Lines of a log that are shown where something has failed. */
const LINES = 60;
/** Accounts of `a`, and the places at which each is written. */
const ACCOUNTS: Readonly<Record<string, readonly string[]>> = {
  everywhere: ["a", "b"],
  "only-at-a": ["a"],
  "only-at-b": ["b"],
};
const PASSWORD = "correct horse battery";

/** A way between two machines. */
export type Way = readonly [from: string, to: string];

/** The cells, and users that watch who serves `a`. */
export class Watched {
  /** What was acknowledged to the users. */
  readonly history: Served[] = [];
  readonly #machines: Machines;
  readonly #cells: StandbyCells;
  readonly #tokens: ReadonlyMap<string, string>;
  readonly #users: readonly PlaceUser[];
  readonly #running: readonly Promise<void>[];
  #names = 0;
  #hasEnded = false;
  /** It has been started again, and does not serve yet. */
  #returning: Promise<void> | null = null;

  private constructor(
    machines: Machines,
    cells: StandbyCells,
    tokens: ReadonlyMap<string, string>,
  ) {
    this.#machines = machines;
    this.#cells = cells;
    this.#tokens = tokens;
    const places = { a: cells.urlOf("a"), b: this.#promotedUrl };
    const { history } = this;
    this.#users = Object.entries(places).flatMap(([place, url]) =>
      [...tokens].map(([account, token]) => {
        const writes = ACCOUNTS[account]!.includes(place);
        return new PlaceUser({ place, url, account, token, writes, history });
      })
    );
    this.#running = this.#users.map((user) => user.run());
    this.#keep(cells.server("a"));
  }

  /** Starts all. */
  static async start(dir: string, machines: Machines): Promise<Watched> {
    const promoted = `standby.bind=${machines.hostOf("b")}:${PROMOTED_PORT}`;
    const cells = await StandbyCells.start(dir, {
      mode: "sync",
      automatic: true,
      flags: [...FLAGS, ...FREE, "--set", promoted],
      machines,
    });
    try {
      const tokens = new Map<string, string>();
      for (const user of Object.keys(ACCOUNTS)) {
        const body = { user, password: PASSWORD };
        const { token } = await again(() =>
          rest<{ token: string }>(cells.urlOf("a"), "POST", "/v1/register", { body })
        );
        tokens.set(user, token);
      }
      return new Watched(machines, cells, tokens);
    } catch (error) {
      await cells.stop();
      throw error;
    }
  }

  get #promotedUrl(): string {
    return `http://${this.#machines.hostOf("b")}:${PROMOTED_PORT}`;
  }

  /** Time from `sinceMs` until a message that was sent after it is acknowledged anywhere (ms). */
  servedAfter(sinceMs: number): number {
    const after = this.history.filter(({ kind, beganMs }) => kind === "write" && beganMs > sinceMs);
    return Math.min(...after.map(({ endedMs }) => endedMs)) - sinceMs;
  }

  /** Waits as long as a loss since then lasts. */
  async lasts(sinceMs: number): Promise<void> {
    const serves = () => this.servedAfter(sinceMs) < Infinity;
    await until("somebody serves", serves, LASTS_MAX_MS).catch(() => {});
    await pause(Math.max(LASTS_MS / 2, sinceMs + LASTS_MS - performance.now()));
  }

  /** What was served in a time. */
  servedIn(fromMs: number, toMs: number): readonly Served[] {
    return this.history.filter(({ beganMs, endedMs }) => beganMs >= fromMs && endedMs <= toMs);
  }

  /** Kills a machine's processes; returns when they are gone (ms). */
  async lose(name: string): Promise<number> {
    await this.#cells.server(name).kill();
    return performance.now();
  }

  /** Registers a name at a cell, which takes a majority of the three; how long that took (ms). */
  async register(name: string): Promise<number> {
    const sinceMs = performance.now();
    const body = { user: `user${++this.#names}`, password: PASSWORD };
    await again(() => rest(this.#cells.urlOf(name), "POST", "/v1/register", { body }));
    return performance.now() - sinceMs;
  }

  /** Cuts ways, or mends them. */
  cut(ways: readonly Way[], stopped: boolean): void {
    for (const [from, to] of ways) this.#machines.set(from, to, stopped);
  }

  /** Starts what has ended again, and waits until `a` serves at its own place, with `b` in sync. */
  async well(lost: string | null): Promise<void> {
    const cells = this.#cells;
    if (lost === "b" || lost === "w") await cells.begin(lost);
    await until("a serves at its own place", async () => {
      await pause(LOOK_MS);
      // A former primary learns that it is none any more, and ends; also one that has just returned.
      if (this.#hasEnded) {
        this.#hasEnded = false;
        this.#returning = cells.begin("a").then((server) => this.#keep(server));
      }
      if (!await this.#isPromoted()) {
        return this.#returning === null && await isInSync(cells.dataDir("a"));
      }
      if (await isInSync(cells.promotedDir)) {
        const order = { cell: "a" };
        await admin(cells.dataDir("b"), "POST", "/admin/standby/handback", order).catch(() => {});
      }
      return false;
    }, WELL_MS);
  }

  async #isPromoted(): Promise<boolean> {
    return (await this.#cells.copies("b")).copies[0]?.serves === true;
  }

  /** Notes when a process of `a` at its own place ends. */
  #keep(server: ServerProcess): void {
    this.#returning = null;
    server.ended.then(() => this.#hasEnded = true);
  }

  /** Ends it; returns messages that were acknowledged and are not where they should be. */
  async end(): Promise<readonly string[]> {
    for (const user of this.#users) user.stopped = true;
    await Promise.all(this.#running);
    const lost: string[] = [];
    for (const [account, token] of this.#tokens) {
      const events = await again(() => mailbox(this.#cells.server("a"), token));
      const kept = new Set(events.map(({ seq }) => seq));
      for (const { kind, place, seq, account: of } of this.history) {
        if (of !== account || kind === "read" || kept.has(seq)) continue;
        lost.push(`message ${seq} of ${account}, which ${place} has acknowledged, is lost`);
      }
    }
    return lost;
  }

  /** The last lines that each process has logged. */
  get logs(): readonly string[] {
    return NAMES.flatMap((name) => {
      const lines = this.#cells.server(name).log.trimEnd().split("\n").slice(-LINES);
      return lines.map((line) => `${name}: ${line}`);
    });
  }

  /** What the places of `a` say of its copies. */
  async states(): Promise<readonly string[]> {
    const dirs = [this.#cells.dataDir("a"), this.#cells.dataDir("b"), this.#cells.promotedDir];
    return await Promise.all(dirs.map(async (dir) => {
      const state = await admin(dir, "GET", "/admin/standby").catch((error) => String(error));
      return `${dir}: ${JSON.stringify(state)}`;
    }));
  }

  /** Ends all processes. */
  async stop(): Promise<void> {
    this.#machines.mend();
    for (const user of this.#users) user.stopped = true;
    await this.#cells.stop();
    await Promise.all(this.#running);
  }
}

/** Whether what serves from a directory has a standby that may take over. */
async function isInSync(dataDir: string): Promise<boolean> {
  try {
    const { own } = await admin<CopiesSeen>(dataDir, "GET", "/admin/standby");
    return own?.standbys.some(({ state }) => state === "in sync") === true;
  } catch {
    // Nobody serves from it now.
    return false;
  }
}
