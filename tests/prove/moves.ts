/**
 * Shards of a cell over PostgreSQL move between nodes under load. First, twice, a node is added, the
 * shards are evened out, a former node is drained and leaves: no user sees an error. Then the number
 * of shards changes from 16 to 256 to 24 over three nodes, while the node that makes the change is
 * killed: nothing that was acked is lost.
 */
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { again, pause, probes, Sender, untilServed } from "./cell_load.ts";
import { type Event, faultsOf, mailbox, makeUsers } from "./crash.ts";
import { CellNodes } from "./cell_nodes.ts";
import { Figures } from "./figures.ts";
import { movesOf, notePhases, quantile } from "./move_phases.ts";
import { Prng } from "../sim/prng.ts";
import { roost } from "../process/cli.ts";
import type { ServerProcess } from "../process/server.ts";
import { socketTransport } from "../../server/ops/socket.ts";
import { startCluster } from "../postgres/cluster.ts";
import { tempDir } from "../process/server.ts";

/** Users that send to each other; rest of each of their lanes after an ack, ms. */
const USERS = Array.from({ length: 96 }, (_, i) => `mover${i}`);
const REST_MS = 1000;
/** Shards of the first part, and how often a node is added and another one goes. */
const SHARDS = 128;
const ROUNDS = 2;
/** Bound of the time that a shard is held up, ms. */
const PAUSE_MS = 100;
/** Load before, between and after the orders, ms. */
const CALM_MS = 4000;
const LIMIT_MS = 180_000;

/** Runs `roost cluster ARGS` at a node; throws where it fails. */
async function cluster(node: ServerProcess, ...args: readonly string[]): Promise<string> {
  const { code, out, err } = await roost(["cluster", ...args, "--data", node.dataDir]);
  if (code !== 0) throw new Error(`cluster ${args.join(" ")}: ${err}`);
  return out.trim();
}

async function admin<T>(
  node: ServerProcess,
  method: "GET" | "POST",
  path: string,
  body?: unknown,
): Promise<T> {
  const ask = socketTransport(`${node.dataDir}/admin.sock`, "prove");
  const reply = await ask({ method, path, ...(body === undefined ? {} : { body }) });
  if (reply.status !== 200) throw new Error(`${path}: ${JSON.stringify(reply.body)}`);
  return reply.body as T;
}

interface NodeOfCell {
  readonly id: string;
  readonly state: string;
  readonly shards: readonly number[];
}

interface Work {
  readonly id: number;
  readonly by: { readonly id: string };
  readonly state: string;
  readonly error: string | null;
  readonly changesMs: readonly number[];
  readonly movesMs: readonly number[];
}

async function idOf(node: ServerProcess): Promise<string> {
  const { nodes } = await admin<{ nodes: readonly NodeOfCell[] }>(node, "GET", "/admin/cluster");
  return nodes.find(({ state }) => state === "this")!.id;
}

async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
  for (const endMs = performance.now() + LIMIT_MS; !(await holds().catch(() => false));) {
    if (performance.now() > endMs) throw new Error(`it takes too long: ${what}`);
    await pause(100);
  }
}

/** Users that send to each other at all nodes, until `end`. */
class Load {
  readonly senders: readonly Sender[];
  readonly #running: Promise<void>[];

  constructor(
    readonly nodes: CellNodes,
    readonly tokens: ReadonlyMap<string, string>,
    seed: number,
  ) {
    this.senders = USERS.map((name, i) =>
      new Sender(name, tokens.get(name)!, nodes.live, new Prng(seed + i), USERS, REST_MS)
    );
    this.#running = this.senders.map((sender) => sender.run());
  }

  get errors(): readonly string[] {
    return this.senders.flatMap(({ errors }) => errors);
  }

  get acked(): number {
    return this.senders.reduce((sum, { acked }) => sum + acked.size, 0);
  }

