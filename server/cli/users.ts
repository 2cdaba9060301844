/** `roost user …`: through a running server, or on the store directly. */
import { join } from "node:path";
import type { Command } from "commander";
import type { AccountView } from "../../shard/ops.ts";
import type { AccountPage } from "../ops/api.ts";
import {
  type AdminClient,
  adminClient,
  appTransport,
  type ListFilter,
  noteMissing,
} from "./client.ts";
import { addConfigOptions, loadConfig } from "./config.ts";
import { type CliHost, confirm, counted, UsageError } from "./host.ts";
import { visible } from "../text/visible.ts";
import { isSynthetic } from "../node/reserved_names.ts";
import { listed } from "./table.ts";
import { NoServerError } from "../ops/socket.ts";

type ConfigOptions = Parameters<typeof loadConfig>[1];

/** The domain of the server that listens, which counts more than this command's; null for none. */
async function onlineDomain(admin: AdminClient): Promise<string | null> {
  try {
    return (await admin.status()).domain;
  } catch (error) {
    if (error instanceof NoServerError) return null;
    throw error;
  }
}

/**
 * Runs `task` on the server that uses the data directory, or on the directory while none does.
 * `makes`: where there is none either, it is made; a mistyped one should not be.
 */
export async function withAdmin(
  host: CliHost,
  options: ConfigOptions,
  task: (admin: AdminClient, domain: string) => Promise<void>,
  makes = false,
): Promise<void> {
  const { config } = await loadConfig(host, options);
  const online = adminClient(host.adminSocket(join(config.dataDir, "admin.sock")));
  const domain = await onlineDomain(online);
  if (domain !== null) return await task(online, domain);
  const { openOffline } = await host.launcher();
  const offline = await openOffline(config, makes);
  try {
    await task(adminClient(appTransport(offline.admin, host.user)), offline.domain);
  } finally {
    await offline.close();
  }
}

/** Reads a new password: one line of standard input, or typed twice and not shown. */
async function readPassword(host: CliHost, fromStdin: boolean): Promise<string> {
  if (fromStdin) {
    const [line = "", ...rest] = (await host.readAll()).split(/\r?\n/);
    if (rest.some((text) => text !== "")) {
      throw new UsageError("standard input holds several lines: give the password alone");
    }
    if (line === "") throw new UsageError("standard input is empty: give the password there");
    return line;
  }
  const first = await host.askHidden("New password: ");
  if (first === null) {
    throw new UsageError("no password was given: type one, or use --password-stdin");
  }
  const second = await host.askHidden("The same again: ");
  if (first !== second) throw new UsageError("the two passwords differ");
  return first;
}

interface PasswordOptions extends ConfigOptions {
  readonly passwordStdin?: true;
  /** false after `--no-password`. */
  readonly password?: boolean;
}

function addPasswordCommands(user: Command, host: CliHost): void {
  addConfigOptions(user.command("add <name>"))
    .description("create an account; asks for its password")
    .option("--password-stdin", "read the password from standard input")
    .option("--no-password", "no password: only tokens of the configured issuer sign in")
    .allowExcessArguments(false)
    .action(async (name: string, options: PasswordOptions) => {
      if (options.password === false && options.passwordStdin === true) {
        throw new UsageError("--no-password and --password-stdin exclude each other");
      }
      const password = options.password === false
        ? null
        : await readPassword(host, options.passwordStdin === true);
      await withAdmin(host, options, async (admin, domain) => {
        const created = await admin.addUser(name, password);
        host.out(`${created.name}@${domain} is created.\n`);
      }, true);
    });
  addConfigOptions(user.command("passwd <name>"))
    .description("set a new password; every device has to sign in again")
    .option("--password-stdin", "read the password from standard input")
    .allowExcessArguments(false)
    .action(async (name: string, options: PasswordOptions) => {
      const password = await readPassword(host, options.passwordStdin === true);
      await withAdmin(host, options, async (admin) => {
        await admin.setPassword(name, password);
        host.out(`${name} has a new password, and all its devices are signed out.\n`);
      });
    });
}

interface ListOptions extends ConfigOptions {
  readonly json?: true;
  readonly synthetic?: true;
  readonly online?: true;
  readonly disabled?: true;
  readonly match?: string;
}

/** Commands that only name an account: verb, help, the action, the message after it. */
const SIMPLE: readonly (readonly [
  string,
  string,
  (admin: AdminClient, name: string) => Promise<void>,
  string,
])[] = [
  [
    "disable",
    "keep an account from signing in and end its sessions",
    (admin, name) => admin.setDisabled(name, true),
    "is disabled, and its sessions have ended.",
  ],
  [
    "enable",
    "let a disabled account sign in again",
    (admin, name) => admin.setDisabled(name, false),
    "can sign in again.",
  ],
  [
    "signout",
    "sign all devices of an account out",
    async (admin, name) => void await admin.signOut(name),
    "is signed out everywhere.",
  ],
  [
    "release",
    "let the name of a removed account be used again",
    (admin, name) => admin.releaseUser(name),
    "can be registered again.",
  ],
];

const LIST_HEAD = ["NAME", "STATE", "DEVICES", "SESSIONS", "CONTACTS", "EVENTS", "CREATED"];

