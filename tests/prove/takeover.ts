/**
 * A cell with its own store and a standby of it in another cell, with a witness as the third place that
 * votes. Its machine is lost under load again and again: the other cell takes over, the machine returns
 * and gets its role back. What was acked is in both mailboxes exactly once, in order, and no client of
 * the client library reports an error at any time.
 */
import { again, pause } from "./cell_load.ts";
import { faultsOf, FLAGS, mailbox, makeUsers, USERS } from "./crash.ts";
import { admin, StandbyCells } from "../process/standby_cells.ts";
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { rest } from "../process/client.ts";
import { TakeoverUser } from "./takeover_users.ts";
import { tempDir } from "../process/server.ts";
import { until } from "../process/until.ts";

const KILLS = 20;
/** Bound of the time from a kill until the other cell serves, and each user is served there, ms. */
const SERVES_MS = 6000;
/** How long anything may take at all: it is a fault of its own where it does not come (ms). */
export const LIMIT_MS = 60_000;
const CALM_MS = 2000;
/** Lines of a log that are shown where it took longer. */
const LINES = 60;

/** A user who looks where the cell is served: at addresses that the other cell names, and at its own. */
export class Probe {
  readonly #cells: StandbyCells;
  readonly #token: string;
  #shows = 0;

  private constructor(cells: StandbyCells, token: string) {
    this.#cells = cells;
    this.#token = token;
  }

  static async make(cells: StandbyCells): Promise<Probe> {
    const body = { user: "probe", password: "password of probe" };
    const { token } = await rest<{ token: string }>(cells.urlOf("a"), "POST", "/v1/register", {
      body,
    });
    return new Probe(cells, token);
  }

