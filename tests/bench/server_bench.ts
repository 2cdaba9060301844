/**
 * The whole server process, its store's thread included, pinned to one core where the machine has
 * several, under the load tool on the others. Beside it, in the same run, the platform's own limit:
 * the same frames to as many sockets from the barest program.
 */
import type { Bench, Figure } from "./bench.ts";
import { pinned, rssOf, runLoad, startPinned, windowOf } from "../process/pinned.ts";
import { tempDir } from "../process/server.ts";

const ROOT = new URL("../..", import.meta.url).pathname;

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
  const { presence: delivered, seconds, serverCpuUs } = windowOf(r);
  return [
    ["presence: deliveries", delivered / seconds, "/s"],
    ["presence: CPU", serverCpuUs / delivered, "µs/delivery"],
    ["presence: p50", r.latencies.presence!.p50Us / 1000, "ms"],
    ["presence: p99", r.latencies.presence!.p99Us / 1000, "ms"],
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
  const { messages, seconds, serverCpuUs } = windowOf(r);
  return [
    ["chat: messages", messages / seconds, "/s"],
    ["chat: CPU", serverCpuUs / messages, "µs/message"],
    ["chat: ack p50", (r.latencies.sent?.p50Us ?? 0) / 1000, "ms"],
    ["chat: ack p99", (r.latencies.sent?.p99Us ?? 0) / 1000, "ms"],
    ["chat: violations", r.violations.length, ""],
  ];
}

async function logins(dataDir: string): Promise<Figure[]> {
  const server = await startPinned(dataDir);
  const r = await runLoad(server, ["login", "--users", "1000", "--rate", "1500"]);
  await server.stop();
  const { signIns, seconds, serverCpuUs } = windowOf(r);
  return [
    ["login by token: sign-ins", signIns / seconds, "/s"],
    ["login by token: CPU", serverCpuUs / signIns, "µs/sign-in"],
    ["login by token: p99", (r.latencies.login?.p99Us ?? 0) / 1000, "ms"],
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
  const { serverCpuUs, seconds } = windowOf(r);
  return [
    ["idle: sessions", r.counts.online, ""],
    ["idle: RSS of an empty server", rss / 1024 ** 2, "MiB"],
    ["idle: RSS for each session", ((r.server?.rssAfterBytes ?? 0) - rss) / users / 1024, "KiB"],
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
