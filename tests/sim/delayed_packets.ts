/**
 * What is owed to an account that cannot be read, by one that nobody uses any more, is found again
 * after whatever happens to the shard: a start must not depend on somebody's looking at accounts.
 */
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import type { SimNode } from "./sim_node.ts";
import type { Cluster } from "./cluster.ts";
import { ask } from "./dump.ts";
import { Violation } from "./history.ts";

/** The delayed message arrives so long after nothing keeps it any more, ms. */
const ARRIVES_MS = 4500;
const DEVICE = "d1" as DeviceId;

/** Two accounts that nobody watches, in a quiescent cluster whose accounts leave memory at once. */
export function delayOwed(cluster: Cluster): void {
  const { prng, nodes } = cluster;
  const node = nodes[0]!;
  // A fresh process looks through all accounts only after ten seconds: until then nothing helps.
  cluster.kill(node);
  node.start();
  cluster.await("a start", () => !node.serving, 20_000);
  const [from, to] = ["hermit-a", "hermit-b"] as const;
  for (const name of [from, to]) ask(cluster, node, name, "account.create", { credentials: null });
  const relate = (name: string, contact: string, type: "subscribe" | "subscribed") =>
    ask(cluster, node, name, "roster.subscription", { contact: contact as AccountName, type });
  // The second of them grants it at once, because the first was to be allowed.
  relate(to, from, "subscribed");
  relate(from, to, "subscribe");
  cluster.time.runFor(600);
  const send = (id: string) =>
    ask(cluster, node, from, "message.send", {
      device: DEVICE,
      to: to as AccountName,
      id,
      body: id,
      ext: "",
    });
  // Nor do logs of shards that were deleted have anything of them.
  const inherited = () => node.running.node.table.shards.some((s) => s.inherits.length > 0);
  cluster.await("the end of inherited logs", inherited, 60_000);
  // The first message makes the two known to each other; then both leave memory.
  send("m1");
  cluster.time.runFor(600);
  node.disk.failReadsOf(to, Infinity);
  const sent = send("m2");
  if (!sent.ok) throw new Violation("liveness", `${from} cannot send: ${sent.code}`, [from]);
  noise(cluster, node, [from, to]);
  cluster.time.runFor(prng.int(200, 400));
  hurt(cluster, node, from);
  cluster.await("a start", () => !node.serving, 20_000);
  node.disk.heal();
  cluster.time.runFor(ARRIVES_MS);
  const input = { cursor: null, limit: 100, bytesMax: 65_536 };
  const mailbox = ask(cluster, node, to, "mailbox.read", input);
  const found = mailbox.ok && mailbox.value.events.some((e) => "body" in e && e.body === "m2");
  if (found) return;
  const text = `what ${from} owed to ${to} did not arrive within ${ARRIVES_MS} ms`;
  throw new Violation("everything owed arrives", text, [from, to]);
}

/** Rows after theirs in their logs, so that no log still has them. */
function noise(cluster: Cluster, node: SimNode, names: readonly string[]): void {
  const core = node.running.node;
  const shards = new Set(names.map((name) => core.shardOf(name as AccountName)));
  const left = new Map([...shards].map((shard) => [shard, 4]));
  for (let i = 0; left.size > 0; i++) {
    const name = `noise-${i}` as AccountName;
    const shard = core.shardOf(name);
    const wanted = left.get(shard);
    if (wanted === undefined) continue;
    ask(cluster, node, name, "account.create", { credentials: null });
    if (wanted === 1) left.delete(shard);
    else left.set(shard, wanted - 1);
  }
}

function hurt(cluster: Cluster, node: SimNode, from: string): void {
  switch (cluster.prng.pick(["crash", "crash, unreadable", "failed commit"])) {
    case "crash":
      cluster.kill(node);
      return node.start();
    case "crash, unreadable":
      cluster.kill(node);
      node.disk.failReadsOf(from, 1500);
      node.start();
      cluster.time.runFor(1000);
      return;
    default: {
      // Every shard has something in the commit that fails.
      node.disk.failNext("failed");
      const { shards } = node.running.node;
      for (let i = 0, left = shards.length * 6; left > 0; i++, left--) {
        node.running.node.request(
          `doomed-${i}` as AccountName,
          "account.create",
          { credentials: null },
          () => {},
        );
      }
      cluster.time.runFor(1500);
    }
  }
}
