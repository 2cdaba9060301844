/**
 * The data directory: one per node, used by one process at a time.
 *
 * | file | holds |
 * | --- | --- |
 * | `lock` | locked while a process uses the directory; the process id |
 * | `format.json` | version of the layout, written last when the directory is made; the store's engine and mark |
 * | `secrets.json` | the node's id and the secret that fake salts are derived from |
 * | `kv.sqlite3` (`-wal`, `-shm`) | the store |
 * | `kv.mark` | the number of the store's last durable write |
 * | `admin.token` | the token of the admin API over the network, where that is on |
 * | `admin.sock` | the running node's admin API |
 * | `store.sock` | the store, for the workers of this directory's process |
 * | `meter.sock` | the metrics of that process, for its workers |
 * | `w1.sock`, `p1.sock` … | the admin API of worker 1, and where the other workers reach it |
 * | `admin-actions.jsonl` | what administrators did while no server ran, until one logs it |
 */
import { isAbsolute, join, resolve } from "node:path";
import type { Random } from "../node/ports.ts";
import { newId, type NodeId } from "../../shard/name/ids.ts";
import { type DirLock, lockFile } from "./dir_lock.ts";
import { readJson, removeIfThere, sizeOf, statOf, writeDurably } from "./small_file.ts";

/**
 * Version of the layout that this program writes; it reads this one and all before it. In version 2
 * rows of the store have checksums, which programs of version 1 cannot read.
 */
export const FORMAT = 2;

/** Longest path of a Unix socket everywhere (Linux: 107, macOS: 103 bytes). */
const SOCKET_PATH_BYTES_MAX = 103;

const SECRET_BYTES = 32;

const OWN_FILES =
  /^(lock|admin\.token|format\.json|secrets\.json|kv\.sqlite3(-wal|-shm)?|kv\.mark|admin\.sock|store\.sock|meter\.sock|[wp]\d+\.sock|admin-actions\.jsonl|roost\.toml|lost\+found)(\.new)?$/;

/** What a directory may have before a server is restored to it; a disk of its own has the second. */
const KEPT = ["roost.toml", "lost+found"];

/** What lives with the disk and is made once. */
export interface NodeSecrets {
  readonly nodeId: NodeId;
  /** 32 random bytes; never shown, never changed. */
  readonly serverSecret: Uint8Array;
}

/** Where the store of a directory is: in its own file, or with a PostgreSQL server. */
export type Engine = "kv" | "postgres";

/** A data directory in use by this process. Paths are absolute. */
export interface DataDir extends NodeSecrets {
  readonly path: string;
  readonly kvPath: string;
  /** The file of the store's head mark. */
  readonly markPath: string;
  /** The mark of the store that belongs here; null before its first start. */
  readonly storeMark: string | null;
  /** Notes the mark of the store, durably. */
  noteStoreMark(mark: string): void;
  /** Free to listen on: what a killed process left there has been removed. */
  readonly adminSocketPath: string;
  /** Gives the lock back; close the store first. */
  release(): void;
}

/**
 * Why a directory cannot be used; the message says what to change.
 * `missing`: is not there, and is not to be made; `locked`: another process has it; `newer`: made
 * by a newer program; `foreign`: holds other files;
 * `damaged`: a file of it is missing or unreadable; `unusable`: the platform refused.
 */
export class DataDirError extends Error {
  override readonly name = "DataDirError";
  readonly kind: "missing" | "locked" | "newer" | "foreign" | "damaged" | "unusable";
  /** Process that has it, where `kind` is `locked` and it is known. */
  readonly heldBy: number | null;

  constructor(
    kind: DataDirError["kind"],
    message: string,
    options: { readonly cause?: unknown; readonly heldBy?: number | null } = {},
  ) {
    super(message, { cause: options.cause });
    this.kind = kind;
    this.heldBy = options.heldBy ?? null;
  }
}

