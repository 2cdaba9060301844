/**
 * A cell of three nodes over PostgreSQL, one of which is killed again and again while users at all of
 * them send to each other and see each other's presence. What was acked is in both mailboxes exactly
 * once, in order; every shard serves again soon; nobody who reconnects within the grace is shown
 * offline.
 */
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { Client, type Frame, rest } from "../process/client.ts";
import { type Event, faultsOf, FLAGS, mailbox, makeUsers, USERS } from "./crash.ts";
import { Prng } from "../sim/prng.ts";
import { ServerProcess, tempDir } from "../process/server.ts";
import { startCluster } from "../postgres/cluster.ts";

const NODES = 3;
const KILLS = 30;
const IN_FLIGHT = 4;
/** Names that are asked for after a kill, so that every shard is among theirs. */
const PROBES = 64;
/** Bound of the time from a kill until every shard serves, ms. */
const SERVES_MS = 2000;
/** Between the return of a node and the next kill, ms. */
const REST_MS = 2500;
const PAUSE_MS = 20;
const TRIES = 100;
/** Events of a mailbox after which a user reads. */
const READ_EVERY = 50;
/** Lines of a log that are shown where it took longer. */
const LINES = 15;
/** Sees all users from every node. */
const WATCHER = "eve";

type Live = () => readonly ServerProcess[];

const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));

/** Sends to the others until it is stopped, at whichever node lives. */
class Sender {
  readonly acked = new Map<string, { to: string; seq: number }>();
  repeated = 0;
  stopped = false;
  readonly #unsure: { readonly id: string; readonly to: string }[] = [];
  #next = 0;

  constructor(
    readonly name: string,
    readonly token: string,
    readonly live: Live,
    readonly prng: Prng,
  ) {}

  async run(): Promise<void> {
    while (!this.stopped || this.#unsure.length > 0) {
      try {
        const server = this.prng.pick(this.live());
        const client: Client = await Client.connect(
          server.wsUrl,
          { auth: { token: this.token } },
          (event) => this.#reads(client, event),
        );
        await Promise.all(Array.from({ length: IN_FLIGHT }, () => this.#lane(client)));
        await client.close();
      } catch {
        await pause(PAUSE_MS);
      }
    }
  }

  /** Marks now and then what came as read: an unread mailbox is full some time. */
  #reads(client: Client, { k, out, seq }: Frame & { k: string }): void {
    if (k !== "message" || out === true || Number(seq) % READ_EVERY !== 0) return;
    for (const user of USERS) {
      // One of a connection that ends meanwhile is made up for by the next.
      if (user !== this.name) client.command("read", { with: user, upTo: seq }).catch(() => {});
    }
  }

  async #lane(client: Client): Promise<void> {
    for (;;) {
      const next = this.#unsure.shift() ?? (this.stopped ? undefined : this.#fresh());
      if (next === undefined) return;
      try {
        const { id: key, to } = next;
        const body = `${this.name} ${key}`;
        const { seq } = await client.command<{ seq: number }>("send", { to, key, body });
        this.acked.set(key, { to, seq });
      } catch (error) {
        this.#unsure.unshift(next);
        this.repeated++;
        throw error;
      }
    }
  }

  #fresh(): { readonly id: string; readonly to: string } {
    const others = USERS.filter((user) => user !== this.name);
    const id = `${this.name}-${++this.#next}`;
    return { id, to: others[this.#next % others.length]! };
  }
}

/** Repeats what a cell refuses for a moment, after the loss of a node. */
async function again<T>(run: () => Promise<T>): Promise<T> {
  for (let tries = 1;; tries++) {
    try {
      return await run();
    } catch (error) {
      if (tries === TRIES) throw error;
      await pause(PAUSE_MS * 5);
    }
  }
}

/** Watches everybody from one node, as long as that lives; notes who is shown offline. */
async function watch(server: ServerProcess, token: string, falsely: string[]): Promise<Client> {
  const seen = (event: Frame) => {
    if (event["k"] !== "presence" || event["user"] === WATCHER) return;
    if (event["show"] === "offline") falsely.push(`${event["user"]} at ${server.url}`);
  };
  const device = `at-${server.url.split(":").at(-1)}`;
  const client = await again(async () => {
    const made = await rest<{ token: string }>(server.url, "POST", "/v1/auth/password", {
      body: { user: WATCHER, password: token, device },
    });
    return await Client.connect(server.wsUrl, { auth: { token: made.token } });
  });
  // What was true before it came is no news.
  await pause(500);
  client.onEvent = seen;
  return client;
}

async function befriend(
  server: ServerProcess,
  tokens: ReadonlyMap<string, string>,
): Promise<string> {
  const password = `password of ${WATCHER}`;
  const { token } = await rest<{ token: string }>(server.url, "POST", "/v1/register", {
    body: { user: WATCHER, password },
  });
  const change = (token: string, contact: string, type: string) =>
    rest(server.url, "POST", `/v1/contacts/${contact}/subscription`, { token, body: { type } });
  for (const [user, its] of tokens) {
    await change(token, user, "subscribe");
    await pause(100);
    await change(its, WATCHER, "subscribed");
  }
  return password;
}

/** How long until every shard serves at a node that lives (ms). */
async function untilServed(server: ServerProcess, tokens: readonly string[]): Promise<number> {
  const beganMs = performance.now();
  await Promise.all(tokens.map(async (token) => {
    for (;;) {
      try {
        return await rest(server.url, "GET", "/v1/devices", { token });
      } catch {
        await pause(PAUSE_MS);
      }
    }
  }));
  return performance.now() - beganMs;
}

async function probes(server: ServerProcess): Promise<string[]> {
  const tokens: string[] = [];
  for (let i = 0; i < PROBES; i++) {
    const { token } = await rest<{ token: string }>(server.url, "POST", "/v1/register", {
      body: { user: `probe${i}`, password: "password of a probe" },
    });
    tokens.push(token);
  }
  return tokens;
}

/** Three nodes of one cell, one of which may be down. */
class Nodes {
  readonly all: ServerProcess[] = [];
  #down = -1;

