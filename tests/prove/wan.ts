/**
 * Three cells 80 ms away from each other, and a lone one beside them under the same load in the same
 * seconds: what is local is as fast as in the lone cell, and what crosses takes one trip and little
 * more. Then what it costs a lone cell to have a name that others could join.
 */
import { acquaint, type Cell, CELLS, pairsOf, populate, TRIP_MS, WanCells } from "./wan_cells.ts";
import { Book, WanLoad, type WanUser } from "./wan_users.ts";
import { Figures } from "./figures.ts";
import { freePort, runLoad, startPinned, windowOf } from "../process/pinned.ts";
import { pause } from "./cell_load.ts";
import { Prng } from "../sim/prng.ts";
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { tempDir } from "../process/server.ts";

const USERS = 12;
/**
 * What users of one cell do in a second; those of the lone cell send all of it to each other. Four
 * servers and their clients are to leave two cores some rest: else they wait for each other.
 */
const RATES = { local: 20, abroad: 10, presence: 1 };
const WARM_MS = 5000;
const MEASURED_MS = 120_000;
/** After the last send (ms). */
const LATE_MS = 3000;
/** Local messages may take so many times as long as those of the lone cell. */
const LOCAL_RATIO = 1.2;
/** What crosses may take so much longer than the trip (ms). */
const SLACK_MS = 20;

/**
 * Rounds with and without a name, and what each has. Two processes of one kind differ by some 4 % here
 * and there: a median of a few rounds would not tell 1.00 from 1.05.
 */
const COST = { rounds: 8, users: 200, rate: 3000, seconds: 8 };
/** So many times the CPU of a cell without a name, at most. */
const COST_RATIO = 1.05;

/** Sorted times. */
class Times {
  readonly #ms: readonly number[];

  constructor(ms: readonly number[]) {
    this.#ms = [...ms].sort((a, b) => a - b);
  }

  /** A percentile; NaN where nothing was timed, Infinity where it did not happen. */
  at(percent: number): number {
    return this.#ms[Math.min(this.#ms.length - 1, Math.floor(this.#ms.length * percent / 100))] ??
      NaN;
  }

  get row(): string {
    const cells = [50, 90, 99, 99.9, 100].map((p) => this.at(p).toFixed(1).padStart(8));
    return `${String(this.#ms.length).padStart(7)}${cells.join("")}`;
  }
}

/** Times of the messages that were sent in the measured part, by what they are. */
function timesOf(book: Book, fromMs: number, toMs: number) {
  const all = [...book.sent.values()].filter(({ atMs }) => atMs >= fromMs && atMs < toMs);
  const isLocal = (from: WanUser, to: WanUser) => from.cell === to.cell;
  const named = (user: WanUser) => (CELLS as readonly string[]).includes(user.cell);
  const of = (which: (from: WanUser, to: WanUser) => boolean, ms: "ackedMs" | "deliveredMs") =>
    new Times(
      all.filter(({ from, to }) => which(from, to)).map((sent) =>
        (sent[ms] ?? Infinity) - sent.atMs
      ),
    );
  const local = (from: WanUser, to: WanUser) => isLocal(from, to) && named(from);
  const lone = (from: WanUser) => !named(from);
  const abroad = (from: WanUser, to: WanUser) => !isLocal(from, to);
  return {
    "local, acked": of(local, "ackedMs"),
    "alone, acked": of(lone, "ackedMs"),
    "local, delivered": of(local, "deliveredMs"),
    "alone, delivered": of(lone, "deliveredMs"),
    "abroad, acked": of(abroad, "ackedMs"),
    "abroad, delivered": of(abroad, "deliveredMs"),
  };
}

