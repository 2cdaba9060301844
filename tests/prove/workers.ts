/**
 * Four workers of one machine over the embedded store: one of them is killed again and again, then
 * their supervisor, while users send to each other and see each other's presence. What was acked is in
 * both mailboxes exactly once, in order; the shards of a killed worker serve again soon; nobody who
 * reconnects within the grace is shown offline.
 */
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { befriend, pause, probes, Sender, untilServed, verdictOf, watch } from "./cell_load.ts";
import { type Event, faultsOf, FLAGS, mailbox, makeUsers, USERS } from "./crash.ts";
import type { Client } from "../process/client.ts";
import { Prng } from "../sim/prng.ts";
import { ServerProcess, tempDir } from "../process/server.ts";

const WORKERS = 4;
const WATCHERS = 3;
const KILLS = 30;
/** Bound of the time from a kill until every shard serves, ms. */
const SERVES_MS = 1000;
/** Between the return of a worker and the next kill, ms. */
const REST_MS = 2000;
const LIMIT_MS = 30_000;
/** Lines of the log that are shown where it took longer. */
const LINES = 40;
const FREE = [
  "limits.requestsPerAddressPerSecond=100000",
  "limits.requestsPerAddressBurst=100000",
  "registration.perAddressPerHour=100000",
  "registration.perAddressBurst=10000",
].flatMap((setting) => ["--set", setting]);

/** Process ids of the processes that one has started and that live. */
export function childrenOf(pid: number): readonly number[] {
  try {
    return [...Deno.readDirSync(`/proc/${pid}/task`)].flatMap(({ name }) =>
      Deno.readTextFileSync(`/proc/${pid}/task/${name}/children`).split(" ")
    ).filter((child) => child.trim() !== "").map(Number);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

async function until(holds: () => boolean, what: string): Promise<void> {
  for (const endMs = performance.now() + LIMIT_MS; !holds();) {
    if (performance.now() > endMs) throw new Error(`it takes too long: ${what}`);
    await pause(10);
  }
}

/** The server, and those that watch everybody from it. */
class Fixture {
  readonly falsely: string[] = [];
  readonly #watchers: (Client | null)[] = [];
  server!: ServerProcess;

  constructor(readonly dataDir: string) {}

  async start(bind: string): Promise<void> {
    this.server = await ServerProcess.start({
      dataDir: this.dataDir,
      flags: [...FLAGS, "--workers", String(WORKERS), "--bind", bind, ...FREE],
    });
  }

  /** Kills a process of the server at once. */
  kill(pid: number): void {
    Deno.kill(pid, "SIGKILL");
  }

  /** Connects those watchers again that have lost their connection. */
  async watch(password: string): Promise<void> {
    for (let i = 0; i < WATCHERS; i++) {
      if (this.#watchers[i] != null) continue;
      const watcher = await watch(this.server, password, this.falsely, `watcher-${i}`);
      this.#watchers[i] = watcher;
      watcher.closed.then(() => this.#watchers[i] = null);
    }
  }

  async close(): Promise<void> {
    for (const watcher of this.#watchers) await watcher?.close();
  }
}

async function attempt(options: ProofOptions, kills: number): Promise<Verdict> {
  using dir = tempDir();
  const fixture = new Fixture(`${dir.path}/data`);
  try {
    await fixture.start("127.0.0.1:0");
    return await underLoad(options, fixture, kills);
  } finally {
    await fixture.server?.kill();
    await pause(500);
  }
}

async function underLoad({ say, seed }: ProofOptions, fixture: Fixture, kills: number) {
  const prng = new Prng(seed);
  const { server } = fixture;
  const tokens = await makeUsers(server);
  const password = await befriend(server, tokens);
  const served = await probes(server);
  const live = () => [fixture.server];
  const senders = USERS.map((name, i) =>
    new Sender(name, tokens.get(name)!, live, new Prng(seed + i + 1))
  );
  const running = senders.map((s) => s.run());
  const times: number[] = [];
  for (let kill = 1; kill <= kills; kill++) {
    await fixture.watch(password);
    await pause(REST_MS * (0.5 + prng.number()));
    const pids = childrenOf(server.pid);
    fixture.kill(prng.pick(pids));
    const ms = await untilServed(server, served);
    times.push(ms);
    say(`kill ${kill}: every shard serves after ${Math.round(ms)} ms`);
    if (ms > SERVES_MS) say(server.log.split("\n").slice(-LINES).join("\n"));
    await until(() => childrenOf(server.pid).length === WORKERS, "a new worker");
  }
  const back = await killSupervisor(fixture, served);
  say(`the supervisor was killed: its workers end after ${Math.round(back.endMs)} ms`);
  await pause(1000);
  for (const s of senders) s.stopped = true;
  await Promise.all(running);
  await pause(3000);
  await fixture.close();
  const boxes = new Map<string, Event[]>();
  for (const user of USERS) boxes.set(user, await mailbox(fixture.server, tokens.get(user)!));
  const faults = faultsOf(senders, boxes);
  const { falsely } = fixture;
  for (const fault of [...faults, ...falsely].slice(0, 10)) say(`FAULT ${fault}`);
  const verdict = verdictOf(senders, faults, falsely, times, SERVES_MS);
  const figures = {
    ...verdict.figures,
    "workers end after their supervisor, ms": Math.round(back.endMs),
    "until every shard serves after its restart, ms": Math.round(back.servesMs),
  };
  return { ...verdict, figures };
}

/** Kills the supervisor and starts the server again. */
async function killSupervisor(fixture: Fixture, served: readonly string[]) {
  const { server } = fixture;
  const pids = childrenOf(server.pid);
  const sinceMs = performance.now();
  await server.kill();
  await ended(pids);
  const endMs = performance.now() - sinceMs;
  const startedMs = performance.now();
  await fixture.start(new URL(server.url).host);
  await untilServed(fixture.server, served);
  return { endMs, servesMs: performance.now() - startedMs };
}

/** Resolves when these processes have ended. */
export async function ended(pids: readonly number[]): Promise<void> {
  await until(() => pids.every((pid) => childStat(pid) === null), "the end of the workers");
}

/** The state of a process; null where it has ended. */
function childStat(pid: number): string | null {
  try {
    const state = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]![0]!;
    return state === "Z" || state === "X" ? null : state;
  } catch {
    // It has ended.
    return null;
  }
}

/** Workers of one machine are killed under load, then their supervisor. */
export const workersProof: Proof = {
  name: "workers",
  claim: "four workers over the embedded store, one killed 30 times, then their supervisor: " +
    "nothing acked lost, shards serve in 1 s",
  seconds: 150,
  run: (options) => attempt(options, Math.max(1, Math.round(KILLS * options.scale))),
};
