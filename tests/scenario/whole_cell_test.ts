/** What operators ask of a cell: any node replies for all, and names those that are missing. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { Hono } from "hono";
import type { AccountName } from "../../shard/name/ids.ts";
import type { AccountPage, PageOptions } from "../../server/ops/api.ts";
import type { SimNode } from "../sim/sim_node.ts";
import { accountListing } from "../../server/ops/account_listing.ts";
import { addShardRoutes } from "../../server/ops/shards_api.ts";
import { addTraceRoutes } from "../../server/ops/trace_api.ts";
import { addCellViews } from "../../server/ops/cell_view.ts";
import { LATENCIES, LEVELS, type Reading, RISING } from "../../server/ops/live/series.ts";
import { LiveFeed } from "../../server/ops/live/feed.ts";
import { ShardMapper } from "../../server/ops/live/shard_map.ts";
import { CellNodes } from "./cell_nodes.ts";

const PAGE: PageOptions = { after: null, limit: 1000, match: "", synthetic: true, state: "any" };

/** A sample in which all levels are `level`. */
function reading(level: number): Reading {
  const same = <T>(names: readonly string[], value: T) =>
    Object.fromEntries(names.map((name) => [name, value]));
  return {
    rising: same(RISING, 0),
    levels: same(LEVELS, level),
    latencies: same(LATENCIES, { bounds: [1], counts: [0, 0] }),
  } as unknown as Reading;
}

/** A cell whose nodes have the admin API's replies. */
class Operated extends CellNodes {
  readonly #lists = new Map<SimNode, ReturnType<typeof accountListing>>();
  readonly #apps = new Map<SimNode, Hono>();

  constructor() {
    super(3, 6);
    for (const node of this.cluster.nodes) this.operate(node);
  }

  operate(sim: SimNode): void {
    const { node, ports } = sim.running;
    this.#lists.set(sim, accountListing(node, ports.clock));
    const app = new Hono();
    addShardRoutes(app, node, ports.timers);
    addTraceRoutes(app, node, null);
    const feed = new LiveFeed({
      ...ports,
      version: "1",
      domain: "example.org",
      startedAtMs: ports.clock.wallMs(),
      owners: () => node.table.shards,
      mapper: new ShardMapper(node),
      read: () => reading(node.shards.length),
      health: () => ({ state: "healthy", reasons: [] }),
    });
    feed.start();
    addCellViews(app, { node, feed, workers: false }, ports.clock);
    this.#apps.set(sim, app);
  }

  /** A page of accounts as one node lists it. */
  list(at: SimNode, options: Partial<PageOptions> = {}): AccountPage {
    let page: AccountPage | null = null;
    this.#lists.get(at)!({ ...PAGE, ...options }, (result) => {
      if (result.ok) page = result.value;
    });
    this.await("a page", () => page !== null, 8000);
    return page!;
  }

  create(at: SimNode, names: readonly string[]): void {
    let made = 0;
    for (const name of names) {
      const { node } = at.running;
      node.request(name as AccountName, "account.create", { credentials: null }, (result) => {
        if (result.ok) made++;
      });
    }
    this.await("the accounts", () => made === names.length, 5000);
  }

  /** A node that does not own the shard of a user. */
  edgeOf(user: string): SimNode {
    return this.cluster.nodes.find((n) => !n.running.node.owns(user as AccountName))!;
  }

  get ids(): readonly string[] {
    return this.cluster.nodes.map(({ id }) => id);
  }

  get app(): (at: SimNode) => Hono {
    return (at) => this.#apps.get(at)!;
  }
}

function names(page: AccountPage): readonly string[] {
  return page.accounts.map(({ name }) => name);
}

Deno.test("11: any node lists all accounts, those that others have just made too, and who is online", () => {
  const cell = new Operated();
  const [first, second, third] = cell.cluster.nodes as [SimNode, SimNode, SimNode];
  const made = Array.from({ length: 24 }, (_, i) => `user${String(i).padStart(2, "0")}`);
  cell.create(third, made);
  for (const node of [first, second, third]) {
    const page = cell.list(node);
    deepEqual(names(page), made);
    deepEqual([page.missing, page.total], [[], made.length]);
  }
  cell.befriend(0, 1);
  for (const node of [first, second, third]) {
    const online = cell.list(node, { state: "online" });
    deepEqual([names(online), online.total, online.next], [["alice", "bob"], 2, null]);
    const page = cell.list(node, { state: "online", limit: 1 });
    deepEqual([names(page), page.total, page.next], [["alice"], 2, "alice"]);
    const rest = cell.list(node, { state: "online", limit: 1, after: "alice" as AccountName });
    deepEqual([names(rest), rest.next], [["bob"], null]);
    deepEqual(names(cell.list(node, { state: "online", match: "bo" })), ["bob"]);
  }
});

Deno.test("11: a list without a node that does not reply names the node", () => {
  const cell = new Operated();
  const [first, second, third] = cell.cluster.nodes as [SimNode, SimNode, SimNode];
  cell.create(first, ["ann", "ben", "cat"]);
  third.process.pause();
  const online = cell.list(first, { state: "online" });
  deepEqual(online.missing.map(({ node }) => node), [third.id]);
  const page = cell.list(second);
  ok(page.missing.some(({ node }) => node === third.id), JSON.stringify(page.missing));
  third.process.resume();
  cell.await("its return", () => cell.list(first).missing.length === 0, 20_000);
});

