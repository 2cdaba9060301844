/**
 * The clients of a killed cell turn to another one that has just begun: all at once, and again and
 * again as the client library does. That cell, which is not their home, lets them wait for that, and
 * refuses them; its own users do not notice. Then their own cell begins again, cold, and has all of
 * them back.
 */
import { acquaint, pairsOf, populate } from "./wan_cells.ts";
import { Book, WanLoad, WanUser } from "./wan_users.ts";
import { besideServer, freePort, startPinned } from "../process/pinned.ts";
import type { CrowdPlan, CrowdReport } from "./shift_crowd_worker.ts";
import { type PoolFixture, type PoolShape, scaled, withPools } from "./provisioned.ts";
import { Figures } from "./figures.ts";
import { Metrics } from "../process/metrics.ts";
import { pause } from "./cell_load.ts";
import { Prng } from "../sim/prng.ts";
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { roost } from "../process/cli.ts";
import { type ServerProcess, tempDir } from "../process/server.ts";

const CROWD = 5000;
const OWN_USERS = 24;
/** What the users of the other cell do in a second. */
const RATES = { local: 200, abroad: 0, presence: 4 };
/** Before the kill, from it to the restart, and after that (ms). */
const CALM_MS = 5000;
const AWAY_MS = 30_000;
const BACK_MS = 60_000;
/** Local users notice no more than this in any time of so long: in which they send a thousand messages. */
const LOCAL_P99_MS = 250;
const WINDOW_MS = 5000;
/** Bounds of the histogram of loop lag (s), and the highest that may be filled. */
const LAG_BOUNDS = [0.1, 0.15, 0.25, 0.5, 1, 2.5, 10, 60] as const;
const LAG_SECONDS_MAX = 0.5;
const JOINED_MS = 90_000;
/** What the first cell logs once the other one knows where its names are at home, and how soon (ms). */
const TOLD = "names known to all members";
const TOLD_MS = 180_000;
/** No address's rate keeps the crowd, which has one, from being served. */
const FREE = [
  "limits.requestsPerAddressPerSecond=100000",
  "limits.requestsPerAddressBurst=100000",
  "registration.mode=open",
  "registration.perAddressPerHour=100000",
  "registration.perAddressBurst=10000",
].flatMap((setting) => ["--set", setting]);

/** Clients of a cell that turn to another one until they are at home again. */
class Crowd {
  readonly #worker: Worker;
  #seen: CrowdReport = { tries: 0, replies: {} };

  constructor(plan: CrowdPlan) {
    this.#worker = new Worker(new URL("shift_crowd_worker.ts", import.meta.url), {
      type: "module",
    });
    this.#worker.onmessage = ({ data }: MessageEvent<CrowdReport>) => this.#seen = data;
    this.#worker.postMessage(plan);
  }

  get tries(): number {
    return this.#seen.tries;
  }

  get replies(): CrowdReport["replies"] {
    return this.#seen.replies;
  }

  stop(): void {
    this.#worker.terminate();
  }
}

/** Two cells on one directory; the first one's data has the crowd. */
class TwoCells {
  readonly #dir: string;
  readonly #ports = [freePort(), freePort()] as const;
  readonly #fixture: PoolFixture;

  constructor(dir: string, fixture: PoolFixture) {
    this.#dir = dir;
    this.#fixture = fixture;
    Deno.writeTextFileSync(`${dir}/secret`, "a secret of cells that only the proof knows\n");
  }

  #flags(name: string, port: number, other: number | null): readonly string[] {
    return [
      ...["--cells-name", name, "--cells-listen", `127.0.0.1:${port}`, ...FREE],
      ...["--cells-secret-file", `${this.#dir}/secret`],
      ...(other === null ? [] : ["--cells-join", `127.0.0.1:${other}`]),
    ];
  }

  /** The cell of the crowd, beside the load tool. */
  crowded(): Promise<ServerProcess> {
    return this.#fixture.start(this.#flags("a", this.#ports[0], null), 1);
  }

  /** The other one, on a core of its own. */
  other(): Promise<ServerProcess> {
    const [first, own] = this.#ports;
    return startPinned(`${this.#dir}/other`, this.#flags("b", own, first), undefined, 0);
  }
}

