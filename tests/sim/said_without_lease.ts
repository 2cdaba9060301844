/**
 * A node loses its lease while commits of its shards are on their way, because its store is slow: what
 * these shards say then is withheld, and delivered once it has a lease again. With a small bound, the
 * shard that says too much is read again from its log.
 */
import type { Cluster } from "./cluster.ts";

/** With this bound and above nothing is ever too much. */
const UNBOUNDED = 10_000;
/** A call to the slow store takes up to twice as long (ms). */
const SLOW_MS = 1500;
/** So long all write at most, until the node has no lease (ms). */
const WRITES_MS = 12_000;
const STEP_MS = 100;
const BODY_BYTES = 20;

/** In some cells, for one that is whole: users write to each other while a node's store is slow. */
export function saidWithoutLease(cluster: Cluster): void {
  const { config, people, several, time } = cluster;
  if (several.length === 0 || config.withheldMax >= UNBOUNDED) return;
  const prng = cluster.prng.fork("said without lease");
  cluster.await("a whole cell", () => !cluster.whole, 10_000);
  const { cell, nodes } = prng.pick(several);
  const node = prng.pick(nodes);
  cluster.history.add("fault", `the store is slow for ${node.who}`);
  cell!.store.slowDown(node.id, SLOW_MS);
  const serves = () => node.up && node.running.node.mayServe;
  // Later events would show devices that they have missed some: those that are withheld are the last.
  for (const end = time.nowMs + WRITES_MS; serves() && time.nowMs < end; time.runFor(STEP_MS)) {
    for (const person of people) {
      const [device] = person.online;
      const { name } = prng.pick(people);
      if (device !== undefined && person.life !== null && prng.chance(0.5)) {
        person.write(device, name, BODY_BYTES);
      }
    }
  }
  cell!.store.slowDown(node.id, 0);
}
