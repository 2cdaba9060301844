/**
 * A cell of three nodes over two PostgreSQL servers that Patroni manages: under load the primary's
 * PostgreSQL is killed, then the machine of the new primary (Patroni and PostgreSQL at once). Patroni
 * promotes the standby by itself; the times until every shard writes again are printed. What was
 * acked is in both mailboxes exactly once, in order, and no shard changes hands.
 */
import { Bystanders, ownersOf, takenOver } from "./away.ts";
import { CellNodes } from "./cell_nodes.ts";
import { pause, probes } from "./cell_load.ts";
import { type PatroniPair, startPatroni } from "../postgres/patroni.ts";
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { underLoad, untilWritten } from "./write_load.ts";
import type { ServerProcess } from "../process/server.ts";
import { tempDir } from "../process/server.ts";

const NODES = 3;
/** Bounds of the time from a loss until every shard writes (ms): the lost host has a TTL of 20 s. */
const KILLED_MS = 15_000;
const LOST_MS = 40_000;
const CALM_MS = 3000;

/** Loses the primary in one way or the other; how long until every shard writes (ms). */
async function lose(
  pair: PatroniPair,
  how: "killPostgres" | "kill",
  bystanders: Bystanders,
  server: ServerProcess,
  served: readonly string[],
): Promise<number> {
  const primary = await pair.ready();
  primary[how]();
  const written = untilWritten(server, served);
  await bystanders.run(written);
  return await written;
}

async function attempt(options: ProofOptions): Promise<Verdict> {
  using dir = tempDir();
  const pair = await startPatroni();
  const nodes = new CellNodes(dir.path, await pair.database("patroni"));
  try {
    for (let n = 0; n < NODES; n++) {
      await nodes.start(n, ["--set", "store.requireSynchronous=true"]);
    }
    return await underLosses(options, pair, nodes);
  } finally {
    await nodes.killAll();
    pair.stop();
  }
}

async function underLosses({ say, seed }: ProofOptions, pair: PatroniPair, nodes: CellNodes) {
  const [first, second] = nodes.all as [ServerProcess, ServerProcess];
  const served = await probes(first);
  const bystanders = await Bystanders.at(first, second);
  await pause(2 * CALM_MS);
  const owners = await ownersOf(first, NODES);
  let killedMs = Infinity;
  let lostMs = Infinity;
  const { acked, faults, repeated } = await underLoad(nodes, seed, async () => {
    killedMs = await lose(pair, "killPostgres", bystanders, first, served);
    say(`PostgreSQL killed: every shard writes after ${Math.round(killedMs)} ms`);
    await pause(CALM_MS);
    lostMs = await lose(pair, "kill", bystanders, second, served);
    say(`machine lost: every shard writes after ${Math.round(lostMs)} ms`);
  });
  const moved = takenOver(owners, await ownersOf(first, NODES), nodes.all);
  await bystanders.close();
  for (const fault of faults.slice(0, 10)) say(`FAULT ${fault}`);
  const away = bystanders.verdict;
  const figures = {
    acked,
    "sends repeated": repeated,
    "lost, doubled or reordered": faults.length,
    "PostgreSQL killed: every shard writes after, ms": Math.round(killedMs),
    "machine lost: every shard writes after, ms": Math.round(lostMs),
    "shards that were taken over": moved || 0,
    ...away.figures,
  };
  const pass = faults.length === 0 && moved === "" && away.pass && killedMs < KILLED_MS &&
    lostMs < LOST_MS;
  return { pass, figures };
}

/** Patroni replaces the primary of a cell's store. */
export const patroniProof: Proof = {
  name: "patroni",
  claim:
    "three nodes over PostgreSQL under Patroni, its primary killed, then its machine: nothing " +
    "acked lost, times printed",
  seconds: 120,
  run: attempt,
};