  /** Ends it; returns what is wrong with the mailboxes. */
  async end(): Promise<readonly string[]> {
    for (const sender of this.senders) sender.stopped = true;
    await Promise.all(this.#running);
    await pause(3000);
    const boxes = new Map<string, Event[]>();
    const [node] = this.nodes.live();
    for (const user of USERS) {
      boxes.set(user, await again(() => mailbox(node!, this.tokens.get(user)!)));
    }
    return faultsOf(this.senders, boxes);
  }
}

/** Notes the pauses. */
function notePauses(figures: Figures, name: string, pauses: readonly number[]): void {
  const at = (part: number) => quantile(pauses, part);
  figures.note(`${name}: held up`, pauses.length);
  figures.note(`${name}: pause of a shard, median`, at(0.5), "ms");
  figures.atMost(`${name}: pause of a shard, p99`, at(0.99), PAUSE_MS, "ms");
  figures.note(`${name}: pause of a shard, longest`, at(1), "ms");
}

async function noteLoad(
  { say }: ProofOptions,
  figures: Figures,
  name: string,
  load: Load,
  errorsCount: boolean,
): Promise<void> {
  const faults = await load.end();
  for (const fault of [...faults, ...load.errors].slice(0, 10)) say(`FAULT ${fault}`);
  figures.note(`${name}: messages acked`, load.acked);
  figures.atMost(`${name}: lost, doubled or reordered`, faults.length, 0, "");
  if (errorsCount) figures.atMost(`${name}: errors at clients`, load.errors.length, 0, "");
  else figures.note(`${name}: errors at clients`, load.errors.length);
  const elsewhere = load.senders.reduce((sum, { sentElsewhere }) => sum + sentElsewhere, 0);
  figures.note(`${name}: sign-ins sent to another node`, elsewhere);
  const slowest = Math.max(...load.senders.map(({ slowestMs }) => slowestMs));
  figures.note(`${name}: slowest ack, all tries`, slowest, "ms");
}

const viewOf = (node: ServerProcess) =>
  admin<{ nodes: readonly NodeOfCell[] }>(node, "GET", "/admin/cluster");

/** Node `added` comes and is given its share, node `removed` is drained and leaves; `asked` is asked. */
async function comeAndGo(
  { say }: ProofOptions,
  figures: Figures,
  nodes: CellNodes,
  { added, removed, asked }: Record<"added" | "removed" | "asked", number>,
): Promise<void> {
  const node = nodes.all[asked]!;
  await nodes.start(added);
  const fresh = await idOf(nodes.all[added]!);
  const shardsOf = async (id: string) => {
    return (await viewOf(node)).nodes.find((each) => each.id === id)?.shards.length ?? 0;
  };
  const beganMs = performance.now();
  // A quarter of the load, which is less than a quarter of the shards.
  await until(async () => await shardsOf(fresh) >= SHARDS / 16, "the share of the fresh node");
  const name = `until node ${added + 1} had half of its share`;
  figures.note(name, performance.now() - beganMs, "ms");
  say(await cluster(node, "rebalance"));
  await pause(CALM_MS);
  const id = await idOf(nodes.all[removed]!);
  say(await cluster(node, "drain", id));
  await pause(CALM_MS);
  nodes.down(removed);
  say(await cluster(node, "leave", id));
  await pause(CALM_MS);
  await until(async () => (await viewOf(node)).nodes.length === 3, "the end of the node");
  const { nodes: left } = await viewOf(node);
  say(left.map((each) => `${each.id}: ${each.shards.length} shards`).join(", "));
}

/** Fresh nodes come, and those go that were first. */
async function comeAndGoInTurn(
  options: ProofOptions,
  figures: Figures,
  nodes: CellNodes,
): Promise<void> {
  const shards = ["--set", `storage.shards=${SHARDS}`];
  for (let n = 0; n < 3; n++) await nodes.start(n, shards);
  const [first] = nodes.all;
  const spread = ({ nodes }: { readonly nodes: readonly NodeOfCell[] }) =>
    nodes.every((each) => each.shards.length >= SHARDS / 4);
  await until(async () => spread(await viewOf(first!)), "the spread of the shards");
  const load = new Load(nodes, await makeUsers(first!, USERS), options.seed);
  await pause(CALM_MS);
  const before = new Set(movesOf(nodes.all).map(({ move }) => move));
  for (let round = 0; round < ROUNDS; round++) {
    const which = { added: 3 + round, removed: round, asked: round + 1 };
    await comeAndGo(options, figures, nodes, which);
  }
  await noteLoad(options, figures, "come and go", load, true);
  const moves = movesOf(nodes.all).filter(({ move }) => !before.has(move));
  notePhases(options.say, figures, "come and go", moves);
  notePauses(figures, "come and go", moves.map(({ totalMs }) => totalMs));
}

/** Sets the number of shards; kills the node that makes the change once it has made some steps. */
async function setNumber(
  { say }: ProofOptions,
  nodes: CellNodes,
  count: number,
  kills: boolean,
): Promise<readonly number[]> {
  const ids = new Map<string, number>();
  for (const [n, node] of nodes.all.entries()) ids.set(await idOf(node), n);
  const asked = nodes.all[1]!;
  const begun = await admin<{ work: Work }>(asked, "POST", "/admin/shards/set", { count });
  let victim = -1;
  const work = async () => {
    const [node] = nodes.live();
    const { work } = await admin<{ work: Work }>(node!, "GET", "/admin/shards/work");
    if (work.id !== begun.work.id) throw new Error("the node has not read it");
    return work;
  };
  await until(async () => {
    const { by, state, changesMs } = await work();
    if (kills && victim < 0 && changesMs.length >= 10) {
      victim = ids.get(by.id)!;
      say(`${changesMs.length} steps: node ${victim + 1}, which makes the change, is killed`);
      await nodes.kill(victim);
    }
    return state !== "running";
  }, `${count} shards`);
  const { changesMs, movesMs, state, error } = await work();
  if (state === "failed") throw new Error(`the change has failed: ${error}`);
  say(`${count} shards: ${changesMs.length} changes, ${movesMs.length} moves`);
  if (victim >= 0) await nodes.start(victim);
  return [...changesMs, ...movesMs];
}

/** 16, 256, 24 shards, with a kill in each change. */
async function changeNumber(options: ProofOptions, figures: Figures, nodes: CellNodes) {
  for (let n = 0; n < 3; n++) await nodes.start(n);
  const [first] = nodes.all;
  const tokens = await makeUsers(first!, USERS);
  const served = await probes(first!);
  const load = new Load(nodes, tokens, options.seed);
  await pause(CALM_MS);
  const pauses: number[] = [];
  for (const count of [256, 24]) {
    pauses.push(...await setNumber(options, nodes, count, true));
    const [node] = nodes.live();
    figures.note(`${count} shards: until all serve`, await untilServed(node!, served), "ms");
    await pause(CALM_MS);
  }
  await noteLoad(options, figures, "16 to 256 to 24", load, false);
  notePauses(figures, "16 to 256 to 24", pauses);
}

type Part = (options: ProofOptions, figures: Figures, nodes: CellNodes) => Promise<void>;

/** Moves of shards under load. */
export const movesProof: Proof = {
  name: "moves",
  claim: "shards move between nodes under load: no error at clients, pauses under 100 ms",
  seconds: 260,
  async run(options): Promise<Verdict> {
    const figures = new Figures(options);
    const postgres = startCluster();
    try {
      const parts: readonly Part[] = [comeAndGoInTurn, changeNumber];
      for (const [i, part] of parts.entries()) {
        using dir = tempDir();
        const nodes = new CellNodes(dir.path, await postgres.database(`moves${i}`));
        try {
          await part(options, figures, nodes);
        } catch (error) {
          // What was measured until then is shown all the same.
          figures.fault(String(error));
        } finally {
          for (const node of nodes.all) await node.kill();
        }
      }
    } finally {
      postgres.stop();
    }
    return figures.verdict;
  },
};
