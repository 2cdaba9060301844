/**
 * Three cells 80 ms away from each other under load, one of which is cut off for 30 s: both ways, one
 * way, and again and again. Nothing acked is lost, doubled or reordered, nobody is shown offline
 * falsely, and what happens after healing is bounded: a table has each second of it.
 */
import { acquaint, type Cell, CELLS, pairsOf, populate, WanCells } from "./wan_cells.ts";
import { Book, WanLoad } from "./wan_users.ts";
import { type Event, faultsOf, mailbox } from "./crash.ts";
import { Figures } from "./figures.ts";
import { Metrics } from "../process/metrics.ts";
import { pause } from "./cell_load.ts";
import { Prng } from "../sim/prng.ts";
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { tempDir } from "../process/server.ts";
import type { WanNetwork } from "./wan_network.ts";

const USERS = 12;
const RATES = { local: 20, abroad: 15, presence: 3 };
const CALM_MS = 5000;
const CUT_MS = 30_000;
/** How long it is looked at what happens after healing (ms). */
const HEALED_MS = 25_000;
/** All that was sent before healing has arrived, and presence is as it should be, so long after. */
const WHOLE_MS = 20_000;
/** A user's new presence may take so long while nothing is wrong (ms). */
const SEEN_MS = 1000;
/** Local users notice no more than this in any second after healing (ms). */
const LOCAL_P99_MS = 250;
/** Frames after healing beyond those of calm seconds, for each message that was owed, at most. */
const FRAMES_EACH = 10;
/** The cell that is cut off. */
const [CUT, ...OTHERS] = [...CELLS].reverse() as [string, ...string[]];

/** A way to cut a cell off; `set` is called with whether it is cut off. */
interface Scene {
  readonly name: string;
  set(network: WanNetwork, stopped: boolean): void;
  /** How long it is cut off and reached in turn (ms); null: once. */
  readonly turns: readonly [number, number] | null;
}

const out: Scene["set"] = (network, stopped) => {
  for (const other of OTHERS) network.set(CUT, other, stopped);
};
const both: Scene["set"] = (network, stopped) => {
  out(network, stopped);
  for (const other of OTHERS) network.set(other, CUT, stopped);
};
const SCENES: readonly Scene[] = [
  { name: "cut off both ways", set: both, turns: null },
  { name: "what it sends is cut off", set: out, turns: null },
  { name: "cut off again and again", set: both, turns: [3000, 1500] },
];

/** One second after healing. */
interface Second {
  readonly frames: number;
  readonly bytes: number;
  readonly queueBytes: number;
  readonly dropped: number;
  readonly localMs: number;
  readonly owed: number;
  readonly stale: number;
}

/** What all cells together have sent to each other. */
async function sums({ servers }: WanCells) {
  const all = await Promise.all(servers.map(({ url }) => Metrics.of(url)));
  const sum = (name: string) => all.reduce((total, one) => total + one.sum(name), 0);
  return {
    frames: sum("roost_cells_frames_sent_total"),
    bytes: sum("roost_cells_sent_bytes_total"),
    queueBytes: sum("roost_cells_queue_bytes"),
    dropped: sum("roost_cells_frames_dropped_total"),
  };
}

/** The 99th percentile of local deliveries that were begun in a time (ms). */
function localP99(book: Book, fromMs: number, toMs: number): number {
  const times = [...book.sent.values()]
    .filter(({ atMs, from, to }) => from.cell === to.cell && atMs >= fromMs && atMs < toMs)
    .map(({ atMs, deliveredMs }) => (deliveredMs ?? performance.now()) - atMs)
    .sort((a, b) => a - b);
  return times[Math.floor(times.length * 0.99)] ?? 0;
}

function staleOf(cells: readonly Cell[]): number {
  return cells.flatMap(({ users }) => users).reduce((sum, user) => sum + user.stale(SEEN_MS), 0);
}

/** Looks once a second for so long. */
async function seconds(world: WanCells, cells: readonly Cell[], book: Book, forMs: number) {
  const rows: Second[] = [];
  let before = await sums(world);
  let fromMs = performance.now();
  const beganMs = fromMs;
  for (let n = 1; n * 1000 <= forMs; n++) {
    await pause(Math.max(0, beganMs + n * 1000 - performance.now()));
    const now = await sums(world);
    const toMs = performance.now();
    rows.push({
      frames: now.frames - before.frames,
      bytes: now.bytes - before.bytes,
      queueBytes: now.queueBytes,
      dropped: now.dropped - before.dropped,
      localMs: localP99(book, fromMs - 1000, fromMs),
      owed: book.owed,
      stale: staleOf(cells),
    });
    [before, fromMs] = [now, toMs];
  }
  return rows;
}

