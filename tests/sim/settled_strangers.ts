/**
 * A scene in a quiescent cluster: strangers ask an account for a subscription and take it back, or
 * are denied. No record of them stays, and each is still taken for somebody new.
 */
import type { AccountName, DeviceId, SessionId } from "../../shard/name/ids.ts";
import type { Cluster } from "./cluster.ts";
import type { ShardPacket } from "../../shard/message/packets.ts";
import type { OpName, Ops } from "../../shard/ops.ts";
import type { SubscriptionType } from "../../shard/roster/subscription.ts";
import { ask } from "./dump.ts";
import { Violation } from "./history.ts";

const VICTIM = "bothered";
const STRANGERS = 4;
const ROUNDS = 3;
/** Longer than it takes for packets to be sent again (ms). */
const SETTLE_MS = 3000;

function must<K extends OpName>(cluster: Cluster, name: string, op: K, input: Ops[K]["in"]) {
  const result = ask(cluster, cluster.nodes[0]!, name, op, input);
  if (result.ok) return result.value as Ops[K]["out"];
  throw new Violation("liveness", `${op} of ${name}: ${result.code}`, [name]);
}

function subscription(cluster: Cluster, from: string, contact: string, type: SubscriptionType) {
  must(cluster, from, "roster.subscription", { contact: contact as AccountName, type });
  cluster.time.runFor(SETTLE_MS / 10);
}

function requests(cluster: Cluster): readonly string[] {
  return must(cluster, VICTIM, "mailbox.snapshot", {}).snapshot.requests;
}

function peers(cluster: Cluster): string[] {
  must(cluster, VICTIM, "account.info", {});
  const accounts = cluster.nodes.flatMap((n) =>
    n.running.node.shards.flatMap((s) => [...s.inspect().accounts])
  );
  const victim = accounts.find(({ name }) => name === VICTIM);
  return [...victim?.conversations.keys() ?? []];
}

/** How often the stranger's request is shown. */
function timesAsked(cluster: Cluster, stranger: string): number {
  const page = { cursor: null, limit: 500, bytesMax: 262_144 };
  const { events } = must(cluster, VICTIM, "mailbox.read", page);
  return events.filter((e) => e.kind === "request" && e.from === stranger && e.pending).length;
}

/**
 * Between two shards, acks get lost so that packets come again; or what lets the account forget the
 * stranger comes after its next packets, whose acks get lost. All is well again by the function that
 * it returns.
 */
function disturb(cluster: Cluster, stranger: string, round: number): () => void {
  const { wire, time } = cluster;
  const isAck = (p: ShardPacket) => p.kind === "pair_ack" && p.to === stranger;
  const heal = () => {
    wire.lose(0, () => false);
    time.runFor(SETTLE_MS);
  };
  if (round === 0) return () => {};
  if (round > 1) {
    wire.lose(1000, isAck);
    return heal;
  }
  const late = wire.hold((p) => p.kind === "pair_settled" && p.from === stranger);
  return () => {
    wire.lose(1000, isAck);
    subscription(cluster, stranger, VICTIM, "subscribe");
    subscription(cluster, stranger, VICTIM, "unsubscribe");
    late();
    time.runFor(SETTLE_MS / 10);
    heal();
  };
}

function fail(text: string): never {
  throw new Violation("settled strangers leave no record", text, [VICTIM]);
}

/** Runs the scene; throws where a record stays, or where a stranger's next request is not shown. */
export function settledStrangers(cluster: Cluster): void {
  const strangers = Array.from({ length: STRANGERS }, (_, i) => `settled-${i}`);
  for (const name of [VICTIM, ...strangers]) {
    must(cluster, name, "account.create", { credentials: null });
  }
  // With a session each request has its event at once.
  const expiresAt = cluster.time.global.clock.wallMs() + 86_400_000;
  must(cluster, VICTIM, "session.attach", {
    session: "botheredsession0" as SessionId,
    device: "d1" as DeviceId,
    auth: { kind: "issuer", expiresAt },
    cursor: null,
    presence: null,
  });
  // They come again when all is settled, and while some of it may have been forgotten.
  const copies = cluster.wire.copies((p) => p.kind === "pair" && p.to === VICTIM);
  for (let round = 0; round < ROUNDS; round++) {
    strangers.forEach((name, i) => {
      const settle = disturb(cluster, name, round);
      subscription(cluster, name, VICTIM, "subscribe");
      if (!requests(cluster).includes(name)) fail(`round ${round}: ${name} asks, unseen`);
      const denied = (round + i) % 2 === 0;
      if (denied) subscription(cluster, VICTIM, name, "unsubscribed");
      else subscription(cluster, name, VICTIM, "unsubscribe");
      settle();
      if (requests(cluster).includes(name)) fail(`round ${round}: ${name} goes on asking`);
    });
  }
  cluster.time.runFor(SETTLE_MS);
  copies.stop()();
  cluster.time.runFor(SETTLE_MS);
  for (const name of strangers) {
    const [asked, times] = [ROUNDS + 1, timesAsked(cluster, name)];
    if (times !== asked) fail(`${name} has asked ${asked} times, and it is shown ${times} times`);
  }
  const left = peers(cluster);
  if (left.length > 0) fail(`there are records of ${left.join(", ")}`);
  for (const name of strangers) {
    subscription(cluster, VICTIM, name, "subscribe");
    subscription(cluster, name, VICTIM, "subscribed");
    const { roster } = must(cluster, VICTIM, "mailbox.snapshot", {}).snapshot;
    const item = roster.find(({ contact }) => contact === name);
    if (item?.subscription !== "to") fail(`${name} cannot become a contact`);
  }
}
