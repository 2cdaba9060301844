/** What the command line needs of the machine, and how its commands report. */
import type { Backups } from "../ops/backup.ts";
import type { StoreCopies } from "../ops/store_copy.ts";
import type { Repairs } from "../ops/repair.ts";
import type { SharedStore } from "../ops/check_shared.ts";
import type { Config } from "../config/config.ts";
import type { ServiceManager } from "../system/service_manager.ts";
import type { ClaimedFile, TextSink } from "../system/text_file.ts";
import type { Terminal } from "../system/terminal.ts";
import type { AdminTransport } from "../ops/transport.ts";
import type { Launcher } from "./launcher.ts";

/** Files whose changes are noticed. */
export interface WatchedFiles {
  /** Notices changes of these from now on, and of no others; they need not exist. */
  watch(paths: readonly string[]): Promise<void>;
  stop(): void;
}

/** The machine as the command line sees it. */
export interface CliHost extends Terminal {
  readonly env: Readonly<Record<string, string>>;
  /** The current directory. */
  readonly cwd: string;
  /** The name of the user who runs the command, as the environment has it. */
  readonly user: string;
  /** How many files the process may open; null where the platform does not say. */
  readonly filesMax: number | null;
  /** The text of a file; null where there is none. Rejects where it cannot be read. */
  readTextFile(path: string): Promise<string | null>;
  /** Makes a file that must not be there, for this user only. */
  createFile(path: string): Promise<TextSink>;
  /** Takes a name that no file has. */
  claimFile(path: string): Promise<ClaimedFile>;
  /** The lines of a file. Rejects where it cannot be read. */
  readLines(path: string): AsyncIterable<string>;
  /** What is wrong with the files that the configuration names: certificates and keys. */
  fileFaults(config: Config): Promise<readonly string[]>;
  /** Loads what starts nodes; late, because most commands do not need it. */
  launcher(): Promise<Launcher>;
  /** The admin token of a data directory that exists; made where there is none or to `renew`. */
  adminToken(dataDir: string, renew: boolean): Promise<string>;
  /** Records what was done to the data directory of a stopped server; its next start logs it. */
  recordAction(dataDir: string, action: string): Promise<void>;
  /** Loads what makes backups; late, for the same reason. */
  backups(): Promise<Backups>;
  /** A new secret of 256 random bits, as text. */
  secret(): string;
  /** Loads what finds and repairs damage of a store; late, for the same reason. */
  repairs(): Promise<Repairs>;
  /** Opens the store that several nodes share, for a check. */
  openShared(config: Config): Promise<SharedStore>;
  /** Loads what copies stores; late, for the same reason. */
  storeCopies(): Promise<StoreCopies>;
  /** Speaks to the admin socket at `path`. */
  adminSocket(path: string): AdminTransport;
  /** Waits (ms). */
  pause(delayMs: number): Promise<void>;
  /** Calls `run` for each signal that asks the process to end, which it then does not. */
  onSignal(run: (signal: string) => void): () => void;
  /** Calls `run` for each SIGHUP. */
  onReload(run: () => void): () => void;
  /** Calls `changed` after files that it is given have changed. */
  watchFiles(changed: () => void): WatchedFiles;
  /** What wants to know when the server serves and stops; null: nothing does. */
  readonly serviceManager: ServiceManager | null;
}

/** Exit codes of every command. */
export const EXIT = { ok: 0, failed: 1, usage: 2 } as const;

/**
 * Asks before something that cannot be undone: `question` is answered by typing `expected`. Throws
 * `UsageError` where the answer is another, or where nobody can be asked; `--yes` goes past it.
 */
export async function confirm(
  host: Pick<CliHost, "ask">,
  question: string,
  expected: string,
): Promise<void> {
  const answer = await host.ask(`${question} Type ${expected} to go on: `);
  if (answer === null) {
    throw new UsageError("standard input is no terminal to ask on: repeat the command with --yes");
  }
  if (answer.trim() !== expected) throw new UsageError("not confirmed: nothing was done");
}

/** A number of things, in words: `1 account`, `2 accounts`. */
export function counted(count: number, one: string): string {
  return `${count} ${one}${count === 1 ? "" : "s"}`;
}

/** A size for people, of three figures at most below a gigabyte: `45 KB`, `1.2 MB`. */
export function sized(bytes: number): string {
  return bytes < 1_000_000
    ? `${Math.ceil(bytes / 1000)} KB`
    : `${(bytes / 1_000_000).toFixed(1)} MB`;
}

/** The command was called wrongly, or the configuration is: one line each, exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly lines: readonly string[];

  constructor(...lines: readonly string[]) {
    super(lines.join("\n"));
    this.lines = lines;
  }
}
