/**
 * Short scenes between accounts that nobody else knows, in a quiescent cluster: what they need
 * comes together too seldom by itself.
 */
import type { AccountName, DeviceId, SessionId } from "../../shard/name/ids.ts";
import type { Effect } from "../../shard/effects.ts";
import type { OpName, Ops } from "../../shard/ops.ts";
import type { Cluster } from "./cluster.ts";
import type { SubscriptionType } from "../../shard/roster/subscription.ts";
import { ask } from "./dump.ts";
import { endAnother } from "./end_another.ts";
import { fullMailbox } from "./full_mailbox.ts";
import { latePacket } from "./late_packet.ts";
import { settledStrangers } from "./settled_strangers.ts";
import { Violation } from "./history.ts";

/** What is repeated after a loss or a bug is done within this time (ms). */
const REPEATED_MS = 3000;
const DEVICE = "d1" as DeviceId;
const AWAY = { show: "away", status: "", priority: 0, ext: "" } as const;
const HERE = { ...AWAY, show: "online", status: "both at once" } as const;

/** One of the scenes, in some clusters. */
export function scenes(cluster: Cluster): void {
  const prng = cluster.prng.fork("scenes");
  // An owner that does not know yet that its shard was claimed refuses the first request.
  if (cluster.config.faults.includes("usurp")) return;
  if (cluster.config.trims) return fullMailbox(cluster);
  if (prng.chance(0.2)) bugInPush(cluster);
  else if (prng.chance(0.25)) lostBeforeAnswer(cluster);
  else if (prng.chance(0.3)) endAnother(cluster);
  else if (prng.chance(0.4)) formerAsked(cluster);
  else if (prng.chance(0.42)) crossedAnswer(cluster);
  else if (prng.chance(0.45)) settledStrangers(cluster);
  else if (prng.chance(0.65)) lateSignal(cluster);
  else {
    const pair = apart(cluster);
    if (pair !== null) latePacket(cluster, pair);
  }
}

/** Asks the first node and returns the value; a refusal is a violation. */
export function must<K extends OpName>(
  cluster: Cluster,
  name: string,
  op: K,
  input: Ops[K]["in"],
): Ops[K]["out"] {
  const result = ask(cluster, cluster.nodes[0]!, name, op, input);
  if (result.ok) return result.value as Ops[K]["out"];
  throw new Violation("liveness", `${op} of ${name}: ${result.code}`, [name]);
}

/** Names that `fits` takes, of nobody. */
function strangers(
  count: number,
  fits: (name: AccountName, i: number) => boolean,
  prefix = "stranger",
): string[] {
  const names: string[] = [];
  for (let i = 0; names.length < count; i++) {
    const name = `${prefix}-${i}`;
    if (fits(name as AccountName, names.length)) names.push(name);
  }
  return names;
}

/**
 * The presence of two users of a shard changes in one turn, and a bug meets the first packet that
 * tells of it: both are sent, because the shard pushes both again.
 */
function bugInPush(cluster: Cluster): void {
  const { node, visible } = cluster.nodes[0]!.running;
  const [shard] = node.shards;
  const pair = strangers(2, (name) => shard!.owns(name)).map((name, i) => {
    const { id } = must(cluster, name, "account.create", { credentials: null });
    const session = `strangersession${i}` as SessionId;
    attach(cluster, name, session);
    return { name: name as AccountName, id, session };
  });
  let asked = pair.length;
  for (const { name, id } of pair) {
    const self = { watcher: name, watcherId: id, watched: name, watchedId: id };
    node.interest([self], () => asked--);
  }
  cluster.await("interest in oneself", () => asked > 0, REPEATED_MS);
  cluster.stepFaults.strikeNext((method, [, effect]) => {
    return method === "emit" && isPresence(effect as Effect);
  });
  // What a reply causes is of the same turn.
  node.request(pair[0]!.name, "account.info", {}, () => {
    for (const { name, session } of pair) {
      node.request(name, "presence.set", { session, presence: HERE }, () => {});
    }
  });
  cluster.time.runFor(REPEATED_MS);
  for (const { name } of pair) {
    const packet = visible.packets.get(name);
    const shown = packet?.kind === "presence" ? packet.devices[0]?.presence.status : "";
    if (shown === HERE.status) continue;
    throw new Violation("presence is pushed after a bug", `nobody learns of ${name}`, [name]);
  }
}

function attach(cluster: Cluster, name: string, session: SessionId): void {
  const auth = {
    kind: "issuer",
    expiresAt: cluster.time.global.clock.wallMs() + 86_400_000,
  } as const;
  must(cluster, name, "session.attach", {
    session,
    device: DEVICE,
    auth,
    cursor: null,
    presence: AWAY,
  });
}

function isPresence(effect: Effect): boolean {
  return effect.kind === "edge" && effect.packet.kind === "presence";
}

function send(cluster: Cluster, from: string, to: string, id: string): void {
  const message = { device: DEVICE, to: to as AccountName, id, body: id, ext: "" };
  must(cluster, from, "message.send", message);
}

/** Whether the mailbox of `name` has the message of this id. */
export function hasMessage(cluster: Cluster, name: string, id: string): boolean {
  const input = { cursor: null, limit: 100, bytesMax: 65_536 };
  const { events } = must(cluster, name, "mailbox.read", input);
  return events.some((e) => e.kind === "message" && e.id === id);
}

