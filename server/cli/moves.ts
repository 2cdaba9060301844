/** `roost cells move-user`, `cells evacuate`: accounts that move to other cells, by a running server. */
import type { Command } from "commander";
import { z } from "zod";
import type { AdminCall } from "./client.ts";
import { addConfigOptions } from "./config.ts";
import { type CliHost, UsageError } from "./host.ts";
import { type ConfigOptions, withServer } from "./inspect.ts";
import { visible, visibleJson } from "../text/visible.ts";
import { REFUSALS } from "../../shard/federation/move_message.ts";

/** Between two looks at how far it is (ms). */
const LOOK_MS = 500;

const MOVE = z.object({
  to: z.string(),
  phase: z.enum(["offering", "copying", "freezing", "deciding", "moved"]),
  refused: z.enum(REFUSALS).optional(),
}).nullable();
const ORDER = z.object({
  to: z.array(z.string()),
  perSecond: z.number(),
  state: z.enum(["running", "paused", "stopped", "done"]),
  passes: z.number(),
  begun: z.number(),
  moved: z.number(),
  moving: z.number(),
  // A node of the version before does not say it.
  remaining: z.number().nullable().default(null),
  startedAt: z.number(),
  endedAt: z.number(),
}).nullable();

type Move = z.output<typeof MOVE>;
type Order = z.output<typeof ORDER>;
type Options = ConfigOptions & { readonly json?: true };

const MOVE_HELP = `
The account goes on while its messages are copied, and stands still for a moment at the end; its
clients follow to CELL by themselves, with all that they had. The command waits for the end: it may
be stopped, for the cells go on by themselves. --cancel gives a move up that is not decided yet.`;

const EVACUATE_HELP = `
CELL is the cell of the server that is asked. Its accounts move to the other members that have users,
or to those of --to, --rate of them a second at most: the other cells take in fewer while they are
busy. The cell does it by itself, also after a restart; the command shows how far it is, and may be
stopped. --status shows that only; --pause, --resume and --stop change it, as --rate does with them.`;

function textOf(name: string, move: Move): string {
  if (move === null) return `${name} stays in this cell`;
  const { to, phase, refused } = move;
  switch (phase) {
    case "moved":
      return `${name} is at home in ${to} now`;
    case "offering":
      return refused === undefined
        ? `${name}: offered to ${to}`
        : `${name}: ${to} does not take it now (${refused})`;
    case "copying":
      return `${name}: copied to ${to}`;
    case "freezing":
      return `${name}: the last of it is copied to ${to}`;
    case "deciding":
      return `${name}: the cells decide`;
  }
}

async function followMove(
  host: CliHost,
  call: AdminCall,
  name: string,
  first: Move,
): Promise<Move> {
  const path = `/admin/cells/move-user?user=${encodeURIComponent(name)}`;
  let before = "";
  for (let move = first;; move = await call({ method: "GET", path }, MOVE)) {
    if (move === null || move.phase === "moved") return move;
    const text = textOf(name, move);
    if (text !== before) host.err(`${visible(text)}\n`);
    before = text;
    await host.pause(LOOK_MS);
  }
}

function addMoveCommand(cells: Command, host: CliHost): void {
  addConfigOptions(cells.command("move-user <name> [cell]"))
    .description("move an account to another cell")
    .option("--cancel", "give the move up, while the cells have not decided")
    .option("--json", "as JSON")
    .addHelpText("after", MOVE_HELP)
    .allowExcessArguments(false)
    .action((name: string, cell: string | undefined, _: unknown, command: Command) => {
      const options: Options & { readonly cancel?: true } = command.optsWithGlobals();
      return withServer(host, options, async (call) => {
        if (options.cancel === true) {
          const path = `/admin/cells/move-user?user=${encodeURIComponent(name)}`;
          await call({ method: "DELETE", path }, z.null());
          return host.out(`${visible(`${name} stays in this cell`)}\n`);
        }
        if (cell === undefined) throw new UsageError("Name the cell that the account moves to");
        const request = { method: "POST", path: "/admin/cells/move-user" } as const;
        const first = await call({ ...request, body: { user: name, cell } }, MOVE);
        const move = await followMove(host, call, name, first);
        host.out(`${options.json === true ? visibleJson(move) : visible(textOf(name, move))}\n`);
      });
    });
}

