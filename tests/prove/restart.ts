/**
 * All nodes of a cell restart at once while many sessions return: four workers over the directory's
 * own store, killed with their supervisor under load and started again.
 */
import { childrenOf, ended } from "./workers.ts";
import { Figures } from "./figures.ts";
import { noteReturn } from "./cold.ts";
import { OUTAGE_NOTE } from "../../server/load/perform.ts";
import { type PoolFixture, type PoolShape, scaled, withPools } from "./provisioned.ts";
import type { Proof, ProofOptions, Verdict } from "./proof.ts";

const WORKERS = 4;
const USERS = 10_000;
/** All have to be back after this time, with nobody's help (s). */
const BACK_SECONDS_MAX = 30;
/** Traffic before the kill (ms). */
const BEFORE_MS = 2000;

/** Kills all processes of the server under load, and starts it again. */
async function restarted(fixture: PoolFixture, pool: PoolShape, options: ProofOptions) {
  let server = await fixture.startWorkers(WORKERS);
  const seconds = options.scale < 1 ? 5 : 20;
  options.say(`roost load restart: ${pool.users} users, ${WORKERS} workers`);
  const run = fixture.begin(server, "restart", pool, { seconds });
  try {
    await run.said(OUTAGE_NOTE);
    await new Promise((resolve) => setTimeout(resolve, BEFORE_MS));
    const workers = childrenOf(server.pid);
    for (const pid of workers) Deno.kill(pid, "SIGKILL");
    await server.kill();
    await ended(workers);
    options.say(`killed ${workers.length + 1} processes; started again`);
    const began = performance.now();
    server = await fixture.startWorkers(WORKERS);
    const startSeconds = (performance.now() - began) / 1000;
    const result = await run.result;
    const errors = server.log.match(/^\S+ ERROR.*$/gm) ?? [];
    return { result, startSeconds, errors };
  } finally {
    run.stop();
    await server.stop();
  }
}

/** kill -9 of all nodes under load with 10,000 online; all are back by themselves. */
export const restartProof: Proof = {
  name: "restart",
  claim: `${WORKERS} workers and their supervisor killed at once with 10,000 online: started ` +
    "again, all are back within 30 s, nothing acked lost",
  seconds: 240,
  async run(options): Promise<Verdict> {
    const figures = new Figures(options);
    const pool = { name: "ten", users: scaled(USERS, options.scale), contacts: 40, seen: true };
    await withPools(options, [pool], async (fixture) => {
      const restart = await restarted(fixture, pool, options);
      const { points, presence } = restart.result;
      noteReturn(figures, restart, pool.users, BACK_SECONDS_MAX);
      figures.note("final presence compared", presence.compared);
      const after = points.filter((point) => point.phase === "traffic after");
      figures.atLeast("messages afterwards", after.at(-1)?.messages ?? 0, 1, "/s");
    });
    return figures.verdict;
  },
};
