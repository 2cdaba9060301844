/** The platform's share of a message, pinned to cores as in `deno task prove costs`. */
import type { Bench, Figure } from "./bench.ts";
import { pinned } from "../process/pinned.ts";
import { tempDir } from "../process/server.ts";
import { TextLineStream } from "../process/text_lines.ts";
import { cpuOfThreads, type ThreadKind } from "./thread_cpu.ts";

const SOCKETS = 1000;
const RATE = 5000;
const HERE = new URL("bare_messages.ts", import.meta.url).pathname;
const ROOT = new URL("../..", import.meta.url).pathname;

function child(core: number, words: readonly (string | number)[]): Deno.ChildProcess {
  const flags = ["run", "-A", "--no-check", "--quiet", "--config", `${ROOT}/deno.json`];
  const command = [...pinned(core), Deno.execPath(), ...flags, HERE, ...words.map(String)];
  return new Deno.Command(command[0]!, { args: command.slice(1), stdout: "piped" }).spawn();
}

/** Messages at 5,000/s that a program only reads, commits and writes. */
export const bareBench: Bench = {
  name: "bare",
  what: "5,000 messages/s that a program only reads, commits and writes; Linux alone",
  seconds: 30,
  async run(_say, { short }): Promise<readonly Figure[]> {
    using dir = tempDir();
    const server = child(0, ["serve", SOCKETS, `${dir.path}/kv.sqlite3`]);
    try {
      const port = Number(await new TextLineStream(server.stdout).next());
      const sender = child(1, ["send", port, SOCKETS, RATE, short ? 4 : 20]);
      const lines = new TextLineStream(sender.stdout);
      await lines.next();
      const began = cpuOfThreads(server.pid);
      const [perSecond, p50, p99] = (await lines.next())!.split(" ").map(Number);
      const ended = cpuOfThreads(server.pid);
      await sender.status;
      const messages = perSecond! * (short ? 4 : 20);
      const cpu = (of: ThreadKind) => (ended[of] - began[of]) / messages;
      return [
        ["bare: messages", perSecond!, "/s"],
        ["bare: CPU of the main thread", cpu("main"), "µs"],
        ["bare: CPU of the store's thread", cpu("store"), "µs"],
        ["bare: CPU of V8's threads", cpu("other"), "µs"],
        ["bare: p50 of acks", p50!, "ms"],
        ["bare: p99 of acks", p99!, "ms"],
      ];
    } finally {
      server.kill("SIGKILL");
      await server.status;
    }
  },
};
