/**
 * A cell of three nodes over PostgreSQL with a synchronous standby, one of which is killed again and
 * again while users at all of them send to each other and see each other's presence. What was acked is
 * in both mailboxes exactly once, in order; every shard serves again soon; nobody who reconnects within
 * the grace is shown offline.
 */
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { befriend, pause, probes, Sender, untilServed, verdictOf, watch } from "./cell_load.ts";
import { CellNodes } from "./cell_nodes.ts";
import { type Event, faultsOf, mailbox, makeUsers, USERS } from "./crash.ts";
import { Prng } from "../sim/prng.ts";
import { tempDir } from "../process/server.ts";
import { startPair } from "../postgres/pair.ts";

const NODES = 3;
/** A node does not start where commits do not wait for the standby. */
const SYNCHRONOUS = ["--set", "store.requireSynchronous=true"];
const KILLS = 30;
/** Bound of the time from a kill until every shard serves, ms. */
const SERVES_MS = 2000;
/** Between the return of a node and the next kill, ms. */
const REST_MS = 2500;
/** Lines of a log that are shown where it took longer. */
const LINES = 15;

async function attempt(options: ProofOptions, kills: number): Promise<Verdict> {
  using dir = tempDir();
  const pair = await startPair();
  const nodes = new CellNodes(dir.path, await pair.database("cell"));
  try {
    for (let n = 0; n < NODES; n++) await nodes.start(n, SYNCHRONOUS);
    return await underLoad(options, nodes, kills);
  } finally {
    for (const node of nodes.all) await node.kill();
    pair.stop();
  }
}

async function underLoad({ say, seed }: ProofOptions, nodes: CellNodes, kills: number) {
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
    await nodes.start(n, SYNCHRONOUS);
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
  return verdictOf(senders, faults, falsely, times, SERVES_MS);
}

/** Nodes of a cell are killed under load. */
export const cellProof: Proof = {
  name: "cell",
  claim:
    "three nodes over PostgreSQL with a standby, one killed 30 times: nothing acked lost, shards serve in 2 s",
  seconds: 200,
  run: (options) => attempt(options, Math.max(1, Math.round(KILLS * options.scale))),
};
