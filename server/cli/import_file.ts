/**
 * Reads a file of `roost export` into a server, in three passes over the file: is it whole and are
 * the names free; every account with all it has; then the ties between them. No pass holds more
 * than some hundred lines.
 */
import { z } from "zod";
import { type AdminClient, AdminError } from "./client.ts";
import { type CliHost, counted } from "./host.ts";
import type { TransferTarget } from "./transfer_client.ts";
import { HEAD_LINE } from "../transfer/line_schemas.ts";

/** Lines of one request, and about their characters. */
const BATCH_LINES = 200;
const BATCH_CHARS = 250_000;
/** Longest line. */
const LINE_CHARS_MAX = 1_000_000;
/** Accounts after which progress is printed. */
const TOLD_EVERY = 1000;
/** How often a request that was answered busy is repeated. */
const ATTEMPTS_MAX = 20;

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

  /** Checks that the file is whole; calls `account` for each name. Answers the export's id. */
  async check(account: (id: string, name: string) => Promise<void>): Promise<string> {
    let id: string | null = null;
    let open: string | null = null;
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
        open = parsed.data.name;
        await account(id, open);
      } else if (t === "end") {
        if (END.safeParse(value).data?.name !== open) {
          throw this.fault(at, "it ends another account");
        }
        open = null;
        accounts++;
      } else if (t === "done") {
        done = true;
        if (open !== null || DONE.safeParse(value).data?.accounts !== accounts) {
          throw this.fault(at, "accounts are missing before it");
        }
      } else if (open === null) throw this.fault(at, "it belongs to no account");
    }
    if (id === null || !done) {
      throw new ImportFileError(`Cannot import ${this.#path}: its end is missing`);
    }
    return id;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Repeats what is answered busy. */
async function patiently<T>(host: CliHost, run: () => Promise<T>): Promise<T> {
  for (let attempt = 1;; attempt++) {
    try {
      return await run();
    } catch (error) {
      const passing = error instanceof AdminError && error.code === "busy";
      if (!passing || attempt >= ATTEMPTS_MAX) throw error;
      await host.pause(1000);
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
  const id = await file.check(async (id, name) => {
    if (++counts.accounts > 1 && as !== null) {
      throw new ImportFileError(
        `Cannot import ${path} under another name: it has several accounts`,
      );
    }
    const state = await transfer.look(targetOf(id, name));
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
