/** What a node counts: its shards, its commits and what it tries again. */
import type { Node } from "./node.ts";
import type { Retries } from "../../shard/retry.ts";
import { byLabel, type Meter } from "./meter.ts";

/** Registers it. */
export function registerNode(to: Meter, node: Node, retries: Pick<Retries, "counts">): void {
  to.value(
    "roost_presence_interests",
    () => node.shards.reduce((sum, { presence }) => sum + presence.size, 0),
  );
  to.values("roost_commit_failures_total", () => byLabel("kind", node.committer.stats.failures));
  to.value("roost_commit_queue_requests", () => node.pending);
  to.value("roost_store_failing", () => Number(node.committer.failingSinceMs !== 0));
  to.value("roost_users_cached", () => node.accountsInMemory);
  to.value("roost_ready", () => Number(node.settled && !node.mayBeReplaced));
  to.values(
    "roost_clock_offset_seconds",
    () =>
      node.nodes.flatMap(({ id, clockOffsetMs }) =>
        clockOffsetMs === null ? [] : [[{ peer: id }, clockOffsetMs / 1000] as const]
      ),
  );
  to.values(
    "roost_peer_requests_refused_total",
    () => byLabel("cause", node.requestsRefused ?? {}),
  );
  to.value("roost_bugs_total", () => node.bugs);
  to.values("roost_retries_total", () => byLabel("kind", retries.counts));
}
