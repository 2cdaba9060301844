/**
 * A cell that is upgraded node by node under load, from a kept build of the version of the links
 * before this program's; real processes (issue 11).
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import {
  again,
  befriend,
  pause,
  probes,
  Sender,
  untilServed,
  verdictOf,
  watch,
} from "../prove/cell_load.ts";
import { CellNodes } from "../prove/cell_nodes.ts";
import { type Event, faultsOf, mailbox, makeUsers, USERS } from "../prove/crash.ts";
import type { Client } from "../process/client.ts";
import { Prng } from "../sim/prng.ts";
import { roost } from "../process/cli.ts";
import { startCluster } from "./cluster.ts";
import { tempDir } from "../process/server.ts";

/** How long each lane of a user rests after an ack, and the time between two steps (ms). */
const REST_MS = 20;
const CALM_MS = 2000;
/** Within what time every shard serves after a kill (ms). */
const SERVES_MS = 5000;
const SEED = 11;

/** Unpacks the build; returns what runs it. */
async function formerProgram(dir: string): Promise<string[]> {
  const file = await Deno.open(new URL("../golden/node_1.js.gz", import.meta.url));
  const program = `${dir}/node_1.js`;
  await Deno.writeFile(program, file.readable.pipeThrough(new DecompressionStream("gzip")));
  const flags = ["--no-check", "--no-config", "--unstable-kv", "--quiet"];
  return [Deno.execPath(), "run", "-A", ...flags, program];
}

/** Nodes, of which each runs the former program until it is upgraded. */
class MixedCell extends CellNodes {
  readonly falsely: string[] = [];
  readonly timesMs: number[] = [];
  readonly #former: string[];
  readonly #upgraded = new Set<number>();
  readonly #watchers: Client[] = [];
  #password = "";
  #served: readonly string[] = [];

  constructor(dir: string, store: string, former: string[]) {
    super(dir, store);
    this.#former = former;
  }

  /** Starts a node as the program that it has by now. */
  async run(n: number): Promise<void> {
    await this.start(n, [], this.#upgraded.has(n) ? undefined : this.#former);
    if (this.#password !== "") await this.#watch(n);
  }

  async #watch(n: number): Promise<void> {
    this.#watchers[n] = await watch(this.all[n]!, this.#password, this.falsely);
  }

  /** Makes users that watch and ask at all nodes. */
  async populate(tokens: ReadonlyMap<string, string>): Promise<void> {
    const [first] = this.all;
    this.#password = await befriend(first!, tokens);
    this.#served = await probes(first!);
  }

  async watchAll(): Promise<void> {
    for (const n of this.all.keys()) await this.#watch(n);
  }

  /** Stops a node under load, and starts it as this program. */
  async upgrade(n: number): Promise<void> {
    equal(await this.stop(n), 0);
    this.#upgraded.add(n);
    await this.run(n);
    await pause(CALM_MS);
  }

  /** Kills a node under load; the others take over from it. */
  async lose(n: number): Promise<void> {
    await this.kill(n);
    this.timesMs.push(await untilServed(this.live()[0]!, this.#served));
    await this.run(n);
    await pause(CALM_MS);
  }

  async close(): Promise<void> {
    for (const watcher of this.#watchers) await watcher.close();
  }
}

/** How many nodes a node says are linked with it. */
async function linked({ dataDir }: { readonly dataDir: string }): Promise<number> {
  const { out } = await roost(["cluster", "status", "--json", "--data", dataDir]);
  const nodes = JSON.parse(out) as readonly { readonly state: string }[];
  return nodes.filter(({ state }) => state === "linked").length;
}

Deno.test("11: a cell is upgraded node by node from the version before under load: nothing lost", async () => {
  using dir = tempDir();
  const cluster = startCluster(["fsync = off"]);
  const database = await cluster.database("upgrade");
  const cell = new MixedCell(dir.path, database, await formerProgram(dir.path));
  try {
    for (const n of [0, 1, 2]) await cell.run(n);
    const tokens = await makeUsers(cell.all[0]!);
    await cell.populate(tokens);
    const senders = USERS.map((name, i) =>
      new Sender(name, tokens.get(name)!, cell.live, new Prng(SEED + i), USERS, REST_MS)
    );
    const running = senders.map((s) => s.run());
    await pause(CALM_MS);
    await cell.watchAll();
    await cell.upgrade(0);
    equal(await linked(cell.all[0]!), 2, cell.all[0]!.log);
    await cell.lose(2);
    await cell.upgrade(1);
    const before = cell.falsely.length;
    await cell.lose(0);
    await cell.upgrade(1);
    // The former program ends the sessions of a node that stops; this one must not.
    const former = cell.all[2]!.url;
    const falsely = cell.falsely.slice(before).filter((each) => !each.endsWith(former));
    equal(await linked(cell.all[0]!), 2, cell.all[0]!.log);
    await cell.upgrade(2);
    for (const s of senders) s.stopped = true;
    await Promise.all(running);
    await pause(CALM_MS);
    await cell.close();
    const boxes = new Map<string, Event[]>();
    for (const user of USERS) {
      boxes.set(user, await again(() => mailbox(cell.all[0]!, tokens.get(user)!)));
    }
    const faults = faultsOf(senders, boxes);
    deepEqual([faults, falsely], [[], []]);
    const { pass, figures } = verdictOf(senders, faults, falsely, cell.timesMs, SERVES_MS);
    ok(pass && Number(figures["acked"]) > 100, JSON.stringify(figures));
  } finally {
    await cell.killAll();
    cluster.stop();
  }
});
