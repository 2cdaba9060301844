/** Login storms, by token and by password. */
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { crowd, type PoolFixture, type PoolShape, scaled, withPools } from "./provisioned.ts";
import { Figures, p99Ms, percentiles } from "./figures.ts";
import { windowOf } from "../process/pinned.ts";

async function byToken(
  fixture: PoolFixture,
  options: ProofOptions,
  figures: Figures,
): Promise<void> {
  const result = await fixture.load("login", crowd(options), { rate: 1600 * options.scale });
  const { signIns, seconds, serverCpuUs } = windowOf(result);
  const { login, roster, arrived } = result.latencies;
  figures.run("tokens", result);
  figures.atLeast("tokens: sign-ins", signIns / seconds, 1500 * options.scale, "/s");
  figures.atMost("tokens: p99 to the snapshot", p99Ms(login), 1000, "ms");
  figures.atMost("tokens: p99 to the contacts' presence", p99Ms(roster), 1000, "ms");
  figures.atMost("tokens: p99 to the contacts' screens", p99Ms(arrived), 1000, "ms");
  figures.note("tokens: login", percentiles(login));
  figures.note("tokens: refused, tried again", result.counts.signInsRefused);
  figures.note("tokens: CPU of a sign-in", serverCpuUs / signIns, "µs");
}

async function byPassword(
  fixture: PoolFixture,
  options: ProofOptions,
  pool: PoolShape,
  figures: Figures,
): Promise<void> {
  const result = await fixture.load("login", pool, {
    rate: Math.max(10, 110 * options.scale),
    online: Math.round(pool.users / 3),
    "presence-rate": 1000 * options.scale,
  });
  const { signIns, seconds, serverCpuUs } = windowOf(result);
  const { login, presence, arrived } = result.latencies;
  figures.run("SCRAM", result);
  figures.atLeast("SCRAM: sign-ins", signIns / seconds, 100 * options.scale, "/s");
  figures.atMost("SCRAM: p99 of presence of those online", p99Ms(presence), 100, "ms");
  figures.note("SCRAM: presence of those online", percentiles(presence));
  figures.note("SCRAM: login", percentiles(login));
  figures.note("SCRAM: sign-in to a contact's screen", percentiles(arrived));
  figures.note("SCRAM: refused, tried again", result.counts.signInsRefused);
  figures.note("SCRAM: CPU of a sign-in, all the rest included", serverCpuUs / signIns, "µs");
}

/** 15,000 by token at 1,500/s; by SCRAM at 100/s while 1,000 others are undisturbed. */
export const loginProof: Proof = {
  name: "login",
  claim: "1,500 sign-ins/s by token at p99 under 1 s; 100/s by SCRAM with p99 100 ms for others",
  seconds: 330,
  async run(options): Promise<Verdict> {
    const figures = new Figures(options);
    const users = scaled(3000, options.scale);
    const scram = { name: "scram", users, contacts: 40, password: true };
    await withPools(options, [crowd(options)], (fixture) => byToken(fixture, options, figures));
    await withPools(options, [scram], (fixture) => byPassword(fixture, options, scram, figures));
    return figures.verdict;
  },
};