/**
 * Makes the directory where it is missing (mode 0700, all files 0600) unless `makes` is false, and
 * takes it for this process. Rejects with `DataDirError`, having changed nothing in a directory
 * that is not its own: one that is new may hold settings, and the files at the absolute paths
 * `named`.
 */
export async function openDataDir(
  path: string,
  random: Random,
  makes = true,
  named: readonly string[] = [],
  engine: Engine = "kv",
): Promise<DataDir> {
  const dir = isAbsolute(path) ? path : resolve(path);
  const adminSocketPath = join(dir, "admin.sock");
  const socketBytes = new TextEncoder().encode(adminSocketPath).length;
  if (socketBytes > SOCKET_PATH_BYTES_MAX) {
    throw new DataDirError(
      "unusable",
      `Cannot use --data ${dir}: its admin socket's path is ${socketBytes} bytes, ` +
        `limit is ${SOCKET_PATH_BYTES_MAX}. Choose a shorter path.`,
    );
  }
  try {
    if (!makes) refuseMissing(dir);
    Deno.mkdirSync(dir, { recursive: true, mode: 0o700 });
    refuseForeign(dir, named);
    const lock = await take(dir);
    try {
      return {
        ...prepare(dir, random, engine),
        path: dir,
        markPath: join(dir, "kv.mark"),
        adminSocketPath,
        noteStoreMark: (store) => writeFormat(dir, engine, store),
        release: lock.release,
      };
    } catch (cause) {
      lock.release();
      throw cause;
    }
  } catch (cause) {
    if (cause instanceof DataDirError) throw cause;
    const actual = cause instanceof Error ? cause.message : String(cause);
    throw new DataDirError(
      "unusable",
      `Cannot use --data ${dir}: ${actual}. Give a directory that this user may write to.`,
      { cause },
    );
  }
}

/** Where the process that has taken a directory serves its store to its workers. */
export function storeSocketPath(dir: string): string {
  return join(dir, "store.sock");
}

/** Where that process serves its own metrics to them. */
export function meterSocketPath(dir: string): string {
  return join(dir, "meter.sock");
}

/** Where the admin API of a worker listens, and the worker itself for the others. */
export function workerSockets(
  dir: string,
  worker: number,
): { readonly admin: string; readonly links: string } {
  return { admin: join(dir, `w${worker}.sock`), links: join(dir, `p${worker}.sock`) };
}

/** The id of the node that a worker is, of those of one directory. */
export function workerNodeId(nodeId: NodeId, worker: number): NodeId {
  return `${nodeId}-${worker}` as NodeId;
}

/**
 * The directory that the process which has started this one has taken, for one worker of it. Rejects
 * with `DataDirError`.
 */
export function sharedDataDir(path: string, worker: number): DataDir {
  const dir = resolve(path);
  const { nodeId, ...rest } = readDataDir(dir);
  const adminSocketPath = workerSockets(dir, worker).admin;
  removeIfThere(adminSocketPath);
  return {
    ...rest,
    nodeId: workerNodeId(nodeId, worker),
    path: dir,
    markPath: join(dir, "kv.mark"),
    storeMark: readFormat(dir)!.storeMark,
    adminSocketPath,
    // Both are for the process that has taken it.
    noteStoreMark: () => {},
    release: () => {},
  };
}

/** The secrets of a directory that another process may be using. Rejects with `DataDirError`. */
export function readDataDir(
  path: string,
): NodeSecrets & { readonly kvPath: string; readonly engine: Engine } {
  const dir = resolve(path);
  refuseMissing(dir);
  const format = readFormat(dir);
  if (format === null) throw damaged(dir, "format.json");
  if (format.engine === "kv") refuseLost(dir, format);
  return { ...readSecrets(dir), kvPath: join(dir, "kv.sqlite3"), engine: format.engine };
}

/**
 * Makes the directory of a restored server: `place` puts the store at the path that it is given.
 * Until all of it exists, nothing starts from it. Rejects with `DataDirError` where there is
 * anything but settings already.
 */