function listRow(account: AccountView): readonly string[] {
  return [
    account.name,
    account.state,
    ...[account.devices, account.sessions, account.contacts, account.events].map(String),
    new Date(account.createdAt).toISOString().slice(0, 10),
  ];
}

async function allAccounts(
  admin: AdminClient,
  filter: ListFilter,
): Promise<Pick<AccountPage, "accounts" | "missing">> {
  const accounts: AccountView[] = [];
  const missing = new Map<string, AccountPage["missing"][number]>();
  let after: string | null = null;
  do {
    const page = await admin.listUsers(after, filter);
    accounts.push(...page.accounts);
    for (const each of page.missing) missing.set(each.node, each);
    after = page.next;
  } while (after !== null);
  return { accounts, missing: [...missing.values()] };
}

function filterOf({ match, online, disabled }: ListOptions): ListFilter {
  if (online === true && disabled === true) {
    throw new UsageError("--online and --disabled exclude each other");
  }
  return { match, state: online === true ? "online" : disabled === true ? "disabled" : undefined };
}

/** Adds `roost user`. */
export function addUserCommands(program: Command, host: CliHost): void {
  const user = program.command("user").description("manage accounts");
  addPasswordCommands(user, host);
  for (const [verb, doc, run, said] of SIMPLE) {
    addConfigOptions(user.command(`${verb} <name>`))
      .description(doc)
      .allowExcessArguments(false)
      .action((name: string, options: ConfigOptions) =>
        withAdmin(host, options, async (admin) => {
          await run(admin, name);
          host.out(`${name} ${said}\n`);
        })
      );
  }
  addConfigOptions(user.command("list"))
    .description("list all accounts but those of `roost load`, by name")
    .option("--match <text>", "only names that contain this text")
    .option("--online", "only accounts that are online")
    .option("--disabled", "only disabled accounts")
    .option("--synthetic", "list the accounts of `roost load` instead")
    .option("--json", "as one JSON array")
    .allowExcessArguments(false)
    .action((options: ListOptions) =>
      withAdmin(host, options, async (admin) => {
        const { accounts: all, missing } = await allAccounts(admin, filterOf(options));
        const wanted = options.synthetic === true;
        const accounts = all.filter(({ name }) => isSynthetic(name) === wanted);
        host.out(listed(options.json === true, accounts, LIST_HEAD, listRow));
        noteMissing(host, missing);
        const left = all.length - accounts.length;
        if (options.json !== true) host.err(`${counted(accounts.length, "account")}.\n`);
        if (!wanted && left > 0) host.err(`Synthetic accounts left out: ${left} (--synthetic).\n`);
      })
    );
  addResetCommand(user, host);
  addFactorsCommand(user, host);
  addRemoveCommand(user, host);
  addDevicesCommand(user, host);
}

function addResetCommand(user: Command, host: CliHost): void {
  addConfigOptions(user.command("reset-link <name>"))
    .description("make a link by which the user sets a new password, once")
    .allowExcessArguments(false)
    .action((name: string, options: ConfigOptions) =>
      withAdmin(host, options, async (admin) => {
        const { code, expiresAt, link } = await admin.resetLink(name);
        host.out(`${link ?? code}\n`);
        if (link === undefined) {
          host.err("Put it behind the chat's address and /#reset=, or set server.publicUrl.\n");
        }
        host.err(`Sets one new password until ${new Date(expiresAt).toISOString()}.\n`);
      })
    );
}

function addFactorsCommand(user: Command, host: CliHost): void {
  addConfigOptions(user.command("clear-factors <name>"))
    .description("remove the second factors of a user who has lost them")
    .allowExcessArguments(false)
    .action((name: string, options: ConfigOptions) =>
      withAdmin(host, options, async (admin) => {
        const had = await admin.clearFactors(name);
        const said = had ? "has no second factor any more" : "has no second factor";
        host.out(`${name} ${said}.\n`);
      })
    );
}

interface RemoveOptions extends ConfigOptions {
  readonly yes?: true;
}

function addRemoveCommand(user: Command, host: CliHost): void {
  addConfigOptions(user.command("remove <name>"))
    .description("delete an account and all it holds; its name stays closed")
    .option("--yes", "do not ask")
    .allowExcessArguments(false)
    .action((name: string, options: RemoveOptions) =>
      withAdmin(host, options, async (admin) => {
        if (options.yes !== true) {
          const what = `This deletes ${visible(name)} and all its messages for good.`;
          await confirm(host, what, visible(name));
        }
        await admin.removeUser(name);
        host.out(`${name} is removed; its name stays closed until \`roost user release\`.\n`);
      })
    );
}

function addDevicesCommand(user: Command, host: CliHost): void {
  addConfigOptions(user.command("devices <name>"))
    .description("list the devices that an account is signed in on")
    .option("--json", "as one JSON array")
    .allowExcessArguments(false)
    .action((name: string, options: ConfigOptions & { readonly json?: true }) =>
      withAdmin(host, options, async (admin) => {
        const day = (ms: number) => new Date(ms).toISOString().slice(0, 10);
        const head = ["DEVICE", "STATE", "SINCE", "UNTIL", "LABEL"];
        const devices = await admin.devices(name);
        host.out(listed(options.json === true, devices, head, (d) => [
          d.device,
          d.online ? "online" : "offline",
          day(d.createdAt),
          day(d.expiresAt),
          d.label,
        ]));
      })
    );
}
