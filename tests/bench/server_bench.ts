/**
 * The whole server process, its store's thread included, pinned to one core where the machine has
 * several, under the load tool on the others. Beside it, in the same run, the platform's own limit:
 * the same frames to as many sockets from the barest program.
 */
import type { Bench, Figure } from "./bench.ts";
import { ServerProcess, tempDir } from "../process/server.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
/** Limits per session out of the way: they are not what is measured. */
const FLAGS = [
  "limits.presencePerSecond=1000",
  "limits.presenceBurst=1000",
  "limits.framesPerSecond=1000",
  "limits.framesBurst=2000",
  "limits.sendsPerSecond=1000",
  "limits.sendsBurst=1000",
  "limits.receivedPerSecond=1000",
  "limits.receivedBurst=10000",
].flatMap((s) => ["--set", s]);

/** What the load tool's JSON says, as far as it is shown here. */
export interface LoadResult {
  readonly window: Readonly<Record<string, number>>;
  readonly latencies: Readonly<Record<string, { readonly p50Us: number; readonly p99Us: number }>>;
  readonly counts: Readonly<Record<string, number>>;
  readonly falseOffline: number;
  readonly server: { readonly rssAfterBytes: number; readonly rssPeakBytes: number };
  readonly violations: readonly unknown[];
}

/** `taskset`'s words that pin to a core, where that is possible. */
export function pinned(core: number): string[] {
  if (navigator.hardwareConcurrency < 2 || Deno.build.os !== "linux") return [];
  return ["taskset", "-c", String(core)];
}

/** A port that is free now, so that restarts have the same address. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Starts the server pinned to the first core, on the port that its directory was first given. */
export function startPinned(dataDir: string, extra: readonly string[] = []) {
  const file = `${dataDir}.port`;
  let port: number;
  try {
    port = Number(Deno.readTextFileSync(file));
  } catch {
    port = freePort();
    Deno.writeTextFileSync(file, String(port));
  }
  const deno = [Deno.execPath(), "run", "-A", "--no-check", "--quiet", ...V8_FLAGS];
  return ServerProcess.start({
    dataDir,
    flags: ["--bind", `127.0.0.1:${port}`, ...FLAGS, ...extra],
    command: [...pinned(0), ...deno, `${ROOT}/main.ts`],
  });
}

/** The flags that `deno task start` runs with. */
const V8_FLAGS = (/--v8-flags=\S+/.exec(Deno.readTextFileSync(`${ROOT}/deno.json`)) ?? [])
  .map(String);

/** Runs one load scenario from the second core; answers its JSON. */
export async function runLoad(
  server: ServerProcess,
  args: readonly string[],
): Promise<LoadResult> {
  const json = Deno.makeTempFileSync({ suffix: ".json" });
  const state = `${server.dataDir}.load.json`;
  const command = [
    ...pinned(1),
    Deno.execPath(),
    "run",
    "-A",
    "--no-check",
    "--quiet",
    `${ROOT}/main.ts`,
    "load",
    ...args,
    "--url",
    server.url,
    "--data",
    server.dataDir,
    "--state",
    state,
    "--quiet",
    "--json",
    json,
  ];
  const { code, stderr } = await new Deno.Command(command[0]!, {
    args: command.slice(1),
    stdout: "null",
    stderr: "piped",
  }).output();
  const text = Deno.readTextFileSync(json);
  Deno.removeSync(json);
  if (text === "") throw new Error(`load ended with ${code}: ${new TextDecoder().decode(stderr)}`);
  return JSON.parse(text) as LoadResult;
}

/** Resident bytes of a process. */
export function rssOf(pid: number): number {
  const m = /VmRSS:\s+(\d+) kB/.exec(Deno.readTextFileSync(`/proc/${pid}/status`));
  return m === null ? 0 : Number(m[1]) * 1024;
}

async function presence(dataDir: string, rate: number): Promise<Figure[]> {
  const server = await startPinned(dataDir);
  const r = await runLoad(server, [
    "presence",
    "--users",
    "1000",
    "--rate",
    String(rate),
    "--seconds",
    "15",
  ]);
  await server.stop();
  const { presence: delivered = 0, seconds = 1, serverCpuUs = 0 } = r.window;
  return [
    ["presence: deliveries", delivered / seconds, "/s"],
    ["presence: CPU", serverCpuUs / delivered, "µs/delivery"],
    ["presence: p50", r.latencies["presence"]!.p50Us / 1000, "ms"],
    ["presence: p99", r.latencies["presence"]!.p99Us / 1000, "ms"],
    ["presence: violations", r.violations.length, ""],
  ];
}