export async function restoreDataDir(
  path: string,
  random: Random,
  serverSecret: Uint8Array,
  place: (kvPath: string) => Promise<void>,
): Promise<void> {
  const dir = resolve(path);
  Deno.mkdirSync(dir, { recursive: true, mode: 0o700 });
  for (const { name } of Deno.readDirSync(dir)) {
    if (KEPT.includes(name)) continue;
    const why = `Cannot restore to ${dir}: it is not empty (${name}). Give a new directory.`;
    throw new DataDirError("foreign", why);
  }
  Deno.chmodSync(dir, 0o700);
  const lock = await take(dir);
  try {
    // A node's identity lives with its disk: this is another one.
    const nodeId = newId<NodeId>(random.bytes(12));
    const kvPath = join(dir, "kv.sqlite3");
    // Until format.json follows, a start refuses a store that is not empty.
    writeDurably(dir, "kv.sqlite3", { restoring: true });
    await place(kvPath);
    writeDurably(dir, "secrets.json", { v: 1, nodeId, serverSecret: hex(serverSecret) });
    writeFormat(dir, "kv");
  } catch (error) {
    for (const { name } of [...Deno.readDirSync(dir)]) {
      if (!KEPT.includes(name)) removeIfThere(join(dir, name));
    }
    throw error;
  } finally {
    lock.release();
  }
}

async function take(dir: string): Promise<DirLock> {
  const lock = await lockFile(join(dir, "lock"));
  if ("release" in lock) return lock;
  const who = lock.heldBy === null ? "another process" : `process ${lock.heldBy}`;
  throw new DataDirError(
    "locked",
    `Cannot use --data ${dir}: ${who} is using it. Stop that one first, or give another directory.`,
    { heldBy: lock.heldBy },
  );
}

/** What is not there, or is empty, is left alone. */
function refuseMissing(dir: string): void {
  if (readFormat(dir) !== null || sizeOf(join(dir, "kv.sqlite3")) > 0) return;
  const what = statOf(dir) !== null ? "there is nothing of a server in it" : "it does not exist";
  throw new DataDirError(
    "missing",
    `Cannot use --data ${dir}: ${what}. Give the directory that the server is started with.`,
  );
}

/** A directory that is not empty and was not made by this program is left alone. */
function refuseForeign(dir: string, named: readonly string[]): void {
  for (const entry of Deno.readDirSync(dir)) {
    if (entry.name === "format.json") return;
  }
  for (const entry of Deno.readDirSync(dir)) {
    const own = join(dir, entry.name);
    if (OWN_FILES.test(entry.name)) continue;
    if (named.some((file) => file === own || file.startsWith(`${own}/`))) continue;
    throw new DataDirError(
      "foreign",
      `Cannot use --data ${dir}: it holds other files (${entry.name}). ` +
        "Give an empty or a new directory.",
    );
  }
}

/** Brings the layout to this version. The format file comes last: without it nothing is in use. */
function prepare(
  dir: string,
  random: Random,
  engine: Engine,
): NodeSecrets & Pick<DataDir, "kvPath" | "storeMark"> {
  const kvPath = join(dir, "kv.sqlite3");
  const format = readFormat(dir);
  removeIfThere(join(dir, "admin.sock"));
  if (format === null) {
    if (sizeOf(kvPath) > 0) {
      throw new DataDirError(
        "damaged",
        `Cannot use --data ${dir}: format.json is missing, but there is a store. Restore the file.`,
      );
    }
    const secrets = {
      v: 1,
      nodeId: newId<NodeId>(random.bytes(12)),
      serverSecret: random.bytes(SECRET_BYTES),
    };
    writeDurably(dir, "secrets.json", { ...secrets, serverSecret: hex(secrets.serverSecret) });
    // SQLite gives its other files the mode of this one; an empty one is as good as none.
    if (engine === "kv") writeDurably(dir, "kv.sqlite3", null);
    writeFormat(dir, engine);
  } else {
    refuseOtherEngine(dir, format, engine);
    if (engine === "kv") refuseLost(dir, format);
    // From the first write on an earlier program must not open it.
    if (format.format < FORMAT) writeFormat(dir, engine, format.storeMark ?? undefined);
  }
  return { ...readSecrets(dir), kvPath, storeMark: format?.storeMark ?? null };
}

