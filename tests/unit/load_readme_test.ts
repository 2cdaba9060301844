/** Checks what the operating document says about the load tool. */
import assert from "node:assert/strict";
import { Command } from "commander";
import { addLoadCommand } from "../../server/load/command.ts";
import { addUserCommands } from "../../server/cli/users.ts";
import type { CliHost } from "../../server/cli/host.ts";
import { SCENARIOS } from "../../server/load/scenario.ts";
import { SESSION_ENDS } from "../../server/edge/types.ts";

const OPERATING = Deno.readTextFileSync(
  new URL("../../server/ops/README.md", import.meta.url),
);
const SECTION = OPERATING.split("\n## Load and dark launch\n")[1]!.split(/\n## /)[0]!;

/** The first cells of a table's rows, where they are code: rows up to the first empty line. */
function firstCells(text: string, head: string): readonly string[] {
  const rows = text.split(new RegExp(`^\\| ${head} +\\|.*\n`, "m"))[1]!.split("\n\n")[0]!;
  return [...rows.matchAll(/^\| `(\w+)`/gm)].map((m) => m[1]!);
}

Deno.test("the operating document lists every scenario of the load tool, and no other", () => {
  const names = SCENARIOS.map(({ name }) => name);
  assert.deepEqual([...firstCells(SECTION, "scenario")].sort(), names.toSorted());
});

Deno.test("the operating document lists every reason for the end of a session, and no other", () => {
  assert.deepEqual([...firstCells(OPERATING, "`reason`")].sort(), SESSION_ENDS.toSorted());
});

Deno.test("the documented options of roost load and roost user list exist", () => {
  const program = new Command();
  // Nothing of the machine is touched before a command runs.
  const host = {} as CliHost;
  addLoadCommand(program, host, () => {});
  addUserCommands(program, host);
  const find = (of: Command, name: string) => of.commands.find((c) => c.name() === name)!;
  const load = find(program, "load").options.map(({ long }) => long);
  const list = find(find(program, "user"), "list").options.map(({ long }) => long);
  const named = [...new Set(SECTION.match(/(?<=[\s`])--[a-z][a-z-]*/g))];
  assert.ok(named.length > 15, named.join());
  assert.deepEqual(named.filter((option) => ![...load, ...list].includes(option)), []);
  const commands = [...SECTION.matchAll(/^roost load (?:(\w+) )?/gm)].map((m) => m[1]);
  assert.ok(commands.length >= 6);
  const known: readonly string[] = SCENARIOS.map(({ name }) => name);
  assert.deepEqual(commands.filter((name) => name !== undefined && !known.includes(name)), []);
});
