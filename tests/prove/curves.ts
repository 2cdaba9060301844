/** What the cost of a presence change depends on, over four sizes each. */
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { type PoolFixture, type PoolShape, scaled, withPools } from "./provisioned.ts";
import { Figures } from "./figures.ts";
import type { LoadRun } from "../process/pinned.ts";
import { Metrics } from "../process/metrics.ts";
import type { ServerProcess } from "../process/server.ts";
import { windowOf } from "../process/pinned.ts";

/** Changes a second, the same everywhere: few enough that none are merged. */
const RATE = 1000;
const SECONDS = 15;
/** How far a cost may be from the mean of its curve where it is to be flat. */
const FLAT = 0.35;
/** How much more ten times the watchers cost at least. */
const GROWTH_MIN = 1.5;

/** A size and who makes it. */
interface Size {
  readonly size: number;
  readonly pool: PoolShape;
  /** Who is online besides, and silent. */
  readonly idle: readonly PoolShape[];
}

interface Curve {
  readonly name: string;
  readonly grows: boolean;
  /** Everybody that has to exist. */
  readonly pools: readonly PoolShape[];
  readonly sizes: readonly Size[];
}

function curves({ scale }: ProofOptions): readonly Curve[] {
  const part = (users: number) => scaled(users, scale);
  const pool = (name: string, users: number, contacts: number, absent = 0): PoolShape => ({
    name,
    users,
    contacts,
    absent,
  });
  const watched = [4, 10, 20, 40].map((size) => pool(`w${size}`, part(1000), size, 40 - size));
  const rosters = [10, 40, 160, 640];
  const listed = rosters.map((size) =>
    pool(`r${size}`, part(250), 10, Math.round((size - 10) * scale))
  );
  const crowds = [1000, 2000, 4000, 8000].map((users) => pool(`u${users}`, part(users), 10));
  const [active, , four, eight] = crowds as [PoolShape, PoolShape, PoolShape, PoolShape];
  return [
    {
      name: "contacts online, of 40",
      grows: true,
      pools: watched,
      sizes: watched.map((pool) => ({ size: pool.contacts, pool, idle: [] })),
    },
    {
      name: "roster, 10 online",
      grows: false,
      pools: listed,
      sizes: listed.map((pool, i) => ({ size: rosters[i]!, pool, idle: [] })),
    },
    {
      name: "users, 10 contacts each",
      grows: false,
      pools: crowds,
      sizes: crowds.map((crowd) => ({ size: crowd.users, pool: crowd, idle: [] })),
    },
    {
      name: "idle users beside",
      grows: false,
      pools: crowds,
      sizes: [[], [four], [eight], [four, eight]].map((idle) => ({
        size: idle.reduce((sum, { users }) => sum + users, 0),
        pool: active,
        idle,
      })),
    },
  ];
}

/** Waits until so many have a session. */
async function online(server: ServerProcess, count: number, runs: readonly LoadRun[]) {
  const ended = Promise.race(runs.map(async (run) => {
    await run.result;
    throw new Error("The idle users have left");
  }));
  const all = async () => {
    while ((await Metrics.of(server.url)).sum("roost_sessions") < count) {
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    // What their sign-ins have set off is not to be measured.
    await new Promise((resolve) => setTimeout(resolve, 5000));
  };
  await Promise.race([all(), ended]);
}

/** CPU of one change at a size (µs), and how many were delivered to watchers a second. */
async function cost(fixture: PoolFixture, size: Size, options: ProofOptions, figures: Figures) {
  return await fixture.serve(async (server) => {
    const load = { rate: RATE * options.scale, seconds: options.scale < 1 ? 3 : SECONDS };
    const idle = size.idle.map((pool) => fixture.begin(server, "idle", pool, { seconds: "1h" }));
    try {
      if (idle.length > 0) await online(server, size.size, idle);
      const result = await fixture.load("presence", size.pool, load, server);
      figures.run(size.pool.name, result);
      const { serverCpuUs, presence, seconds } = windowOf(result);
      return { costUs: serverCpuUs / result.counts.changes, perSecond: presence / seconds };
    } finally {
      for (const run of idle) run.stop();
      await Promise.allSettled(idle.map((run) => run.result));
    }
  });
}

async function measure(
  fixture: PoolFixture,
  curve: Curve,
  options: ProofOptions,
  figures: Figures,
) {
  const costs: number[] = [];
  for (const size of curve.sizes) {
    const { costUs, perSecond } = await cost(fixture, size, options, figures);
    costs.push(costUs);
    const watchers = (perSecond / RATE / options.scale).toFixed(1);
    const name = `${curve.name}: ${size.size}`;
    figures.note(name, costUs, `µs a change (to ${watchers} watchers)`);
    options.say(`${name}: ${costUs.toFixed(0)} µs a change`);
  }
  const mean = costs.reduce((sum, us) => sum + us, 0) / costs.length;
  if (!curve.grows) {
    const off = Math.max(...costs.map((us) => Math.abs(us / mean - 1)));
    return figures.atMost(`${curve.name}: off the mean`, 100 * off, 100 * FLAT, "%");
  }
  figures.atLeast(`${curve.name}: growth`, costs.at(-1)! / costs[0]!, GROWTH_MIN, "times");
  if (costs.some((us, i) => i > 0 && us <= costs[i - 1]!)) {
    figures.fault(`${curve.name}: the cost does not grow everywhere`);
  }
}

/** Watchers cost; rosters, users and idle sessions do not. */
export const curvesProof: Proof = {
  name: "curves",
  claim: "a presence change costs by its watchers online, not by roster, users or idle sessions",
  seconds: 750,
  async run(options): Promise<Verdict> {
    const figures = new Figures(options);
    for (const curve of curves(options)) {
      await withPools(options, curve.pools, (fixture) => measure(fixture, curve, options, figures));
    }
    return figures.verdict;
  },
};
