/** A real server process for tests: started from the source, stopped or killed by its id. */

/** A running server. */
export class ServerProcess {
  readonly url: string;
  readonly pid: number;
  readonly dataDir: string;
  readonly #child: Deno.ChildProcess;
  readonly #lines: string[];

  private constructor(
    child: Deno.ChildProcess,
    url: string,
    dataDir: string,
    lines: string[],
  ) {
    this.#child = child;
    this.url = url;
    this.pid = child.pid;
    this.dataDir = dataDir;
    this.#lines = lines;
  }

  /** What it wrote to stderr so far. */
  get log(): string {
    return this.#lines.join("");
  }

  /** WebSocket address of the protocol. */
  get wsUrl(): string {
    return `${this.url.replace(/^http/, "ws")}/v1/ws`;
  }

  /** Starts one on a free port of loopback and waits until it serves. */
  static async start(
    options: { dataDir: string; flags?: readonly string[]; root?: string; command?: string[] },
  ): Promise<ServerProcess> {
    const root = options.root ?? new URL("../..", import.meta.url).pathname;
    const command = options.command ??
      [Deno.execPath(), "run", "-A", "--no-check", "--quiet", `${root}/main.ts`];
    const flags = options.flags ?? [];
    const bind = flags.includes("--bind") ? [] : ["--bind", "127.0.0.1:0"];
    const child = new Deno.Command(command[0]!, {
      args: [...command.slice(1), "start", "--data", options.dataDir, ...bind, ...flags],
      cwd: root,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const lines: string[] = [];
    void drain(child.stderr, (text) => {
      lines.push(text);
      if (lines.length > 2000) lines.shift();
    });
    const url = await firstUrl(child.stdout, () => lines.join(""));
    return new ServerProcess(child, url, options.dataDir, lines);
  }

  /** kill -9, and waits for its end. */
  async kill(): Promise<void> {
    this.#signal("SIGKILL");
    await this.#child.status;
  }

  /** SIGTERM; answers the exit code. */
  async stop(): Promise<number> {
    this.#signal("SIGTERM");
    return (await this.#child.status).code;
  }

  #signal(signal: Deno.Signal): void {
    try {
      this.#child.kill(signal);
    } catch (error) {
      // It has ended already: the caller waits for its status anyway.
      if (!(error instanceof TypeError)) throw error;
    }
  }
}

async function drain(stream: ReadableStream<Uint8Array>, take: (text: string) => void) {
  const decoder = new TextDecoder();
  for await (const chunk of stream) take(decoder.decode(chunk, { stream: true }));
}

/** The first address on stdout; goes on draining the stream after that. */
function firstUrl(stream: ReadableStream<Uint8Array>, log: () => string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    drain(stream, (more) => {
      text += more;
      const m = /https?:\/\/\S+/.exec(text);
      if (m !== null) resolve(m[0].replace(/\/$/, ""));
    }).then(
      () => reject(new Error(`the server ended before it served: ${text}\n${log()}`)),
      reject,
    );
  });
}

/** A data directory that is removed by `close`. */
export function tempDir(): { path: string; [Symbol.dispose](): void } {
  const path = Deno.makeTempDirSync({ prefix: "roost-" });
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}
