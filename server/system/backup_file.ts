/**
 * A backup: a copy of the store's SQLite file as of one moment, with a table of what it is. All
 * rows are read inside one read transaction, which sees all commits before its beginning and none
 * after and holds up no writer, so that another process than the one that serves can make the copy.
 * While it runs, the store's `-wal` file grows by what is written meanwhile. `VACUUM INTO` would do
 * the same in one statement, but Deno 2.4 forbids it ("too many attached databases").
 */
import { DatabaseSync } from "node:sqlite";
import { dirname, extname, join } from "node:path";

/** Version of the table that this program writes; it reads this one and all before it. */
const FORMAT = 1;
/** How long to wait while another process opens or closes the file (ms). */
const BUSY_MS = 10_000;

/** What a backup says of itself. */
export interface BackupManifest {
  /** Everything that was acknowledged before this is in it (ms since 1970). */
  readonly momentMs: number;
  /** The program that made it. */
  readonly program: string;
  /** The server's secret, which passwords' fake salts are derived from, in hexadecimal. */
  readonly serverSecret: string;
}

/** Why a file is no backup that can be used; the message says what to change. */
export class BackupError extends Error {
  override readonly name = "BackupError";
}

/**
 * The file to make: `out` itself where it has an extension, else one in the directory `out`, which
 * is made where there is none. Throws `BackupError`.
 */
