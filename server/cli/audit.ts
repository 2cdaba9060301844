/** `roost audit …`: through a running server, or on the store directly. */
import type { Command } from "commander";
import { z } from "zod";
import type { AdminClient } from "./client.ts";
import { addConfigOptions, type loadConfig } from "./config.ts";
import type { CliHost } from "./host.ts";
import { tableOf } from "./table.ts";
import { visibleJson } from "../text/visible.ts";
import { withAdmin } from "./users.ts";

type ConfigOptions = Parameters<typeof loadConfig>[1];

interface FilterOptions extends ConfigOptions {
  readonly from?: string;
  readonly to?: string;
  readonly actor?: string;
  readonly user?: string;
  readonly action?: string;
  readonly log?: string;
}

interface ShowOptions extends FilterOptions {
  readonly follow?: true;
  readonly count: string;
}

const ENTRY = z.looseObject({
  id: z.string(),
  at: z.string(),
  log: z.string(),
  node: z.string(),
  actor: z.string(),
  action: z.string(),
  outcome: z.string(),
});
type Entry = z.output<typeof ENTRY>;
const PAGE = z.object({ entries: z.array(ENTRY), next: z.string().nullable() });
const CHECK = z.object({
  rows: z.number(),
  entries: z.number(),
  removed: z.number(),
  chains: z.array(z.looseObject({
    stream: z.string(),
    node: z.string(),
    n: z.number(),
    hash: z.string(),
  })),
  faults: z.array(z.string()),
});

const PAGE_ENTRIES = 1000;
/** How often a followed log is read (ms), and how long entries of other nodes may be late. */
const FOLLOW_MS = 1000;
const LATE_MS = 10_000;
const TIME_HELP = `
Times are as 2026-11-30, 2026-11-30T12:00:00Z, or how long ago: 30m, 12h, 7d.
--log is admin (what administrators did), services (what services did as users) or signIns.`;

type Filter = Readonly<Record<string, string>>;

function filterOf({ action, actor, from, log, to, user }: FilterOptions): Filter {
  const given = { action, actor, from, log, to, user };
  return Object.fromEntries(
    Object.entries(given).flatMap(([name, text]) => text === undefined ? [] : [[name, text]]),
  );
}

function page(admin: AdminClient, query: Filter) {
  return admin.call({ method: "GET", path: `/admin/audit?${new URLSearchParams(query)}` }, PAGE);
}

/** All entries that fit, in the order of time. */
async function* entriesOf(admin: AdminClient, filter: Filter) {
  let after: string | null = null;
  do {
    const more: Filter = after === null ? {} : { after };
    const read: z.output<typeof PAGE> = await page(admin, {
      ...filter,
      limit: String(PAGE_ENTRIES),
      ...more,
    });
    yield* read.entries;
    after = read.next;
  } while (after !== null);
}

/** The newest entries that fit, in the order of time; with fewer the server may look further back. */
async function newest(admin: AdminClient, filter: Filter, count: number) {
  let entries: readonly Entry[] = [];
  let after: string | null = null;
  do {
    const limit = Math.min(PAGE_ENTRIES, count - entries.length);
    const more: Filter = after === null ? {} : { after };
    const query = { ...filter, newest: "yes", limit: String(limit), ...more };
    const read: z.output<typeof PAGE> = await page(admin, query);
    entries = [...read.entries, ...entries];
    after = read.next;
  } while (after !== null && entries.length < count);
  return entries;
}

function rowOf(entry: Entry): readonly string[] {
  const text = (name: string) => entry[name] === undefined ? "" : String(entry[name]);
  const about = [
    text("target"),
    entry["user"] !== undefined && entry.actor !== `user:${entry["user"]}` ? text("user") : "",
    text("method"),
    text("device"),
    entry["count"] === undefined ? "" : `${text("count")} times`,
    text("detail"),
  ].filter((part) => part !== "");
  return [entry.at, entry.actor, text("address"), entry.action, entry.outcome, about.join(" ")];
}

const HEAD = ["TIME", "ACTOR", "ADDRESS", "ACTION", "OUTCOME", "ABOUT"];

function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}

async function show(host: CliHost, admin: AdminClient, options: ShowOptions) {
  const filter = filterOf(options);
  const entries = await newest(admin, filter, Number(options.count));
  host.out(tableOf(HEAD, entries.map(rowOf)));
  if (options.follow !== true) return;
  let seen = new Set(entries.map(({ id }) => id));
  let ended = false;
  const off = host.onSignal(() => ended = true);
  let latest = Date.parse(entries.at(-1)?.at ?? "");
  while (!ended) {
    await host.pause(FOLLOW_MS);
    const found = await Array.fromAsync(
      entriesOf(admin, { ...filter, from: Number.isNaN(latest) ? "1m" : isoOf(latest - LATE_MS) }),
    );
    const fresh = found.filter(({ id }) => !seen.has(id));
    for (const entry of fresh) host.out(`${rowOf(entry).join("  ")}\n`);
    for (const { at } of fresh) latest = Math.max(latest || 0, Date.parse(at));
    seen = new Set([...found.map(({ id }) => id), ...entries.map(({ id }) => id)]);
  }
  off();
}

async function verify(host: CliHost, admin: AdminClient): Promise<boolean> {
  const found = await admin.call({ method: "GET", path: "/admin/audit/check" }, CHECK);
  for (const { stream, node, n, hash } of found.chains) {
    host.out(`${stream} of ${node}: ${n} rows, the last one has the hash ${hash || "none"}\n`);
  }
  for (const fault of found.faults) host.err(`${fault}\n`);
  const removed = found.removed === 0 ? "" : `; retention has removed ${found.removed} rows before`;
  host.out(
    found.faults.length === 0
      ? `Nothing was changed or removed: ${found.entries} entries in ${found.rows} rows${removed}.\n`
      : `${found.faults.length} faults in ${found.rows} rows${removed}.\n`,
  );
  return found.faults.length === 0;
}

function filtered(command: Command): Command {
  return addConfigOptions(command)
    .option("--from <time>", "from when on")
    .option("--to <time>", "until when")
    .option("--actor <name>", "by this actor: operator:eve, or eve")
    .option("--user <name>", "of this account")
    .option("--action <action>", "such as removeUser or signIn")
    .option("--log <log>", "of one of the three logs")
    .addHelpText("after", TIME_HELP)
    .allowExcessArguments(false);
}

/** Adds `roost audit`; `exit` takes the exit code of a check that has found something. */
export function addAuditCommands(
  program: Command,
  host: CliHost,
  exit: (code: number) => void,
): void {
  const audit = program.command("audit").description(
    "what administrators and services have done, and sign-ins",
  );
  filtered(audit.command("show"))
    .description("show the newest entries")
    .option("--count <n>", "how many", "50")
    .option("--follow", "and those that come, until it is interrupted")
    .action((options: ShowOptions) =>
      withAdmin(host, options, (admin) => show(host, admin, options))
    );
  filtered(audit.command("export"))
    .description("write entries as lines of JSON, in the order of time")
    .action((options: FilterOptions) =>
      withAdmin(host, options, async (admin) => {
        const filter = filterOf(options);
        for await (const entry of entriesOf(admin, filter)) host.out(`${visibleJson(entry)}\n`);
      })
    );
  addConfigOptions(audit.command("verify"))
    .description("check that no entry was changed, and none removed but by retention")
    .allowExcessArguments(false)
    .action((options: ConfigOptions) =>
      withAdmin(host, options, async (admin) => {
        if (!await verify(host, admin)) exit(1);
      })
    );
}
