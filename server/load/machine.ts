/** The machine as the load tool uses it: clocks, files, processes. The one file here that does. */
import { dirname, join } from "node:path";
import process from "node:process";
import {
  parseChildren,
  parseCpuUs,
  parseListener,
  parseLock,
  parseStatus,
  type ProcessUse,
  sumOfUses,
} from "./probe.ts";

/** What the tool needs of the machine. */
export interface Machine {
  /** µs since 1970; never goes back within a process, the same in all but for start-up error. */
  nowUs(): number;
  /** What this process has used so far. */
  own(): { readonly cpuUs: number; readonly rssBytes: number };
  readonly cores: number;
  readonly cpuModel: string;
  /** The command line as it was given, for reports. */
  readonly commandLine: string;
  /** Where state is kept that outlives a run (XDG_STATE_HOME). */
  readonly stateDir: string;
  /** Whether standard error is a terminal that a line can be rewritten on. */
  readonly live: boolean;
  /** The text of a file; null where there is none. */
  readFile(path: string): Promise<string | null>;
  /** Writes a file in one step; `secret`: for its owner only. */
  writeFile(path: string, text: string, secret: boolean): Promise<void>;
  appendFile(path: string, text: string): Promise<void>;
  removeFile(path: string): Promise<void>;
  /** What a process and its workers use; null where there is no such process, or no /proc. */
  use(pid: number): ProcessUse | null;
  /** The process that uses a data directory, or that listens on a port; null where not known. */
  serverPid(from: { readonly dataDir: string | null; readonly port: number }): number | null;
  /** Starts another one of this program with a command line. */
  child(args: readonly string[]): Child;
}

/** Another process of this program. */
export interface Child {
  readonly pid: number;
  readonly stdin: WritableStreamDefaultWriter<Uint8Array>;
  readonly stdout: ReadableStream<Uint8Array>;
  /** Its exit code. */
  readonly exited: Promise<number>;
  /** Ends it at once. */
  kill(): void;
}

/** This machine. */
export function thisMachine(): Machine {
  return {
    nowUs: () => Math.round((performance.timeOrigin + performance.now()) * 1000),
    own() {
      const { user, system } = process.cpuUsage();
      return { cpuUs: user + system, rssBytes: Deno.memoryUsage().rss };
    },
    cores: navigator.hardwareConcurrency,
    cpuModel: cpuModel(),
    commandLine: ["roost", ...Deno.args].join(" "),
    stateDir: stateDir(),
    live: Deno.stderr.isTerminal(),
    readFile,
    writeFile,
    appendFile: (path, text) => Deno.writeTextFile(path, text, { append: true }),
    removeFile: (path) => Deno.remove(path).catch(ignoreMissing),
    use,
    serverPid,
    child: startChild,
  };
}

function cpuModel(): string {
  const text = readText("/proc/cpuinfo") ?? "";
  return /^model name\s*:\s*(.+)$/m.exec(text)?.[1] ?? Deno.build.arch;
}

function stateDir(): string {
  const home = Deno.env.get("HOME");
  const state = Deno.env.get("XDG_STATE_HOME") ||
    (home === undefined ? "." : join(home, ".local", "state"));
  return join(state, "roost");
}

async function readFile(path: string): Promise<string | null> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

async function writeFile(path: string, text: string, secret: boolean): Promise<void> {
  await Deno.mkdir(dirname(path), { recursive: true });
  if (!secret) return await Deno.writeTextFile(path, text);
  const made = `${path}.new`;
  // A file of this name from before would keep its mode.
  await Deno.remove(made).catch(ignoreMissing);
  await Deno.writeTextFile(made, text, { mode: 0o600 });
  await Deno.rename(made, path);
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

function readText(path: string): string | null {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    // No /proc, the process has ended, or it is somebody else's: "not known" is the answer.
    return null;
  }
}

/** What a process and those that it has started use: a server may be a supervisor with workers. */
function use(pid: number): ProcessUse | null {
  const own = useAlone(pid);
  if (own === null) return null;
  return sumOfUses([own, ...childrenOf(pid).flatMap((child) => useAlone(child) ?? [])]);
}

function useAlone(pid: number): ProcessUse | null {
  const cpuUs = parseCpuUs(readText(`/proc/${pid}/stat`) ?? "");
  const rest = parseStatus(readText(`/proc/${pid}/status`) ?? "");
  return cpuUs === null || rest === null ? null : { cpuUs, ...rest };
}

/** The processes that one has started, by whichever of its threads; none where it has ended. */
function childrenOf(pid: number): readonly number[] {
  try {
    return [...Deno.readDirSync(`/proc/${pid}/task`)].flatMap(({ name }) =>
      parseChildren(readText(`/proc/${pid}/task/${name}/children`) ?? "")
    );
  } catch {
    // It has ended meanwhile.
    return [];
  }
}

function serverPid(
  { dataDir, port }: { readonly dataDir: string | null; readonly port: number },
): number | null {
  const held = dataDir === null ? null : parseLock(readText(join(dataDir, "lock")) ?? "");
  if (held !== null && use(held) !== null) return held;
  const inode = parseListener(readText("/proc/net/tcp") ?? "", port) ??
    parseListener(readText("/proc/net/tcp6") ?? "", port);
  return inode === null ? null : ownerOf(inode);
}

function ownerOf(inode: string): number | null {
  const processes = [...Deno.readDirSync("/proc")].filter(({ name }) => /^\d+$/.test(name));
  const owner = processes.find(({ name }) =>
    filesOf(name).some((file) => linkOf(file) === `socket:[${inode}]`)
  );
  return owner === undefined ? null : Number(owner.name);
}

function filesOf(pid: string): readonly string[] {
  try {
    return [...Deno.readDirSync(`/proc/${pid}/fd`)].map(({ name }) => `/proc/${pid}/fd/${name}`);
  } catch {
    // Ended meanwhile, or another user's.
    return [];
  }
}

function linkOf(file: string): string | null {
  try {
    return Deno.readLinkSync(file);
  } catch {
    // Closed meanwhile: the others of its process count.
    return null;
  }
}

function startChild(args: readonly string[]): Child {
  // A compiled program is its own executable; else Deno must get the program to run.
  const program = Deno.build.standalone ? [] : ["run", "-A", "--quiet", Deno.mainModule];
  const child = new Deno.Command(Deno.execPath(), {
    args: [...program, ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  return {
    pid: child.pid,
    stdin: child.stdin.getWriter(),
    stdout: child.stdout,
    exited: child.status.then((status) => status.code),
    kill: () => {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended by itself.
      }
    },
  };
}
