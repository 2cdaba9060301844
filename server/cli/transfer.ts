/** `roost export` and `roost import`. */
import type { Command } from "commander";
import { z } from "zod";
import { type AdminClient, AdminError } from "./client.ts";
import type { TextSink } from "../system/text_file.ts";
import { addConfigOptions, type loadConfig } from "./config.ts";
import { type CliHost, counted, UsageError } from "./host.ts";
import { doneLine, endLine } from "../transfer/lines.ts";
import { importFile } from "./import_file.ts";
import { reservedReason } from "../node/reserved_names.ts";
import { withAdmin } from "./users.ts";

const EXPORT_HELP = `
One JSON object a line: contacts, blocks, conversations with their marks, and the mailbox's events in
order, each account as of one moment. Removed accounts and those of services and of \`roost load\` are left out.
Devices' tokens never leave the server; keys of passwords only with --with-credentials. To move or
keep a whole server, use \`roost backup\`.`;

const IMPORT_HELP = `
Makes new accounts with new ids; the names must be free. Subscriptions hold between accounts that
come with the same file; everybody else has to be asked again. Without credentials in the file an
account has no password until \`roost user passwd\`. An import that was broken off is taken up again
by the same command, and one that is complete is left as it is.`;

type ConfigOptions = Parameters<typeof loadConfig>[1];

interface ExportOptions extends ConfigOptions {
  readonly out: string;
  readonly all?: true;
  readonly withCredentials?: true;
}

interface ImportOptions extends ConfigOptions {
  readonly as?: string;
}

const ACCOUNT = z.object({ name: z.string() });
/** Accounts after which progress is printed. */
const TOLD_EVERY = 1000;
/** Events of one account after which it is. */
const TOLD_EVENTS = 100_000;

class Export {
  readonly #admin: AdminClient;
  readonly #sink: TextSink;
  readonly #host: CliHost;
  readonly #credentials: boolean;
  accounts = 0;
  events = 0;
  #lines = 0;

  constructor(admin: AdminClient, sink: TextSink, host: CliHost, credentials: boolean) {
    this.#admin = admin;
    this.#sink = sink;
    this.#host = host;
    this.#credentials = credentials;
  }

  async begin(): Promise<void> {
    await this.#write([await this.#admin.transfer.head(this.#credentials)]);
  }

  async user(written: string): Promise<void> {
    const { transfer } = this.#admin;
    let page = await transfer.account(written, this.#credentials);
    // As the server writes it: it may have been given in capitals, or with the domain.
    const { name } = ACCOUNT.parse(JSON.parse(page.lines[0] ?? ""));
    const before = this.events;
    await this.#write(page.lines);
    while (page.after < page.upTo) {
      const told = Math.floor(this.events / TOLD_EVENTS);
      page = await transfer.events(name, page);
      await this.#write(page.lines);
      this.events += page.lines.length;
      if (told < Math.floor(this.events / TOLD_EVENTS)) this.tell();
    }
    await this.#write([endLine(name, this.events - before)]);
    if (++this.accounts % TOLD_EVERY === 0) this.tell();
  }

  async all(): Promise<void> {
    let after: string | null = null;
    do {
      const page = await this.#admin.listUsers(after);
      const [missing] = page.missing;
      if (missing !== undefined) {
        // The export would lack accounts.
        throw new Error(`Cannot export all accounts: node ${missing.node}: ${missing.why}`);
      }
      for (const { name, state } of page.accounts) {
        if (reservedReason(name) !== null || state === "deleted" || state === "importing") continue;
        await this.#userIfAny(name);
      }
      after = page.next;
    } while (after !== null);
  }

  /** Who is removed after they were listed is left out, as if it had been before. */
  async #userIfAny(name: string): Promise<void> {
    const written = this.#lines;
    try {
      await this.user(name);
    } catch (error) {
      const gone = error instanceof AdminError && error.code === "not_found";
      if (!gone || this.#lines > written) throw error;
    }
  }

  async end(): Promise<void> {
    await this.#write([doneLine(this.accounts)]);
    await this.#sink.close();
    this.tell();
  }

  tell(): void {
    this.#host.err(
      `Exported: ${counted(this.accounts, "account")}, ${counted(this.events, "event")}.\n`,
    );
  }

  async #write(lines: readonly string[]): Promise<void> {
    this.#lines += lines.length;
    if (lines.length > 0) await this.#sink.write(lines.join("\n") + "\n");
  }
}

async function runExport(host: CliHost, user: string | undefined, options: ExportOptions) {
  if ((user === undefined) === (options.all !== true)) {
    throw new UsageError("say whom to export: a name, or --all");
  }
  await withAdmin(host, options, async (admin) => {
    const sink = options.out === "-" ? standardOutput(host) : await host.createFile(options.out);
    const task = new Export(admin, sink, host, options.withCredentials === true);
    try {
      await task.begin();
      if (user === undefined) await task.all();
      else await task.user(user);
    } catch (error) {
      // A part is of no use, and would be in the way of the next try.
      await sink.discard();
      throw error;
    }
    await task.end();
  });
}

function standardOutput(host: CliHost): TextSink {
  const nothing = () => Promise.resolve();
  return {
    write: (text) => Promise.resolve(host.out(text)),
    close: nothing,
    discard: nothing,
  };
}

/** Adds both commands. */
export function addTransferCommands(program: Command, host: CliHost): void {
  addConfigOptions(program.command("export [name]"))
    .description("write an account, or all of them, to a file that `roost import` reads")
    .option("--all", "every account")
    .requiredOption("--out <file>", "the new file; - for standard output")
    .option("--with-credentials", "with the keys that passwords are checked with")
    .addHelpText("after", EXPORT_HELP)
    .allowExcessArguments(false)
    .action((name: string | undefined, options: ExportOptions) => runExport(host, name, options));
  addConfigOptions(program.command("import <file>"))
    .description("make accounts from a file of `roost export`")
    .option("--as <name>", "under another name; for a file of one account")
    .addHelpText("after", IMPORT_HELP)
    .allowExcessArguments(false)
    .action(async (file: string, options: ImportOptions) => {
      // Before a data directory is made for it: a mistyped name should leave nothing behind.
      for await (const _line of host.readLines(file)) break;
      await withAdmin(host, options, async (admin) => {
        await importFile(host, admin, file, options.as ?? null);
      }, true);
    });
}
