/**
 * What messages, sign-ins and idle sessions cost; with `--before`, beside an earlier version of the
 * program under the same load in the same run.
 */
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { crowd, type PoolFixture, thousand, withPools } from "./provisioned.ts";
import { Figures, p99Ms, percentiles } from "./figures.ts";
import { rssOf, SETTLED_MS, windowOf } from "../process/pinned.ts";

/** Where figures go: bounds count for this version, an earlier one is only shown. */
interface Side {
  readonly name: string;
  /** The checkout; undefined for this one. */
  readonly root: string | undefined;
  readonly bounded: boolean;
}

function atMost(
  side: Side,
  figures: Figures,
  name: string,
  value: number,
  most: number,
  unit = "",
) {
  if (side.bounded) figures.atMost(`${side.name}: ${name}`, value, most, unit);
  else figures.note(`${side.name}: ${name}`, value, unit);
}

/** 5,000 messages/s from the first second of a server that has just been started. */
async function messages(fixture: PoolFixture, side: Side, options: ProofOptions, figures: Figures) {
  const rate = 5000 * options.scale;
  const seconds = options.scale < 1 ? 4 : 20;
  // The accounts have sent before: what is kept of that has to be found at the first send.
  await fixture.load("chat", thousand(options), { rate, seconds });
  const result = await fixture.load("chat", thousand(options), { rate, seconds });
  const { messages, seconds: took, serverCpuUs } = windowOf(result);
  const { sent, message } = result.latencies;
  figures.run(`${side.name}: messages`, result);
  figures.note(`${side.name}: messages`, messages / took, "/s");
  atMost(side, figures, "p99 of acks", p99Ms(sent), 60, "ms");
  atMost(side, figures, "CPU of a message", serverCpuUs / messages, 100, "µs");
  figures.note(`${side.name}: acks`, percentiles(sent));
  figures.note(`${side.name}: deliveries`, percentiles(message));
}

/** 15,000 sign-ins by token, and what their sessions take when all is quiet. */
async function sessions(fixture: PoolFixture, side: Side, options: ProofOptions, figures: Figures) {
  const pool = crowd(options);
  const result = await fixture.load("login", pool, { rate: 1600 * options.scale });
  const { signIns, seconds, serverCpuUs } = windowOf(result);
  const { login } = result.latencies;
  figures.run(`${side.name}: sign-ins`, result);
  const perSecond = signIns / seconds;
  const least = 1500 * options.scale;
  if (side.bounded) figures.atLeast(`${side.name}: sign-ins`, perSecond, least, "/s");
  else figures.note(`${side.name}: sign-ins`, perSecond, "/s");
  atMost(side, figures, "sign-ins: p99 to the snapshot", p99Ms(login), 1000, "ms");
  figures.note(`${side.name}: CPU of a sign-in`, serverCpuUs / signIns, "µs");
  await fixture.serve(async (server) => {
    // What the start has freed is given back by then, and is not the sessions'.
    await new Promise((resolve) => setTimeout(resolve, options.scale < 1 ? 0 : SETTLED_MS));
    const empty = rssOf(server.pid);
    figures.note(`${side.name}: empty server`, empty / 2 ** 20, "MiB");
    const idle = await fixture.load("idle", pool, { seconds: options.scale < 1 ? 4 : 120 }, server);
    const { rssAfterBytes = NaN } = idle.server ?? {};
    const each = (rssAfterBytes - empty) / pool.users / 1024;
    figures.run(`${side.name}: idle`, idle);
    atMost(side, figures, "memory of an idle session", each, 12, "KiB");
    const { seconds: quiet, serverCpuUs: used } = windowOf(idle);
    figures.note(`${side.name}: CPU of the idle server`, used / quiet / 10_000, "% of a core");
  });
}

/** Messages from a cold start, sign-ins by token and idle sessions. */
export const costsProof: Proof = {
  name: "costs",
  claim:
    "5,000 messages/s from a cold start: acks p99 60 ms, 100 µs; 1,500 sign-ins/s; 12 KiB idle",
  seconds: 480,
  async run(options): Promise<Verdict> {
    const figures = new Figures(options);
    const now: Side = { name: "now", root: undefined, bounded: true };
    const sides = options.before === null
      ? [now]
      : [{ name: "before", root: options.before, bounded: false }, now];
    for (const side of sides) {
      const run = (fixture: PoolFixture) => messages(fixture, side, options, figures);
      await withPools(options, [thousand(options)], run, side.root);
    }
    for (const side of sides) {
      const run = (fixture: PoolFixture) => sessions(fixture, side, options, figures);
      await withPools(options, [crowd(options)], run, side.root);
    }
    return figures.verdict;
  },
};
