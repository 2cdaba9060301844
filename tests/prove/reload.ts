/** Single shards lose what they have in memory, under traffic, and no client notices. */
import type { Proof, Verdict } from "./proof.ts";
import { check, pausesIn, shardsCommand } from "./reshard.ts";
import { Figures, p99Ms, percentiles } from "./figures.ts";
import { Prng } from "../sim/prng.ts";
import { type PoolShape, scaled, thousand, withPools } from "./provisioned.ts";
import { windowOf } from "../process/pinned.ts";

const RELOADS = 200;
const SHARDS = 16;
/** Reloads of one command, and the pause after each command (s). */
const GROUP = 20;
const PAUSE = 2;
/** Seconds of traffic before and after. */
const CALM = 8;
/** About how long one reload and one command take (s). */
const RELOAD_SECONDS = 0.15;
const COMMAND_SECONDS = 3;

/** Reloads 200 random shards at 1,000 messages/s and presence. */
export const reloadProof: Proof = {
  name: "reload",
  claim: "200 random shards reloaded at 1,000 messages/s and presence: nobody falsely offline, " +
    "nothing lost, doubled or reordered",
  seconds: 150,
  async run(options): Promise<Verdict> {
    const figures = new Figures(options);
    const prng = new Prng(options.seed);
    const users = scaled(400, options.scale);
    const seen: PoolShape = { name: "watchers", users, contacts: 20, seen: true };
    const talkers = thousand(options);
    await withPools(options, [talkers, seen], async (fixture) => {
      await fixture.serve(async (server) => {
        const commands = RELOADS / GROUP;
        const busy = RELOADS * RELOAD_SECONDS + commands * (COMMAND_SECONDS + PAUSE);
        const seconds = Math.ceil(busy) + 2 * CALM;
        const chat = fixture.begin(server, "chat", talkers, {
          rate: 1050 * options.scale,
          seconds,
        });
        const rate = 200 * options.scale;
        const presence = fixture.begin(server, "presence", seen, { rate, seconds });
        const wait = (forSeconds: number) =>
          new Promise((resolve) => setTimeout(resolve, forSeconds * 1000));
        await wait(2 * CALM);
        const pauses: number[] = [];
        for (let i = 0; i < commands; i++) {
          const ids = Array.from({ length: GROUP }, () => String(prng.int(0, SHARDS - 1)));
          const these = pausesIn(await shardsCommand(server, ["reload", ...ids]));
          pauses.push(...these);
          options.say(`${pauses.length} reloads, longest pause ${Math.max(...these)} ms`);
          await wait(PAUSE);
        }
        const results = await Promise.all([chat.result, presence.result]);
        check(figures, "messages", results[0]);
        check(figures, "presence", results[1]);
        for (const result of results) {
          const name = `${result.scenario}: contacts shown offline`;
          figures.atMost(name, result.presence.offline, 0, "");
        }
        const { messages, seconds: took } = windowOf(results[0]);
        figures.atLeast("messages", messages / took, 1000 * options.scale, "/s");
        figures.note("message acks", percentiles(results[0].latencies.sent));
        figures.note("p99 of acks", p99Ms(results[0].latencies.sent), "ms");
        figures.note("presence", percentiles(results[1].latencies.presence));
        pauses.sort((a, b) => a - b);
        figures.atLeast("reloads", pauses.length, RELOADS, "");
        const p99 = pauses[Math.ceil(pauses.length * 0.99) - 1] ?? NaN;
        figures.note("pause of a shard, p50", pauses[pauses.length >> 1] ?? NaN, "ms");
        figures.note("pause of a shard, p99", p99, "ms");
        figures.atMost("pause of a shard, longest", pauses.at(-1) ?? NaN, 2000, "ms");
      });
    });
    return figures.verdict;
  },
};
