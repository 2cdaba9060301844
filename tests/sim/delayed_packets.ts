/**
 * What is owed to an account that cannot be read, by one that nobody uses any more, is found again
 * after whatever happens to the shard: a start must not depend on somebody's looking at accounts.
 */
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import type { SimNode } from "./sim_node.ts";
import type { World } from "./world.ts";
import { ask } from "./dump.ts";
import { Violation } from "./history.ts";

/** The stranded message arrives so long after nothing keeps it any more, ms. */
const ARRIVES_MS = 4500;
const DEVICE = "d1" as DeviceId;

/** Two accounts that nobody watches, in a world at rest whose accounts leave memory at once. */
export function delayOwed(world: World): void {
  const { prng, nodes } = world;
  const node = nodes[0]!;
  // A fresh process looks through all accounts only after ten seconds: until then nothing helps.
  world.kill(node);
  node.start();
  world.await("a start", () => !node.serving, 20_000);
  const [from, to] = ["hermit-a", "hermit-b"] as const;
  for (const name of [from, to]) ask(world, node, name, "account.create", { credentials: null });
  const relate = (name: string, contact: string, type: "subscribe" | "subscribed") =>
    ask(world, node, name, "roster.subscription", { contact: contact as AccountName, type });
  // The second of them grants it at once, because the first was to be allowed.
  relate(to, from, "subscribed");
  relate(from, to, "subscribe");
  world.time.runFor(600);
  const send = (id: string) =>
    ask(world, node, from, "message.send", {
      device: DEVICE,
      to: to as AccountName,
      id,
      body: id,
      ext: "",
    });
  // Nor do logs of shards that were deleted have anything of them.
  const inherited = () => node.running.node.table.shards.some((s) => s.inherits.length > 0);
  world.await("the end of inherited logs", inherited, 60_000);
  // The first message makes the two known to each other; then both leave memory.
  send("m1");
  world.time.runFor(600);
  node.disk.failReadsOf(to, Infinity);
  const sent = send("m2");
  if (!sent.ok) throw new Violation("liveness", `${from} cannot send: ${sent.code}`, [from]);
  noise(world, node, [from, to]);
  world.time.runFor(prng.int(200, 400));
  hurt(world, node, from);
  world.await("a start", () => !node.serving, 20_000);
  node.disk.heal();
  world.time.runFor(ARRIVES_MS);
  const input = { cursor: null, limit: 100, bytesMax: 65_536 };
  const mailbox = ask(world, node, to, "mailbox.read", input);
  const found = mailbox.ok && mailbox.value.events.some((e) => "body" in e && e.body === "m2");
  if (found) return;
  const text = `what ${from} owed to ${to} did not arrive within ${ARRIVES_MS} ms`;
  throw new Violation("everything owed arrives", text, [from, to]);
}

/** Rows after theirs in their logs, so that no log still has them. */
function noise(world: World, node: SimNode, names: readonly string[]): void {
  const core = node.running.node;
  const shards = new Set(names.map((name) => core.shardOf(name as AccountName)));
  const left = new Map([...shards].map((shard) => [shard, 4]));
  for (let i = 0; left.size > 0; i++) {
    const name = `noise-${i}` as AccountName;
    const shard = core.shardOf(name);
    const wanted = left.get(shard);
    if (wanted === undefined) continue;
    ask(world, node, name, "account.create", { credentials: null });
    if (wanted === 1) left.delete(shard);
    else left.set(shard, wanted - 1);
  }
}

function hurt(world: World, node: SimNode, from: string): void {
  switch (world.prng.pick(["crash", "crash, unreadable", "failed commit"])) {
    case "crash":
      world.kill(node);
      return node.start();
    case "crash, unreadable":
      world.kill(node);
      node.disk.failReadsOf(from, 1500);
      node.start();
      world.time.runFor(1000);
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
      world.time.runFor(1500);
    }
  }
}
