/**
 * A scene in a quiescent cluster whose mailboxes hold few events: strangers and a noisy contact do
 * what they can to push a message out that nobody has read, and to leave no room for the next one.
 */
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import type { Cluster } from "./cluster.ts";
import type { SubscriptionType } from "../../shard/roster/subscription.ts";
import { incoming } from "./check_unread.ts";
import { must } from "./scenes.ts";
import { Violation } from "./history.ts";

const DEVICE = "d1" as DeviceId;
const VICTIM = "victim";
/** Longer than it takes for packets to be sent again (ms). */
const SETTLE_MS = 3000;
const STRANGERS = 4;
const ROUNDS = 6;

/** A message that fills a block by itself. */
function send(cluster: Cluster, from: string, id: string): void {
  const body = id.padEnd(9000, ".");
  const message = { device: DEVICE, to: VICTIM as AccountName, id, body, ext: "" };
  must(cluster, from, "message.send", message);
  cluster.time.runFor(100);
}

function subscription(cluster: Cluster, from: string, contact: string, type: SubscriptionType) {
  must(cluster, from, "roster.subscription", { contact: contact as AccountName, type });
  cluster.time.runFor(SETTLE_MS / 10);
}

function befriend(cluster: Cluster, name: string): void {
  must(cluster, name, "account.create", { credentials: null });
  subscription(cluster, name, VICTIM, "subscribe");
  cluster.time.runFor(SETTLE_MS);
  subscription(cluster, VICTIM, name, "subscribed");
  cluster.time.runFor(SETTLE_MS);
}

const lastSeq = (cluster: Cluster) => must(cluster, VICTIM, "mailbox.snapshot", {}).snapshot.seq;

function fail(text: string): never {
  throw new Violation("no unread message is pushed out", text, [VICTIM]);
}

/** Runs the scene; throws where the unread message is gone, or where there is no room for another. */
export function fullMailbox(cluster: Cluster): void {
  const { mailboxEventsMax } = cluster.config.limits;
  must(cluster, VICTIM, "account.create", { credentials: null });
  for (const name of ["friend", "noisy", "late"]) befriend(cluster, name);
  send(cluster, "friend", "unread");
  const before = lastSeq(cluster);
  pester(cluster);
  const requests = lastSeq(cluster) - before;
  if (requests > 2 * STRANGERS) {
    throw new Violation(
      "requests that are withdrawn leave nothing",
      `${STRANGERS} strangers left ${requests} events`,
      [VICTIM],
    );
  }
  // What is read of the noisy contact makes room for more of it, over and over.
  for (let i = 0; lastSeq(cluster) < 3 * mailboxEventsMax; i++) {
    if (i > 3 * mailboxEventsMax) fail("what is read makes no room");
    send(cluster, "noisy", `read${i}`);
    const upTo = lastSeq(cluster);
    must(cluster, VICTIM, "conversation.read", { with: "noisy" as AccountName, upTo });
  }
  for (let i = 0; i < 2 * mailboxEventsMax; i++) send(cluster, "noisy", `left${i}`);
  send(cluster, "late", "last");
  cluster.time.runFor(SETTLE_MS);
  const { conversations } = must(cluster, VICTIM, "mailbox.snapshot", {}).snapshot;
  for (const { with: peer, unread, readUpTo } of conversations) {
    const left = incoming(cluster, VICTIM, peer).filter((seq) => seq > readUpTo).length;
    if (left !== unread) fail(`${left} messages of ${peer} are left, ${unread} unread`);
    if (unread > mailboxEventsMax / 2 + 1) fail(`${peer} may have ${unread} unread messages`);
  }
  const peers = conversations.filter((c) => c.unread > 0).map((c) => c.with).sort();
  if (peers.join() !== "friend,late,noisy") fail(`unread are messages of ${peers}`);
  const blocks = cluster.nodes[0]!.disk.rows(["m"]).length;
  if (blocks > 4 * mailboxEventsMax) fail(`${blocks} blocks are stored`);
}

/** Strangers ask and take it back, again and again. */
function pester(cluster: Cluster): void {
  for (let i = 0; i < STRANGERS; i++) {
    must(cluster, `pest-${i}`, "account.create", { credentials: null });
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (let i = 0; i < STRANGERS; i++) {
      subscription(cluster, `pest-${i}`, VICTIM, "subscribe");
      subscription(cluster, `pest-${i}`, VICTIM, "unsubscribe");
    }
  }
  cluster.time.runFor(SETTLE_MS);
}
