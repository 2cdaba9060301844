/**
 * `roost cluster move`, `rebalance`, `drain`, `leave`: which nodes of a running cell have which shards.
 * The cell does what was ordered by itself: a command shows how far it is, and may be stopped.
 */
import type { Command } from "commander";
import { z } from "zod";
import type { AdminCall } from "./client.ts";
import { AdminError } from "./client.ts";
import { addConfigOptions } from "./config.ts";
import { type ClusterNode, type ClusterView, VIEW } from "./cluster_view.ts";
import { type CliHost, UsageError } from "./host.ts";
import { type ConfigOptions, withServer } from "./inspect.ts";
import { NoServerError } from "../ops/socket.ts";
import { visibleJson } from "../text/visible.ts";

/** Between two looks at how far it is (ms). */
const LOOK_MS = 500;
/** Looks without progress after which a command gives up waiting. */
const STUCK_LOOKS = 120;

const MOVED = z.object({ from: z.string().nullable(), pauseMs: z.number().nullable() });

type Options = ConfigOptions & { readonly json?: true };

const DRAIN_HELP = `
The node gives its shards to others, a few at a time, gets no new ones, and sends its clients away.
That stays so, also when it is started again, until roost cluster drain --undo NODE. Without NODE it
is about the node that is asked. Other nodes must be there to take the shards.`;

const LEAVE_HELP = `
The node is drained; once it has no shards it ends, and is no node of the cell any more. One that has
died is taken out of the cell. A node that is started again is a new one, and gets its share. Without
NODE it is about the node that is asked.`;

const MOVE_HELP = `
The shard stays there until roost cluster rebalance, until it is split or merged, or until the node
dies or is drained. roost cluster shards lists the shards, roost cluster nodes the nodes.`;

/** Shows how far it is until `left` says 0; `left` returns null where there is nothing to wait for. */
async function follow(
  host: CliHost,
  call: AdminCall,
  first: ClusterView,
  left: (view: ClusterView) => number | null,
  what: (count: number, view: ClusterView) => string,
): Promise<ClusterView> {
  let view = first;
  let before = "";
  for (let looks = 0;; looks++) {
    const count = left(view);
    if (count === null || count === 0) return view;
    const text = what(count, view);
    if (text !== before) {
      host.err(`${text}\n`);
      looks = 0;
    }
    before = text;
    if (looks >= STUCK_LOOKS) {
      const seconds = STUCK_LOOKS * LOOK_MS / 1000;
      throw new AdminError("busy", `${text} since ${seconds} s; the cell goes on by itself`);
    }
    await host.pause(LOOK_MS);
    view = await call({ method: "GET", path: "/admin/cluster" }, VIEW);
  }
}

function nodeOf(view: ClusterView, id: string | undefined): ClusterNode | undefined {
  return view.nodes.find((node) => id === undefined ? node.state === "this" : node.id === id);
}

/** Orders it of a node; returns the cell and which node it is. */
async function order(call: AdminCall, path: string, node: string | undefined, more = {}) {
  const body = node === undefined ? more : { ...more, node };
  const view = await call({ method: "POST", path, body }, VIEW);
  const id = nodeOf(view, node)?.id ?? node;
  if (id === undefined) throw new AdminError("unavailable", "The server does not know itself");
  return { view, id };
}

function shardsOf(id: string): (count: number) => string {
  return (count) => `${id} still has ${count} shard${count === 1 ? "" : "s"}`;
}

async function drain(
  host: CliHost,
  call: AdminCall,
  node: string | undefined,
  { json, undo }: Options & { readonly undo?: true },
): Promise<void> {
  const ordered = await order(call, "/admin/cluster/drain", node, undo ? { undo } : {});
  const { id } = ordered;
  const left = (view: ClusterView) => nodeOf(view, id)?.shards.length ?? null;
  const view = undo ? ordered.view : await follow(host, call, ordered.view, left, shardsOf(id));
  if (json === true) host.out(`${visibleJson(nodeOf(view, id) ?? null)}\n`);
  else if (undo) host.out(`${id} may have shards again.\n`);
  else host.out(`${id} is drained: it has no shards.\n`);
}

