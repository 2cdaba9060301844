/**
 * The answers to a shard's question, which account has a name, get lost: the request that waits for
 * one has to be replied to all the same, because the shard asks again.
 */
import { type AccountName, pointOf } from "../../shard/name/ids.ts";
import type { Cluster } from "./cluster.ts";
import { ask } from "./dump.ts";
import { Violation } from "./history.ts";

/** Answers that get lost; the shard asks again within 1, 2 and 4 s at most. */
const LOST = 3;
/** All links are up again, and all leases fresh, so long after the faults, ms. */
const WHOLE_MS = 10_000;
/** The reply comes within this time, ms. */
const REPLY_MS = 8000;

/** For a healed cluster. The request changes nothing. */
export function lostAnswers(cluster: Cluster): void {
  const prng = cluster.prng.fork("lost answers");
  const { name } = prng.pick(cluster.people);
  const node = cluster.nodeOf(name);
  const core = node.running.node;
  const rows = core.table.shards;
  const rowOf = (user: string) => {
    const point = pointOf(user);
    return rows.findIndex(({ lo, hi }) => point >= lo && point < hi);
  };
  if (rows.length === 1 || prng.chance(0.5)) return;
  let contact = "unknown";
  for (let i = 0; rowOf(contact) === rowOf(name); i++) contact = `unknown-${i}`;
  // A shard that has met several bugs in a row pauses before it serves again, and one whose store
  // has failed refuses what may change something, until it has tried the store again.
  const refuses = () =>
    cluster.nodes.some(({ running: { node } }) =>
      !node.ready || node.shards.some((s) => !s.writable)
    );
  cluster.await("every shard", refuses, 40_000);
  // A question over a broken link, or at an owner that may not serve, is lost as well.
  if (cluster.several.length > 0) cluster.await("a whole cell", () => !cluster.whole, WHOLE_MS);
  const epochs = epochsOf(cluster);
  const began = cluster.time.nowMs;
  cluster.wire.lose(LOST, ({ kind }) => kind === "resolved");
  const input = { contact: contact as AccountName, type: "unsubscribe" } as const;
  const result = ask(cluster, node, name, "roster.subscription", input);
  cluster.wire.lose(0, () => false);
  // A disabled account gets no further than that.
  const fine = result.ok || result.code === "unauthorized";
  if (fine && cluster.time.nowMs - began <= REPLY_MS) return;
  // By this an owner finds out that somebody else has claimed its shard.
  const fenced = cluster.config.faults.includes("usurp");
  if (fenced && !result.ok && result.code === "unavailable") return;
  // A question to a shard that moves is lost as well.
  if (cluster.several.length > 0 && epochs !== epochsOf(cluster)) return;
  const text = `${name} asks for ${contact}: ${result.ok ? "late" : result.code}`;
  throw new Violation("a lost answer is asked for again", text, [name]);
}

/** Which owners of shards the nodes know, as a text. */
function epochsOf({ nodes }: Cluster): string {
  return nodes.map(({ running: { node } }) => node.table.shards.map((s) => s.epoch)).join();
}
