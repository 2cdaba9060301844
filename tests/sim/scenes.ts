/**
 * Short scenes between accounts that nobody else knows, in a world at rest: what they need comes
 * together too seldom by itself.
 */
import type { AccountName, DeviceId, SessionId } from "../../shard/name/ids.ts";
import type { Effect } from "../../shard/effects.ts";
import type { OpName, Ops } from "../../shard/ops.ts";
import type { World } from "./world.ts";
import { ask } from "./dump.ts";
import { endAnother } from "./end_another.ts";
import { Violation } from "./history.ts";

/** What is repeated after a loss or a bug is done within this time (ms). */
const REPEATED_MS = 3000;
const DEVICE = "d1" as DeviceId;
const AWAY = { show: "away", status: "", priority: 0, ext: "" } as const;
const HERE = { ...AWAY, show: "online", status: "both at once" } as const;

/** One of the scenes, in some worlds. */
export function scenes(world: World): void {
  const prng = world.prng.fork("scenes");
  // An owner that does not know yet that its shard was claimed refuses the first request.
  if (world.config.faults.includes("usurp")) return;
  if (prng.chance(0.2)) bugInPush(world);
  else if (prng.chance(0.25)) lostBeforeAnswer(world);
  else if (prng.chance(0.3)) endAnother(world);
}

function must<K extends OpName>(world: World, name: string, op: K, input: Ops[K]["in"]) {
  const result = ask(world, world.nodes[0]!, name, op, input);
  if (result.ok) return result.value as Ops[K]["out"];
  throw new Violation("liveness", `${op} of ${name}: ${result.code}`, [name]);
}

/** Names that `fits` takes, of nobody. */
function strangers(count: number, fits: (name: AccountName, i: number) => boolean): string[] {
  const names: string[] = [];
  for (let i = 0; names.length < count; i++) {
    const name = `stranger-${i}`;
    if (fits(name as AccountName, names.length)) names.push(name);
  }
  return names;
}

/**
 * The presence of two users of a shard changes in one turn, and a bug meets the first packet that
 * tells of it: both are told of, because the shard pushes both again.
 */
function bugInPush(world: World): void {
  const { node, visible } = world.nodes[0]!.running;
  const [shard] = node.shards;
  const pair = strangers(2, (name) => shard!.owns(name)).map((name, i) => {
    const { id } = must(world, name, "account.create", { credentials: null });
    const session = `strangersession${i}` as SessionId;
    attach(world, name, session);
    return { name: name as AccountName, id, session };
  });
  let asked = pair.length;
  for (const { name, id } of pair) {
    const self = { watcher: name, watcherId: id, watched: name, watchedId: id };
    node.interest([self], () => asked--);
  }
  world.await("interest in oneself", () => asked > 0, REPEATED_MS);
  world.stepFaults.strikeNext((method, [, effect]) => {
    return method === "emit" && isPresence(effect as Effect);
  });
  // What a reply causes is of the same turn.
  node.request(pair[0]!.name, "account.info", {}, () => {
    for (const { name, session } of pair) {
      node.request(name, "presence.set", { session, presence: HERE }, () => {});
    }
  });
  world.time.runFor(REPEATED_MS);
  for (const { name } of pair) {
    const packet = visible.packets.get(name);
    const shown = packet?.kind === "presence" ? packet.devices[0]?.presence.status : "";
    if (shown === HERE.status) continue;
    throw new Violation("presence is pushed after a bug", `nobody is told of ${name}`, [name]);
  }
}

function attach(world: World, name: string, session: SessionId): void {
  const auth = { kind: "issuer", expiresAt: world.time.world.clock.wallMs() + 86_400_000 } as const;
  must(world, name, "session.attach", {
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

/**
 * The first message to a stranger gets lost, and what was sent after it is answered without a note:
 * that answer says nothing of the message, which arrives.
 */
function lostBeforeAnswer(world: World): void {
  const { node } = world.nodes[0]!.running;
  if (node.shards.length === 1) return;
  const [from, to] = strangers(2, (name, i) => node.shards[i]!.owns(name)) as [string, string];
  for (const name of [from, to]) must(world, name, "account.create", { credentials: null });
  must(world, to, "settings.set", { messagesFrom: "anyone" });
  world.wire.lose(1, (packet) => packet.kind === "pair" && packet.from === from);
  const message = { device: DEVICE, to: to as AccountName, id: "first", body: "first", ext: "" };
  must(world, from, "message.send", message);
  const contact = to as AccountName;
  must(world, from, "roster.subscription", { contact, type: "unsubscribe" });
  world.time.runFor(REPEATED_MS);
  const { events } = must(world, to, "mailbox.read", {
    cursor: null,
    limit: 100,
    bytesMax: 65_536,
  });
  if (events.some((e) => e.kind === "message" && e.id === "first")) return;
  throw new Violation("an answer that stands alone settles nothing else", `${to} has nothing`);
}
