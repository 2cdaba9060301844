/** Runs of the load tool against the fake server, in virtual time: seconds pass in milliseconds. */
import { FakeRoost, type Flaw } from "./load_fake.ts";
import { type Findings, lead } from "../../server/load/run.ts";
import { localWorker, type Worker, type WorkerPlan } from "../../server/load/worker.ts";
import { SCENARIOS } from "../../server/load/scenario.ts";
import { newPool, type Pool } from "../../server/load/pool.ts";
import type { Phase } from "../../server/load/phase.ts";
import type { Point } from "../../server/load/result.ts";
import { Prng } from "../sim/prng.ts";
import type { Random } from "../../server/node/ports.ts";
import { VirtualTime } from "../sim/virtual_time.ts";
import { type RunResult, violationsOf } from "../../server/load/result.ts";
import type { WorkerPorts } from "../../server/load/worker.ts";

/** The name of the pool. */
export const POOL = "roost.test";

/** What a run is made of. */
export interface FixtureOptions {
  readonly scenario: string;
  readonly users?: number;
  readonly contacts?: number;
  readonly workers?: number;
  readonly flaw?: Flaw;
  /** Scenario options to override. */
  readonly options?: Readonly<Record<string, number>>;
  readonly graceMs?: number;
  readonly settleSeconds?: number;
}

/** Randomness from a seed. */
export function seeded(prng: Prng): Random {
  return { bytes: (count) => prng.bytes(count), number: () => prng.number() };
}

/** A fixture with a server and a pool. */
export class LoadFixture {
  readonly time = new VirtualTime();
  readonly prng = new Prng(1);
  readonly server: FakeRoost;
  readonly pool: Pool;
  readonly points: Point[] = [];

  constructor({ users = 12, contacts = 4, flaw, graceMs }: Partial<FixtureOptions> = {}) {
    const ring = { users, contacts };
    this.server = new FakeRoost({
      timers: this.time.global.timers,
      ring,
      pool: POOL,
      ...(flaw === undefined ? {} : { flaw }),
      ...(graceMs === undefined ? {} : { graceMs }),
    });
    const wish = { url: "http://127.0.0.1:1", pool: POOL, users, contacts, absent: 0 } as const;
    this.pool = newPool({ ...wish, via: "admin", password: false }, seeded(this.prng), 0);
  }

  /** µs since 1970. */
  nowUs(): number {
    return Math.round(this.time.global.clock.wallMs() * 1000);
  }

  ports(): WorkerPorts {
    return {
      timers: this.time.global.timers,
      random: seeded(this.prng),
      kdf: { pbkdf2: (_hash, _password, _salt, _iterations, done) => done(new Uint8Array(32)) },
      network: this.server.network,
      machine: { nowUs: () => this.nowUs(), own: () => ({ cpuUs: 0, rssBytes: 0 }) },
    };
  }

  plan(lo: number, hi: number): WorkerPlan {
    const { pool } = this;
    return { pool, lo, hi, run: 77, auth: "token", bodyBytes: 64, ackMs: 500, pollShare: 0 };
  }

  /** Lets time pass until the promise is settled. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let over = false;
    const settled = promise.finally(() => over = true);
    // Rejections are the caller's, below.
    settled.catch(() => {});
    while (!over) {
      this.time.runFor(20);
      // Promises that were resolved by what has just run go on.
      for (let i = 0; i < 50 && !over; i++) await Promise.resolve();
    }
    return await settled;
  }

  /** Runs phases with the given workers. */
  async lead(
    workers: readonly Worker[],
    phases: readonly Phase[],
    { graceMs = 10_000, settleSeconds = 20 }: Partial<FixtureOptions> = {},
    begins: (phase: Phase) => void = () => {},
  ): Promise<Findings> {
    return await this.until(lead({
      workers,
      timers: this.time.global.timers,
      nowUs: () => this.nowUs(),
      server: () => null,
      begins,
      progress: (point) => this.points.push(point),
      stopped: () => false,
    }, { phases, graceMs, settleSeconds }));
  }
}

/** Runs a scenario; what it found, and what it says is wrong. */
export async function runScenario(
  options: FixtureOptions,
): Promise<{ fixture: LoadFixture; findings: Findings; violations: readonly string[] }> {
  const fixture = new LoadFixture(options);
  const { users, contacts } = fixture.pool;
  const scenario = SCENARIOS.find(({ name }) => name === options.scenario)!;
  const full = { users, contacts, ...scenario.defaults(users), ...options.options };
  const count = options.workers ?? 1;
  const workers = Array.from({ length: count }, (_, i) => {
    const [lo, hi] = [Math.round(users * i / count), Math.round(users * (i + 1) / count)];
    return localWorker(fixture.ports(), fixture.plan(lo, hi));
  });
  const findings = await fixture.lead(workers, scenario.phases(full), options);
  const all: RunResult["options"] = {
    ...full,
    processes: count,
    auth: "token",
    bodyBytes: 64,
    ackMs: 500,
    graceMs: options.graceMs ?? 10_000,
  };
  return { fixture, findings, violations: violationsOf({ ...findings, options: all }) };
}
