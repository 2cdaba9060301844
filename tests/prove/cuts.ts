/**
 * A cell of three nodes over PostgreSQL whose ways are cut: between two nodes, between a node and the
 * store, one way, both ways and flapping; one node stands still for three leases; the store is away
 * for all. Nothing acked is lost, nobody reads less than was acked before, those that reach the store
 * and each other serve, and without the store presence, signals and reads go on.
 */
import { Bystanders, ownersOf, takenOver } from "./away.ts";
import { type Change, changedCopy, type Event, faultsOf, FLAGS, mailbox } from "./crash.ts";
import { makeUsers, USERS } from "./crash.ts";
import { pause, probes, Sender, untilServed } from "./cell_load.ts";
import { FREE } from "./cell_nodes.ts";
import { rest } from "../process/client.ts";
import { standStill, STOPPED_MS } from "./stand_still.ts";
import { Gate, type Party, Ways } from "./gates.ts";
import { Prng } from "../sim/prng.ts";
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { ServerProcess, tempDir } from "../process/server.ts";
import { startCluster } from "../postgres/cluster.ts";

const NODES = 3;
const STORE: Party = "store";
const PG_SOCKET = ".s.PGSQL.5432";
/** Least time until a cut counts: it must be seen first, and a takeover takes some seconds (ms). */
const SETTLE_MS = 9000;
/** How long a cut lasts after that (ms). */
const CUT_MS = 3000;
/** Within so long all shards serve at nodes that reach the store and each other (ms). */
const SERVES_MS = 5000;
/** How long the store is away for all (ms), and how much of it is measured. */
const AWAY_MS = 16_000;
const LEASES_OVER_MS = 5000;
/** Between two reads of one reader (ms). */
const READ_MS = 25;
/** A program that goes on from memory after its lease: the reads of the proof must notice it. */
const EVERLASTING_LEASE: Change = {
  file: "server/node/members.ts",
  find: "return this.leaseAgeMs < LEASE_MS;",
  replace: "return this.leaseAgeMs < Infinity;",
};

const party = (n: number): Party => `node ${n + 1}`;

/** Three nodes with a gate before each, and before the store for each. */
class Nodes {
  readonly all: ServerProcess[] = [];
  readonly ways = new Ways();
  readonly #gates: Gate[] = [];
  readonly #ids = new Map<string, Party>();

  constructor(
    readonly dir: string,
    readonly database: string,
    readonly pgDir: string,
    readonly root?: string,
  ) {
    Deno.writeTextFileSync(`${dir}/secret`, "a secret that only the proof knows, and its nodes");
  }

  async start(n: number): Promise<void> {
    const socketDir = `${this.dir}/pg${n}`;
    Deno.mkdirSync(socketDir);
    this.#gates.push(
      new Gate({
        ways: this.ways,
        listener: Deno.listen({ transport: "unix", path: `${socketDir}/${PG_SOCKET}` }),
        to: STORE,
        connect: () => Deno.connect({ transport: "unix", path: `${this.pgDir}/${PG_SOCKET}` }),
        from: () => party(n),
      }),
    );
    const cell = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const listen = freePort();
    this.#gates.push(
      new Gate({
        ways: this.ways,
        listener: cell,
        to: party(n),
        connect: () => Deno.connect({ hostname: "127.0.0.1", port: listen }),
        from: (first) => this.#dialler(first),
      }),
    );
    this.all[n] = await ServerProcess.start({
      dataDir: `${this.dir}/node${n}`,
      ...(this.root === undefined ? {} : { root: this.root }),
      flags: [
        ...FLAGS,
        ...["--store", `postgres://roost@/${this.database}?host=${socketDir}`],
        ...["--cell-listen", `127.0.0.1:${listen}`, "--cell-secret-file", `${this.dir}/secret`],
        ...["--set", `cell.advertise=127.0.0.1:${cell.addr.port}`],
        ...FREE,
      ],
    });
    const { nodeId } = JSON.parse(
      Deno.readTextFileSync(`${this.dir}/node${n}/secrets.json`),
    );
    this.#ids.set(nodeId, party(n));
  }

  /** A node says its id in what it sends first; one whose id is not known yet is let through later. */
  #dialler(first: Uint8Array): Party | null {
    const text = new TextDecoder("latin1").decode(first);
    return [...this.#ids].find(([id]) => text.includes(id))?.[1] ?? null;
  }

  close(): void {
    for (const gate of this.#gates) gate.close();
  }
}

function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}

/** Reads at one node that a mailbox never goes back behind what was acked before the read began. */
class Reader {
  reads = 0;
  readonly stale: string[] = [];
  stopped = false;