async function chat(dataDir: string, rate: number): Promise<Figure[]> {
  const server = await startPinned(dataDir);
  const r = await runLoad(server, [
    "chat",
    "--users",
    "1000",
    "--rate",
    String(rate),
    "--seconds",
    "15",
    "--ack-ms",
    "5000",
  ]);
  await server.stop();
  const { messages = 0, seconds = 1, serverCpuUs = 0 } = r.window;
  return [
    ["chat: messages", messages / seconds, "/s"],
    ["chat: CPU", serverCpuUs / messages, "µs/message"],
    ["chat: ack p50", (r.latencies["ack"]?.p50Us ?? 0) / 1000, "ms"],
    ["chat: ack p99", (r.latencies["ack"]?.p99Us ?? 0) / 1000, "ms"],
    ["chat: violations", r.violations.length, ""],
  ];
}

async function logins(dataDir: string): Promise<Figure[]> {
  const server = await startPinned(dataDir);
  const r = await runLoad(server, ["login", "--users", "1000", "--rate", "1500"]);
  await server.stop();
  const { signIns = 0, seconds = 1, serverCpuUs = 0 } = r.window;
  return [
    ["login by token: sign-ins", signIns / seconds, "/s"],
    ["login by token: CPU", serverCpuUs / signIns, "µs/sign-in"],
    ["login by token: p99", (r.latencies["login"]?.p99Us ?? 0) / 1000, "ms"],
  ];
}

async function idle(dataDir: string, users: number): Promise<Figure[]> {
  // A server without anybody first: what it takes is not the sessions'.
  using empty = tempDir();
  const bare = await startPinned(empty.path);
  await new Promise((resolve) => setTimeout(resolve, 2000));
  const rss = rssOf(bare.pid);
  await bare.stop();
  const make = await startPinned(dataDir);
  await runLoad(make, ["idle", "--users", String(users), "--seconds", "1", "--rate", "800"]);
  await make.stop();
  const server = await startPinned(dataDir);
  const r = await runLoad(server, [
    "idle",
    "--users",
    String(users),
    "--seconds",
    "75",
    "--rate",
    "800",
  ]);
  await server.stop();
  const { serverCpuUs = 0, seconds = 1 } = r.window;
  return [
    ["idle: sessions", r.counts["online"] ?? 0, ""],
    ["idle: RSS of an empty server", rss / 1024 ** 2, "MiB"],
    ["idle: RSS for each session", (r.server.rssAfterBytes - rss) / users / 1024, "KiB"],
    ["idle: CPU", serverCpuUs / seconds / 10_000, "% of a core"],
  ];
}

/** CPU µs of the barest program for one frame of `bytes` to each of 1,000 sockets at `rate`. */
async function bareLimit(rate: number, bytes: number): Promise<number> {
  const script = new URL("./bare_sockets.ts", import.meta.url).pathname;
  const run = (core: number, ...args: string[]) => {
    const command = [
      ...pinned(core),
      Deno.execPath(),
      "run",
      "-A",
      "--no-check",
      "--quiet",
      script,
    ];
    return new Deno.Command(command[0]!, {
      args: [...command.slice(1), ...args],
      stdout: "piped",
      stderr: "null",
      cwd: ROOT,
    }).spawn();
  };
  const server = run(0, "serve", "1000", String(rate), String(bytes), "5");
  const lines = server.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const port = (await lines.read()).value!.trim();
  const reader = run(1, "read", port, "1000");
  const line = (await lines.read()).value ?? "0";
  await Promise.all([server.status, reader.status, reader.stdout.cancel(), lines.cancel()]);
  return Number(line.split(" ")[0]);
}

/** Figures of the whole server. */
export const serverBench: Bench = {
  name: "server",
  what: "the whole process on one core: presence, chat, logins, memory of idle sessions",
  seconds: 240,
  async run(say): Promise<readonly Figure[]> {
    using dir = tempDir();
    const figures: Figure[] = [];
    say("1,000 users with 40 mutual contacts; presence changes at 2,500/s, then 6,250/s");
    figures.push(...await presence(dir.path, 2500));
    figures.push(
      ...(await presence(dir.path, 6250)).map(([n, v, u]): Figure => [`${n} (max)`, v, u]),
    );
    const events = 5;
    const frames = Math.round(100_000 / events);
    const bare = await bareLimit(frames, 100 * events) / events;
    const own = figures[1]![1];
    figures.push(["limit: bare sockets, 5 events a frame", bare, "µs/delivery"]);
    figures.push(["presence: CPU, times the limit", own / bare, ""]);
    say("chat at 15,000 messages/s");
    figures.push(...await chat(dir.path, 15_000));
    figures.push(...await logins(dir.path));
    say("5,000 idle sessions");
    using crowd = tempDir();
    figures.push(...await idle(crowd.path, 5000));
    return figures;
  },
};
