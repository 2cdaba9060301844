/** `roost cells`, `cells join`, `cells leave`: the federation, as a running server sees it. */
import type { Command } from "commander";
import { z } from "zod";
import { addConfigOptions } from "./config.ts";
import type { CliHost } from "./host.ts";
import { type ConfigOptions, withServer } from "./inspect.ts";
import { addMoveCommands } from "./moves.ts";
import { listed } from "./table.ts";
import { MISSING, noteMissing } from "./client.ts";
import { addStandbyCommands, COPIES, printCopies } from "./standby.ts";
import { visible, visibleJson } from "../text/visible.ts";

// Fields that no table has are in the JSON.
const NODE = z.looseObject({
  id: z.string(),
  address: z.string(),
  publicUrls: z.array(z.string()),
  version: z.string(),
  state: z.enum(["linked", "unlinked", "left"]),
  rttMs: z.number().nullable(),
  queueBytes: z.number(),
  lagMs: z.number(),
  users: z.number().nullable(),
  fault: z.string().nullable(),
});
const CELL = z.looseObject({
  cell: z.string(),
  state: z.enum(["linked", "unlinked", "left"]),
  member: z.boolean(),
  nodes: z.array(NODE),
  shards: z.number().nullable(),
  sent: z.looseObject({ frames: z.number(), dropped: z.number() }),
});
const MEMBERS = z.object({ version: z.number(), cells: z.array(z.object({ cell: z.string() })) });
const SEEN = z.looseObject({
  members: z.looseObject({ version: z.number(), joined: z.boolean() }),
  self: z.looseObject({
    cell: z.string(),
    node: z.string(),
    address: z.string(),
    publicUrls: z.array(z.string()),
    version: z.string(),
    // A node of the version before does not say it.
    users: z.number().optional(),
  }),
  cells: z.array(CELL),
  unreached: z.array(z.object({ address: z.string(), fault: z.string() })),
});
const VIEW = SEEN.extend({ others: z.array(SEEN), missing: MISSING });

type Cell = z.output<typeof CELL>;
type View = z.output<typeof VIEW>;

const HEAD = [
  "cell",
  "state",
  "member",
  "rtt ms",
  "queue",
  "lag ms",
  "dropped",
  "nodes",
  "users",
  "shards",
  "version",
  "clients",
];

const HELP = `
State: this, linked, unlinked (no node of it can be reached), left (its nodes have stopped). Member:
whether it votes on names.
Rtt: round trip of the best link. Queue: bytes that wait for its nodes; lag: for how long the oldest
has. Dropped: frames that did not fit into the queue; their senders repeat them. Nodes: linked of
those that are known. Users: online at the nodes that are linked. Clients: where they reach it.`;

function rowOf({ cell, state, member, nodes, shards, sent }: Cell): readonly string[] {
  const linked = nodes.filter((node) => node.state === "linked");
  const rtts = linked.flatMap(({ rttMs }) => rttMs === null ? [] : [rttMs]);
  const users = linked.flatMap((node) => node.users ?? []);
  const known = nodes.filter((node) => node.state !== "left");
  return [
    cell,
    state,
    member ? "yes" : "no",
    rtts.length === 0 ? "-" : Math.min(...rtts).toFixed(1),
    String(nodes.reduce((sum, { queueBytes }) => sum + queueBytes, 0)),
    Math.max(0, ...nodes.map(({ lagMs }) => lagMs)).toFixed(0),
    String(sent.dropped),
    `${linked.length}/${known.length}`,
    users.length === 0 ? "-" : String(users.reduce((sum, count) => sum + count, 0)),
    shards === null ? "-" : String(shards),
    [...new Set(known.map(({ version }) => version))].join(",") || "-",
    [...new Set(known.flatMap(({ publicUrls }) => publicUrls))].join(" ") || "-",
  ];
}

function ownRow({ members, self, others }: View): readonly string[] {
  const { cell, publicUrls, version } = self;
  const users = [self, ...others.map(({ self }) => self)]
    .reduce((sum, { users = 0 }) => sum + users, 0);
  const count = String(1 + others.length);
  const blank = ["-", "-", "-", "-"];
  const member = members.joined ? "yes" : "no";
  const start = [cell, "this", member, ...blank, count, String(users)];
  return [...start, "-", version, publicUrls.join(" ") || "-"];
}

/** Why nodes are not linked, a line for each. */
function faultsOf({ self, cells, others, unreached }: View): readonly string[] {
  const seen = [{ self, cells }, ...others];
  return [
    ...seen.flatMap(({ self, cells }) =>
      cells.flatMap(({ cell, nodes }) =>
        nodes.filter(({ fault, state }) => state === "unlinked" && fault !== null)
          .map(({ id, address, fault }) =>
            `Node ${self.node} has no link to node ${id} of cell ${cell} at ${address}: ${fault}`
          )
      )
    ),
    ...unreached.map(({ address, fault }) => `No node is reached at ${address}: ${fault}`),
  ];
}

