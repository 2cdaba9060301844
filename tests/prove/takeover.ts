/**
 * A cell with its own store and a standby of it in another cell, with a witness as the third place that
 * votes. Its machine is lost under load again and again: the other cell takes over, the machine returns
 * and gets its role back. What was acked is in both mailboxes exactly once, in order; with `async`, what
 * is missing is no more than the stated bound.
 */
import { again, pause, Sender } from "./cell_load.ts";
import { admin, StandbyCells } from "../process/standby_cells.ts";
import { type Event, faultsOf, FLAGS, mailbox, makeUsers, USERS } from "./crash.ts";
import { Prng } from "../sim/prng.ts";
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { rest } from "../process/client.ts";
import type { ServerProcess } from "../process/server.ts";
import { tempDir } from "../process/server.ts";

const KILLS = 20;
/** Bound of the time from a kill until a user is served by the other cell, ms. */
const SERVES_MS = 6000;
const CALM_MS = 2000;
const PAUSE_MS = 20;
/** Lines of a log that are shown where it took longer. */
const LINES = 60;

/** Where the cell is served now, as clients find it: from the other cell, when its own place is gone. */
class Served {
  readonly #cells: StandbyCells;
  readonly #token: string;
  url: string;

  constructor(cells: StandbyCells, token: string) {
    this.#cells = cells;
    this.#token = token;
    this.url = cells.urlOf("a");
  }

  get live(): readonly ServerProcess[] {
    return [{ url: this.url, wsUrl: `${this.url.replace("http", "ws")}/v1/ws` } as ServerProcess];
  }

  /** How long until a write of a user is acknowledged, wherever the other cell says (ms). */
  async until(): Promise<number> {
    const startMs = performance.now();
    for (let show = 0;; show++) {
      for (const url of [...await this.#moved(), this.#cells.urlOf("a")]) {
        if (await this.#writes(url, show)) {
          this.url = url;
          return performance.now() - startMs;
        }
      }
      await pause(PAUSE_MS);
    }
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

  async #writes(url: string, show: number): Promise<boolean> {
    const body = { messagesFrom: show % 2 === 0 ? "contacts" : "anyone" };
    const options = { token: this.#token, body };
    return await rest(url, "PUT", "/v1/settings", options).then(() => true, () => false);
  }
}

/** What a run has found. */
interface Run {
  readonly takeovers: number[];
  readonly handbacks: number[];
  /** What was refused to users during handbacks. */
  readonly errors: string[];
  readonly faults: readonly string[];
  readonly acked: number;
  readonly repeated: number;
}

/** One loss and return of the machine. */
async function round(cells: StandbyCells, served: Served, senders: readonly Sender[], run: Run) {
  await pause(CALM_MS);
  await cells.server("a").kill();
  const ms = await served.until();
  run.takeovers.push(ms);
  await pause(CALM_MS / 2);
  const returned = cells.begin("a");
  await cells.untilInSync(cells.promotedDir);
  const before = senders.map(({ errors }) => errors.length);
  const startMs = performance.now();
  await admin(cells.dataDir("b"), "POST", "/admin/standby/handback", { cell: "a" });
  await returned;
  run.handbacks.push(await served.until() + performance.now() - startMs);
  await pause(CALM_MS / 2);
  // Where nothing listens yet, clients try again.
  senders.forEach(({ errors }, i) =>
    run.errors.push(...errors.slice(before[i]!).filter((e) => !e.includes("connection refused")))
  );
  await cells.untilInSync();
  return ms;
}

async function underLoad(
  { say, seed }: ProofOptions,
  cells: StandbyCells,
  kills: number,
): Promise<Run> {
  const tokens = await makeUsers(cells.server("a"));
  const body = { user: "probe", password: "password of probe" };
  const { token } = await rest<{ token: string }>(cells.urlOf("a"), "POST", "/v1/register", {
    body,
  });
  const served = new Served(cells, token);
  const senders = USERS.map((name, i) =>
    new Sender(name, tokens.get(name)!, () => served.live, new Prng(seed + i + 1))
  );
  const running = senders.map((s) => s.run());
  const run = { takeovers: [], handbacks: [], errors: [] } as unknown as Run;
  for (let kill = 1; kill <= kills; kill++) {
    const ms = await round(cells, served, senders, run);
    const back = Math.round(run.handbacks.at(-1)!);
    for (const name of ms > SERVES_MS ? ["b", "w"] : []) {
      say(cells.server(name).log.split("\n").slice(-LINES).join("\n"));
    }
    say(`kill ${kill}: served elsewhere after ${Math.round(ms)} ms, handed back in ${back} ms`);
  }
  for (const s of senders) s.stopped = true;
  await Promise.all(running);
  await pause(CALM_MS);
  const boxes = new Map<string, Event[]>();
  const [at] = served.live;
  for (const user of USERS) boxes.set(user, await again(() => mailbox(at!, tokens.get(user)!)));
  return {
    ...run,
    faults: faultsOf(senders, boxes),
    acked: senders.reduce((sum, s) => sum + s.acked.size, 0),
    repeated: senders.reduce((sum, s) => sum + s.repeated, 0),
  };
}

async function attempt(options: ProofOptions): Promise<Verdict> {
  using dir = tempDir();
  const kills = options.count ?? Math.max(1, Math.round(KILLS * options.scale));
  const cells = await StandbyCells.start(dir.path, {
    mode: "sync",
    automatic: true,
    flags: FLAGS,
  });
  try {
    const run = await underLoad(options, cells, kills);
    for (const fault of [...run.faults, ...run.errors].slice(0, 10)) options.say(`FAULT ${fault}`);
    const worst = (of: readonly number[]) => Math.round(Math.max(...of));
    const median = [...run.takeovers].sort((a, b) => a - b)[run.takeovers.length >> 1]!;
    return {
      pass: run.faults.length === 0 && run.errors.length === 0 && worst(run.takeovers) < SERVES_MS,
      figures: {
        kills,
        acked: run.acked,
        "sends repeated": run.repeated,
        "lost, doubled or reordered": run.faults.length,
        "served by the other cell, median ms": Math.round(median),
        "served by the other cell, worst ms": worst(run.takeovers),
        "handed back, worst ms": worst(run.handbacks),
        "refusals in handbacks": run.errors.length,
      },
    };
  } finally {
    await cells.stop();
  }
}

/** The machine of a cell with a standby is lost. */
export const takeoverProof: Proof = {
  name: "takeover",
  claim:
    "a cell with a sync standby, its machine killed 20 times: nothing acked lost, served by the " +
    "other cell in 6 s, handed back without a refusal",
  seconds: 400,
  run: attempt,
};