/** Runs the load of all cells, and writes down what it took. */
async function measure(
  options: ProofOptions,
  world: WanCells,
  cells: readonly Cell[],
  lone: Cell,
  book: Book,
  figures: Figures,
): Promise<void> {
  const { presence } = RATES;
  const alone = { local: RATES.local + RATES.abroad, abroad: 0, presence };
  const loads = [...cells.map((cell) => [cell, RATES] as const), [lone, alone] as const]
    .map(([{ users }, rates], i) => new WanLoad(users, rates, new Prng(options.seed + i)));
  await pause(WARM_MS * options.scale);
  world.network.takeLate();
  const fromMs = performance.now();
  await pause(MEASURED_MS * options.scale);
  const toMs = performance.now();
  const late = new Times(world.network.takeLate());
  await Promise.all(loads.map((load) => load.stop()));
  await pause(LATE_MS);
  const times = timesOf(book, fromMs, toMs);
  options.say(`${"ms".padEnd(20)}  count     p50     p90     p99   p99.9     max`);
  for (const [name, of] of Object.entries(times)) options.say(`${name.padEnd(20)}${of.row}`);
  options.say(`${"network late by".padEnd(20)}${late.row}`);
  for (const what of ["acked", "delivered"] as const) {
    const most = LOCAL_RATIO * times[`alone, ${what}`].at(99);
    figures.atMost(`local, ${what}: p99`, times[`local, ${what}`].at(99), most, "ms");
  }
  const crossed = times["abroad, delivered"];
  figures.atMost("abroad, delivered: p99", crossed.at(99), TRIP_MS + SLACK_MS, "ms");
  figures.note("abroad, delivered: p50", crossed.at(50), "ms");
  for (const fault of book.faults.slice(0, 10)) figures.fault(fault);
  if (book.owed > 0) figures.fault(`${book.owed} messages have not arrived`);
}

async function latencies(options: ProofOptions, figures: Figures): Promise<void> {
  using dir = tempDir();
  const world = new WanCells(dir.path);
  const book = new Book();
  try {
    await world.start();
    const server = await world.startOne("lone");
    world.servers.push(server);
    const cells = await Promise.all(
      CELLS.map((name, i) => populate(name, world.servers[i]!, USERS, book)),
    );
    const lone = await populate("lone", server, USERS, book);
    await acquaint([...pairsOf(cells), ...pairsOf([lone])]);
    await measure(options, world, cells, lone, book, figures);
    const all = [...cells, lone].flatMap(({ users }) => users);
    await Promise.all(all.map((user) => user.close()));
  } finally {
    await world.end();
  }
}

/** What a message costs a cell that has no name, and one that has, in turn on the same data. */
async function costs({ say, scale }: ProofOptions, figures: Figures): Promise<void> {
  using dir = tempDir();
  const dataDir = `${dir.path}/data`;
  Deno.writeTextFileSync(`${dir.path}/secret`, "a secret of cells that only the proof knows\n");
  const name = [
    ...["--cells-name", "a", "--cells-listen", `127.0.0.1:${freePort()}`],
    ...["--cells-secret-file", `${dir.path}/secret`],
  ];
  const seconds = Math.max(2, Math.round(COST.seconds * scale));
  const load = ["chat", "--users", String(COST.users), "--rate", String(COST.rate)];
  const run = async (flags: readonly string[], seconds: number) => {
    const server = await startPinned(dataDir, flags);
    try {
      const result = await runLoad(server, [...load, "--seconds", String(seconds)]);
      figures.run("chat", result);
      const { messages, serverCpuUs } = windowOf(result);
      return serverCpuUs / messages;
    } finally {
      await server.stop();
    }
  };
  // The users are made first.
  await run([], 1);
  const ratios: number[] = [];
  for (let round = 1; round <= COST.rounds; round++) {
    const first = round % 2 === 0;
    const named = first ? await run(name, seconds) : 0;
    const plain = await run([], seconds);
    const after = first ? named : await run(name, seconds);
    ratios.push(after / plain);
    say(`CPU of a message: ${plain.toFixed(1)} µs without a name, ${after.toFixed(1)} µs with one`);
  }
  const sorted = ratios.sort((a, b) => a - b);
  const middle = (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2;
  figures.atMost("CPU of a message with a name, times that without", middle, COST_RATIO, "");
}

/** What a WAN between cells does to messages, and a name to a lone cell. */
export const wanProof: Proof = {
  name: "wan",
  claim: "three cells 80 ms apart: local messages as in a lone cell (p99 + 20 %), " +
    "others in one trip + 20 ms (p99)",
  seconds: 400,
  async run(options): Promise<Verdict> {
    const figures = new Figures(options);
    await latencies(options, figures);
    await costs(options, figures);
    return figures.verdict;
  },
};
