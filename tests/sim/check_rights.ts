/**
 * Nobody sees a user who has not granted it, although a node asks: whatever is in memory of the
 * user.
 */
import type { Folded } from "./check_mail.ts";
import type { InterestAnswer, InterestItem } from "../../shard/edge_packet.ts";
import type { Cluster } from "./cluster.ts";
import { isUndecided } from "../../shard/presence/returning.ts";
import { Violation } from "./history.ts";

/** In a cold cluster accounts that nobody uses leave memory within this time (ms). */
const LEAVE_MS = 1500;
/** The shards answer within this time (ms): some have to read accounts. */
const ANSWER_MS = 10_000;

function grants({ view }: Folded, watcher: string): boolean {
  const subscription = view.roster.get(watcher)?.subscription;
  const granted = subscription === "from" || subscription === "both";
  return granted && !view.blocked.has(watcher);
}

/**
 * For a cluster in which nothing moves. A refusal registers no interest, so that nothing stays of
 * it.
 */
export function checkRights(cluster: Cluster, folded: readonly Folded[]): void {
  const items: InterestItem[] = [];
  for (const watched of folded) {
    for (const watcher of folded) {
      if (watcher === watched || grants(watched, watcher.life.name)) continue;
      const [{ info: seen }, { info: asks }] = [watched.dump, watcher.dump];
      if (seen === null || asks === null) continue;
      items.push({
        watcher: asks.name,
        watcherId: asks.id,
        watched: seen.name,
        watchedId: seen.id,
      });
    }
  }
  if (cluster.config.cold) cluster.time.runFor(LEAVE_MS);
  const answers: InterestAnswer[] = [];
  cluster.nodes[0]!.running.node.interest(items, (some) => answers.push(...some));
  cluster.await("answers to interests", () => answers.length < items.length, ANSWER_MS);
  for (const { watcher, watched, presence } of answers) {
    if (presence === null || isUndecided(presence)) continue;
    const text = `${watcher} is shown ${watched}, who never granted it`;
    throw new Violation("only who was granted it is shown", text, [watcher, watched]);
  }
}
