/** Durable messages. */
import type { Proof, Verdict } from "./proof.ts";
import { Figures, p99Ms, percentiles } from "./figures.ts";
import { thousand, withPools } from "./provisioned.ts";
import { windowOf } from "../process/pinned.ts";

/** 1,000 users: 15,000 messages/s, acked after fsync, p99 50 ms. */
export const chatProof: Proof = {
  name: "chat",
  claim: "15,000 durable messages/s, acked after fsync, at p99 under 50 ms",
  seconds: 90,
  async run(options): Promise<Verdict> {
    const figures = new Figures(options);
    await withPools(options, [thousand(options)], async (fixture) => {
      const result = await fixture.load("chat", thousand(options), {
        rate: 15_300 * options.scale,
        seconds: options.scale < 1 ? 5 : 20,
      });
      const { messages, seconds, serverCpuUs } = windowOf(result);
      const { sent, message } = result.latencies;
      figures.run("chat", result);
      figures.atLeast("messages", messages / seconds, 15_000 * options.scale, "/s");
      figures.atMost("p99 of acks", p99Ms(sent), 50, "ms");
      figures.atMost("p99 of deliveries", p99Ms(message), 50, "ms");
      figures.note("acks", percentiles(sent));
      figures.note("deliveries", percentiles(message));
      figures.note("CPU of a message", serverCpuUs / messages, "µs");
      if (result.counts.sendsRefused > 0) {
        figures.fault(`${result.counts.sendsRefused} messages were refused`);
      }
      // What it does well within its means, once it has been serving for a while.
      const calm = await fixture.serve(async (server) => {
        const third = { rate: 5000 * options.scale, seconds: options.scale < 1 ? 3 : 15 };
        await fixture.load("chat", thousand(options), { ...third, seconds: 4 }, server);
        return await fixture.load("chat", thousand(options), third, server);
      });
      const part = windowOf(calm);
      figures.run("at a third of it", calm);
      figures.note("at a third of it", part.messages / part.seconds, "/s");
      figures.note("at a third of it: acks", percentiles(calm.latencies.sent));
      figures.note("at a third of it: deliveries", percentiles(calm.latencies.message));
    });
    return figures.verdict;
  },
};
