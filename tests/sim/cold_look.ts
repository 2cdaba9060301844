/**
 * Somebody looks at a user whom nobody has looked at for so long that nothing of it is in memory,
 * and something happens while its account is being read.
 */
import type { AccountName } from "../../shard/name/ids.ts";
import type { Person } from "./person.ts";
import type { SimNode } from "./sim_node.ts";
import type { Cluster } from "./cluster.ts";

/** Accounts that nobody uses leave memory within this time in a cold cluster, ms. */
const LEAVE_MS = 2500;
/** For so long the account cannot be read, at most; then the user returns, ms. */
const BACK_MS = 2600;

/** For a cold cluster in which everybody is connected; leaves it to quiesce. */
export function coldLook(cluster: Cluster): void {
  const prng = cluster.prng.fork("cold look");
  const pairs = cluster.people.flatMap((watcher) => {
    const roster = watcher.online[0]?.view?.roster.values() ?? [];
    return [...roster].flatMap(({ contact, subscription }) => {
      const seen = cluster.people.find((p) => p.name === contact);
      const sees = subscription === "to" || subscription === "both";
      return seen !== undefined && sees ? [{ watcher, seen }] : [];
    });
  });
  if (pairs.length === 0) return;
  const { watcher, seen } = prng.pick(pairs);
  cluster.history.add("cluster", `${watcher.name} is to look at ${seen.name}`);
  const wanted = cluster.people.flatMap((p) => p.devices).filter((d) => d.wanted);
  for (const device of wanted) {
    device.wanted = false;
    device.leave();
  }
  cluster.time.runFor(cluster.config.edge.graceMs * 1.1 + LEAVE_MS);
  const node = cluster.nodes[0]!;
  if (prng.chance(0.5)) cutOff(cluster, node, watcher, seen);
  else startOver(cluster, node, seen);
  for (const device of watcher.devices) device.wanted = true;
  cluster.time.runFor(BACK_MS);
  for (const device of wanted) device.wanted = true;
  seen.devices[0]!.wanted = true;
}

/** By the time of the answer the watcher does not want to see the user any more. */
function cutOff(cluster: Cluster, { disk }: SimNode, watcher: Person, seen: Person): void {
  const { prng, time } = cluster;
  disk.failReadsOf(seen.name, prng.int(1200, BACK_MS));
  const unwanted = () => {
    const device = watcher.online[0];
    if (device === undefined) return time.global.timers.after(100, unwanted);
    return time.global.timers.after(prng.int(10, 300), () => {
      if (device.online) watcher.block(device, seen.name, true);
    });
  };
  unwanted();
}

/**
 * Writes follow each other in the user's shard, and the one fails that the look has to wait for.
 */
function startOver(cluster: Cluster, { disk, running }: SimNode, seen: Person): void {
  const { node } = running;
  const shard = node.shardOf(seen.name as AccountName);
  let going = true;
  let serial = 0;
  const next = (): void => {
    let name: AccountName;
    do name = `passer-${++serial}` as AccountName; while (node.shardOf(name) !== shard);
    if (going && serial < 20_000) node.request(name, "account.create", { credentials: null }, next);
  };
  for (let i = 0; i < 3; i++) next();
  const stop = () => {
    going = false;
  };
  disk.whenRead(seen.name, () => {
    // What reads the user after the look does not meet the fault.
    if (!going) return;
    stop();
    disk.failNext("failed");
  });
  cluster.time.global.timers.after(BACK_MS - 100, stop);
}
