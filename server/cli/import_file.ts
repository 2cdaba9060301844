/**
 * Reads a file of `roost export` into a server, in three passes over the file: is it whole and are
 * the names free; every account with all it has; then the ties between them. No pass holds more
 * than some hundred lines.
 */
import { z } from "zod";
import { type AdminClient, AdminError } from "./client.ts";
import { type CliHost, counted } from "./host.ts";
import type { TransferTarget } from "./transfer_client.ts";
import { ACCOUNT_LINE, HEAD_LINE, ITEM_LINE } from "../transfer/line_schemas.ts";

/** Lines of one request, and about their characters. */
const BATCH_LINES = 200;
const BATCH_CHARS = 250_000;
/** Longest line. */
const LINE_CHARS_MAX = 1_000_000;
/** Accounts after which progress is printed. */
const TOLD_EVERY = 1000;
/** How often a request that was answered busy is repeated. */
const ATTEMPTS_MAX = 20;
/** How the server refuses an account that does not fit. */
const UNFIT: ReadonlySet<string> = new Set(["limit_reached", "bad_request"]);

const TAGGED = z.looseObject({ t: z.string() });
const ACCOUNT = z.looseObject({ name: z.string(), state: z.string() });
const END = z.object({ name: z.string(), events: z.number() });
const DONE = z.object({ accounts: z.number() });

/** A line with its number, and its JSON. */
interface Line {
  readonly at: number;
  readonly chars: number;
  readonly t: string;
  readonly value: Readonly<Record<string, unknown>>;
}

/** The file is no export, or not all of one. */
export class ImportFileError extends Error {
  override readonly name = "ImportFileError";
}

/** An account of the file, as the first pass finds it. */
interface FoundAccount {
  /** Its first line, and that line's number. */
  readonly at: number;
  readonly line: unknown;
  readonly name: string;
  readonly has: { contacts: number; blocked: number; conversations: number };
}

class ImportFile {
  readonly #host: Pick<CliHost, "readLines">;
  readonly #path: string;

  constructor(host: Pick<CliHost, "readLines">, path: string) {
    this.#host = host;
    this.#path = path;
  }

  fault(at: number, why: string): ImportFileError {
    return new ImportFileError(`Cannot import ${this.#path}: line ${at}: ${why}`);
  }

  async *lines(): AsyncIterable<Line> {
    let at = 0;
    for await (const text of this.#host.readLines(this.#path)) {
      at++;
      if (text.length > LINE_CHARS_MAX) throw this.fault(at, "it is too long");
      const parsed = TAGGED.safeParse(parse(text));
      if (!parsed.success) throw this.fault(at, "it is no line of `roost export`");
      yield { at, chars: text.length, t: parsed.data.t, value: parsed.data };
    }
  }

  /**
   * Checks that the file is whole and every line can be imported; calls `account` for each, at its
   * end. Returns the export's id.
   */
  async check(account: (id: string, found: FoundAccount) => Promise<void>): Promise<string> {
    let id: string | null = null;
    let open: FoundAccount | null = null;
    let accounts = 0;
    let done = false;
    for await (const { at, t, value } of this.lines()) {
      if (id === null) {
        const head = HEAD_LINE.safeParse(value);
        if (!head.success) throw this.fault(at, "it is not the beginning of a `roost export`");
        id = head.data.export;
      } else if (done) {
        throw this.fault(at, "nothing may follow the last line");
      } else if (t === "account") {
        const parsed = ACCOUNT.safeParse(value);
        if (open !== null || !parsed.success) throw this.fault(at, "no account can begin here");
        this.#checkLine(at, ACCOUNT_LINE, value);
        const has = { contacts: 0, blocked: 0, conversations: 0 };
        open = { at, name: parsed.data.name, line: value, has };
      } else if (t === "end") {
        if (open === null || END.safeParse(value).data?.name !== open.name) {
          throw this.fault(at, "it ends another account");
        }
        await account(id, open);
        open = null;
        accounts++;
      } else if (t === "done") {
        done = true;
        if (open !== null || DONE.safeParse(value).data?.accounts !== accounts) {
          throw this.fault(at, "accounts are missing before it");
        }
      } else if (open === null) throw this.fault(at, "it belongs to no account");
      else {
        this.#checkLine(at, ITEM_LINE, value);
        if (t === "contact") open.has.contacts++;
        else if (t === "blocked") open.has.blocked++;
        else if (t === "conversation") open.has.conversations++;
      }
    }
    if (id === null || !done) {
      throw new ImportFileError(`Cannot import ${this.#path}: its end is missing`);
    }
    return id;
  }