  constructor(readonly dir: string, readonly store: string) {
    Deno.writeTextFileSync(`${dir}/secret`, "a secret that only the proof knows, and its nodes");
  }

  readonly live: Live = () => this.all.filter((_, n) => n !== this.#down);

  async start(n: number): Promise<void> {
    this.all[n] = await ServerProcess.start({
      dataDir: `${this.dir}/node${n}`,
      flags: [
        ...FLAGS,
        ...["--store", this.store, "--cell-listen", "127.0.0.1:0"],
        ...["--cell-secret-file", `${this.dir}/secret`],
        ...[
          "limits.requestsPerAddressPerSecond=100000",
          "limits.requestsPerAddressBurst=100000",
          "registration.perAddressPerHour=100000",
          "registration.perAddressBurst=10000",
        ].flatMap((setting) => ["--set", setting]),
      ],
    });
    this.#down = -1;
  }

  async kill(n: number): Promise<void> {
    this.#down = n;
    await this.all[n]!.kill();
  }
}

async function attempt(options: ProofOptions, kills: number): Promise<Verdict> {
  using dir = tempDir();
  const cluster = startCluster();
  const nodes = new Nodes(dir.path, await cluster.database("cell"));
  try {
    for (let n = 0; n < NODES; n++) await nodes.start(n);
    return await underLoad(options, nodes, kills);
  } finally {
    for (const node of nodes.all) await node.kill();
    cluster.stop();
  }
}

async function underLoad({ say, seed }: ProofOptions, nodes: Nodes, kills: number) {
  const prng = new Prng(seed);
  const first = nodes.all[0]!;
  const tokens = await makeUsers(first);
  const password = await befriend(first, tokens);
  const served = await probes(first);
  const senders = USERS.map((name, i) =>
    new Sender(name, tokens.get(name)!, nodes.live, new Prng(seed + i + 1))
  );
  const running = senders.map((s) => s.run());
  const falsely: string[] = [];
  await pause(1000);
  const watchers = await Promise.all(nodes.all.map((node) => watch(node, password, falsely)));
  const times: number[] = [];
  for (let kill = 1; kill <= kills; kill++) {
    await pause(REST_MS * (0.5 + prng.number()));
    const n = prng.int(0, NODES - 1);
    await nodes.kill(n);
    const ms = await untilServed(prng.pick(nodes.live()), served);
    times.push(ms);
    say(`kill ${kill}: node ${n + 1}, every shard serves after ${Math.round(ms)} ms`);
    for (const { log } of ms > SERVES_MS ? nodes.live() : []) {
      say(log.split("\n").slice(-LINES).join("\n"));
    }
    await pause(prng.int(0, 1000));
    await nodes.start(n);
    watchers[n] = await watch(nodes.all[n]!, password, falsely);
  }
  for (const s of senders) s.stopped = true;
  await Promise.all(running);
  await pause(3000);
  for (const watcher of watchers) await watcher.close();
  const boxes = new Map<string, Event[]>();
  for (const user of USERS) boxes.set(user, await mailbox(nodes.all[0]!, tokens.get(user)!));
  const faults = faultsOf(senders, boxes);
  for (const fault of [...faults, ...falsely].slice(0, 10)) say(`FAULT ${fault}`);
  return verdictOf(senders, faults, falsely, times);
}

function verdictOf(
  senders: readonly Sender[],
  faults: readonly string[],
  falsely: readonly string[],
  times: readonly number[],
): Verdict {
  const sorted = [...times].sort((a, b) => a - b);
  const worst = sorted.at(-1)!;
  return {
    pass: faults.length === 0 && falsely.length === 0 && worst < SERVES_MS,
    figures: {
      kills: times.length,
      acked: senders.reduce((sum, s) => sum + s.acked.size, 0),
      "sends repeated": senders.reduce((sum, s) => sum + s.repeated, 0),
      "lost, doubled or reordered": faults.length,
      "falsely offline": falsely.length,
      "until every shard serves, median ms": Math.round(sorted[sorted.length >> 1]!),
      "worst ms": Math.round(worst),
    },
  };
}

/** Nodes of a cell are killed under load. */
export const cellProof: Proof = {
  name: "cell",
  claim:
    "three nodes over PostgreSQL, one killed 30 times: nothing acked lost, shards serve in 2 s",
  seconds: 200,
  run: (options) => attempt(options, Math.max(1, Math.round(KILLS * options.scale))),
};
