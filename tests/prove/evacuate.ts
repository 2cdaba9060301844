/**
 * 5,000 signed-in users of a cell are moved to another one under traffic: once as it is, once with
 * their cell killed in the middle, and once with the other one. Nothing that was acknowledged is lost,
 * doubled or reordered, and every cursor goes on; it is noted how long users were without a connection.
 */
import { faultsOf, MovingUser } from "./evacuate_users.ts";
import { Figures } from "./figures.ts";
import { FREE } from "./cell_nodes.ts";
import { freePort, startPinned } from "../process/pinned.ts";
import { pause } from "./cell_load.ts";
import { type PoolFixture, type PoolShape, scaled, withPools } from "./provisioned.ts";
import { poolName } from "../../server/load/ring.ts";
import { Prng } from "../sim/prng.ts";
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { roost } from "../process/cli.ts";
import { type ServerProcess, tempDir } from "../process/server.ts";

const USERS = 5000;
/** Others that each user writes to, and messages of all in a second. */
const PEERS = 3;
const MESSAGES_PER_SECOND = 100;
/** Accounts that are moved in a second, at most. */
const RATE = 100;
/** Users that sign in at the same time. */
const ABREAST = 16;
/** How long everybody may take to be connected again, and what was sent to arrive (ms). */
const BACK_MS = 120_000;
const ARRIVED_MS = 60_000;
/** How long after that something may arrive once more (ms). */
const DOUBLES_MS = 10_000;
/** When a cell is killed: once this part of its accounts has moved. */
const KILLED_AT = 0.4;
/** How often it is looked how many have moved (ms). */
const LOOK_MS = 2000;
/** All clients have one address. */
const CROWD = ["--set", "limits.connectionsPerAddressMax=20000"];

type Side = "source" | "target" | null;

/** What is moved from where to where, one after the other, and who is killed meanwhile. */
const MOVES: readonly (readonly [from: string, to: string, killed: Side])[] = [
  ["a", "b", null],
  ["b", "a", "source"],
  ["a", "b", "target"],
];

/** The two cells, which may be killed and started again at the same addresses. */
class Cells {
  readonly servers: Record<string, ServerProcess> = {};
  readonly #dir: string;
  readonly #fixture: PoolFixture;
  readonly #flags: Record<string, readonly string[]> = {};

  /** The first one's data has the users. */
  constructor(dir: string, fixture: PoolFixture) {
    this.#dir = dir;
    this.#fixture = fixture;
    Deno.writeTextFileSync(`${dir}/secret`, "a secret of cells that only the proof knows\n", {
      mode: 0o600,
    });
  }

  get urls(): readonly string[] {
    return Object.values(this.servers).map(({ url }) => url);
  }

  async start(name: string, more: readonly string[] = []): Promise<void> {
    // Started again, it is where it was.
    const flags = this.#flags[name] ??= [
      ...FREE,
      ...CROWD,
      ...["--cells-name", name, "--cells-listen", `127.0.0.1:${freePort()}`],
      ...["--cells-secret-file", `${this.#dir}/secret`, ...more],
    ];
    this.servers[name] = name === "a"
      ? await this.#fixture.start(flags, null)
      : await startPinned(`${this.#dir}/${name}`, flags, undefined, null);
  }

  /** What a node says of its cells. */
  async seen(name: string) {
    const { dataDir } = this.servers[name]!;
    const { out } = await roost(["cells", "--json", "--data", dataDir]);
    return JSON.parse(out) as { members: { version: number }; self: { address: string } };
  }

  /** Asks a cell about its evacuation, or for one. */
  async order(name: string, ...args: string[]) {
    const { dataDir } = this.servers[name]!;
    const words = ["cells", "evacuate", ...args, "--json", "--data", dataDir];
    const { code, out, err } = await roost(words);
    if (code !== 0) throw new Error(err);
    return JSON.parse(out) as { state: string; moved: number } | null;
  }

  async end(): Promise<void> {
    await Promise.all(Object.values(this.servers).map((server) => server.kill()));
  }
}

async function federate(dir: string, fixture: PoolFixture): Promise<Cells> {
  const cells = new Cells(dir, fixture);
  await cells.start("a");
  const { self: { address } } = await cells.seen("a");
  await cells.start("b", ["--cells-join", address]);
  while ((await cells.seen("b")).members.version < 2) await pause(500);
  return cells;
}

/** Signs all users in. */
async function signIn(
  cells: Cells,
  pool: PoolShape,
  tokens: readonly string[],
): Promise<readonly MovingUser[]> {
  const users = tokens.map((token, i) =>
    new MovingUser(poolName(`roost.${pool.name}`, i), token, cells.urls)
  );
  const waiting = users.values();
  const lane = async () => {
    for (const user of waiting) await user.connect();
  };
  await Promise.all(Array.from({ length: ABREAST }, lane));
  return users;
}

/** Sends at a steady rate; the function that it returns ends it. */
function load(users: readonly MovingUser[], perSecond: number, prng: Prng): () => void {
  const beganMs = performance.now();
  let sent = 0;
  const timer = setInterval(() => {
    const due = (performance.now() - beganMs) / 1000 * perSecond;
    for (; sent < due; sent++) {
      const i = prng.int(0, users.length - 1);
      const peer = users[(i + 1 + prng.int(0, PEERS - 1)) % users.length]!;
      users[i]!.send(peer.name);
    }
  }, 10);
  return () => clearInterval(timer);
}

