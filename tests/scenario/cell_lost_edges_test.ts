/** What becomes of the sessions of an edge that an owner of shards cannot reach. */
import { deepEqual, equal, ok, throws } from "node:assert/strict";
import type { AccountId, AccountName, DeviceId, NodeId, SessionId } from "../../shard/name/ids.ts";
import type { OpName, Ops } from "../../shard/ops.ts";
import { CellStory } from "./cell_story.ts";
import { ONLINE } from "../sim/node_fixture.ts";
import type { SimNode } from "../sim/sim_node.ts";

const BOB = "bob" as AccountName;
const SESSION = "session000000001" as SessionId;

function must<K extends OpName>(story: CellStory, node: SimNode, op: K, input: Ops[K]["in"]) {
  let value: Ops[K]["out"] | null = null;
  node.running.node.request(BOB, op, input, (result) => {
    ok(result.ok, JSON.stringify(result));
    value = result.value;
  });
  story.await(op, () => value !== null, 5000);
  return value! as Ops[K]["out"];
}

/** Shows the edge of a node that bob is offline, as the owner of a later epoch would. */
function showOffline({ running }: SimNode): void {
  const packet = {
    kind: "presence",
    sinceMs: 0,
    watched: BOB,
    watchedId: "" as AccountId,
    epoch: 1000,
    version: 1,
    devices: [],
    lastSeen: 1,
  } as const;
  running.visible.delivered(packet);
}

/** A cell where node `from` owns bob's shard and node `at` has his session; alice is at the third. */
function bobElsewhere() {
  const story = new CellStory();
  const { cluster } = story;
  const { nodes } = cluster;
  story.await("even shares", () => story.shares.join() === "2,2,2", 10_000);
  const from = nodes.findIndex((n) => n.running.node.owns(BOB));
  const at = (from + 1) % 3;
  story.befriend((from + 2) % 3, at);
  return { at, cluster, from, nodes, story };
}

Deno.test("11: what a dead node's edge asked of a shard that read its log is forgotten as well", () => {
  const story = new CellStory();
  const { cluster } = story;
  story.await("even shares", () => story.shares.join() === "2,2,2", 10_000);
  const owner = cluster.nodes.find((n) => n.running.node.owns(BOB))!;
  const dying = cluster.nodes.find((n) => n !== owner)!;
  const { id } = must(story, owner, "account.create", { credentials: null });
  const shard = () => owner.running.node.shardOf(BOB);
  const edge = `${dying.id}.1` as NodeId;
  // A checkpoint of unknown outcome: the shard reads its log, which waits for the store.
  story.keepFromStore([0, 1, 2], true);
  story.await("a reading", () => !shard().ready, 10_000);
  const item = { watcher: BOB, watcherId: id, watched: BOB, watchedId: id };
  dying.running.node.interest([item], () => {});
  const expiresAt = owner.process.clock.wallMs() + 1e9;
  dying.running.node.request(BOB, "session.attach", {
    session: SESSION,
    device: "phone" as DeviceId,
    auth: { kind: "issuer", expiresAt },
    cursor: null,
    presence: ONLINE,
  }, () => {});
  cluster.time.runFor(100);
  deepEqual(shard().ofEdge(edge), { sessions: [{ name: BOB, session: SESSION }], watched: [BOB] });
  cluster.kill(dying);
  cluster.time.runFor(17_000);
  equal(shard().ready, false);
  story.keepFromStore([0, 1, 2], false);
  story.await("the end of the reading", () => shard().ready, 20_000);
  cluster.time.runFor(3000);
  deepEqual(shard().ofEdge(edge), { sessions: [], watched: [] });
  equal(shard().presence.size, 0);
});

Deno.test("11.12: an owner that has lost a shard without knowing ends no sessions that the next one has", () => {
  const { at, cluster, from, nodes, story } = bobElsewhere();
  const others = nodes.filter((_, n) => n !== from);
  const sessionsAt = (node: SimNode) =>
    node.running.node.shardOf(BOB).presence.sessions(BOB).length;
  const isolate = (cut: boolean) => {
    for (const { id } of others) cluster.cell!.cut(nodes[from]!.id, id, cut);
    story.keepFromStore([from], cut);
  };
  isolate(true);
  const next = () => others.find((n) => n.running.node.owns(BOB));
  story.await("another owner", () => next() !== undefined, 10_000);
  const owner = next()!;
  story.await("bob's session there", () => sessionsAt(owner) === 1, 5000);
  // The former one knows of no other, and ends what it has of the edges that it cannot reach.
  const { running } = nodes[from]!;
  equal(sessionsAt(nodes[from]!), 1);
  story.await("its grace", () => running.node.cell!.lost.keys().length === 0, 20_000);
  isolate(false);
  story.await("a link", () => !running.node.owns(BOB), 5000);
  cluster.time.runFor(3000);
  equal(sessionsAt(owner), 1);
  ok(story.sees(story.alice, "bob") && story.bob.online);
  throws(
    () => showOffline(nodes[at]!),
    /falsely offline/,
    "the checker is not told of such an end",
  );
});

Deno.test("11.11: a node sees its own sessions offline that had ended, before it has announced them again", () => {
  const { at, cluster, from, nodes, story } = bobElsewhere();
  const [owner, edge] = [nodes[from]!, nodes[at]!];
  const known = () => owner.running.node.shardOf(BOB).presence.get(BOB)!;
  cluster.cell!.cut(owner.id, edge.id, true);
  story.await("the end of bob's session", () => known().sessions.length === 0, 25_000);
  // It waits for the link, and goes before what the edge announces then.
  const shown: (number | undefined)[] = [];
  const item = { watcher: BOB, watcherId: known().id, watched: BOB, watchedId: known().id };
  edge.running.node.interest([item], ([answer]) => shown.push(answer!.presence?.devices.length));
  cluster.cell!.cut(owner.id, edge.id, false);
  story.await("an answer", () => shown.length > 0, 5000);
  deepEqual(shown, [0]);
  story.await("bob's session", () => known().sessions.length === 1, 5000);
  cluster.time.runFor(1000);
  ok(story.sees(story.alice, "bob") && story.bob.online);
  for (const node of nodes) node.checkLog();
});