const JOIN_HELP = `
A cell without accounts joins by itself, once it is linked with a member. One that has accounts joins
by this command, unless a name of them is taken in another cell: roost cells check lists those.
Every member must be linked.`;

const CHECK_HELP = `
Compares the names of all accounts of this cell, also deleted ones whose names are still closed,
with all cells that are linked. Exits with 1 where a name is taken twice. Accounts that were created
within the last minute may be missing.`;

const REPORT = z.object({
  compared: z.number(),
  cells: z.array(z.string()),
  conflicts: z.array(z.object({ name: z.string(), cell: z.string() })),
  conflictsFound: z.number(),
  fault: z.string().nullable(),
});

function printReport(host: CliHost, report: z.output<typeof REPORT>): void {
  const { compared, cells, conflicts, conflictsFound } = report;
  for (const { name, cell } of conflicts) host.out(`${visible(`${name} is taken in ${cell}`)}\n`);
  const more = conflictsFound - conflicts.length;
  if (more > 0) host.out(`… and ${more} more\n`);
  host.out(`${visible(`Compared ${compared} names with ${cells.join(", ")}`)}\n`);
}

function addCheckCommand(cells: Command, host: CliHost): void {
  addConfigOptions(cells.command("check"))
    .description("list names that this cell and another one both have")
    .addHelpText("after", CHECK_HELP)
    .allowExcessArguments(false)
    .action((_: unknown, command: Command) =>
      withServer(host, command.optsWithGlobals(), async (call) => {
        const report = await call({ method: "GET", path: "/admin/cells/check" }, REPORT);
        printReport(host, report);
        if (report.fault !== null) throw new Error(`The names cannot be compared: ${report.fault}`);
        if (report.conflictsFound > 0) {
          throw new Error(`${report.conflictsFound} names are taken twice`);
        }
      })
    );
}

const LEAVE_HELP = `
Without a name, this cell. A cell that is lost for good is removed by any other one, so that it does
not count where majorities decide. All others must be linked, and know all names that were decided
before the last change of the members: names that only the lost cell and others not linked know may
be given again after --force.`;

function printMembers(host: CliHost, { version, cells }: z.output<typeof MEMBERS>): void {
  const names = cells.map(({ cell }) => cell).join(", ");
  host.out(`${visible(`Members, version ${version}: ${names}`)}\n`);
}

function addMemberCommands(cells: Command, host: CliHost): void {
  addConfigOptions(cells.command("join"))
    .description("make this cell a member, which votes on names")
    .addHelpText("after", JOIN_HELP)
    .allowExcessArguments(false)
    .action((_: unknown, command: Command) =>
      withServer(host, command.optsWithGlobals(), async (call) => {
        printMembers(host, await call({ method: "POST", path: "/admin/cells/join" }, MEMBERS));
      })
    );
  addConfigOptions(cells.command("leave [cell]"))
    .description("take a cell out of the members")
    .option("--force", "although this cell has accounts, or others may not know all names")
    .addHelpText("after", LEAVE_HELP)
    .allowExcessArguments(false)
    .action((cell: string | undefined, { force = false }: { force?: boolean }, command: Command) =>
      withServer(host, command.optsWithGlobals(), async (call) => {
        const body = cell === undefined ? { force } : { cell, force };
        const path = "/admin/cells/leave";
        printMembers(host, await call({ method: "POST", path, body }, MEMBERS));
      })
    );
}

/** Adds the commands. */
export function addCellsCommand(program: Command, host: CliHost): void {
  const cells = addConfigOptions(program.command("cells"))
    .description("the cells that share the domain: links, queues, nodes")
    .option("--json", "as JSON")
    .addHelpText("after", HELP)
    .allowExcessArguments(false)
    .action((options: ConfigOptions & { readonly json?: true }) =>
      withServer(host, options, async (call) => {
        const view = await call({ method: "GET", path: "/admin/cells" }, VIEW);
        const standby = await call({ method: "GET", path: "/admin/standby" }, COPIES);
        if (options.json === true) return host.out(`${visibleJson({ ...view, standby })}\n`);
        const rows = [ownRow(view), ...view.cells.map(rowOf)];
        host.out(listed(false, rows, HEAD, (row) => row, "left"));
        printCopies(host, standby);
        for (const fault of faultsOf(view)) host.err(`${visible(fault)}\n`);
        noteMissing(host, view.missing);
      })
    );
  addCheckCommand(cells, host);
  addMemberCommands(cells, host);
  addMoveCommands(cells, host);
  addStandbyCommands(cells, host);
}
