/** Most sessions drop and return. */
import type { Proof, Verdict } from "./proof.ts";
import { crowd, withPools } from "./provisioned.ts";
import { Figures, percentiles } from "./figures.ts";
import { windowOf } from "../process/pinned.ts";

/** 14,000 of 15,000 drop and return within 20 s. */
export const reconnectProof: Proof = {
  name: "reconnect",
  claim: "14,000 of 15,000 drop and resume within 20 s: nothing lost, nobody falsely offline",
  seconds: 230,
  async run(options): Promise<Verdict> {
    const figures = new Figures(options);
    const pool = crowd(options);
    await withPools(options, [pool], async (fixture) => {
      const drop = (14 / 15).toFixed(6);
      const result = await fixture.load("reconnect", pool, { drop });
      const { counts, presence, messages, latencies, falseOffline } = result;
      figures.run("reconnect", result);
      figures.atLeast("dropped", counts.vanished, Math.floor(pool.users * 14 / 15), "");
      figures.atMost(
        "dropped and not back",
        counts.vanished + counts.broken - counts.resumes,
        0,
        "",
      );
      figures.atMost("longest away", result.awayMaxMs / 1000, 20, "s");
      figures.note("taken up as the same session", counts.sessionsKept);
      figures.atMost("mailboxes read anew", counts.begunAnew, 0, "");
      figures.note("messages accepted", messages.accepted);
      figures.atMost("messages lost", messages.missing + messages.gaps, 0, "");
      figures.atMost("shown offline though back within the grace", falseOffline, 0, "");
      figures.note("final presence compared", presence.compared);
      figures.note("refused, tried again", counts.signInsRefused);
      figures.note("return", percentiles(latencies.resumed));
      figures.note("presence meanwhile", percentiles(latencies.presence));
      figures.note("CPU of a return", windowOf(result).serverCpuUs / counts.resumes, "µs");
    });
    return figures.verdict;
  },
};