  constructor(
    readonly at: string,
    readonly url: string,
    readonly sender: Sender,
    readonly token: string,
  ) {}

  async run(): Promise<void> {
    while (!this.stopped) {
      const floor = lastAcked(this.sender);
      try {
        const { cursor } = await rest<{ cursor: string }>(this.url, "GET", "/v1/snapshot", {
          token: this.token,
        });
        const seq = Number(cursor.split(":")[1]);
        this.reads++;
        if (seq < floor) this.stale.push(`${this.at} reads ${seq}, ${floor} was acked before`);
      } catch {
        // It is cut off, and says so or nothing.
      }
      await pause(READ_MS);
    }
  }
}

function lastAcked({ acked }: Sender): number {
  let last = 0;
  for (const { seq } of acked.values()) last = Math.max(last, seq);
  return last;
}

interface Cut {
  readonly name: string;
  /** Makes it, or mends it. */
  readonly set: (stopped: boolean) => void;
  /** Nodes that reach the store and each other meanwhile. */
  readonly serve: readonly number[];
}

/** Every kind of cut, at pairs that the seed picks. */
function cutsOf(ways: Ways, prng: Prng): readonly Cut[] {
  const [a, b, c] = prng.shuffle([0, 1, 2]) as [number, number, number];
  const [pa, pb] = [party(a), party(b)];
  return [
    { name: `${pa} and ${pb}`, set: (s) => ways.cut(pa, pb, s), serve: [c] },
    { name: `${pa} to ${pb}`, set: (s) => ways.set(pa, pb, s), serve: [c] },
    { name: `${pa} and the store`, set: (s) => ways.cut(pa, STORE, s), serve: [b, c] },
    { name: `${pb} to the store`, set: (s) => ways.set(pb, STORE, s), serve: [a, c] },
    { name: `the store to ${pa}`, set: (s) => ways.set(STORE, pa, s), serve: [b, c] },
    {
      name: `${pb} and all others`,
      set: (s) => [pa, party(c), STORE].forEach((other) => ways.cut(pb, other, s)),
      serve: [a, c],
    },
  ];
}

/** Runs something at three nodes of the program at `root`, or of this one. */
async function withNodes<T>(run: (nodes: Nodes) => Promise<T>, root?: string): Promise<T> {
  using dir = tempDir();
  const cluster = startCluster();
  await cluster.database("cuts");
  const nodes = new Nodes(dir.path, "cuts", cluster.dir, root);
  try {
    for (let n = 0; n < NODES; n++) await nodes.start(n);
    return await run(nodes);
  } finally {
    for (const node of nodes.all) await node.kill();
    nodes.close();
    cluster.stop();
  }
}

async function attempt(options: ProofOptions): Promise<Verdict> {
  const real = await withNodes((nodes) => underLoad(options, nodes));
  using dir = tempDir();
  const root = changedCopy(dir.path, [EVERLASTING_LEASE]);
  const { stale } = await withNodes(async (nodes) => {
    const served = await probes(nodes.all[0]!);
    await pause(5000);
    return await standStill(nodes.all[1]!, nodes.all[2]!, served);
  }, root);
  options.say(`a lease that never ends: ${stale[0] ?? "nothing found"}`);
  const figures = { ...real.figures, "stale reads under a lease that never ends": stale.length };
  return { pass: real.pass && stale.length > 0, figures };
}

