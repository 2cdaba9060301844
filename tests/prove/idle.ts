/** What an idle session takes. */
import type { Proof, Verdict } from "./proof.ts";
import { crowd, withPools } from "./provisioned.ts";
import { Figures } from "./figures.ts";
import { rssOf, SETTLED_MS, startPinned, windowOf } from "../process/pinned.ts";
import { tempDir } from "../process/server.ts";

/** A server without anybody: what it takes is not the sessions' (bytes). */
async function emptyRss(waitMs: number): Promise<number> {
  using dir = tempDir();
  const server = await startPinned(`${dir.path}/data`);
  await new Promise((resolve) => setTimeout(resolve, waitMs));
  const rss = rssOf(server.pid);
  await server.stop();
  return rss;
}

/** 15,000 sessions with 40 contacts: 20 KB each, and no CPU to speak of. */
export const idleProof: Proof = {
  name: "idle",
  claim: "15,000 idle sessions with 40 contacts each take at most 20 KB each, and 10 % of a core",
  seconds: 435,
  async run(options): Promise<Verdict> {
    const figures = new Figures(options);
    const pool = crowd(options);
    const empty = await emptyRss(options.scale < 1 ? 2000 : SETTLED_MS);
    await withPools(options, [pool], async (fixture) => {
      const seconds = options.scale < 1 ? 5 : 180;
      const result = await fixture.load("idle", pool, { seconds });
      const { seconds: took, serverCpuUs } = windowOf(result);
      const { rssAfterBytes = NaN, rssPeakBytes = NaN } = result.server ?? {};
      const each = (bytes: number) => (bytes - empty) / pool.users / 1024;
      figures.run("idle", result);
      figures.atLeast("sessions", result.counts.online, pool.users, "");
      figures.note("empty server", empty / 2 ** 20, "MiB");
      figures.atMost("memory of a session", each(rssAfterBytes), 20, "KiB");
      figures.note("memory of a session, at the highest", each(rssPeakBytes), "KiB");
      figures.atMost("CPU of the idle server", serverCpuUs / took / 10_000, 10, "% of a core");
    });
    return figures.verdict;
  },
};
