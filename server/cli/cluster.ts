/** `roost cluster status`, `nodes`, `shards`: the cell of a running server; `roost secret create`. */
import type { Command } from "commander";
import { z } from "zod";
import { addConfigOptions } from "./config.ts";
import { addClusterOrders } from "./cluster_orders.ts";
import { type ClusterNode, type ClusterView, VIEW } from "./cluster_view.ts";
import type { CliHost } from "./host.ts";
import { type ConfigOptions, withServer } from "./inspect.ts";
import { listed } from "./table.ts";
import { POINT_SPACE } from "../../shard/name/ids.ts";

const SHARD = z.object({
  id: z.number(),
  lo: z.number(),
  hi: z.number(),
  epoch: z.number(),
  node: z.string().nullable(),
  place: z.string().nullable(),
});
const SHARDS = z.object({ shards: z.array(SHARD) });
const HEAD = [
  "node",
  "process",
  "state",
  "gossip",
  "health",
  "rtt ms",
  "clock",
  "users",
  "shards",
  "address",
];
const SHARD_HEAD = ["shard", "part", "epoch", "node", "moved"];

const STATUS_HELP = `
State: this (the node that is asked), linked, unlinked (it shows signs of life in the store, but
there is no link to it), dead (its shards are taken over); with "drained" (it is to have no shards)
or "leaving" (it ends once it has none).
Gossip: alive, suspect (its probes fail, and it has not refuted that), dead. It is a hint: the store
decides. Health: how much the node that is asked is behind, from 0 (healthy) to 7. Clock: how far
its wall clock is ahead of that of the node that is asked (s); over 1 s, set the clocks of the
machines by NTP. Users: those of its shards who have a session, as the node says itself.`;

const SHARDS_HELP = `
Part: of all users. Moved: an operator has moved the shard there; it stays until
roost cluster rebalance.`;

const SECRET_HELP = `
Write it to a file that only the server's user can read, the same on every machine of the cell:
roost secret create > roost.secret; chmod 600 roost.secret`;

function rowOf(node: ClusterNode): readonly string[] {
  const { id, incarnation, shards, address, gossip, drained, leaving } = node;
  const { rttMs = null, says = null } = gossip ?? {};
  const users = says === null ? "-" : String(says.load);
  const health = node.healthScore === null ? "-" : String(node.healthScore);
  const clock = node.clockOffsetMs === null ? "-" : (node.clockOffsetMs / 1000).toFixed(1);
  const rtt = rttMs === null ? "-" : rttMs.toFixed(1);
  const order = leaving ? ", leaving" : drained ? ", drained" : "";
  const state = `${node.state}${order}`;
  const seen = [gossip?.state ?? "-", health, rtt, clock, users];
  return [id, String(incarnation), state, ...seen, String(shards.length), address];
}

function shardRowOf({ id, lo, hi, epoch, node, place }: z.output<typeof SHARD>) {
  const part = `${(lo / POINT_SPACE * 100).toFixed(2)}-${(hi / POINT_SPACE * 100).toFixed(2)} %`;
  return [String(id), part, String(epoch), node ?? "-", place ?? "-"];
}

/** What is under way in the cell, a line for each. */
function summaryOf({ shards, unowned, moving, balancing, work }: ClusterView): string {
  const lines = [`${shards} shards`];
  if (unowned > 0) lines.push(`${unowned} of them without a node that lives`);
  if (moving > 0) lines.push(`${moving} of them to be moved`);
  const more = balancing ? ["The shares are being evened out by order"] : [];
  if (work?.state === "running") {
    const { by, changesMs, steps } = work;
    more.push(`The number of shards is being changed by ${by.id}: ${changesMs.length} of ${steps}`);
  } else if (work?.state === "failed") {
    more.push(`The last change of the number of shards has failed: ${work.error}`);
  }
  return [lines.join(", "), ...more].map((line) => `${line}\n`).join("");
}

type Options = ConfigOptions & { readonly json?: true };

function addNodes(cluster: Command, host: CliHost, name: string, summary: boolean): void {
  addConfigOptions(cluster.command(name))
    .description(summary ? "the nodes, and what is under way" : "the nodes: state, shards, address")
    .option("--json", "as one JSON array")
    .addHelpText("after", STATUS_HELP)
    .allowExcessArguments(false)
    .action((options: Options) =>
      withServer(host, options, async (call) => {
        const view = await call({ method: "GET", path: "/admin/cluster" }, VIEW);
        host.out(listed(options.json === true, view.nodes, HEAD, rowOf, "left"));
        if (summary && options.json !== true) host.out(summaryOf(view));
        for (const { id, address, linkFault } of view.nodes) {
          if (linkFault !== null) host.err(`No link to ${id} at ${address}: ${linkFault}\n`);
        }
      })
    );
}

/** Adds both commands. */
export function addClusterCommands(program: Command, host: CliHost): void {
  const cluster = program.command("cluster").description("the nodes of a running server's cell");
  addNodes(cluster, host, "status", true);
  addNodes(cluster, host, "nodes", false);
  addConfigOptions(cluster.command("shards"))
    .description("the shards of all nodes: which node has which")
    .option("--json", "as one JSON array")
    .addHelpText("after", SHARDS_HELP)
    .allowExcessArguments(false)
    .action((options: Options) =>
      withServer(host, options, async (call) => {
        const { shards } = await call({ method: "GET", path: "/admin/cluster/shards" }, SHARDS);
        host.out(listed(options.json === true, shards, SHARD_HEAD, shardRowOf, "left"));
      })
    );
  addClusterOrders(cluster, host);
  program.command("secret").description("the secret that the nodes of a cell share")
    .command("create")
    .description("print a new one")
    .addHelpText("after", SECRET_HELP)
    .allowExcessArguments(false)
    .action(() => host.out(`${host.secret()}\n`));
}