async function joined({ dataDir }: ServerProcess): Promise<void> {
  for (const endMs = performance.now() + JOINED_MS;;) {
    const { out } = await roost(["cells", "--json", "--data", dataDir]);
    const { members } = JSON.parse(out) as { readonly members: { readonly version: number } };
    if (members.version >= 2) return;
    if (performance.now() > endMs) throw new Error("The cells are no federation in time");
    await pause(1000);
  }
}

/** The bound (s) that no lag of the loop was above since `before`. */
function lagBound(before: Metrics, now: Metrics): number {
  const upTo = (le: number | string) => {
    const name = `roost_loop_lag_seconds_bucket{le="${le}"}`;
    return now.get(name) - before.get(name);
  };
  return LAG_BOUNDS.find((bound) => upTo(bound) === upTo("+Inf")) ?? Infinity;
}

/** Waits until the other cell knows where the names of the crowd are at home. */
async function told(home: ServerProcess): Promise<void> {
  for (const endMs = performance.now() + TOLD_MS; !home.log.includes(TOLD);) {
    if (performance.now() > endMs) throw new Error("The names are not known in time");
    await pause(500);
  }
}

/** The 99th percentile of deliveries that were begun in a time (ms). */
function p99(book: Book, fromMs: number, toMs: number): number {
  const times = [...book.sent.values()].filter(({ atMs }) => atMs >= fromMs && atMs < toMs)
    .map(({ atMs, deliveredMs }) => (deliveredMs ?? performance.now()) - atMs)
    .sort((x, y) => x - y);
  return times[Math.floor(times.length * 0.99)] ?? 0;
}

/** The worst p99 of local users (ms): of any second, and of any `WINDOW_MS`. */
interface Worst {
  second: number;
  window: number;
}

/** Looks once a second until `until` holds, at most for so long; the worst local p99. */
async function look(
  { say }: ProofOptions,
  what: { readonly crowd: Crowd; readonly book: Book; readonly other: ServerProcess },
  online: () => Promise<number>,
  forMs: number,
  until: (online: number) => boolean = () => false,
): Promise<Worst> {
  const { book, crowd, other } = what;
  const worst = { second: 0, window: 0 };
  const beganMs = performance.now();
  let [fromMs, tries, cpu] = [beganMs, crowd.tries, 0];
  for (const endMs = fromMs + forMs; performance.now() < endMs;) {
    await pause(1000);
    const nowMs = performance.now();
    // What was sent just now may be on its way.
    const toMs = nowMs - LOCAL_P99_MS;
    const localMs = p99(book, fromMs, toMs);
    worst.second = Math.max(worst.second, localMs);
    if (nowMs - beganMs >= WINDOW_MS) {
      worst.window = Math.max(worst.window, p99(book, toMs - WINDOW_MS, toMs));
    }
    const metrics = await Metrics.of(other.url);
    const lag = metrics.sum("roost_loop_lag_average_seconds") * 1000;
    const used = metrics.get("roost_process_cpu_seconds_total");
    const back = await online();
    const fields = [
      `${crowd.tries - tries} tries`,
      `local p99 ${localMs.toFixed(1)} ms`,
      `loop late by ${lag.toFixed(1)} ms`,
      cpu === 0 ? "" : `${((used - cpu) * 1000).toFixed(0)} ms of CPU`,
      `${back} at home`,
    ];
    say(fields.map((field) => field.padStart(24)).join(""));
    [fromMs, tries, cpu] = [toMs, crowd.tries, used];
    if (until(back)) break;
  }
  return worst;
}

async function online(server: ServerProcess | null): Promise<number> {
  return server === null ? 0 : (await Metrics.of(server.url)).sum("roost_sessions");
}

