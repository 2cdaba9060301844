/** `roost service …` and `roost experiment …`. */
import type { Command } from "commander";
import { z } from "zod";
import { SCOPES } from "../gateway/service.ts";
import { visible, visibleJson } from "../text/visible.ts";
import type { AdminClient } from "./client.ts";
import { addConfigOptions, type loadConfig } from "./config.ts";
import { type CliHost, confirm, counted, UsageError } from "./host.ts";
import { listed } from "./table.ts";
import { withAdmin } from "./users.ts";

type ConfigOptions = Parameters<typeof loadConfig>[1];

interface ListOptions extends ConfigOptions {
  readonly json?: true;
}

const SERVICE = z.looseObject({
  name: z.string(),
  state: z.string(),
  scopes: z.array(z.string()),
  expiresAt: z.number().nullable(),
  webhooks: z.number(),
  waiting: z.number(),
  dead: z.number(),
});
const SERVICES = z.object({ services: z.array(SERVICE) });
const ADDED = SERVICE.extend({ token: z.string() });
const HOOKS = z.object({
  webhooks: z.array(z.object({
    id: z.string(),
    url: z.string(),
    waiting: z.number(),
    dead: z.number(),
    failures: z.number(),
    trouble: z.string(),
  })),
});
const DEAD = z.object({
  dead: z.array(z.object({ n: z.number(), at: z.number(), event: z.unknown() })),
});
const REPLAYED = z.object({ replayed: z.number() });
const EXPERIMENT = z.object({
  name: z.string(),
  doc: z.string(),
  known: z.array(z.string()),
  arms: z.string().nullable(),
  from: z.string(),
});
const EXPERIMENTS = z.object({ experiments: z.array(EXPERIMENT) });

const SCOPE_HELP = `
Scopes:
${Object.entries(SCOPES).map(([name, doc]) => `  ${name.padEnd(14)} ${doc}`).join("\n")}

The service acts as the account service.NAME, which users see and may block. The token is printed
once, on standard output.`;

function day(at: number | null): string {
  return at === null ? "never" : new Date(at).toISOString().slice(0, 10);
}

function readDays(text: string | undefined): number | null {
  if (text === undefined) return null;
  const days = /^([1-9][0-9]{0,4})d$/.exec(text)?.[1];
  if (days === undefined) {
    throw new UsageError(`--expires ${text} is no time: write days, such as 90d`);
  }
  return Number(days);
}

interface AddOptions extends ConfigOptions {
  readonly scope: string;
  readonly expires?: string;
}

function servicePath(name: string): string {
  return `/admin/services/${encodeURIComponent(name)}`;
}

function addTokenCommands(service: Command, host: CliHost): void {
  addConfigOptions(service.command("add <name>"))
    .description("let another system in: makes its account and prints its token")
    .requiredOption("--scope <scopes>", `what it may do, with commas: ${Object.keys(SCOPES)}`)
    .option("--expires <days>", "when the token ends, such as 90d (never)")
    .addHelpText("after", SCOPE_HELP)
    .allowExcessArguments(false)
    .action(async (name: string, options: AddOptions) => {
      const expiresDays = readDays(options.expires);
      const scopes = options.scope.split(",").map((word) => word.trim()).filter(Boolean);
      await withAdmin(host, options, async (admin) => {
        const body = { name, scopes, expiresDays };
        const added = await admin.call({ method: "POST", path: "/admin/services", body }, ADDED);
        host.out(`${added.token}\n`);
        host.err(`service.${added.name} may ${added.scopes.join(", ")}; `);
        host.err(`its token ends: ${day(added.expiresAt)}.\n`);
      });
    });
  addConfigOptions(service.command("revoke <name>"))
    .description("end a service's token, sessions, presence and webhooks at once")
    .option("--yes", "do not ask")
    .allowExcessArguments(false)
    .action((name: string, options: ConfigOptions & { readonly yes?: true }) =>
      withAdmin(host, options, async (admin) => {
        if (options.yes !== true) {
          const what = `This ends the token of ${visible(name)} and deletes what waits for it.`;
          await confirm(host, what, visible(name));
        }
        await admin.call({ method: "DELETE", path: servicePath(name) }, z.unknown());
        host.out(`${name} is revoked.\n`);
      })
    );
  addConfigOptions(service.command("list"))
    .description("list services")
    .option("--json", "as one JSON array")
    .allowExcessArguments(false)
    .action((options: ListOptions) =>
      withAdmin(host, options, async (admin) => {
        const { services } = await admin.call({ method: "GET", path: "/admin/services" }, SERVICES);
        const head = ["NAME", "STATE", "SCOPES", "WEBHOOKS", "WAITING", "DEAD", "EXPIRES"];
        host.out(listed(options.json === true, services, head, (s) => [
          s.name,
          s.state,
          s.scopes.join(","),
          ...[s.webhooks, s.waiting, s.dead].map(String),
          day(s.expiresAt),
        ]));
      })
    );
}