async function leave(
  host: CliHost,
  call: AdminCall,
  node: string | undefined,
  { json }: Options,
): Promise<void> {
  const { view, id } = await order(call, "/admin/cluster/leave", node);
  const left = (view: ClusterView) => {
    const found = nodeOf(view, id);
    if (found === undefined) return null;
    if (found.drained) return found.shards.length + 1;
    throw new AdminError("conflict", `${id} stays: somebody has undone the order`);
  };
  const what = (count: number) =>
    count > 1 ? shardsOf(id)(count - 1) : `${id} has no shards and is ending`;
  try {
    await follow(host, call, view, left, what);
  } catch (error) {
    // The node that was asked may be the one that ends.
    if (error instanceof AdminError || nodeOf(view, undefined)?.id !== id) throw error;
    await untilGone(host, call, error);
  }
  host.out(json === true ? `${visibleJson({ id, left: true })}\n` : `${id} has left the cell.\n`);
}

/** Resolves when no server runs any more; throws `error` where one still does. */
async function untilGone(host: CliHost, call: AdminCall, error: unknown): Promise<void> {
  for (let looks = 0; !(error instanceof NoServerError); looks++) {
    if (looks >= STUCK_LOOKS) throw error;
    await host.pause(LOOK_MS);
    try {
      await call({ method: "GET", path: "/admin/cluster" }, VIEW);
    } catch (later) {
      error = later;
    }
  }
}

function sharesOf({ nodes }: ClusterView): string {
  return nodes.filter(({ state }) => state !== "dead")
    .map(({ id, shards }) => `${id} ${shards.length}`).join(", ");
}

async function rebalance(host: CliHost, call: AdminCall, { json }: Options): Promise<void> {
  const path = "/admin/cluster/rebalance";
  const first = await call({ method: "POST", path, body: {} }, VIEW);
  const left = ({ balancing, moving }: ClusterView) => balancing ? moving + 1 : moving;
  const view = await follow(host, call, first, left, (_, view) => `shards: ${sharesOf(view)}`);
  if (json === true) host.out(`${visibleJson(view.nodes)}\n`);
  else host.out(`The load is even; shards of each node: ${sharesOf(view)}\n`);
}

async function move(
  host: CliHost,
  call: AdminCall,
  text: string,
  node: string,
  { json }: Options,
): Promise<void> {
  const shard = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(shard)) {
    throw new UsageError(`the shard is ${text}: it must be a number, see roost cluster shards`);
  }
  const asked = { method: "POST", path: "/admin/cluster/move", body: { shard, node } } as const;
  const { from, pauseMs } = await call(asked, MOVED);
  if (json === true) return host.out(`${visibleJson({ shard, from, to: node, pauseMs })}\n`);
  const held = pauseMs === null ? "" : `; held up for ${pauseMs.toFixed(1)} ms`;
  host.out(`shard ${shard} is at ${node}, from ${from ?? "no node"}${held}\n`);
}

/** Adds the commands to `roost cluster`. */
export function addClusterOrders(cluster: Command, host: CliHost): void {
  const add = (name: string, description: string, help: string) =>
    addConfigOptions(cluster.command(name)).description(description)
      .option("--json", "as one JSON object").addHelpText("after", help)
      .allowExcessArguments(false);
  add("move <shard> <node>", "move a shard to a node, under traffic", MOVE_HELP)
    .action((shard: string, node: string, options: Options) =>
      withServer(host, options, (call) => move(host, call, shard, node, options))
    );
  add("rebalance", "even out the load of all nodes, with shards moved by hand too", "")
    .action((options: Options) =>
      withServer(host, options, (call) => rebalance(host, call, options))
    );
  add("drain [node]", "take all shards from a node", DRAIN_HELP)
    .option("--undo", "let it have shards again")
    .action((node: string | undefined, options: Options & { readonly undo?: true }) =>
      withServer(host, options, (call) => drain(host, call, node, options))
    );
  add("leave [node]", "drain a node, then take it out of the cell", LEAVE_HELP)
    .action((node: string | undefined, options: Options) =>
      withServer(host, options, (call) => leave(host, call, node, options))
    );
}
