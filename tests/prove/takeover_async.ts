/**
 * The same as `takeover` with a standby in mode `async`: the machine is lost, in every second round just
 * after the standby's, so that it has acknowledged writes that nobody else has. What is missing after
 * the takeover was acknowledged within the stated bound; it is sent again when the machine has
 * returned, each message once. At last the copy is promoted by order, without the witness.
 */
import { again, pause } from "./cell_load.ts";
import { everybodyServed, handBack, LIMIT_MS, Probe, sayFailed } from "./takeover.ts";
import { type Event, faultsOf, FLAGS, mailbox, makeUsers, USERS } from "./crash.ts";
import { Figures } from "./figures.ts";
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { rest } from "../process/client.ts";
import { roost } from "../process/cli.ts";
import { StandbyCells } from "../process/standby_cells.ts";
import { TakeoverUser } from "./takeover_users.ts";
import { tempDir } from "../process/server.ts";
import { until } from "../process/until.ts";

const KILLS = 20;
const SERVES_MS = 6000;
const CALM_MS = 2000;
/** How long the machine goes on when the standby's is lost: shorter than it waits for it (ms). */
const ALONE_MS = 1000;
/** `standby.lagMsMax`: acknowledged writes that may be lost are of so long a time (ms). */
const LAG_MS = 800;
/** A write that has begun within the bound is acknowledged when it is durable (ms). */
const COMMIT_MS = 200;

/** The device that reads mailboxes: a session of another device ends none of the user's own. */
const READER = "reader";

/** A message that was acknowledged, and was missing after the takeover. */
interface Lost {
  readonly user: TakeoverUser;
  readonly id: string;
  readonly atMs: number;
}

class Run {
  readonly served: number[] = [];
  readonly spans: number[] = [];
  lost = 0;
  readonly #cells: StandbyCells;
  readonly #probe: Probe;
  readonly #users: readonly TakeoverUser[];
  /** Tokens of the users' reading devices. */
  readonly #readers: ReadonlyMap<string, string>;
  readonly #figures: Figures;

  constructor(
    cells: StandbyCells,
    probe: Probe,
    users: readonly TakeoverUser[],
    readers: ReadonlyMap<string, string>,
    figures: Figures,
  ) {
    this.#cells = cells;
    this.#probe = probe;
    this.#users = users;
    this.#readers = readers;
    this.#figures = figures;
  }

  /** One loss and return; `both`: the standby's machine as well, which returns at once. */
  async round(both: boolean): Promise<string> {
    const cells = this.#cells;
    await pause(CALM_MS);
    await cells.untilInSync();
    if (both) {
      await cells.server("b").kill();
      await pause(ALONE_MS);
    }
    const killMs = performance.now();
    await cells.lose("a");
    if (both) await cells.begin("b");
    const { ms, url } = await this.#probe.served();
    if (!both) this.served.push(ms);
    const lost = await this.#lostAt(url, killMs);
    const times = lost.map(({ atMs }) => atMs);
    const span = lost.length === 0 ? 0 : Math.max(...times) - Math.min(...times);
    this.lost += lost.length;
    this.spans.push(span);
    const handedMs = await handBack(cells, this.#probe, () => this.#sentAgain(url, lost));
    await everybodyServed(this.#users);
    const where = both ? "both lost" : "lost";
    return `${where}: served elsewhere after ${Math.round(ms)} ms, ${lost.length} acked messages ` +
      `of ${Math.round(span)} ms missing until it returned, handed back in ${
        Math.round(handedMs)
      } ms`;
  }

  async #boxesAt(url: string): Promise<Map<string, Event[]>> {
    const server = { wsUrl: `${url.replace("http", "ws")}/v1/ws` };
    const boxes = new Map<string, Event[]>();
    for (const user of USERS) {
      boxes.set(user, await again(() => mailbox(server, this.#readers.get(user)!)));
    }
    return boxes;
  }

  /** What was acknowledged before the kill and is not there. */
  async #lostAt(url: string, killMs: number): Promise<readonly Lost[]> {
    const boxes = await this.#boxesAt(url);
    return this.#users.flatMap((user) => {
      const ids = new Set(sentIn(boxes.get(user.name)!).keys());
      return [...user.acked].flatMap(([id, { atMs }]) =>
        atMs <= killMs && !ids.has(id) ? [{ user, id, atMs }] : []
      );
    });
  }

  /** Waits until nothing is to be sent again; each lost message has a place by then. */
  async #sentAgain(url: string, lost: readonly Lost[]): Promise<void> {
    const kept = `${this.#cells.dataDir("a")}/standby/a.unreplicated`;
    await until("what was lost is sent again", () => !exists(kept), LIMIT_MS);
    const boxes = await this.#boxesAt(url);
    for (const { user, id } of lost) {
      const events = sentIn(boxes.get(user.name)!).get(id) ?? [];
      if (events.length !== 1) {
        this.#figures.fault(`${user.name}: ${id} is there ${events.length} times after the return`);
        continue;
      }
      user.acked.set(id, { ...user.acked.get(id)!, seq: events[0]!.seq });
    }
  }

