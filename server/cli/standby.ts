/** The part of `roost cells` that is about copies of stores, and the commands that change who serves. */
import type { Command } from "commander";
import { z } from "zod";
import { addConfigOptions } from "./config.ts";
import type { AdminCall } from "./client.ts";
import type { CliHost } from "./host.ts";
import { listed } from "./table.ts";
import { visible } from "../text/visible.ts";
import { withServer } from "./inspect.ts";

const STANDBY = z.object({
  peer: z.string().nullable(),
  state: z.string(),
  lagWrites: z.number(),
  lagMs: z.number(),
});
const MEMBER = z.object({
  cell: z.string(),
  role: z.enum(["primary", "standby", "waiting"]),
  epoch: z.number(),
  mode: z.string(),
  voters: z.array(z.string()),
  registered: z.boolean(),
  inSync: z.boolean(),
  serves: z.boolean().optional(),
  copy: z.object({
    w: z.number().nullable(),
    whole: z.boolean(),
    following: z.boolean(),
    comparedRows: z.number(),
    filledBytes: z.number(),
  }).nullable(),
  standbys: z.array(STANDBY),
  // A node of the version before does not say it.
  wanted: z.object({ cell: z.string(), known: z.boolean() }).nullable().default(null),
});

/** What a server says of copies. */
export const COPIES = z.object({ own: MEMBER.nullable(), copies: z.array(MEMBER) });

/** It as a server has said it. */
export type Copies = z.output<typeof COPIES>;

const HEAD = ["store of", "here", "mode", "epoch", "voters", "standby", "state", "lag", "lag ms"];

type Member = z.output<typeof MEMBER>;

function rowsOf(
  { cell, copy, epoch, inSync, mode, registered, role, serves, standbys, voters, wanted }: Member,
) {
  const here = serves === true ? "serves" : role;
  const start = [cell, here, mode, String(epoch), voters.join(",") + (registered ? "" : " (away)")];
  if (role === "primary" && serves !== true) {
    if (standbys.length === 0) {
      const state = wanted?.known === false ? "no such cell is known" : "none";
      return [[...start, wanted?.cell ?? "-", state, "-", "-"]];
    }
    return standbys.map(({ peer, state, lagWrites, lagMs }) => [
      ...start,
      peer ?? "-",
      state,
      String(lagWrites),
      String(lagMs),
    ]);
  }
  const state = copy === null
    ? "-"
    : inSync
    ? "in sync"
    : copy.whole
    ? "whole"
    : `filling: ${copy.comparedRows} rows, ${copy.filledBytes} bytes`;
  return [[...start, "here", state, "-", "-"]];
}

/** Prints what a server says of copies; nothing where it has none. */
export function printCopies(host: CliHost, { own, copies }: Copies): void {
  const members = own === null ? copies : [own, ...copies];
  if (members.length === 0) return;
  host.out(listed(false, members.flatMap(rowsOf), HEAD, (row) => row, "left"));
}

const PROMOTE_HELP = `
Run it where the copy is. The standby takes over by itself where a majority of standby.voters can be
reached; this command is for the other cases. Without --force the places that vote decide. With it
this place decides alone: only when the primary is gone for good, or is stopped and stays so until
it reaches this cell.`;

/** Adds `cells promote` and `cells handback`. */
export function addStandbyCommands(cells: Command, host: CliHost): void {
  const order = async (call: AdminCall, path: string, body: Record<string, unknown>) => {
    await call({ method: "POST", path: `/admin/standby/${path}`, body }, z.object({}));
  };
  addConfigOptions(cells.command("promote <cell>"))
    .description("serve another cell from the copy of its store that is kept here")
    .option("--force", "although those who vote on it cannot be reached")
    .addHelpText("after", PROMOTE_HELP)
    .allowExcessArguments(false)
    .action((cell: string, { force = false }: { force?: boolean }, command: Command) =>
      withServer(host, command.optsWithGlobals(), async (call) => {
        await order(call, "promote", { cell, force });
        host.out(`${visible(`The copy of ${cell} takes the role of the primary`)}\n`);
      })
    );
  addConfigOptions(cells.command("handback <cell>"))
    .description("let a cell's own place serve it again, which must be in sync")
    .allowExcessArguments(false)
    .action((cell: string, _: unknown, command: Command) =>
      withServer(host, command.optsWithGlobals(), async (call) => {
        await order(call, "handback", { cell });
        host.out(`${visible(`${cell} is served by its own place again`)}\n`);
      })
    );
}
