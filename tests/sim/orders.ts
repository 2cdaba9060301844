/**
 * Operators order things of a cell while everything else happens: shards are moved and evened out,
 * nodes are drained and undrained, nodes leave and are started again. What was ordered holds in the
 * end.
 */
import type { Cluster } from "./cluster.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import type { Result } from "../../shard/errors.ts";
import type { SimGroup } from "./group.ts";
import { sameNode } from "../../shard/table/placement.ts";
import { Violation } from "./history.ts";
import type { SimNode } from "./sim_node.ts";

const KINDS = ["move", "move", "move", "drain", "drain", "undrain", "leave", "rebalance"] as const;
/** Longest time until an order is replied to while nodes are down and cut off, ms. */
const REPLY_MS = 90_000;
/** Longest time until the shards are where they should be, after all is healed, ms. */
const SETTLE_MS = 60_000;

/** Gives orders at random moments of the chaos. */
export function orders(cluster: Cluster): void {
  const prng = cluster.prng.fork("orders");
  const { chaosMs, orders } = cluster.config;
  for (const node of cluster.several.flatMap(({ nodes }) => nodes)) {
    node.onLeft = () => left(cluster, node, prng.int(100, 6000));
  }
  for (let i = 0; i < orders; i++) {
    cluster.time.global.timers.after(prng.int(0, chaosMs), () => {
      const { nodes } = prng.pick(cluster.several);
      const node = prng.pick(nodes);
      const other = prng.pick(nodes);
      const kind = prng.pick(KINDS);
      if (node.serving) order(cluster, node, other.id, kind, prng.number());
    });
  }
}

function order(
  { history, time }: Cluster,
  at: SimNode,
  node: NodeId,
  kind: typeof KINDS[number],
  part: number,
): void {
  const { running } = at;
  const { coordinator: { orders }, table: { shards } } = running.node;
  const shard = shards[Math.floor(part * shards.length)]!.id;
  const what = kind === "move" ? `move ${shard} to ${node}` : `${kind} ${node}`;
  let replied = false;
  const done = (result: Result<unknown>) => {
    if (replied) throw new Violation("every order has one reply", what);
    replied = true;
    history.add(at.who, `${what}: ${result.ok ? "ordered" : result.message}`);
  };
  history.add(at.who, `is to ${what}`);
  running.process.timers.after(REPLY_MS, () => {
    if (!replied) throw new Violation("liveness", `no reply to ${what} by ${time.nowMs}`);
  });
  if (kind === "move") orders.move(shard, node, done);
  else if (kind === "rebalance") orders.rebalance(done);
  else orders[kind](node, done);
}

/** A process ends by order: it has nothing that others would have to take over. */
function left(cluster: Cluster, node: SimNode, againMs: number): void {
  const { lines, node: { shards } } = node.running;
  // One that others have taken out may not know yet that they have its shards.
  const byItself = lines.some(({ event, fields }) =>
    event === "node taken out of the cell" && fields["node"] === node.id
  );
  if (byItself && shards.length > 0) {
    const text = `${node.who} leaves with shards ${shards.map(({ id }) => id)}`;
    throw new Violation("a node that leaves has no shards", text);
  }
  node.stop(() => {
    cluster.network.died(node, 1);
    cluster.restartLater(node, againMs);
  });
}

function upOf({ nodes }: SimGroup) {
  return nodes.filter((n) => n.up).map((n) => n.running.node);
}

/** Whether a node is to leave, as a node that is up knows, or has left and has not ended yet. */
export function isLeaving(cluster: Pick<Cluster, "several">): boolean {
  return cluster.several.some((group) => {
    // What a node knows of the nodes is made anew each time that it is asked.
    const views = upOf(group).map(({ nodes }) => nodes);
    return views.some((nodes) =>
      nodes.some(({ leaving }) => leaving) ||
      views.some(([self]) => !nodes.some((node) => sameNode(node, self!)))
    );
  });
}

/** After the chaos: drains are undone, or stay where nodes for the shards are left. */
export function endOrders(cluster: Cluster): void {
  if (cluster.config.orders === 0) return;
  const prng = cluster.prng.fork("end of orders");
  const stays = prng.chance(0.5);
  for (const { nodes } of cluster.several) endDrains(cluster, nodes, stays);
}

function endDrains(cluster: Cluster, nodes: readonly SimNode[], stays: boolean): void {
  const undone = (id: NodeId) => {
    let over = false;
    let tries = 0;
    const attempt = () => {
      if (over) return;
      // The node that is asked may end before it replies.
      cluster.time.global.timers.after(2000, attempt);
      const at = nodes.find((n) => n.serving);
      tries++;
      at?.running.node.coordinator.orders.undrain(id, ({ ok }) => over = over || ok || tries > 20);
    };
    attempt();
    cluster.await(`an end of the drain of ${id}`, () => !over, SETTLE_MS);
  };
  const [first, ...others] = nodes;
  undone(first!.id);
  for (const { id } of stays ? [] : others) undone(id);
}

/** Everything is where it was ordered to be, as all nodes see it. */
export function checkOrders(cluster: Cluster): void {
  if (cluster.config.orders === 0) return;
  for (const group of cluster.several) checkPlaced(cluster, group);
}

function checkPlaced(cluster: Cluster, group: SimGroup): void {
  const moving = () =>
    upOf(group).some(({ coordinator: { orders: { spread } } }) =>
      spread.moving + spread.unowned > 0
    );
  if (!cluster.runWhile(moving, SETTLE_MS)) {
    throw new Violation("orders are carried out", `shards are not there after ${SETTLE_MS} ms`);
  }
  const [node] = upOf(group);
  const drained = new Set(node!.nodes.filter((n) => n.drained).map(({ id }) => id));
  const live = new Set(node!.nodes.filter((n) => n.state !== "dead").map(({ id }) => id));
  const places = new Map(
    node!.coordinator.orders.spread.places.map((place) => [place.shard, place.node]),
  );
  for (const { id, owner } of node!.table.shards) {
    if (owner !== null && drained.has(owner.id)) {
      throw new Violation("a drained node has no shards", `${owner.id} has shard ${id}`);
    }
    const place = places.get(id);
    if (place === undefined || drained.has(place) || !live.has(place)) continue;
    if (owner?.id !== place) {
      throw new Violation("a moved shard stays", `${id} is at ${owner?.id}, not at ${place}`);
    }
  }
}
