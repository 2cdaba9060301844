/** A cell whose nodes learn of changes of its shards in another order than they were made. */
import { equal, ok } from "node:assert/strict";
import { encodeTable, evenTable } from "../../shard/table/table.ts";
import type { Holder } from "../../server/node/ports.ts";
import type { AccountName, NodeId } from "../../shard/name/ids.ts";
import type { SimNode } from "../sim/sim_node.ts";
import { TABLE_REGISTER } from "../../server/node/ports.ts";
import { twoNodes } from "./two_nodes.ts";

type Waiting = "holders" | "append" | "readLog";

/**
 * Two nodes. What one asks about owners and for logs waits while its gate is shut, and replies to its
 * appends.
 */
class Gated {
  readonly cluster = twoNodes();
  readonly first: SimNode;
  readonly second: SimNode;
  #shut: NodeId | null = null;
  readonly #waits = new Set<Waiting>();
  #waiting: { readonly call: Waiting; readonly run: () => void }[] = [];

  constructor() {
    const { cell, nodes } = this.cluster;
    [this.first, this.second] = nodes as [SimNode, SimNode];
    const { store } = cell!;
    const of = store.of.bind(store);
    store.of = (node, process) => {
      const reached = of(node, process);
      return {
        ...reached,
        holders: (done) => this.#wait(node, "holders", () => reached.holders(done)),
        append: (batches, done) =>
          reached.append(batches, (...result) => {
            this.#wait(node, "append", () => done(...result));
          }),
        readLog: (...asked) => this.#wait(node, "readLog", () => reached.readLog(...asked)),
      };
    };
  }

  #wait(node: NodeId, call: Waiting, run: () => void): void {
    if (this.#shut === node && this.#waits.has(call)) this.#waiting.push({ call, run });
    else run();
  }

  shut({ id }: SimNode, ...calls: readonly Waiting[]): void {
    this.#shut = id;
    for (const call of calls) this.#waits.add(call);
  }

  open(call: Waiting): void {
    this.#waits.delete(call);
    const waiting = this.#waiting.filter((w) => w.call === call);
    this.#waiting = this.#waiting.filter((w) => w.call !== call);
    for (const { run } of waiting) run();
  }

  await(what: string, reached: () => boolean, forMs: number): void {
    ok(this.cluster.runWhile(() => !reached(), forMs), `${what} not within ${forMs} ms`);
  }

  shared(): void {
    const share = (n: SimNode) => n.serving && n.answering.length === 2;
    this.await("even shares", () => share(this.first) && share(this.second), 15_000);
  }

  /** Who has a shard, as the store has it. */
  holder(shard: number): Holder {
    const { cluster: { cell, time } } = this;
    let found: Holder | null = null;
    cell!.store.of("node000000000009" as NodeId, time.global).holders((_, holders) => {
      found = holders.find((h) => h.shard === shard)!;
    });
    this.await("the owners", () => found !== null, 100);
    return found!;
  }
}

Deno.test("11: a node that starts while another one opens an earlier store knows the table's version", () => {
  const cell = new Gated();
  const { cluster, first, second } = cell;
  const table = encodeTable(evenTable(4));
  let stored = false;
  cluster.cell!.store.of("node000000000009" as NodeId, cluster.time.global)
    .cas(TABLE_REGISTER, 0, table, [], (_, made) => stored = made);
  cell.await("an earlier store", () => stored, 100);
  cell.shut(second, "holders");
  second.start();
  cluster.time.runFor(100);
  first.start();
  cell.await("the first node", () => first.serving, 5000);
  cell.open("holders");
  cell.shared();
  const { node } = second.running;
  const [own] = node.shards;
  let outcome = "";
  node.reshape({ of: [own!.id], at: [own!.lo + 5] }, (result) => {
    outcome = result.ok ? "made" : result.message;
  });
  cell.await("a change", () => outcome !== "", 5000);
  equal(outcome, "made");
});