/** A user writes to itself and reads at every node; others write to each other. */
async function underLoad({ say, seed, scale }: ProofOptions, nodes: Nodes): Promise<Verdict> {
  const prng = new Prng(seed);
  const first = nodes.all[0]!;
  const tokens = await makeUsers(first);
  const served = await probes(first);
  await pause(5000);
  const all = () => nodes.all;
  const senders = USERS.map((name, i) =>
    new Sender(name, tokens.get(name)!, all, new Prng(seed + i + 1))
  );
  const running = senders.map((s) => s.run());
  const readers = nodes.all.flatMap(({ url }, n) =>
    senders.map((s) => new Reader(`${party(n)} of ${s.name}`, url, s, tokens.get(s.name)!))
  );
  const reading = readers.map((r) => r.run());
  const { late, times } = await cutAll(nodes, served, prng, scale, say);
  const stopped = prng.int(0, NODES - 1);
  const still = await standStill(nodes.all[stopped]!, nodes.all[(stopped + 1) % NODES]!, served);
  say(`${party(stopped)} stood still for ${STOPPED_MS} ms: ${still.reads} reads after that`);
  await pause(4000);
  for (const s of senders) s.stopped = true;
  await Promise.all(running);
  // Not before: a node that is cut off sends its clients to the others, and these would be among them.
  const bystanders = await Bystanders.at(first, nodes.all[1]!);
  const same = await withoutStore(nodes, bystanders);
  const away = bystanders.verdict;
  say(`without the store: ${JSON.stringify(away)}`);
  for (const r of readers) r.stopped = true;
  await Promise.all(reading);
  await Promise.all(nodes.all.map((node) => untilServed(node, served)));
  const boxes = new Map<string, Event[]>();
  for (const user of USERS) boxes.set(user, await mailbox(first, tokens.get(user)!));
  const faults = faultsOf(senders, boxes);
  const stale = [...readers.flatMap((r) => r.stale), ...still.stale];
  for (const fault of [...faults, ...stale, ...late].slice(0, 10)) say(`FAULT ${fault}`);
  const figures = {
    cuts: times.length,
    acked: senders.reduce((sum, s) => sum + s.acked.size, 0),
    "lost, doubled or reordered": faults.length,
    reads: readers.reduce((sum, r) => sum + r.reads, 0),
    "stale reads": stale.length,
    "until all shards serve, worst ms": Math.round(Math.max(...times)),
    "reads at the node that stood still": still.reads,
    "shards that moved while the store was away": same ? 0 : "some",
    ...away.figures,
  };
  const faultless = faults.length + stale.length + late.length === 0;
  return { pass: faultless && still.reads > 0 && same && away.pass, figures };
}

/** Makes each cut in turn; how long until all shards served meanwhile, and where they did not. */
async function cutAll(
  nodes: Nodes,
  served: readonly string[],
  prng: Prng,
  scale: number,
  say: (line: string) => void,
): Promise<{ readonly late: readonly string[]; readonly times: readonly number[] }> {
  const late: string[] = [];
  const times: number[] = [];
  const cuts = cutsOf(nodes.ways, prng);
  for (const cut of cuts.slice(0, Math.max(1, Math.round(cuts.length * scale)))) {
    const flaps = prng.chance(0.5);
    for (let i = flaps ? 3 : 0; i > 0; i--) {
      cut.set(true);
      await pause(prng.int(50, 1500));
      cut.set(false);
      await pause(prng.int(50, 800));
    }
    cut.set(true);
    await pause(SETTLE_MS);
    const ms = await servesAt(nodes, cut.serve, served);
    times.push(ms);
    if (ms > SERVES_MS) late.push(`${cut.name}: not all shards serve`);
    await pause(CUT_MS);
    cut.set(false);
    say(
      `cut ${cut.name}${flaps ? ", flapping first" : ""}: all shards serve, ${Math.round(ms)} ms`,
    );
    await pause(3000);
  }
  return { late, times };
}

async function servesAt(
  nodes: Nodes,
  serve: readonly number[],
  served: readonly string[],
): Promise<number> {
  const times = serve.map((n) => untilServed(nodes.all[n]!, served));
  const late = pause(SERVES_MS * 2).then(() => SERVES_MS * 2);
  return await Promise.race([Promise.all(times).then((all) => Math.max(...all)), late]);
}

/** Takes the store away from all nodes for a while; whether each has kept its shards. */
async function withoutStore(nodes: Nodes, bystanders: Bystanders): Promise<boolean> {
  const first = nodes.all[0]!;
  const owners = await settledOwners(first);
  for (let n = 0; n < NODES; n++) nodes.ways.cut(party(n), STORE, true);
  await pause(LEASES_OVER_MS);
  await bystanders.run(pause(AWAY_MS - LEASES_OVER_MS));
  // Once the store is back they may move again, by load.
  const after = await ownersOf(first, NODES);
  for (let n = 0; n < NODES; n++) nodes.ways.cut(party(n), STORE, false);
  await pause(15_000);
  await bystanders.close();
  return takenOver(owners, after, nodes.all) === "";
}

/** Who has which shards, as soon as no shard moves any more. */
async function settledOwners(server: ServerProcess): Promise<ReadonlyMap<number, string>> {
  for (let before = await ownersOf(server, NODES);;) {
    await pause(3000);
    const owners = await ownersOf(server, NODES);
    if (takenOver(before, owners, []) === "") return owners;
    before = owners;
  }
}

/** The ways between nodes, and to the store, are cut under load. */
export const cutsProof: Proof = {
  name: "cuts",
  claim: "three nodes over PostgreSQL, every way cut in turn: nothing acked lost, no stale read",
  seconds: 180,
  run: attempt,
};
