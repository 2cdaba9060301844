/** `roost cluster status`: the nodes of the cell and the shards of each; `roost secret create`. */
import type { Command } from "commander";
import { z } from "zod";
import { addConfigOptions } from "./config.ts";
import type { CliHost } from "./host.ts";
import { type ConfigOptions, withServer } from "./inspect.ts";
import { listed } from "./table.ts";

const GOSSIP = z.object({
  state: z.enum(["alive", "suspect", "dead"]),
  silentMs: z.number(),
  rttMs: z.number().nullable(),
  says: z.object({ load: z.number(), version: z.string() }).nullable(),
});
const NODE = z.object({
  id: z.string(),
  incarnation: z.number(),
  address: z.string(),
  state: z.enum(["this", "linked", "unlinked", "dead"]),
  shards: z.array(z.number()),
  gossip: GOSSIP.nullable(),
  healthScore: z.number().nullable(),
  clockOffsetMs: z.number().nullable(),
  linkFault: z.string().nullable(),
});
const NODES = z.object({ nodes: z.array(NODE) });
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

const STATUS_HELP = `
State: this (the node that is asked), linked, unlinked (it shows signs of life in the store, but
there is no link to it), dead (its shards are taken over).
Gossip: alive, suspect (its probes fail, and it has not refuted that), dead. It is a hint: the store
decides. Health: how much the node that is asked is behind, from 0 (healthy) to 7. Clock: how far
its wall clock is ahead of that of the node that is asked (s); over 1 s, set the clocks of the
machines by NTP. Users: those of its shards who have a session, as the node says itself.`;

const SECRET_HELP = `
Write it to a file that only the server's user can read, the same on every machine of the cell:
roost secret create > roost.secret; chmod 600 roost.secret`;

function rowOf(node: z.output<typeof NODE>): readonly string[] {
  const { id, incarnation, state, shards, address, gossip } = node;
  const { rttMs = null, says = null } = gossip ?? {};
  const users = says === null ? "-" : String(says.load);
  const health = node.healthScore === null ? "-" : String(node.healthScore);
  const clock = node.clockOffsetMs === null ? "-" : (node.clockOffsetMs / 1000).toFixed(1);
  const rtt = rttMs === null ? "-" : rttMs.toFixed(1);
  const seen = [gossip?.state ?? "-", health, rtt, clock, users];
  return [id, String(incarnation), state, ...seen, String(shards.length), address];
}

/** Adds both commands. */
export function addClusterCommands(program: Command, host: CliHost): void {
  const cluster = program.command("cluster").description("the nodes of a running server's cell");
  addConfigOptions(cluster.command("status"))
    .description("the nodes: state, shards, address")
    .option("--json", "as one JSON array")
    .addHelpText("after", STATUS_HELP)
    .allowExcessArguments(false)
    .action((options: ConfigOptions & { readonly json?: true }) =>
      withServer(host, options, async (call) => {
        const asked = { method: "GET", path: "/admin/cluster" } as const;
        const { nodes } = await call(asked, NODES);
        host.out(listed(options.json === true, nodes, HEAD, rowOf, "left"));
        for (const { id, address, linkFault } of nodes) {
          if (linkFault !== null) host.err(`No link to ${id} at ${address}: ${linkFault}\n`);
        }
      })
    );
  program.command("secret").description("the secret that the nodes of a cell share")
    .command("create")
    .description("print a new one")
    .addHelpText("after", SECRET_HELP)
    .allowExcessArguments(false)
    .action(() => host.out(`${host.secret()}\n`));
}