Deno.test("11: any node shows and reloads the shards of all", async () => {
  const cell = new Operated();
  const [first, second] = cell.cluster.nodes as [SimNode, SimNode];
  interface Shown {
    readonly shards: readonly { id: number; node: string; known: boolean; ready: boolean }[];
    readonly missing: readonly unknown[];
  }
  const shown = await cell.ask<Shown>(cell.app(first).request("/admin/shards"));
  equal(shown.shards.length, 6);
  ok(shown.shards.every(({ known, ready }) => known && ready));
  deepEqual([...new Set(shown.shards.map(({ node }) => node))].sort(), [...cell.ids].sort());
  const other = shown.shards.find(({ node }) => node === second.id)!;
  const body = JSON.stringify({ id: other.id });
  const before = first.running.node.table.shards.find(({ id }) => id === other.id)!.epoch;
  const { epoch } = await cell.ask<{ readonly epoch: number }>(
    cell.app(first).request("/admin/shards/reload", { method: "POST", body }),
  );
  ok(epoch > before, `epoch ${epoch} after ${before}`);
});

Deno.test("11: one trace id shows the way of a message over all nodes, in order, from any of them", async () => {
  const cell = new Operated();
  const [first, second] = cell.cluster.nodes as [SimNode, SimNode];
  const [mine, theirs] = [cell.edgeOf("alice"), cell.edgeOf("bob")];
  const { nodes } = cell.cluster;
  cell.befriend(nodes.indexOf(mine), nodes.indexOf(theirs));
  cell.alice.person.write(cell.alice, "bob", 40);
  cell.await("an ack", () => cell.alice.person.unsent === 0, 5000);
  cell.cluster.time.runFor(1000);
  interface Messages {
    readonly messages: readonly { readonly trace: string; readonly from: string }[];
  }
  const list = await cell.ask<Messages>(cell.app(second).request("/admin/traces?user=alice"));
  const { trace } = list.messages.find(({ from }) => from === "alice")!;
  interface Way {
    readonly steps: readonly { readonly node: string; readonly step: string }[];
    readonly missing: readonly unknown[];
  }
  const way = await cell.ask<Way>(cell.app(first).request(`/admin/traces/${trace}`));
  deepEqual(way.missing, []);
  const steps = way.steps.map(({ step }) => step);
  deepEqual(steps.slice(0, 3), ["received", "routed", "taken"]);
  const causes = [
    ["taken", "accepted", "replied"],
    ["taken", "forwarded", "settled"],
    ["forwarded", "delivered", "pushed"],
  ];
  for (const chain of causes) {
    const places = chain.map((step) => steps.lastIndexOf(step));
    ok(places[0]! >= 0, steps.join());
    deepEqual(places, [...places].sort((a, b) => a - b), steps.join());
  }
  equal(way.steps[0]!.node, mine.id);
  // The sender's own device is pushed to as well.
  ok(way.steps.some(({ node, step }) => step === "pushed" && node === theirs.id));
  equal((await cell.app(first).request("/admin/traces/xyz")).status, 400);
});

Deno.test("11: the dashboard's view of any node has all nodes, their load, owners, moves and links", async () => {
  const cell = new Operated();
  const [first, second, third] = cell.cluster.nodes as [SimNode, SimNode, SimNode];
  interface View {
    readonly self: string;
    readonly alone: boolean;
    readonly nodes: readonly {
      readonly id: string;
      readonly why: string | null;
      readonly report: null | {
        readonly sample: { readonly shards: number };
        readonly seen: readonly { readonly id: string; readonly state: string }[];
      };
    }[];
    readonly shards: readonly { readonly owner: string }[];
    readonly missing: readonly { readonly node: string }[];
    readonly changes: readonly { readonly from: string }[];
  }
  const look = (at: SimNode) => cell.ask<View>(cell.app(at).request("/admin/cell"));
  cell.cluster.time.runFor(3000);
  const view = await look(second);
  deepEqual([view.self, view.alone, view.missing], [second.id, false, []]);
  deepEqual(view.nodes.map(({ id }) => id).sort(), [...cell.ids].sort());
  for (const { id, report } of view.nodes) {
    equal(report?.sample.shards, 2, id);
    const others = cell.ids.filter((other) => other !== id).sort();
    deepEqual(report?.seen.map((seen) => seen.id).sort(), others);
    ok(report?.seen.every(({ state }) => state === "linked"));
  }
  equal(new Set(view.shards.map(({ owner }) => owner)).size, 3);
  third.process.pause();
  // A view is shown to others for a while.
  cell.cluster.time.runFor(1000);
  const without = await look(second);
  deepEqual(without.missing.map(({ node }) => node), [third.id]);
  const dark = without.nodes.find(({ id }) => id === third.id)!;
  ok(dark.report === null && dark.why !== null);
  cell.await("takeovers", () => first.answering.length + second.answering.length === 6, 10_000);
  cell.cluster.time.runFor(2000);
  const takeovers = (await look(second)).changes.slice(view.changes.length);
  deepEqual(takeovers.map(({ from }) => from), [third.id, third.id]);
  const samples = await cell.ask<{ readonly series: { readonly shards: readonly number[] } }>(
    cell.app(second).request(`/admin/live?node=${first.id}`),
  );
  equal(samples.series.shards.at(-1), first.answering.length);
  equal((await cell.app(second).request("/admin/live?node=nobody")).status, 404);
});
