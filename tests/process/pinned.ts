/** The server on one core and the load tool on another, for figures that can be compared. */
import { ServerProcess } from "./server.ts";
import type { RunResult, Window } from "../../server/load/result.ts";

const ROOT = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");

/** Limits per session out of the way: they are not what is measured. */
export const UNLIMITED: readonly string[] = [
  "limits.presencePerSecond=1000",
  "limits.presenceBurst=1000",
  "limits.framesPerSecond=1000",
  "limits.framesBurst=2000",
  "limits.sendsPerSecond=1000",
  "limits.sendsBurst=1000",
  "limits.receivedPerSecond=1000",
  "limits.receivedBurst=10000",
  "limits.subscriptionRequestsPerHour=1000000",
  "limits.subscriptionRequestsBurst=10000",
].flatMap((s) => ["--set", s]);

/** After so long a server without clients has given back what its start has freed (ms). */
export const SETTLED_MS = 90_000;

/** The flags that `deno task start` runs with, in the checkout at `root`. */
function v8Flags(root: string): string[] {
  return (/--v8-flags=\S+/.exec(Deno.readTextFileSync(`${root}/deno.json`)) ?? []).map(String);
}

/** What runs the program `main.ts` of a checkout, pinned to a core; null: to none. */
function program(core: number | null, root: string, flags: readonly string[] = []): string[] {
  const config = ["--config", `${root}/deno.json`];
  const deno = [Deno.execPath(), "run", "-A", "--no-check", "--quiet", ...config, ...flags];
  return [...core === null ? [] : pinned(core), ...deno, `${root}/main.ts`];
}

/** `taskset`'s words that pin to a core, where that is possible. */
export function pinned(core: number): string[] {
  if (navigator.hardwareConcurrency < 2 || Deno.build.os !== "linux") return [];
  return ["taskset", "-c", String(core)];
}

/** What runs this checkout's server on the first core, as `deno task start` does. */
export function pinnedServer(): string[] {
  return program(0, ROOT, v8Flags(ROOT));
}

/** Runs something while this process, with its workers, keeps to the second core. */
export async function besideServer<T>(run: () => Promise<T>): Promise<T> {
  await keepTo("1");
  try {
    return await run();
  } finally {
    await keepTo(`0-${navigator.hardwareConcurrency - 1}`);
  }
}

async function keepTo(cores: string): Promise<void> {
  if (pinned(0).length === 0) return;
  const args = ["-apc", cores, String(Deno.pid)];
  await new Deno.Command("taskset", { args, stdout: "null" }).output();
}

/** A port that is free now, so that restarts have the same address. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/**
 * Starts the server of the checkout at `root` pinned to the first core (or `core`; null: to none), on
 * the port that its directory was first given (kept beside it). Overload is refused as by default.
 */
export function startPinned(
  dataDir: string,
  extra: readonly string[] = [],
  root = ROOT,
  core: number | null = 0,
): Promise<ServerProcess> {
  const file = `${dataDir}.port`;
  let port: number;
  try {
    port = Number(Deno.readTextFileSync(file));
  } catch {
    port = freePort();
    Deno.writeTextFileSync(file, String(port));
  }
  return ServerProcess.start({
    dataDir,
    flags: ["--bind", `127.0.0.1:${port}`, ...UNLIMITED, ...extra],
    command: program(core, root, v8Flags(root)),
    patient: false,
  });
}

/** A run of the load tool under way, pinned to the second core. */
export interface LoadRun {
  /** Its result; rejects where it ends without one. */
  readonly result: Promise<RunResult>;
  /** Resolves when a line of its remarks contains the text; rejects when it ends before. */
  said(text: string): Promise<void>;
  /** Asks it to end; its result then says that it was stopped. */
  stop(): void;
}

/** Begins a scenario of the load tool. `name` tells the users' state apart from other pools'. */
export function beginLoad(
  server: Pick<ServerProcess, "url" | "dataDir">,
  args: readonly string[],
  name = "load",
): LoadRun {
  const json = Deno.makeTempFileSync({ suffix: ".json" });
  const common = {
    url: server.url,
    data: server.dataDir,
    state: `${server.dataDir}.${name}.json`,
    json,
  };
  const options = Object.entries(common).flatMap(([key, value]) => [`--${key}`, value]);
  const command = [...program(1, ROOT), "load", ...args, ...options, "--quiet"];
  const child = new Deno.Command(command[0]!, {
    args: command.slice(1),
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const remarks = new Remarks();
  const drained = remarks.drain(child.stderr);
  const ended = async (): Promise<RunResult> => {
    const { code } = await child.status;
    await drained;
    const text = Deno.readTextFileSync(json);
    Deno.removeSync(json);
    if (text === "") throw new Error(`load ended with ${code}: ${remarks.text}`);
    return JSON.parse(text) as RunResult;
  };
  const result = ended();
  // A caller that only waits for a remark gets the failure there.
  result.catch(() => {});
  return {
    result,
    said: (text) => remarks.said(text),
    stop() {
      try {
        child.kill("SIGINT");
      } catch (error) {
        // It has ended by itself: its result says how.
        if (!(error instanceof TypeError)) throw error;
      }
    },
  };
}

/** Runs a scenario of the load tool to its end. */
export function runLoad(
  server: Pick<ServerProcess, "url" | "dataDir">,
  args: readonly string[],
  name = "load",
): Promise<RunResult> {
  return beginLoad(server, args, name).result;
}

/** The measured part of a run, the server's CPU included; throws where there is none. */
export function windowOf({ window, faults }: RunResult): Window & { readonly serverCpuUs: number } {
  if (window === null) {
    throw new Error(`The load run has no measured part: ${JSON.stringify(faults)}`);
  }
  return { ...window, serverCpuUs: window.serverCpuUs ?? NaN };
}

/** What a child says on its standard error. */
class Remarks {
  text = "";
  #over = false;
  #waiting: (() => void)[] = [];

  async drain(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
      this.text += chunk;
      this.#wake();
    }
    this.#over = true;
    this.#wake();
  }

  async said(text: string): Promise<void> {
    while (!this.text.includes(text)) {
      if (this.#over) throw new Error(`load ended without saying "${text}": ${this.text}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

/** Resident bytes of a process; 0 where it has ended. */
export function rssOf(pid: number): number {
  return statusBytes(pid, "VmRSS");
}

/** Most bytes that a process has had resident. */
export function peakRssOf(pid: number): number {
  return statusBytes(pid, "VmHWM");
}

function statusBytes(pid: number, name: string): number {
  const line = new RegExp(`${name}:\\s+(\\d+) kB`);
  const m = line.exec(Deno.readTextFileSync(`/proc/${pid}/status`));
  return m === null ? 0 : Number(m[1]) * 1024;
}
