/** Sessions that have lost their right are to end, at every node, as soon as it can learn of it. */
import type { AccountName, DeviceId, SessionId } from "../../shard/name/ids.ts";
import type { Cluster } from "./cluster.ts";
import type { Person } from "./person.ts";
import type { SimNode } from "./sim_node.ts";
import { Violation } from "./history.ts";

/**
 * They are gone so long after their node has had a link with an owner that may serve, ms. In between
 * the owner may change: then the time begins again.
 */
const ENDED_MS = 1000;
const LOOK_MS = 250;
/** How long what a shard has refused after a bug may wait until it is tried again, ms. */
const REFUSED_MS = 2500;

/** A session and whose it is. */
export interface OfDevice {
  readonly device: string;
  readonly session: string;
}

/** Which sessions have lost their right, and why. */
export interface Ended {
  readonly person: Person;
  readonly sessions: readonly OfDevice[];
  readonly why: string;
  /** Whether it is still so: an account that was disabled may be enabled again. */
  readonly still: () => boolean;
}

/** These sessions have lost their right. */
export function mustEnd(cluster: Cluster, ended: Ended): void {
  for (const node of cluster.nodes) if (node.up) lookFor(cluster, node, ended);
}

function lookFor(cluster: Cluster, node: SimNode, ended: Ended): void {
  const { person, sessions, why } = ended;
  const { time } = cluster;
  const name = person.name as AccountName;
  const tokens = new Map(person.devices.map(({ id, token }) => [id, token]));
  const { process } = node.running;
  let apart = false;
  let sinceMs = Infinity;
  let lookedMs = time.nowMs;
  // A node that was apart learns whether the session may go on: by then it may be so again.
  const still = (device: string) =>
    !apart ||
    ended.still() && person.devices.find(({ id }) => id === device)?.token === tokens.get(device);
  const look = () => {
    // One that stops has left its sessions to others, which end them.
    if (!node.serving || node.stopping || node.running.process !== process) return;
    const left = sessions.filter(({ device, session }) => {
      const [id, of] = [session as SessionId, device as DeviceId];
      return still(device) && node.running.edge.find(id, name, of) !== null;
    });
    if (left.length === 0) return;
    const { nowMs } = time;
    const reachedMs = reachesOwnerMs(cluster, node, name);
    // A paused process has not looked.
    if (reachedMs === null || nowMs - lookedMs > 2 * LOOK_MS) {
      apart = true;
      sinceMs = Infinity;
    } else sinceMs = Math.max(Math.min(sinceMs, nowMs), nowMs - reachedMs);
    lookedMs = nowMs;
    if (nowMs - sinceMs >= learntMs(cluster)) {
      const text = `${person.name}/${left[0]!.device} has its session still, although ${why}`;
      throw new Violation("sessions end with their right", text, [person.name]);
    }
    process.timers.after(LOOK_MS, look);
  };
  process.timers.after(LOOK_MS, look);
}

/**
 * How long at least a node has been linked with the owner of a user's shard (ms); null where no owner
 * may serve now, or it waits for sessions to be announced.
 */
function reachesOwnerMs(cluster: Cluster, node: SimNode, name: AccountName): number | null {
  const { cell, nodes } = cluster.groupAt(node);
  const owner = nodes.find((n) => n.up && n.running.node.owns(name));
  if (owner === undefined || owner.process.state !== "running") return null;
  const { node: core } = owner.running;
  if (!core.mayServe || !core.shardOf(name).ready) return null;
  if (core.shardOf(name).presence.settling.active) return null;
  if (owner === node || cell === null) return Infinity;
  const linkedMs = cell.linkedMs(node.id, owner.id);
  return linkedMs === 0 ? null : linkedMs;
}

/** Whether a node cannot have learnt lately what a user has decided at another one. */
export function isApart(cluster: Cluster, node: SimNode | null, { name }: Person): boolean {
  if (node === null || cluster.groupAt(node).cell === null) return false;
  return (reachesOwnerMs(cluster, node, name as AccountName) ?? 0) < learntMs(cluster);
}

/** How long a node may take (ms): a shard that has met a bug refuses what is announced to it. */
function learntMs({ config }: Cluster): number {
  return config.bugs > 0 ? ENDED_MS + REFUSED_MS : ENDED_MS;
}