function orderText(order: Order): string {
  if (order === null) return "This cell was never evacuated";
  const { to, perSecond, state, moved, moving, remaining } = order;
  const left = remaining === null || state === "done" ? "" : `, about ${remaining} remaining`;
  const rate = state === "running" ? `, at most ${perSecond} a second` : "";
  return `Evacuation to ${
    to.join(", ")
  }: ${state}, ${moved} accounts moved, ${moving} on their way` +
    left + rate;
}

/** Shows how far it is until it is over, or paused. */
async function followOrder(host: CliHost, call: AdminCall, first: Order): Promise<Order> {
  let before = "";
  for (let order = first;;) {
    if (order?.state !== "running") return order;
    const text = orderText(order);
    if (text !== before) host.err(`${visible(text)}\n`);
    before = text;
    await host.pause(LOOK_MS);
    order = await call({ method: "GET", path: "/admin/cells/evacuate" }, ORDER);
  }
}

type EvacuateOptions = Options & {
  readonly to?: readonly string[];
  readonly rate?: number;
  readonly status?: true;
  readonly pause?: true;
  readonly resume?: true;
  readonly stop?: true;
};

function rateOf(text: string): number {
  const rate = Number(text);
  if (rate >= 0.1 && rate <= 10_000) return rate;
  throw new UsageError(`--rate is ${text}: it must be from 0.1 to 10000 accounts a second`);
}

/** What `--pause`, `--resume` and `--stop` ask for; null where none is given. */
function changeOf({ pause, resume, stop }: EvacuateOptions): string | null {
  if (stop === true) return "stopped";
  if (pause === true) return "paused";
  return resume === true ? "running" : null;
}

async function evacuate(call: AdminCall, cell: string | undefined, options: EvacuateOptions) {
  const path = "/admin/cells/evacuate";
  const { to, rate, status } = options;
  const state = changeOf(options);
  const perSecond = rate === undefined ? {} : { perSecond: rate };
  if (status === true) return await call({ method: "GET", path }, ORDER);
  if (state !== null) {
    return await call({ method: "PUT", path, body: { state, ...perSecond } }, ORDER);
  }
  if (cell === undefined) throw new UsageError("Name the cell that is to be evacuated");
  const body = { cell, ...(to === undefined ? {} : { to }), ...perSecond };
  return await call({ method: "POST", path, body }, ORDER);
}

function addEvacuateCommand(cells: Command, host: CliHost): void {
  addConfigOptions(cells.command("evacuate [cell]"))
    .description("move all accounts of a cell to others")
    .option("--to <cells...>", "cells that take the accounts in")
    .option("--rate <n>", "accounts a second, at most (20)", rateOf)
    .option("--status", "show how far it is")
    .option("--pause", "begin no further moves")
    .option("--resume", "go on")
    .option("--stop", "give it up")
    .option("--json", "as JSON")
    .addHelpText("after", EVACUATE_HELP)
    .allowExcessArguments(false)
    .action((cell: string | undefined, _: unknown, command: Command) => {
      const given: EvacuateOptions = command.optsWithGlobals();
      return withServer(host, given, async (call) => {
        const first = await evacuate(call, cell, given);
        const follows = given.status !== true && changeOf(given) === null;
        const order = follows ? await followOrder(host, call, first) : first;
        host.out(`${given.json === true ? visibleJson(order) : visible(orderText(order))}\n`);
      });
    });
}

/** Adds the commands. */
export function addMoveCommands(cells: Command, host: CliHost): void {
  addMoveCommand(cells, host);
  addEvacuateCommand(cells, host);
}