  #checkLine(at: number, schema: z.ZodType, value: unknown): void {
    const parsed = schema.safeParse(value);
    if (parsed.success) return;
    const [issue] = parsed.error.issues;
    const field = issue === undefined || issue.path.length === 0 ? "" : `${issue.path.join(".")}: `;
    throw this.fault(at, `${field}${issue?.message}`);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/**
 * Time between repetitions (ms). It is fixed and does not come from `shard/retry.ts`: one command
 * repeats one request, so nothing has to be spread, and "busy" passes with the next commit.
 */
const BUSY_PAUSE_MS = 1000;

/** Repeats what the server refuses as busy. */
async function patiently<T>(host: CliHost, run: () => Promise<T>): Promise<T> {
  for (let attempt = 1;; attempt++) {
    try {
      return await run();
    } catch (error) {
      const passing = error instanceof AdminError && error.code === "busy";
      if (!passing || attempt >= ATTEMPTS_MAX) throw error;
      await host.pause(BUSY_PAUSE_MS);
    }
  }
}

/** Lines of one account on their way to the server. */
class Batch {
  readonly #host: CliHost;
  readonly #admin: AdminClient;
  #target: TransferTarget | null = null;
  #items: unknown[] = [];
  #chars = 0;

  constructor(host: CliHost, admin: AdminClient) {
    this.#host = host;
    this.#admin = admin;
  }

  /** null: what follows exists already. */
  begin(target: TransferTarget | null): void {
    this.#target = target;
  }

  async add(value: unknown, chars: number): Promise<void> {
    if (this.#target === null) return;
    if (this.#items.length >= BATCH_LINES || this.#chars + chars > BATCH_CHARS) await this.flush();
    this.#items.push(value);
    this.#chars += chars;
  }

  async flush(): Promise<void> {
    const items = this.#items;
    this.#items = [];
    this.#chars = 0;
    const target = this.#target;
    if (target === null || items.length === 0) return;
    await patiently(this.#host, () => this.#admin.transfer.append(target, items));
  }
}

/** Imports the file, its only account `as` another name if that is not null. */
export async function importFile(
  host: CliHost,
  admin: AdminClient,
  path: string,
  as: string | null,
): Promise<void> {
  const file = new ImportFile(host, path);
  const { transfer } = admin;
  const counts = { accounts: 0, done: 0 };
  const targetOf = (id: string, source: string) => ({ export: id, source, user: as ?? source });
  const id = await file.check(async (id, { at, name, line, has }) => {
    if (++counts.accounts > 1 && as !== null) {
      throw new ImportFileError(
        `Cannot import ${path} under another name: it has several accounts`,
      );
    }
    const state = await transfer.look(targetOf(id, name), line, has).catch((error: unknown) => {
      const unfit = error instanceof AdminError && UNFIT.has(error.code);
      throw unfit ? file.fault(at, `${name}: ${error.message}`) : error;
    });
    if (state === "taken") {
      throw new AdminError("conflict", `Cannot import ${name}: the name ${as ?? name} is taken`);
    }
    if (state === "done") counts.done++;
  });
  const batch = new Batch(host, admin);
  await eachAccount(file, id, batch, async (name, value) => {
    const target = targetOf(id, name);
    const last = await patiently(host, () => transfer.begin(target, value));
    batch.begin(last === null ? null : target);
  }, (done) => {
    if (done % TOLD_EVERY === 0) host.err(`Imported: ${done} of ${counts.accounts} accounts.\n`);
  });
  for await (const { t, value } of file.lines()) {
    if (t !== "account") continue;
    const { name, state } = ACCOUNT.parse(value);
    await patiently(host, () => transfer.finish(targetOf(id, name), state === "disabled"));
  }
  const before = counts.done === 0 ? "" : ` (${counts.done} were there already)`;
  const verb = counts.accounts === 1 ? "is" : "are";
  host.out(`${counted(counts.accounts, "account")} ${verb} imported${before}.\n`);
}

async function eachAccount(
  file: ImportFile,
  id: string,
  batch: Batch,
  begin: (name: string, value: unknown) => Promise<void>,
  ended: (accounts: number) => void,
): Promise<void> {
  let accounts = 0;
  for await (const { at, chars, t, value } of file.lines()) {
    try {
      if (t === "account") await begin(ACCOUNT.parse(value).name, value);
      else if (t === "end") {
        await batch.flush();
        ended(++accounts);
      } else if (t !== "roost" && t !== "done") await batch.add(value, chars);
    } catch (error) {
      if (!(error instanceof AdminError) || error.code !== "bad_request") throw error;
      throw file.fault(at, `(or shortly before) of export ${id}: ${error.message}`);
    }
  }
}