  /** All that is wrong at the end. */
  async faults(): Promise<readonly string[]> {
    return faultsOf(this.#users, await this.#boxesAt(this.#cells.urlOf("a")));
  }
}

function sentIn(events: readonly Event[]): Map<string, Event[]> {
  const found = new Map<string, Event[]>();
  for (const event of events) {
    if (event.k === "message" && event.out === true) {
      found.set(event.id, [...found.get(event.id) ?? [], event]);
    }
  }
  return found;
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

/** The witness is lost, too: an order makes the copy the primary. Returns how long that took (ms). */
async function promoted(cells: StandbyCells, probe: Probe): Promise<number> {
  await cells.untilInSync();
  for (const name of ["w", "a"]) await cells.server(name).kill();
  const startMs = performance.now();
  const args = ["cells", "promote", "a", "--force", "--data", cells.dataDir("b")];
  const { code, err } = await roost(args);
  if (code !== 0) throw new Error(err);
  await probe.served();
  return performance.now() - startMs;
}

async function signInReaders(url: string): Promise<ReadonlyMap<string, string>> {
  const tokens = new Map<string, string>();
  for (const user of USERS) {
    const body = { user, password: `password of ${user}`, device: READER };
    const { token } = await again(() =>
      rest<{ token: string }>(url, "POST", "/v1/auth/password", { body })
    );
    tokens.set(user, token);
  }
  return tokens;
}

async function underLoad(options: ProofOptions, cells: StandbyCells): Promise<Verdict> {
  const figures = new Figures(options);
  const kills = options.count ?? Math.max(2, Math.round(KILLS * options.scale));
  // Beyond the bound of lag writes are refused for a moment.
  const tokens = await makeUsers(cells.server("a"), USERS, again);
  const readers = await signInReaders(cells.urlOf("a"));
  const probe = await again(() => Probe.make(cells));
  const users = USERS.map((name) => new TakeoverUser(name, cells.urlOf("a"), USERS));
  const running = users.map((user) => user.run(tokens.get(user.name)!));
  const run = new Run(cells, probe, users, readers, figures);
  for (let kill = 1; kill <= kills; kill++) {
    options.say(`kill ${kill}, ${await run.round(kill % 2 === 0)}`);
  }
  for (const user of users) user.stop();
  await Promise.all(running);
  for (const fault of await run.faults()) figures.fault(fault);
  for (const error of users.flatMap((user) => user.errors)) figures.fault(error);
  figures.note("kills", kills);
  figures.note("acked", users.reduce((sum, { acked }) => sum + acked.size, 0));
  figures.note("acked messages that were missing until the machine returned", run.lost);
  const span = Math.max(...run.spans);
  figures.atMost("they were acked within, worst", span, LAG_MS + COMMIT_MS, "ms");
  figures.atLeast(
    "rounds in which some were missing",
    run.spans.filter((s) => s > 0).length,
    1,
    "",
  );
  figures.atMost("served by the other cell, worst", Math.max(...run.served), SERVES_MS, "ms");
  // Four of them in a row, and a client gives up: what the proof itself does must be none.
  const replaced = users.reduce((sum, { lost }) => sum + (lost.get("replaced") ?? 0), 0);
  figures.atMost("connections that another client of the device has ended", replaced, 0, "");
  figures.note("promoted by order in", await promoted(cells, probe), "ms");
  return figures.verdict;
}

async function attempt(options: ProofOptions): Promise<Verdict> {
  using dir = tempDir();
  const flags = [...FLAGS, "--set", `standby.lagMsMax=${LAG_MS}`];
  const cells = await StandbyCells.start(dir.path, {
    mode: "async",
    automatic: true,
    flags,
    workers: options.workers === null ? {} : { a: options.workers },
  });
  try {
    return await underLoad(options, cells);
  } catch (error) {
    sayFailed(options, cells, error);
    return { pass: false, figures: {} };
  } finally {
    await cells.stop();
  }
}

/** The machine of a cell with an async standby is lost. */
export const takeoverAsyncProof: Proof = {
  name: "async",
  claim: "a cell with an async standby, its machine killed 20 times: what is missing was acked " +
    "within the stated bound, and is sent again once; the copy is promoted by order",
  seconds: 420,
  run: attempt,
};