/** The content of `format.json`. */
interface Format {
  readonly format: number;
  /** Mark of the store that was served from here; null before the first start. */
  readonly storeMark: string | null;
  /** Where the store is; directories of earlier versions have it in their own file. */
  readonly engine: Engine;
}

/** Started with another store, the server would be empty, and its names free for others. */
function refuseOtherEngine(dir: string, { engine }: Format, wanted: Engine): void {
  if (engine === wanted) return;
  const advice = wanted === "kv"
    ? "its store is in PostgreSQL. Name it with --store, or give another directory."
    : "its store is its own file, not in PostgreSQL. Give another directory, after " +
      "`roost store copy` where its accounts are to come along.";
  throw new DataDirError("foreign", `Cannot use --data ${dir}: ${advice}`);
}

/** A store that was served from here is not empty: opened, it would be made anew. */
function refuseLost(dir: string, { storeMark }: Format): void {
  const kv = statOf(join(dir, "kv.sqlite3"));
  const empty = (kv?.size ?? 0) === 0 && sizeOf(join(dir, "kv.sqlite3-wal")) === 0;
  if (kv !== null && !(empty && storeMark !== null)) return;
  throw new DataDirError(
    "damaged",
    `Cannot use --data ${dir}: kv.sqlite3, its store, is ${kv === null ? "missing" : "empty"}. ` +
      "Put the file back, or restore a backup to a new directory with `roost restore`. " +
      "To begin with an empty server, give a new directory.",
  );
}

/** What `format.json` says; null where there is none. */
function readFormat(dir: string): Format | null {
  const file = join(dir, "format.json");
  const read = readJson(file);
  if (read === null) return null;
  const format = read["format"];
  if (typeof format !== "number" || !Number.isSafeInteger(format) || format < 1) {
    throw damaged(dir, "format.json");
  }
  if (format > FORMAT) {
    throw new DataDirError(
      "newer",
      `Cannot use --data ${dir}: it has format ${format}, this program knows up to ${FORMAT}. ` +
        "Use the newer program that made it.",
    );
  }
  const store = read["store"];
  if (store !== undefined && (typeof store !== "string" || store === "")) {
    throw damaged(dir, "format.json");
  }
  const engine = read["engine"] ?? "kv";
  if (engine !== "kv" && engine !== "postgres") throw damaged(dir, "format.json");
  return { format, storeMark: store ?? null, engine };
}

/** Without the engine where it is the directory's own, as directories of earlier versions are. */
function writeFormat(dir: string, engine: Engine, storeMark?: string): void {
  writeDurably(dir, "format.json", {
    format: FORMAT,
    ...(engine === "kv" ? {} : { engine }),
    ...(storeMark === undefined ? {} : { store: storeMark }),
  });
}

function readSecrets(dir: string): NodeSecrets {
  const read = readJson(join(dir, "secrets.json")) ?? {};
  const { nodeId, serverSecret } = read;
  if (typeof nodeId !== "string" || !/^[A-Za-z0-9_-]{16}$/.test(nodeId)) {
    throw damaged(dir, "secrets.json");
  }
  if (typeof serverSecret !== "string" || !/^([0-9a-f]{2}){32}$/.test(serverSecret)) {
    throw damaged(dir, "secrets.json");
  }
  const bytes = serverSecret.match(/../g)!.map((pair) => parseInt(pair, 16));
  return { nodeId: nodeId as NodeId, serverSecret: new Uint8Array(bytes) };
}

function damaged(dir: string, file: string, cause?: unknown): DataDirError {
  return new DataDirError(
    "damaged",
    `Cannot use --data ${dir}: ${file} is missing or cannot be read. Restore it from a backup.`,
    { cause },
  );
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
