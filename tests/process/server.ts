/** A real server process for tests: started from the source, stopped or killed by its id. */

/** A machine that is busy with other tests is no reason to refuse work. */
export const PATIENT = ["signInLagMs", "connectionLagMs", "writeLagMs"]
  .flatMap((name) => ["--set", `admission.${name}=60000`]);

/** `TEST_WORKERS=N` has servers of several processes in the place of one, as `.ci/run` does. */
const COUNT = Deno.env.get("TEST_WORKERS") ?? "1";
/** Processes that serve the clients of one server. */
export const SERVER_PROCESSES = Number(COUNT);
const WORKERS = COUNT === "1" ? [] : ["--workers", COUNT];

/** How long a server may take until it serves, a standby that it waits for included (ms). */
const STARTED_MS = 240_000;

const HERE = new URL(".", import.meta.url).pathname;

/** A running server. */
export class ServerProcess {
  /** Those that have begun and were not seen to end. */
  static readonly #running = new Set<ServerProcess>();

  readonly url: string;
  readonly pid: number;
  readonly dataDir: string;
  readonly #child: Deno.ChildProcess;
  readonly #lines: string[];
  readonly #output: { readonly text: string };
  /** All of its stderr has been read. */
  readonly #drained: Promise<void>;

  private constructor(
    child: Deno.ChildProcess,
    url: string,
    dataDir: string,
    lines: string[],
    output: { readonly text: string },
    drained: Promise<void>,
  ) {
    this.#child = child;
    this.url = url;
    this.pid = child.pid;
    this.dataDir = dataDir;
    this.#lines = lines;
    this.#output = output;
    this.#drained = drained;
    ServerProcess.#running.add(this);
    child.status.then(() => ServerProcess.#running.delete(this));
  }

  /** kill -9 of all that run, without waiting for it; returns what each has logged last. */
  static killAll(): string[] {
    return [...ServerProcess.#running].map((server) => {
      server.#signal("SIGKILL");
      return `${server.dataDir}:\n${server.log.slice(-10_000)}`;
    });
  }

  /** What it wrote to stdout so far. */
  get output(): string {
    return this.#output.text;
  }

  /** What it wrote to stderr so far. */
  get log(): string {
    return this.#lines.join("");
  }

  /** WebSocket address of the protocol. */
  get wsUrl(): string {
    return `${this.url.replace(/^http/, "ws")}/v1/ws`;
  }

  /**
   * Starts one on a free port of loopback and waits until it serves. `command` is what stands
   * before `start` on its command line, `before` before the program; `clockShiftMs`: by how much its wall clock is ahead;
   * `patient` (the default): it refuses no work however late it runs; `place`: where it runs, with
   * what environment and nothing of the tests' own.
   */
  static async start(
    options: {
      dataDir: string;
      flags?: readonly string[];
      root?: string;
      command?: string[];
      before?: readonly string[];
      clockShiftMs?: number;
      patient?: boolean;
      place?: { readonly cwd: string; readonly env: Readonly<Record<string, string>> };
      /** Called with the id of the process, which may not serve for long. */
      spawned?: (pid: number) => void;
    },
  ): Promise<ServerProcess> {
    const root = options.root ?? new URL("../..", import.meta.url).pathname;
    const shiftMs = options.clockShiftMs ?? 0;
    const preload = shiftMs === 0 ? [] : ["--preload", `${HERE}/shifted_clock.ts`];
    const command = options.command ??
      [
        ...options.before ?? [],
        Deno.execPath(),
        "run",
        "-A",
        "--no-check",
        "--quiet",
        ...preload,
        `${root}/main.ts`,
      ];
    const flags = options.flags ?? [];
    const bind = flags.includes("--bind") ? [] : ["--bind", "127.0.0.1:0"];
    const refusalAllowance = options.patient === false ? [] : PATIENT;
    const workers = flags.includes("--workers") ? [] : WORKERS;
    return await ServerProcess.run({
      command: [
        ...command,
        ...["start", "--data", options.dataDir, ...bind, ...refusalAllowance, ...workers, ...flags],
      ],
      dataDir: options.dataDir,
      ...(options.spawned === undefined ? {} : { spawned: options.spawned }),
      ...(options.place === undefined
        ? { cwd: root, env: { CLOCK_SHIFT_MS: String(shiftMs) } }
        : { ...options.place, clearEnv: true }),
    });
  }

  /** Runs a command line that serves, and waits until it says where. */
  static async run(
    { command: [program, ...args], dataDir, spawned, ...place }: {
      readonly command: readonly string[];
      readonly dataDir: string;
      readonly cwd: string;
      readonly env: Readonly<Record<string, string>>;
      readonly clearEnv?: boolean;
      readonly spawned?: (pid: number) => void;
    },
  ): Promise<ServerProcess> {
    const child = new Deno.Command(program!, {
      args,
      ...place,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    spawned?.(child.pid);
    const lines: string[] = [];
    const drained = drain(child.stderr, (text) => {
      lines.push(text);
      if (lines.length > 2000) lines.shift();
    });
    const output = { text: "" };
    const url = await firstUrl(child.stdout, output, () => lines.join("")).catch((error) => {
      kill(child, "SIGKILL");
      throw error;
    });
    return new ServerProcess(child, url, dataDir, lines, output, drained);
  }

  /** Resolves when it has ended. */
  get ended(): Promise<unknown> {
    return this.#child.status;
  }

  /** kill -9, and waits for its end. */
  async kill(): Promise<void> {
    this.#signal("SIGKILL");
    await this.#child.status;
    await this.#drained;
  }

  /** SIGTERM; returns the exit code. */
  async stop(): Promise<number> {
    this.#signal("SIGTERM");
    const { code } = await this.#child.status;
    await this.#drained;
    return code;
  }

  #signal(signal: Deno.Signal): void {
    kill(this.#child, signal);
  }
}

function kill(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch (error) {
    // It has ended already: the caller waits for its status anyway.
    if (!(error instanceof TypeError)) throw error;
  }
}

async function drain(stream: ReadableStream<Uint8Array>, take: (text: string) => void) {
  const decoder = new TextDecoder();
  for await (const chunk of stream) take(decoder.decode(chunk, { stream: true }));
}

/** The first address on stdout, within `STARTED_MS`; goes on draining the stream after that. */
function firstUrl(
  stream: ReadableStream<Uint8Array>,
  output: { text: string },
  log: () => string,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const failed = (what: string) => reject(new Error(`${what}: ${output.text}\n${log()}`));
    const timer = setTimeout(() => failed("the server does not serve"), STARTED_MS);
    drain(stream, (more) => {
      output.text += more;
      const m = /https?:\/\/\S+/.exec(output.text);
      if (m === null) return;
      clearTimeout(timer);
      resolve(m[0].replace(/\/$/, ""));
    }).then(() => failed("the server ended before it served"), reject)
      .finally(() => clearTimeout(timer));
  });
}

/** A data directory that is removed by `close`. */
export function tempDir(): { path: string; [Symbol.dispose](): void } {
  const path = Deno.makeTempDirSync({ prefix: "roost-" });
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}
