/** A presence storm. */
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { Figures, p99Ms, percentiles } from "./figures.ts";
import { type PoolFixture, thousand, withPools } from "./provisioned.ts";
import { windowOf } from "../process/pinned.ts";

const SECONDS = 20;
const RATE = 2600;
const STRETCH_RATE = 6400;

async function storm(fixture: PoolFixture, options: ProofOptions, perSecond: number) {
  const seconds = options.scale < 1 ? 5 : SECONDS;
  const rate = perSecond * options.scale;
  const result = await fixture.load("presence", thousand(options), { rate, seconds });
  const { presence, seconds: took, serverCpuUs } = windowOf(result);
  return { result, perSecond: presence / took, costUs: serverCpuUs / presence };
}

/** 1,000 users with 40 contacts: 100,000 deliveries/s at p99 100 ms and 8 µs. */
export const presenceProof: Proof = {
  name: "presence",
  claim: "100,000 presence deliveries/s at p99 under 100 ms, at most 8 µs of CPU each",
  seconds: 90,
  async run(options): Promise<Verdict> {
    const figures = new Figures(options);
    await withPools(options, [thousand(options)], async (fixture) => {
      const { result, perSecond, costUs } = await storm(fixture, options, RATE);
      figures.run("storm", result);
      figures.atLeast("deliveries", perSecond, 100_000 * options.scale, "/s");
      figures.atMost("p99", p99Ms(result.latencies.presence), 100, "ms");
      figures.atMost("CPU of a delivery", costUs, 8, "µs");
      figures.note("latency", percentiles(result.latencies.presence));
      const more = await storm(fixture, options, STRETCH_RATE);
      figures.run("stretch", more.result);
      figures.note("stretch: deliveries", more.perSecond, "/s");
      figures.note("stretch: overtaken by newer ones", more.result.presence.coalesced);
      figures.note("stretch: CPU of a delivery", more.costUs, "µs");
      figures.note("stretch: latency", percentiles(more.result.latencies.presence));
    });
    return figures.verdict;
  },
};