/** Users of the other cell that has begun again, so that nothing of them is in its memory. */
async function coldUsers(cells: TwoCells, book: Book, home: ServerProcess) {
  const server = await cells.other();
  await joined(server);
  await told(home);
  const { users } = await populate("b", server, OWN_USERS, book);
  await acquaint(pairsOf([{ name: "b", server, users }]));
  await Promise.all(users.map((user) => user.close()));
  await server.stop();
  const other = await cells.other();
  const own: WanUser[] = [];
  for (const { name, cell, token } of users) {
    own.push(await WanUser.connect(other, { name, cell, token }, book));
  }
  for (const [i, user] of own.entries()) {
    for (const { name } of users[i]!.contacts) {
      user.contacts.push(own.find((one) => one.name === name)!);
    }
  }
  return { other, own };
}

async function shift(options: ProofOptions, figures: Figures, fixture: PoolFixture) {
  using dir = tempDir();
  const pool = poolOf(options);
  const cells = new TwoCells(dir.path, fixture);
  const book = new Book();
  let home = await cells.crowded();
  let other: ServerProcess | null = null;
  let crowd: Crowd | null = null;
  const run = fixture.begin(home, "idle", pool, { seconds: 3600 });
  run.result.catch(() => {});
  try {
    const cold = await coldUsers(cells, book, home);
    other = cold.other;
    while (await online(home) < pool.users) await pause(500);
    const tokens = fixture.tokens(pool);
    options.say(`${pool.users} sessions are at home; it is killed`);
    const load = new WanLoad(cold.own, RATES, new Prng(options.seed));
    await pause(CALM_MS);
    const before = await Metrics.of(other.url);
    const killedMs = performance.now();
    const calmMs = p99(book, killedMs - CALM_MS, killedMs - LOCAL_P99_MS);
    figures.note("local p99 before the kill", calmMs, "ms");
    const homeUrl = home.wsUrl;
    await home.kill();
    run.stop();
    crowd = new Crowd({ wsUrl: other.wsUrl, homeUrl, tokens, seed: options.seed + 1 });
    const what = { crowd, book, other };
    const away = await look(options, what, () => online(null), AWAY_MS);
    options.say("its cell begins again");
    home = await cells.crowded();
    const sinceMs = performance.now();
    const all = (count: number) => count >= pool.users;
    const back = await look(options, what, () => online(home), BACK_MS, all);
    const seconds = (performance.now() - sinceMs) / 1000;
    figures.atLeast("at home again", await online(home), pool.users, "");
    crowd.stop();
    figures.atMost("all at home again after", seconds, BACK_MS / 1000, "s");
    for (const [code, n] of Object.entries(crowd.replies)) figures.note(`replies: ${code}`, n);
    const { served = 0, unauthorized = 0 } = crowd.replies;
    figures.atMost("served where they are not at home", served, 0, "");
    figures.atMost("refused as if they were not known", unauthorized, 0, "");
    for (const [when, { second, window }] of [["", away], [" while all return", back]] as const) {
      figures.note(`local p99, worst second${when}`, second, "ms");
      figures.atMost(`local p99, worst ${WINDOW_MS / 1000} s${when}`, window, LOCAL_P99_MS, "ms");
    }
    const lag = lagBound(before, await Metrics.of(other.url));
    figures.atMost("loop lag, no more than", lag, LAG_SECONDS_MAX, "s");
    await load.stop();
    await Promise.all(cold.own.map((user) => user.close()));
    for (const fault of book.faults.slice(0, 10)) figures.fault(fault);
  } finally {
    crowd?.stop();
    run.stop();
    await home.kill();
    await other?.kill();
  }
}

function poolOf({ scale }: ProofOptions): PoolShape {
  return { name: "shifted", users: scaled(CROWD, scale), contacts: 10 };
}

/** The traffic of a dead cell arrives at another one. */
export const shiftProof: Proof = {
  name: "shift",
  claim: "5,000 clients of a killed cell turn to a cold one: its own users' p99 stays under 250 ms",
  seconds: 240,
  async run(options): Promise<Verdict> {
    const figures = new Figures(options);
    await withPools(options, [poolOf(options)], (fixture) =>
      // The cell that they turn to has a core to itself.
      besideServer(() => shift(options, figures, fixture)));
    return figures.verdict;
  },
};
