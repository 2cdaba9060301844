/** What is waited for once all faults are over, and what is said where it does not come. */
import type { Cluster } from "./cluster.ts";
import { isLeaving } from "./orders.ts";
import { isResharding } from "./reshards.ts";
import type { Person } from "./person.ts";
import type { SimNode } from "./sim_node.ts";
import { Violation } from "./history.ts";

/** Everything that was sent is acked, and everybody connected, so long after the faults, ms. */
export const RECOVER_MS = 60_000;

/** Lets time run until nothing is left to wait for; a violation that says what does not come. */
export function recovered(cluster: Cluster): void {
  if (cluster.runWhile(() => !awaited(cluster).next().done, RECOVER_MS)) return;
  const late = [...awaited(cluster)];
  const names = cluster.people.map(({ name }) => name)
    .filter((name) => late.some((text) => text.startsWith(name)));
  throw new Violation("liveness", `${RECOVER_MS} ms after healing: ${late.join(", ")}`, names);
}

/** What is still to come. Asked after every turn: what costs most to find out comes last. */
export function* awaited(
  cluster: Pick<Cluster, "contest" | "evacuations" | "movers" | "nodes" | "people" | "several">,
): Generator<string> {
  for (const node of cluster.nodes) {
    if (!node.serving || node.stopping) yield `${node.who} ${stateOf(node)}`;
  }
  if (cluster.contest?.decided === false) yield "it is not decided which cells have the names";
  if (cluster.movers?.over === false) yield "accounts are being moved to other cells";
  if (cluster.evacuations?.over === false) yield "a cell is being evacuated";
  for (const person of cluster.people) yield* awaitedOf(person);
  if (isResharding(cluster)) yield "the shards are being changed";
  if (isLeaving(cluster)) yield "a node is to leave, or has left and goes on";
}

function* awaitedOf(person: Person): Generator<string> {
  const { busy, devices, life, name, unsent } = person;
  if (busy) yield `${name} is being operated on`;
  if (unsent > 0 && devices.some(({ wanted }) => wanted)) yield `${name} has ${unsent} unsent`;
  for (const device of devices) {
    if (!device.wanted) continue;
    if (!device.online) yield `${device.who} is not connected`;
    else if (device.life !== life) yield `${device.who} is connected to a deleted account`;
  }
}

/** Why a node does not serve. */
function stateOf(node: SimNode): string {
  if (!node.up) return "is down";
  if (node.stopping) return "is stopping";
  const shards = node.running.node.shards.map(({ id, ready, down }) =>
    `${id} ${ready ? "serves" : down ? "is down" : "reads its log"}`
  );
  return `has not started: shards ${shards.join(", ") || "none"}`;
}