  /** Waits until a write of a user is acknowledged; returns where, and how long that took (ms). */
  async served(): Promise<{ readonly url: string; readonly ms: number }> {
    const startMs = performance.now();
    let url = "";
    await until("a user is served", async () => {
      for (url of [...await this.#moved(), this.#cells.urlOf("a")]) {
        if (await this.#writes(url)) return true;
      }
      return false;
    }, LIMIT_MS);
    return { url, ms: performance.now() - startMs };
  }

  async #moved(): Promise<readonly string[]> {
    const headers = {
      "content-type": "application/json",
      authorization: `Bearer ${this.#token}`,
    };
    const at = `${this.#cells.urlOf("b")}/v1/sessions`;
    const response = await fetch(at, { method: "POST", headers, body: "{}" });
    return (await response.json()).servers ?? [];
  }

  async #writes(url: string): Promise<boolean> {
    const body = { messagesFrom: this.#shows++ % 2 === 0 ? "contacts" : "anyone" };
    const options = { token: this.#token, body };
    return await rest(url, "PUT", "/v1/settings", options).then(() => true, () => false);
  }
}

/** What a run measures, in ms: one value for each round. */
interface Times {
  readonly served: number[];
  /** The longest time in which a user got no ack, around a kill and around a handback. */
  readonly lossPauses: number[];
  readonly handbacks: number[];
  readonly handbackPauses: number[];
}

const worst = (of: readonly number[]) => Math.round(Math.max(0, ...of));
const median = (of: readonly number[]) =>
  Math.round([...of].sort((a, b) => a - b)[of.length >> 1] ?? NaN);

function takeGaps(users: readonly TakeoverUser[]): number {
  return Math.max(...users.map((user) => user.takeGap()));
}

/**
 * Starts the lost machine and hands it its role back, once its copy is in sync and `ready`; returns how
 * long that took (ms).
 */
export async function handBack(
  cells: StandbyCells,
  probe: Probe,
  ready: () => Promise<void> = () => Promise.resolve(),
): Promise<number> {
  const returned = cells.begin("a");
  // Its failure is a fault of this round, whatever the round is doing then.
  returned.catch(() => {});
  await cells.untilInSync(cells.promotedDir);
  await ready();
  const startMs = performance.now();
  await admin(cells.dataDir("b"), "POST", "/admin/standby/handback", { cell: "a" });
  await returned;
  const { url } = await probe.served();
  if (url !== cells.urlOf("a")) throw new Error(`handed back, but ${url} serves`);
  return performance.now() - startMs;
}

function tail(cells: StandbyCells, name: string): string {
  return cells.server(name).log.split("\n").slice(-LINES).join("\n");
}

/** Says why a run was given up, and what the servers have said until then. */
export function sayFailed({ say }: ProofOptions, cells: StandbyCells, error: unknown): void {
  for (const name of ["a", "b", "w"]) say(`${name}:\n${tail(cells, name)}`);
  say(`FAULT ${error}`);
}

/** Waits until everybody has got more acks than were on their way. */
export async function everybodyServed(users: readonly TakeoverUser[]): Promise<void> {
  const counts = users.map(({ acked }) => acked.size);
  const isServed = ({ acked }: TakeoverUser, i: number) => acked.size > counts[i]! + USERS.length;
  await until("everybody is served", () => users.every(isServed), LIMIT_MS).catch((error) => {
    const doing = users.filter((user, i) => !isServed(user, i)).flatMap((user) => user.doing);
    throw new Error([String(error), ...doing].join("\n"));
  });
}

/** One loss and return of the machine. */
async function round(
  cells: StandbyCells,
  probe: Probe,
  users: readonly TakeoverUser[],
  times: Times,
): Promise<void> {
  await pause(CALM_MS);
  await cells.untilInSync();
  takeGaps(users);
  await cells.lose("a");
  times.served.push((await probe.served()).ms);
  // Clients try again after waits of their own.
  await everybodyServed(users);
  times.lossPauses.push(takeGaps(users));
  times.handbacks.push(await handBack(cells, probe));
  await everybodyServed(users);
  times.handbackPauses.push(takeGaps(users));
  await cells.untilInSync();
}

async function underLoad(
  { say }: ProofOptions,
  cells: StandbyCells,
  kills: number,
): Promise<Verdict> {
  // A standby that is late on a busy machine is waited for, or its lease is over for a moment.
  const tokens = await makeUsers(cells.server("a"), USERS, again);
  const probe = await again(() => Probe.make(cells));
  const users = USERS.map((name) => new TakeoverUser(name, cells.urlOf("a"), USERS));
  const running = users.map((user) => user.run(tokens.get(user.name)!));
  const times: Times = { served: [], lossPauses: [], handbacks: [], handbackPauses: [] };
  for (let kill = 1; kill <= kills; kill++) {
    await round(cells, probe, users, times);
    const last = (of: readonly number[]) => `${Math.round(of.at(-1)!)} ms`;
    const late = times.served.at(-1)! > SERVES_MS;
    for (const name of late ? ["b", "w"] : []) {
      say(tail(cells, name));
    }
    say(
      `kill ${kill}: served elsewhere after ${last(times.served)} (longest pause of a client ` +
        `${last(times.lossPauses)}), handed back in ${last(times.handbacks)} (pause ` +
        `${last(times.handbackPauses)})`,
    );
  }
  for (const user of users) user.stop();
  await Promise.all(running);
  const boxes = new Map<string, Awaited<ReturnType<typeof mailbox>>>();
  for (const user of USERS) {
    boxes.set(user, await again(() => mailbox(cells.server("a"), tokens.get(user)!)));
  }
  const faults = faultsOf(users, boxes);
  const errors = users.flatMap((user) => user.errors);
  for (const fault of [...faults, ...errors].slice(0, 20)) say(`FAULT ${fault}`);
  const lost = new Map<string, number>();
  for (const user of users) {
    for (const [why, count] of user.lost) lost.set(why, (lost.get(why) ?? 0) + count);
  }
  return {
    pass: faults.length === 0 && errors.length === 0 && worst(times.served) < SERVES_MS &&
      worst(times.lossPauses) < SERVES_MS,
    figures: {
      kills,
      acked: users.reduce((sum, { acked }) => sum + acked.size, 0),
      "lost, doubled or reordered": faults.length,
      "errors at clients": errors.length,
      "served by the other cell, median ms": median(times.served),
      "served by the other cell, worst ms": worst(times.served),
      "longest pause of a client at a kill, median ms": median(times.lossPauses),
      "longest pause of a client at a kill, worst ms": worst(times.lossPauses),
      "handed back, median ms": median(times.handbacks),
      "handed back, worst ms": worst(times.handbacks),
      "longest pause of a client at a handback, median ms": median(times.handbackPauses),
      "longest pause of a client at a handback, worst ms": worst(times.handbackPauses),
      "why clients connected again": [...lost].map(([why, n]) => `${why} ${n}`).join(", "),
    },
  };
}

async function attempt(options: ProofOptions): Promise<Verdict> {
  using dir = tempDir();
  const kills = options.count ?? Math.max(1, Math.round(KILLS * options.scale));
  const cells = await StandbyCells.start(dir.path, {
    mode: "sync",
    automatic: true,
    flags: FLAGS,
    workers: options.workers === null ? {} : { a: options.workers },
  });
  try {
    return await underLoad(options, cells, kills);
  } catch (error) {
    sayFailed(options, cells, error);
    return { pass: false, figures: { kills } };
  } finally {
    await cells.stop();
  }
}

/** The machine of a cell with a standby is lost. */
export const takeoverProof: Proof = {
  name: "takeover",
  claim:
    "a cell with a sync standby, its machine killed 20 times: nothing acked lost, served by the " +
    "other cell in 6 s, handed back; no client reports an error",
  seconds: 400,
  run: attempt,
};
