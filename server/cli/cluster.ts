/** `roost cluster status`: the nodes of the cell and the shards of each; `roost secret create`. */
import type { Command } from "commander";
import { z } from "zod";
import { addConfigOptions } from "./config.ts";
import type { CliHost } from "./host.ts";
import { type ConfigOptions, withServer } from "./inspect.ts";
import { listed } from "./table.ts";

const NODE = z.object({
  id: z.string(),
  incarnation: z.number(),
  address: z.string(),
  state: z.enum(["this", "linked", "unlinked", "dead"]),
  shards: z.array(z.number()),
});
const NODES = z.object({ nodes: z.array(NODE) });
const HEAD = ["node", "process", "state", "shards", "address"];

const STATUS_HELP = `
State: this (the node that is asked), linked, unlinked (it shows signs of life in the store, but
there is no link to it), dead (its shards are taken over).`;

const SECRET_HELP = `
Write it to a file that only the server's user can read, the same on every machine of the cell:
roost secret create > roost.secret; chmod 600 roost.secret`;

function rowOf(node: z.output<typeof NODE>): readonly string[] {
  const { id, incarnation, state, shards, address } = node;
  return [id, String(incarnation), state, String(shards.length), address];
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
        const { nodes } = await call({ method: "GET", path: "/admin/cluster" }, NODES);
        host.out(listed(options.json === true, nodes, HEAD, rowOf, "left"));
      })
    );
  program.command("secret").description("the secret that the nodes of a cell share")
    .command("create")
    .description("print a new one")
    .addHelpText("after", SECRET_HELP)
    .allowExcessArguments(false)
    .action(() => host.out(`${host.secret()}\n`));
}
