/** `roost operator …`: people who use the admin API by tokens of their own. */
import type { Command } from "commander";
import { z } from "zod";
import { addConfigOptions, type loadConfig } from "./config.ts";
import { type CliHost, confirm, UsageError } from "./host.ts";
import { listed } from "./table.ts";
import { ROLES } from "../ops/roles.ts";
import { visible } from "../text/visible.ts";
import { withAdmin } from "./users.ts";

type ConfigOptions = Parameters<typeof loadConfig>[1];

interface TokenOptions extends ConfigOptions {
  readonly expires?: string;
}

const OPERATOR = z.looseObject({
  name: z.string(),
  role: z.string(),
  state: z.string(),
  createdAt: z.number(),
  expiresAt: z.number().nullable(),
});
const OPERATORS = z.object({ operators: z.array(OPERATOR) });
const WITH_TOKEN = OPERATOR.extend({ token: z.string() });

const ROLE_HELP = `
Roles:
  viewer    sees what the admin API shows: users, nodes, metrics, settings, the audit log
  operator  also manages users and invites
  admin     everything, as the token of \`roost admin token\`

The token is printed once, on standard output. It is for the dashboard and the admin API at
admin.listen. The command line itself acts as the user of the machine who runs it, who may do all.`;

function day(at: number | null): string {
  return at === null ? "never" : new Date(at).toISOString().slice(0, 10);
}

function daysOf({ expires }: TokenOptions): number | null {
  if (expires === undefined) return null;
  const days = /^([1-9][0-9]{0,4})d$/.exec(expires)?.[1];
  if (days === undefined) {
    throw new UsageError(`--expires ${expires} is no time: write days, such as 90d`);
  }
  return Number(days);
}

function pathOf(name: string): string {
  return `/admin/operators/${encodeURIComponent(name)}`;
}

function addTokenCommands(operator: Command, host: CliHost): void {
  const told = ({ expiresAt, name, role, token }: z.output<typeof WITH_TOKEN>) => {
    host.out(`${token}\n`);
    host.err(`${name} has the role ${role}; the token ends: ${day(expiresAt)}.\n`);
  };
  addConfigOptions(operator.command("add <name>"))
    .description("let somebody use the admin API: prints a token")
    .requiredOption("--role <role>", `what it may do: ${ROLES.join(", ")}`)
    .option("--expires <days>", "when the token ends, such as 90d (never)")
    .addHelpText("after", ROLE_HELP)
    .allowExcessArguments(false)
    .action(async (name: string, options: TokenOptions & { readonly role: string }) => {
      const body = { name, role: options.role, expiresDays: daysOf(options) };
      await withAdmin(host, options, async (admin) => {
        told(await admin.call({ method: "POST", path: "/admin/operators", body }, WITH_TOKEN));
      });
    });
  addConfigOptions(operator.command("rotate <name>"))
    .description("print another token; the old one ends at once")
    .option("--expires <days>", "when the token ends, such as 90d (never)")
    .allowExcessArguments(false)
    .action(async (name: string, options: TokenOptions) => {
      const body = { expiresDays: daysOf(options) };
      await withAdmin(host, options, async (admin) => {
        const path = `${pathOf(name)}/rotate`;
        told(await admin.call({ method: "POST", path, body }, WITH_TOKEN));
      });
    });
}

/** Adds `roost operator`. */
export function addOperatorCommands(program: Command, host: CliHost): void {
  const operator = program.command("operator").description("who may use the admin API, and how");
  addTokenCommands(operator, host);
  addConfigOptions(operator.command("list"))
    .description("list operators")
    .option("--json", "as one JSON array")
    .allowExcessArguments(false)
    .action((options: ConfigOptions & { readonly json?: true }) =>
      withAdmin(host, options, async (admin) => {
        const { operators } = await admin.call(
          { method: "GET", path: "/admin/operators" },
          OPERATORS,
        );
        const head = ["NAME", "ROLE", "STATE", "CREATED", "EXPIRES"];
        host.out(listed(options.json === true, operators, head, (one) => {
          return [one.name, one.role, one.state, day(one.createdAt), day(one.expiresAt)];
        }));
      })
    );
  const changes = [
    ["disable", { disabled: true }, "keep an operator out until it is enabled", "is disabled"],
    ["enable", { disabled: false }, "let an operator in again", "is enabled"],
  ] as const;
  for (const [verb, body, description, done] of changes) {
    addConfigOptions(operator.command(`${verb} <name>`))
      .description(description)
      .allowExcessArguments(false)
      .action((name: string, options: ConfigOptions) =>
        withAdmin(host, options, async (admin) => {
          await admin.call({ method: "PUT", path: pathOf(name), body }, OPERATOR);
          host.out(`${name} ${done}.\n`);
        })
      );
  }
  addConfigOptions(operator.command("role <name> <role>"))
    .description("give an operator another role")
    .allowExcessArguments(false)
    .action((name: string, role: string, options: ConfigOptions) =>
      withAdmin(host, options, async (admin) => {
        await admin.call({ method: "PUT", path: pathOf(name), body: { role } }, OPERATOR);
        host.out(`${name} has the role ${role}.\n`);
      })
    );
  addConfigOptions(operator.command("remove <name>"))
    .description("end an operator, and its token at once")
    .option("--yes", "do not ask")
    .allowExcessArguments(false)
    .action((name: string, options: ConfigOptions & { readonly yes?: true }) =>
      withAdmin(host, options, async (admin) => {
        const what = `This ends the operator ${visible(name)}.`;
        if (options.yes !== true) await confirm(host, what, visible(name));
        await admin.call({ method: "DELETE", path: pathOf(name) }, z.unknown());
        host.out(`${name} is removed.\n`);
      })
    );
}