function addHookCommands(service: Command, host: CliHost): void {
  addConfigOptions(service.command("webhooks <name>"))
    .description("list a service's webhooks and how they do")
    .option("--json", "as one JSON array")
    .allowExcessArguments(false)
    .action((name: string, options: ListOptions) =>
      withAdmin(host, options, async (admin) => {
        const path = `${servicePath(name)}/webhooks`;
        const { webhooks } = await admin.call({ method: "GET", path }, HOOKS);
        const head = ["ID", "WAITING", "DEAD", "FAILURES", "TROUBLE", "URL"];
        host.out(listed(options.json === true, webhooks, head, (hook) => [
          hook.id,
          ...[hook.waiting, hook.dead, hook.failures].map(String),
          hook.trouble,
          hook.url,
        ]));
      })
    );
  addConfigOptions(service.command("dead <name> <webhook>"))
    .description("print the dead letters of a webhook, one JSON object a line, oldest first")
    .allowExcessArguments(false)
    .action((name: string, webhook: string, options: ConfigOptions) =>
      withAdmin(host, options, async (admin) => {
        for (let after = 0;;) {
          const hook = `${servicePath(name)}/webhooks/${encodeURIComponent(webhook)}`;
          const path = `${hook}/dead?after=${after}`;
          const { dead } = await admin.call({ method: "GET", path }, DEAD);
          for (const letter of dead) host.out(visibleJson(letter) + "\n");
          if (dead.length === 0) return;
          after = dead.at(-1)!.n;
        }
      })
    );
  addConfigOptions(service.command("replay <name> <webhook>"))
    .description("send the dead letters of a webhook again, behind what waits")
    .allowExcessArguments(false)
    .action((name: string, webhook: string, options: ConfigOptions) =>
      withAdmin(host, options, async (admin) => {
        const path = `${servicePath(name)}/webhooks/${encodeURIComponent(webhook)}/replay`;
        const { replayed } = await admin.call({ method: "POST", path }, REPLAYED);
        const verb = replayed === 1 ? "waits" : "wait";
        host.out(`${counted(replayed, "event")} ${verb} to be sent again.\n`);
      })
    );
}

interface SetOptions extends ConfigOptions {
  readonly arms?: string;
  readonly off?: true;
  readonly default?: true;
}

async function setExperiment(host: CliHost, admin: AdminClient, name: string, arms: string) {
  const path = `/admin/experiments/${encodeURIComponent(name)}`;
  const set = await admin.call({ method: "PUT", path, body: { arms } }, EXPERIMENT);
  host.out(`${set.name} is ${set.arms ?? "off"}.\n`);
}

function addExperimentCommands(program: Command, host: CliHost): void {
  const experiment = program.command("experiment").description("look at and change experiments");
  addConfigOptions(experiment.command("list"))
    .description("list experiments with their arms")
    .option("--json", "as one JSON array")
    .allowExcessArguments(false)
    .action((options: ListOptions) =>
      withAdmin(host, options, async (admin) => {
        const request = { method: "GET", path: "/admin/experiments" } as const;
        const { experiments } = await admin.call(request, EXPERIMENTS);
        const head = ["NAME", "ARMS", "FROM", "KNOWN ARMS", "WHAT"];
        host.out(listed(
          options.json === true,
          experiments,
          head,
          (e) => [e.name, e.arms ?? "off", e.from, e.known.join(","), e.doc],
        ));
      })
    );
  addConfigOptions(experiment.command("set <name>"))
    .description("change the arms of an experiment, at once and for later starts")
    .option("--arms <arms>", "percentages that make 100, such as control=50,short=50")
    .option("--off", "nobody is in it")
    .option("--default", "what the configuration says")
    .allowExcessArguments(false)
    .action(async (name: string, options: SetOptions) => {
      const given = [
        ...options.arms === undefined ? [] : [options.arms],
        ...options.off === true ? ["off"] : [],
        ...options.default === true ? ["default"] : [],
      ];
      if (given.length !== 1) throw new UsageError("give one of --arms, --off and --default");
      await withAdmin(host, options, (admin) => setExperiment(host, admin, name, given[0]!));
    });
}

/** Adds both groups of commands. */
export function addServiceCommands(program: Command, host: CliHost): void {
  const service = program.command("service").description("let other systems in, by scoped tokens");
  addTokenCommands(service, host);
  addHookCommands(service, host);
  addExperimentCommands(program, host);
}