function show(say: ProofOptions["say"], rows: readonly Second[]): void {
  const head = ["s", "frames", "KiB", "queue KiB", "dropped", "local p99", "owed", "stale"];
  const line = (fields: readonly (string | number)[]) =>
    say(fields.map((f) => String(f).padStart(10)).join(""));
  line(head);
  rows.forEach((row, i) =>
    line([
      i + 1,
      row.frames,
      (row.bytes / 1024).toFixed(1),
      (row.queueBytes / 1024).toFixed(1),
      row.dropped,
      row.localMs.toFixed(1),
      row.owed,
      row.stale,
    ])
  );
}

async function cutOff({ network }: WanCells, { set, turns }: Scene, forMs: number): Promise<void> {
  const endMs = performance.now() + forMs;
  const [cutMs, openMs] = turns ?? [forMs, 0];
  while (performance.now() < endMs) {
    set(network, true);
    await pause(cutMs);
    set(network, false);
    if (turns !== null) await pause(openMs);
  }
}

/** When the last message that was sent before a time has arrived, after that (ms). */
function arrivedMs(book: Book, beforeMs: number): number {
  let last = beforeMs;
  for (const { ackedMs, atMs, deliveredMs } of book.sent.values()) {
    if (atMs >= beforeMs || ackedMs === null) continue;
    last = Math.max(last, deliveredMs ?? Infinity);
  }
  return last - beforeMs;
}

async function play(
  { say, scale }: ProofOptions,
  world: WanCells,
  cells: readonly Cell[],
  book: Book,
  scene: Scene,
  figures: Figures,
): Promise<void> {
  const calm = await seconds(world, cells, book, CALM_MS);
  const each = calm.reduce((sum, { frames }) => sum + frames, 0) / calm.length;
  await cutOff(world, scene, CUT_MS * scale);
  const healedMs = performance.now();
  const owed = book.owed;
  say(`${scene.name}: ${owed} messages wait, ${staleOf(cells)} contacts are shown as they were`);
  const rows = await seconds(world, cells, book, HEALED_MS);
  show(say, rows);
  const arrived = arrivedMs(book, healedMs);
  const seen = 1 + rows.findLastIndex(({ stale }) => stale > 0);
  const extra = rows.reduce((sum, { frames }) => sum + Math.max(0, frames - each), 0);
  figures.note(`${scene.name}: frames in a calm second`, each);
  figures.note(`${scene.name}: most frames in a second`, Math.max(...rows.map((r) => r.frames)));
  figures.atMost(`${scene.name}: frames beyond that`, extra, FRAMES_EACH * (owed + each), "");
  figures.atMost(`${scene.name}: all arrived after`, arrived / 1000, WHOLE_MS / 1000, "s");
  figures.atMost(`${scene.name}: presence right after`, seen, WHOLE_MS / 1000, "s");
  const worst = Math.max(...rows.map(({ localMs }) => localMs));
  figures.atMost(`${scene.name}: local p99, worst second`, worst, LOCAL_P99_MS, "ms");
}

/** Nothing acked is lost, doubled or reordered. */
async function check(cells: readonly Cell[], book: Book, figures: Figures): Promise<void> {
  const users = cells.flatMap(({ server, users }) => users.map((user) => ({ server, user })));
  const boxes = new Map<string, readonly Event[]>();
  for (const { user } of users) await user.close();
  for (const { server, user } of users) boxes.set(user.name, await mailbox(server, user.token));
  const faults = [...faultsOf(users.map(({ user }) => user), boxes), ...book.faults];
  for (const fault of faults.slice(0, 10)) figures.fault(fault);
  figures.note("acked", users.reduce((sum, { user }) => sum + user.acked.size, 0));
  figures.note("refused for a moment", book.refused);
  figures.atMost("lost, doubled, reordered or shown falsely", faults.length, 0, "");
}

/** A cell is cut off, and linked again. */
export const partitionProof: Proof = {
  name: "partition",
  claim: "one of three cells cut off for 30 s under load, both ways, one way and flapping: " +
    "nothing acked lost, all arrived and seen 20 s after healing",
  seconds: 280,
  async run(options): Promise<Verdict> {
    using dir = tempDir();
    const figures = new Figures(options);
    const world = new WanCells(dir.path);
    const book = new Book();
    try {
      await world.start();
      const cells = await Promise.all(
        CELLS.map((name, i) => populate(name, world.servers[i]!, USERS, book)),
      );
      await acquaint(pairsOf(cells));
      const loads = cells.map(({ users }, i) =>
        new WanLoad(users, RATES, new Prng(options.seed + i))
      );
      for (const scene of SCENES) await play(options, world, cells, book, scene, figures);
      await Promise.all(loads.map((load) => load.stop()));
      await pause(CALM_MS);
      await check(cells, book, figures);
    } finally {
      await world.end();
    }
    return figures.verdict;
  },
};