function percentile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
}

/** Kills a side once enough has moved of an evacuation that goes on, and starts it again. */
async function killMidway(cells: Cells, from: string, to: string, side: Side, users: number) {
  if (side === null) return;
  for (;;) {
    const order = await cells.order(from, "--status");
    // Before it has begun, it may be that of an earlier one.
    if (order?.state === "running" && order.moved >= users * KILLED_AT) break;
    await pause(LOOK_MS / 10);
  }
  const name = side === "source" ? from : to;
  await cells.servers[name]!.kill();
  await pause(2000);
  await cells.start(name);
}

/** Waits until all that was acknowledged has arrived; what is lost, doubled or reordered after that. */
async function arrived(users: readonly MovingUser[]): Promise<readonly string[]> {
  const endMs = performance.now() + ARRIVED_MS;
  while (faultsOf(users).length > 0 && performance.now() < endMs) await pause(1000);
  await pause(DOUBLES_MS);
  return faultsOf(users);
}

/** Moves everybody; notes how long it took, for all and for each. */
async function evacuate(
  { say, scale }: ProofOptions,
  cells: Cells,
  users: readonly MovingUser[],
  [from, to]: readonly [string, string],
  side: Side,
  figures: Figures,
): Promise<void> {
  const what = side === null ? "evacuated" : `with the ${side} killed`;
  for (const user of users) user.gapMs = user.ackMs = 0;
  const beganMs = performance.now();
  const { dataDir } = cells.servers[from]!;
  const rate = String(Math.max(10, RATE * scale));
  // The command may lose its server: the cell goes on by itself.
  const command = roost(["cells", "evacuate", from, "--rate", rate, "--data", dataDir]);
  await killMidway(cells, from, to, side, users.length);
  await command;
  for (;;) {
    const order = await cells.order(from, "--status");
    if (order?.state === "done") break;
    say(`${what}: ${order?.moved} counted as moved`);
    await pause(LOOK_MS);
  }
  const totalMs = performance.now() - beganMs;
  const endMs = performance.now() + BACK_MS;
  while (users.some(({ online }) => !online) && performance.now() < endMs) await pause(100);
  figures.note(`${what}: total time`, totalMs / 1000, "s");
  say(`${what}: ${users.length} users in ${(totalMs / 1000).toFixed(1)} s`);
  for (const [name, of] of [["connection", "gapMs"], ["ack", "ackMs"]] as const) {
    const values = users.map((user) => user[of]);
    const [p50, p99, most] = [0.5, 0.99, 1].map((part) => percentile(values, part));
    say(
      `${what}: without ${name}: p50 ${p50!.toFixed(0)}, p99 ${p99!.toFixed(0)}, longest ` +
        `${most!.toFixed(0)} ms`,
    );
    figures.note(`${what}: without ${name}, p50`, p50!, "ms");
    figures.note(`${what}: without ${name}, p99`, p99!, "ms");
    figures.note(`${what}: without ${name}, longest`, most!, "ms");
  }
  const away = users.filter(({ online }) => !online).length;
  figures.atMost(`${what}: not connected again`, away, 0, "");
}

/** Moves all users three times while they write to each other. */
async function prove(
  options: ProofOptions,
  figures: Figures,
  fixture: PoolFixture,
  pool: PoolShape,
): Promise<void> {
  using dir = tempDir();
  const cells = await federate(dir.path, fixture);
  try {
    const users = await signIn(cells, pool, fixture.tokens(pool));
    options.say(`${users.length} users are signed in`);
    const perSecond = Math.max(5, MESSAGES_PER_SECOND * options.scale);
    const stop = load(users, perSecond, new Prng(options.seed));
    for (const [i, [from, to, side]] of MOVES.entries()) {
      if (options.only !== null && options.only !== i + 1) continue;
      // Where there is only one of them, everybody is in the first cell.
      const way = options.only === null ? [from, to] as const : ["a", "b"] as const;
      await evacuate(options, cells, users, way, side, figures);
    }
    stop();
    await Promise.all(users.map((user) => user.settled()));
    const faults = await arrived(users);
    for (const fault of faults.slice(0, 10)) figures.fault(fault);
    figures.note("acked", users.reduce((sum, { sent }) => sum + sent.length, 0));
    figures.atMost("lost, doubled or reordered", faults.length, 0, "");
    await Promise.all(users.map((user) => user.close()));
  } catch (error) {
    for (const { log } of Object.values(cells.servers)) options.say(log.slice(-2000));
    throw error;
  } finally {
    await cells.end();
  }
}

/** All accounts of a cell move under traffic. */
export const evacuateProof: Proof = {
  name: "evacuate",
  claim: "5,000 signed-in users evacuated under traffic, also with either side killed in the " +
    "middle: nothing acked lost, doubled or reordered, every cursor continued",
  seconds: 600,
  async run(options): Promise<Verdict> {
    const figures = new Figures(options);
    // Each one's peers are contacts.
    const users = scaled(USERS, options.scale);
    const pool: PoolShape = { name: "evacuated", users, contacts: 2 * PEERS };
    await withPools(options, [pool], (fixture) => prove(options, figures, fixture, pool));
    return figures.verdict;
  },
};
