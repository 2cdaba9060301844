/** The number of shards changes under traffic, and no client notices. */
import type { Proof, ProofOptions, Verdict } from "./proof.ts";
import { Figures, p99Ms, percentiles } from "./figures.ts";
import { type PoolShape, scaled, thousand, withPools } from "./provisioned.ts";
import type { RunResult } from "../../server/load/result.ts";
import type { ServerProcess } from "../process/server.ts";
import { windowOf } from "../process/pinned.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
/** From 16 shards to these numbers, one after another. */
const NUMBERS = [64, 7];
/** Seconds between the changes, and of traffic before and after. */
const CALM = 4;

/** Those whose presence changes meanwhile. */
function watchers({ scale }: ProofOptions): PoolShape {
  return { name: "watchers", users: scaled(400, scale), contacts: 20, seen: true };
}

/** Pauses that `roost shards set` tells of (ms). */
export function pausesIn(text: string): number[] {
  return [...text.matchAll(/held up for ([\d.]+) ms/g)].map((m) => Number(m[1]));
}

/** Runs `roost shards WORDS…` on a server; returns what it prints. */
export async function shardsCommand(server: ServerProcess, words: readonly string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--quiet", `${ROOT}/main.ts`, "shards", ...words].concat([
      "--data",
      server.dataDir,
    ]),
    stdout: "piped",
    stderr: "piped",
  }).output();
  const text = new TextDecoder().decode(stderr) + new TextDecoder().decode(stdout);
  if (code !== 0) throw new Error(`shards ${words.join(" ")} ended with ${code}: ${text}`);
  return text;
}

/** Nothing may be wrong with a run, and no client may have seen an error. */
export function check(figures: Figures, name: string, result: RunResult): void {
  figures.run(name, result);
  const errors = result.faults.reduce((sum, { count }) => sum + count, 0);
  figures.atMost(`${name}: errors at clients`, errors, 0, "");
}

/** 16 → 64 → 7 shards at 2,000 messages/s and presence. */
export const reshardProof: Proof = {
  name: "reshard",
  claim: "16 to 64 to 7 shards at 2,000 messages/s: no error, nothing lost or reordered",
  seconds: 150,
  async run(options): Promise<Verdict> {
    const figures = new Figures(options);
    const [talkers, seen] = [thousand(options), watchers(options)];
    await withPools(options, [talkers, seen], async (fixture) => {
      await fixture.serve(async (server) => {
        const seconds = CALM * 6 + 10;
        const chat = fixture.begin(server, "chat", talkers, {
          rate: 2100 * options.scale,
          seconds,
        });
        const presence = fixture.begin(server, "presence", seen, {
          rate: 200 * options.scale,
          seconds,
        });
        const wait = () => new Promise((resolve) => setTimeout(resolve, CALM * 1000));
        await wait();
        await wait();
        const pauses: number[] = [];
        for (const count of NUMBERS) {
          const text = await shardsCommand(server, ["set", String(count)]);
          const these = pausesIn(text);
          options.say(`${count} shards: ${these.length} changes`);
          pauses.push(...these);
          await wait();
        }
        const results = await Promise.all([chat.result, presence.result]);
        check(figures, "messages", results[0]);
        check(figures, "presence", results[1]);
        const { messages, seconds: took } = windowOf(results[0]);
        figures.atLeast("messages", messages / took, 2000 * options.scale, "/s");
        figures.note("message acks", percentiles(results[0].latencies.sent));
        figures.note("presence", percentiles(results[1].latencies.presence));
        pauses.sort((a, b) => a - b);
        figures.note("changes of the table", pauses.length);
        const p99 = pauses[Math.ceil(pauses.length * 0.99) - 1] ?? NaN;
        figures.atMost("pause of a shard, p99", p99, 50, "ms");
        figures.note("pause of a shard, longest", pauses.at(-1) ?? NaN, "ms");
        figures.note("p99 of acks", p99Ms(results[0].latencies.sent), "ms");
      });
    });
    return figures.verdict;
  },
};