export function backupFile(out: string, momentMs: number): string {
  let found: Deno.FileInfo | null = null;
  try {
    found = Deno.statSync(out);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  if (found === null && extname(out) !== "" && !out.endsWith("/")) return out;
  if (found?.isDirectory === false) {
    throw new BackupError(`Cannot write ${out}: it exists already`);
  }
  Deno.mkdirSync(out, { recursive: true, mode: 0o700 });
  const stamp = new Date(momentMs).toISOString().replaceAll(/[-:]/g, "");
  return backupFile(join(out, `roost-${stamp}.backup`), momentMs);
}

/** Makes the file, for this user only, and returns its bytes. Throws `BackupError`. */
export function writeBackup(kvPath: string, file: string, manifest: BackupManifest): number {
  const part = `${file}.part`;
  claim(part);
  try {
    copyStore(kvPath, part);
    const db = new DatabaseSync(part);
    try {
      db.exec("CREATE TABLE roost_backup (name TEXT PRIMARY KEY, value TEXT NOT NULL)");
      const insert = db.prepare("INSERT INTO roost_backup VALUES (?, ?)");
      const rows = { format: FORMAT, ...manifest };
      for (const [name, value] of Object.entries(rows)) insert.run(name, String(value));
    } finally {
      db.close();
    }
    settle(part, file);
    return Deno.statSync(file).size;
  } catch (error) {
    Deno.removeSync(part);
    throw error;
  }
}

/** Takes the name for a file that is being made. */
function claim(part: string): void {
  try {
    Deno.openSync(part, { createNew: true, write: true, mode: 0o600 }).close();
  } catch (cause) {
    if (!(cause instanceof Deno.errors.AlreadyExists)) throw cause;
    throw new BackupError(
      `Cannot write ${part}: it exists already, from a backup that runs or was broken off. ` +
        "Remove it if none runs.",
      { cause },
    );
  }
}

/** Rows of one page: at 64 KiB each they are 8 MB. */
const PAGE = 128;
/** Rows after which what is copied is written. */
const COMMIT_ROWS = 4096;

function copyStore(kvPath: string, part: string): void {
  const from = new DatabaseSync(kvPath, { readOnly: true });
  const to = new DatabaseSync(part);
  try {
    from.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
    // The file counts only when it is complete, which `settle` makes sure of.
    to.exec("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF");
    // The transaction sees the store as of its first read.
    from.exec("BEGIN");
    const schema = from.prepare(
      "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type DESC",
    ).all();
    to.exec("BEGIN");
    for (const { type, name, sql } of schema) {
      // Tables first: "table" is behind "index".
      to.exec(String(sql));
      if (type === "table") copyTable(from, to, String(name));
    }
    to.exec("COMMIT");
    from.exec("COMMIT");
  } finally {
    to.close();
    from.close();
  }
}

function copyTable(from: DatabaseSync, to: DatabaseSync, table: string): void {
  const columns = from.prepare(`PRAGMA table_info("${table}")`).all();
  const names = columns.map((column) => String(column["name"]));
  const keys = columns.filter((column) => Number(column["pk"]) > 0)
    .sort((a, b) => Number(a["pk"]) - Number(b["pk"])).map((column) => `"${column["name"]}"`);
  if (keys.length === 0) throw new BackupError(`Cannot copy the table ${table}: it has no key`);
  const order = keys.join(", ");
  const after = `(${order}) > (${keys.map(() => "?").join(", ")})`;
  const listed = names.map((name) => `"${name}"`).join(", ");
  const select = (where: string) => {
    const sql = `SELECT ${listed} FROM "${table}" ${where} ORDER BY ${order} LIMIT ${PAGE}`;
    const statement = from.prepare(sql);
    statement.setReadBigInts(true);
    return statement;
  };
  const [first, next] = [select(""), select(`WHERE ${after}`)];
  const places = names.map(() => "?").join(", ");
  const insert = to.prepare(`INSERT INTO "${table}" (${listed}) VALUES (${places})`);
  let copied = 0;
  for (let rows = first.all(); rows.length > 0;) {
    for (const row of rows) insert.run(...names.map((name) => row[name]!));
    copied += rows.length;
    if (copied % COMMIT_ROWS < PAGE) to.exec("COMMIT; BEGIN");
    const last = rows.at(-1)!;
    rows = next.all(...keys.map((key) => last[key.slice(1, -1)]!));
  }
}

/** Makes the file durable, then gives it its name, which nobody must have taken meanwhile. */
function settle(part: string, file: string): void {
  sync(part);
  // A link, unlike a rename, replaces nothing.
  Deno.linkSync(part, file);
  Deno.removeSync(part);
  sync(dirname(file));
}

function sync(path: string): void {
  const file = Deno.openSync(path);
  try {
    file.syncSync();
  } finally {
    file.close();
  }
}

/** Reads what the file is, and checks that it is whole. Throws `BackupError`. */
export function readBackup(file: string): BackupManifest {
  try {
    Deno.statSync(file);
    const db = new DatabaseSync(file, { readOnly: true });
    try {
      return checked(db);
    } finally {
      db.close();
    }
  } catch (cause) {
    const actual = cause instanceof Error ? cause.message : String(cause);
    throw new BackupError(`Cannot restore from ${file}: ${actual}`, { cause });
  }
}

function checked(db: DatabaseSync): BackupManifest {
  const tables = db.prepare("SELECT name FROM sqlite_master WHERE name = 'roost_backup'").all();
  if (tables.length === 0) throw new Error("it is not a backup made by `roost backup`");
  const rows = db.prepare("SELECT name, value FROM roost_backup").all();
  const values = new Map(rows.map((row) => [String(row["name"]), String(row["value"])]));
  const format = Number(values.get("format"));
  if (!(format <= FORMAT)) {
    throw new Error(`it has format ${format}, this program knows up to ${FORMAT}`);
  }
  const momentMs = Number(values.get("momentMs"));
  const program = values.get("program") ?? "";
  const serverSecret = values.get("serverSecret") ?? "";
  if (!Number.isSafeInteger(momentMs) || !/^([0-9a-f]{2}){32}$/.test(serverSecret)) {
    throw new Error("what it says of itself cannot be read");
  }
  const [result] = db.prepare("PRAGMA quick_check(1)").all();
  const fault = Object.values(result ?? {})[0];
  if (fault !== "ok") throw new Error(`it is damaged: ${fault}`);
  return { momentMs, program, serverSecret };
}

/** Puts the store of a backup at `kvPath`, where an empty file may be. */
export function extractStore(file: string, kvPath: string): void {
  const made = `${kvPath}.new`;
  Deno.copyFileSync(file, made);
  Deno.chmodSync(made, 0o600);
  const db = new DatabaseSync(made);
  try {
    db.exec("DROP TABLE roost_backup");
  } finally {
    db.close();
  }
  sync(made);
  Deno.renameSync(made, kvPath);
  sync(dirname(kvPath));
}