/**
 * Two accounts of different shards, the second of which takes messages from anyone; null: one
 * shard.
 */
export function apart(cluster: Cluster, prefix?: string): readonly [string, string] | null {
  const { shards } = cluster.nodes[0]!.running.node;
  if (shards.length === 1) return null;
  const [from, to] = strangers(2, (name, i) => shards[i]!.owns(name), prefix) as [string, string];
  must(cluster, from, "account.create", { credentials: null });
  createOpen(cluster, to);
  return [from, to];
}

/** Makes an account that takes messages from anyone. */
export function createOpen(cluster: Cluster, name: string): void {
  must(cluster, name, "account.create", { credentials: null });
  must(cluster, name, "settings.set", { messagesFrom: "anyone" });
}

function loseFrom(cluster: Cluster, from: string, count: number): void {
  cluster.wire.lose(count, (packet) => packet.kind === "pair" && packet.from === from);
}

/**
 * The first message to a stranger gets lost, and what was sent after it is answered without a note:
 * that answer says nothing of the message, which arrives.
 */
function lostBeforeAnswer(cluster: Cluster): void {
  const pair = apart(cluster);
  if (pair === null) return;
  const [from, to] = pair;
  loseFrom(cluster, from, 1);
  send(cluster, from, to, "first");
  const contact = to as AccountName;
  must(cluster, from, "roster.subscription", { contact, type: "unsubscribe" });
  cluster.time.runFor(REPEATED_MS);
  if (hasMessage(cluster, to, "first")) return;
  throw new Violation("an answer that stands alone settles nothing else", `${to} has nothing`);
}

/**
 * An account was asked for a subscription and deleted before it knew. Who writes to the next
 * account of the name waits for no answer any more, and what it sends arrives although it removes
 * the contact.
 */
function formerAsked(cluster: Cluster): void {
  const pair = apart(cluster);
  if (pair === null) return;
  const [from, to] = pair;
  const contact = to as AccountName;
  loseFrom(cluster, from, Infinity);
  must(cluster, from, "roster.subscription", { contact, type: "subscribe" });
  must(cluster, to, "account.remove", {});
  must(cluster, to, "account.release", {});
  createOpen(cluster, to);
  loseFrom(cluster, from, 0);
  cluster.time.runFor(REPEATED_MS);
  send(cluster, from, to, "first");
  cluster.time.runFor(REPEATED_MS);
  const { snapshot } = must(cluster, from, "mailbox.snapshot", {});
  if (snapshot.roster.some((c) => c.contact === contact && c.pendingOut)) {
    throw new Violation("nobody waits for a former account", `${from} waits for ${to}`);
  }
  loseFrom(cluster, from, 1);
  send(cluster, from, to, "second");
  must(cluster, from, "roster.remove", { contact });
  cluster.time.runFor(REPEATED_MS);
  if (hasMessage(cluster, to, "first") && hasMessage(cluster, to, "second")) return;
  throw new Violation("nobody waits for a former account", `${to} has not got all messages`);
}

/**
 * The answer to a request gets lost, the request is taken back and made anew, and the node starts
 * over: the answer, sent again, does not settle the later request, of which the asked one knows.
 */
function crossedAnswer(cluster: Cluster): void {
  const pair = apart(cluster);
  if (pair === null) return;
  const [asker, asked] = pair;
  const relate = (name: string, contact: string, type: SubscriptionType) =>
    must(cluster, name, "roster.subscription", { contact: contact as AccountName, type });
  relate(asker, asked, "subscribe");
  cluster.time.runFor(300);
  loseFrom(cluster, asked, 1);
  relate(asked, asker, "subscribed");
  relate(asker, asked, "unsubscribe");
  relate(asker, asked, "subscribe");
  const node = cluster.nodes[0]!;
  cluster.kill(node);
  node.start();
  cluster.await("a start with requests under way", () => !node.serving, 20_000);
  cluster.time.runFor(REPEATED_MS);
  const { roster } = must(cluster, asker, "mailbox.snapshot", {}).snapshot;
  const { requests } = must(cluster, asked, "mailbox.snapshot", {}).snapshot;
  const waits = roster.some((c) => c.contact === asked && c.pendingOut);
  if (waits && requests.includes(asker as AccountName)) return;
  const text = `${asker} ${waits ? "waits for" : "has an answer of"} ${asked}, ` +
    `who is asked by ${requests.join() || "nobody"}`;
  throw new Violation("an answer settles no later request", text, [asker, asked]);
}

/** A signal that is late arrives when its recipient's name is another account's: nobody gets it. */
function lateSignal(cluster: Cluster): void {
  const pair = apart(cluster);
  if (pair === null) return;
  const [from, to] = pair;
  const session = "strangersession9" as SessionId;
  const signal = (body: string) =>
    must(cluster, from, "signal.send", {
      device: DEVICE,
      to: to as AccountName,
      toDevice: null,
      type: "typing",
      body,
      id: "",
    });
  const release = cluster.wire.hold((packet) => packet.kind === "signal");
  signal("for the former");
  must(cluster, to, "account.remove", {});
  must(cluster, to, "account.release", {});
  createOpen(cluster, to);
  attach(cluster, to, session);
  release();
  cluster.time.runFor(REPEATED_MS);
  const { signals } = cluster.nodes[0]!.running.visible;
  if (!signals.has(session)) return;
  throw new Violation("nothing leaks to a new account", `${to} got a former one's signal`, [to]);
}