Deno.test("11: a shard that another node takes over while it is reloaded stays there", () => {
  const cell = new Gated();
  const { cluster, first, second } = cell;
  for (const node of cluster.nodes) node.start();
  cell.shared();
  const { id } = second.running.node.shards[0]!;
  cell.shut(second, "holders");
  let outcome = "";
  second.running.node.reload(id, (result) => outcome = result.ok ? "reloaded" : result.code);
  cluster.time.runFor(5);
  // It learns of the takeover from the store alone.
  cluster.cell!.cut(first.id, second.id, true);
  second.process.pause();
  cell.await("a takeover", () => first.answering.length === 4, 30_000);
  const before = cell.holder(id);
  equal(before.owner?.id, first.id);
  second.process.resume();
  cell.open("holders");
  cluster.time.runFor(1000);
  const after = cell.holder(id);
  equal(`${after.owner?.id} ${after.epoch}`, `${before.owner?.id} ${before.epoch}`);
  equal(outcome, "unavailable");
});

Deno.test("11: what an owner says before it claims its shard again reaches edges that know of that", () => {
  const cell = new Gated();
  const { cluster } = cell;
  const [alice] = cluster.people;
  const [device] = alice!.devices;
  const name = alice!.name as AccountName;
  for (const node of cluster.nodes) node.start();
  cell.shared();
  const owner = cluster.nodes.find(({ running }) => running.node.owns(name))!;
  const edge = cluster.nodes.find((node) => node !== owner)!;
  cluster.nodeFor = () => edge;
  device!.wanted = true;
  cluster.register(alice!, () => {});
  cell.await("a session", () => device!.online, 5000);
  const { node } = owner.running;
  const shard = node.shardOf(name);
  const row = () => edge.running.node.table.shards.find(({ id }) => id === shard.id)!;
  const { epoch } = row();
  // What its owner sends is on its way for long, and its next append may have failed.
  const { wayMs } = cluster.cell!;
  cluster.cell!.wayMs = (from) => from === owner.id ? 2500 : wayMs.call(cluster.cell, from);
  let disabled = false;
  node.request(name, "account.setDisabled", { disabled: true }, ({ ok }) => disabled = ok);
  cell.await("its end", () => disabled, 1000);
  cluster.cell!.store.loseRepliesTo(owner.id, "append", 1);
  const others = Array.from({ length: 100 }, (_, i) => `user-${i}` as AccountName);
  const other = others.find((n) => shard.owns(n))!;
  node.request(other, "account.create", { credentials: null }, () => {});
  cell.await("another epoch", () => row().epoch > epoch, 2000);
  equal(row().owner?.id, owner.id);
  ok(device!.online);
  cell.await("the end of the session", () => !device!.online, 3000);
});

Deno.test("11: what a shard has said without a lease reaches edges after a split of it", () => {
  const cell = new Gated();
  const { cluster } = cell;
  const [alice] = cluster.people;
  const [device] = alice!.devices;
  const name = alice!.name as AccountName;
  for (const node of cluster.nodes) node.start();
  cell.shared();
  const owner = cluster.nodes.find(({ running }) => running.node.owns(name))!;
  cluster.nodeFor = () => cluster.nodes.find((node) => node !== owner)!;
  device!.wanted = true;
  cluster.register(alice!, () => {});
  cell.await("a session", () => device!.online, 5000);
  const { node } = owner.running;
  cell.shut(owner, "holders", "append");
  node.request(name, "account.setDisabled", { disabled: true }, () => {});
  cell.await("the end of its lease", () => !node.mayServe, 5000);
  cell.open("append");
  const { id, lo } = node.shardOf(name);
  let made = false;
  node.reshape({ of: [id], at: [lo + 5] }, ({ ok }) => made = ok);
  cell.await("a split", () => made, 2000);
  ok(!node.mayServe && device!.online);
  cell.open("holders");
  cell.await("the end of the session", () => !device!.online, 3000);
});

Deno.test("11: a node that loses its shards before it has read their logs has started", () => {
  const cell = new Gated();
  const { cluster, first, second } = cell;
  for (const node of cluster.nodes) node.start();
  cell.shared();
  for (const node of cluster.nodes) cluster.kill(node);
  cell.shut(second, "readLog");
  for (const node of cluster.nodes) node.start();
  const own = () => second.up ? second.running.node.shards.length : 0;
  cell.await("the claims of all", () => first.answering.length === 2 && own() === 2, 2000);
  const { store } = cluster.cell!;
  store.keepFrom(second.id, true);
  cluster.cell!.cut(first.id, second.id, true);
  cell.await("a takeover", () => first.answering.length === 4, 30_000);
  ok(!second.serving);
  store.keepFrom(second.id, false);
  cell.await("the loss of its shards", () => own() === 0, 2000);
  cluster.time.runFor(1);
  ok(second.serving);
});
