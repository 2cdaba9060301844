/**
 * A cell of three nodes over a PostgreSQL primary with a synchronous standby, of which the primary is
 * lost under load: killed, or silent as a host that has lost its power. The proof promotes the
 * standby after a while. What was acked is in both mailboxes exactly once, in order; durable requests
 * are served soon after the promotion; until then presence, signals and reads go on, and no shard
 * changes hands.
 */
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { Bystanders, ownersOf, takenOver } from "./away.ts";
import { CellNodes } from "./cell_nodes.ts";
import { pause, probes } from "./cell_load.ts";
import { type Pair, startPair } from "../postgres/pair.ts";
import { underLoad, untilWritten } from "./write_load.ts";
import type { ServerProcess } from "../process/server.ts";
import { tempDir } from "../process/server.ts";

const NODES = 3;
/** How the primary is lost, in turn. */
const LOSSES = ["killed", "silent"] as const;
const ROUNDS = 4;
/** Bound of the time from the promotion until every shard has written, ms. */
const WRITES_MS = 5000;
/** How long nobody is promoted: longer than a lease and a takeover, ms. */
const AWAY_MS = 8000;
const CALM_MS = 3000;

/** What one round has found. */
interface Round {
  readonly acked: number;
  readonly repeated: number;
  readonly faults: readonly string[];
  readonly writesMs: number;
  /** Which shards were taken over, from whom and by whom. */
  readonly moved: string;
  readonly away: Verdict;
}

async function round(
  { seed, say }: ProofOptions,
  n: number,
): Promise<Round> {
  using dir = tempDir();
  const pair = await startPair();
  const nodes = new CellNodes(dir.path, await pair.database("standby"));
  try {
    for (let i = 0; i < NODES; i++) {
      await nodes.start(i, ["--set", "store.requireSynchronous=true"]);
    }
    const [first, second] = nodes.all as [ServerProcess, ServerProcess];
    const served = await probes(first);
    const bystanders = await Bystanders.at(first, second);
    // The shares of the nodes are even by then, and the bystanders' subscriptions stored.
    await pause(2 * CALM_MS);
    const owners = await ownersOf(first, NODES);
    let writesMs = Infinity;
    const load = await underLoad(nodes, seed + n, async () => {
      writesMs = await loseAndPromote(pair, n, bystanders, first, served);
    });
    const moved = takenOver(owners, await ownersOf(first, NODES), nodes.all);
    await bystanders.close();
    const how = LOSSES[n % LOSSES.length]!;
    say(`${how} primary: every shard writes ${Math.round(writesMs)} ms after the promotion`);
    return { ...load, writesMs, moved, away: bystanders.verdict };
  } finally {
    await nodes.killAll();
    pair.stop();
  }
}

/** How long after the promotion every shard writes again (ms). */
async function loseAndPromote(
  { primary, standby }: Pair,
  n: number,
  bystanders: Bystanders,
  server: ServerProcess,
  served: readonly string[],
): Promise<number> {
  const silent = LOSSES[n % LOSSES.length] === "silent";
  if (silent) primary.freeze(true);
  else primary.kill();
  await bystanders.run(pause(AWAY_MS));
  standby.promote();
  const ms = await untilWritten(server, served);
  // It goes on as if it were the primary: no node may use it.
  if (silent) primary.freeze(false);
  return ms;
}

async function attempt(options: ProofOptions): Promise<Verdict> {
  const rounds: Round[] = [];
  const count = options.count ?? Math.max(1, Math.round(ROUNDS * options.scale));
  for (let n = 0; n < count; n++) rounds.push(await round(options, n));
  const faults = rounds.flatMap((r) => r.faults);
  for (const fault of faults.slice(0, 10)) options.say(`FAULT ${fault}`);
  const worst = Math.max(...rounds.map((r) => r.writesMs));
  const moved = rounds.map((r) => r.moved).filter(Boolean).join("; ");
  const figures: Record<string, string | number> = {
    "primaries lost": rounds.length,
    acked: rounds.reduce((sum, r) => sum + r.acked, 0),
    "sends repeated": rounds.reduce((sum, r) => sum + r.repeated, 0),
    "lost, doubled or reordered": faults.length,
    "every shard writes after the promotion, worst ms": Math.round(worst),
    "shards that were taken over": moved || 0,
  };
  rounds.forEach(({ away }, n) => {
    for (const [name, value] of Object.entries(away.figures)) figures[`${n + 1}: ${name}`] = value;
  });
  const pass = faults.length === 0 && worst < WRITES_MS && moved === "" &&
    rounds.every((r) => r.away.pass);
  return { pass, figures };
}

/** The primary of a cell's store is lost under load. */
export const standbyProof: Proof = {
  name: "standby",
  claim: "three nodes over PostgreSQL, its primary lost and the standby promoted: nothing acked " +
    "lost, all shards write in 5 s, presence goes on",
  seconds: 180,
  run: attempt,
};
