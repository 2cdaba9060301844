/** What must hold of rosters, marks, settings, tokens and presence of a quiescent cluster. */
import type { Device } from "./device.ts";
import type { DeviceId } from "../../shard/name/ids.ts";
import type { DevicePresence, PresenceOfDevice } from "../../shard/ops.ts";
import type { Folded } from "./check_mail.ts";
import type { SoftEvent, View } from "./view.ts";
import type { Cluster } from "./cluster.ts";
import { ask } from "./dump.ts";
import { devicePresence } from "../../server/v1/sign_in.ts";
import { encodePresence } from "../../server/v1/encode.ts";
import { hashToken } from "../../server/auth/token.ts";
import { Violation } from "./history.ts";

function pairs(folded: readonly Folded[]): [Folded, Folded][] {
  return folded.flatMap((a) => folded.filter((b) => b !== a).map((b): [Folded, Folded] => [a, b]));
}

/** Whether any of the lives of the two has ever tried to block a life of the other. */
function everBlocked(cluster: Cluster, a: string, b: string): boolean {
  const of = (from: string, to: string) =>
    cluster.oracle.lives(from).some((life) => life.blocks.get(to)?.touched === true);
  return of(a, b) || of(b, a);
}

function sub(view: View, name: string) {
  const item = view.roster.get(name);
  const subscription = item?.subscription ?? "none";
  return {
    to: subscription === "to" || subscription === "both",
    from: subscription === "from" || subscription === "both",
    pendingOut: item?.pendingOut ?? false,
  };
}

/**
 * Both sides of every pair agree (RFC 6121), whatever they did behind blocks. One that is blocked
 * has a request that the other is not shown.
 */
export function checkRosters(folded: readonly Folded[]): void {
  for (const [a, b] of pairs(folded)) {
    const [left, right] = [a.life.name, b.life.name];
    const mine = sub(a.view, right);
    const theirs = sub(b.view, left);
    const asked = b.view.requests.has(left);
    // A request to somebody who does not exist (yet) waits for ever.
    const mayWait = b.life.number > 1 || b.view.blocked.has(left);
    if (mine.to === theirs.from && (mine.pendingOut === asked || mayWait && !asked)) continue;
    const text = `${left} has ${JSON.stringify(mine)} of ${right}, who has ` +
      `${JSON.stringify(theirs)}${asked ? " and a request" : ""}`;
    throw new Violation("rosters agree", text, [left, right]);
  }
}

/**
 * Receipts say exactly how far the peer has got, where nothing was in their way, in the numbers of
 * who wrote: what a former account of the peer's name has told stays.
 */
export function checkReceipts(cluster: Cluster, folded: readonly Folded[]): void {
  for (const [a, b] of pairs(folded)) {
    const [left, right] = [a.life.name, b.life.name];
    if (everBlocked(cluster, left, right) || !b.whole || (b.life.number > 1 && !a.whole)) continue;
    const { numberAt, before } = numbersOf(a, b);
    const mark = b.life.reads.get(left) ?? { done: 0, tried: 0 };
    const read = [numberAt(mark.done), Math.max(numberAt(mark.tried), before)] as const;
    const delivered = [
      Math.max(numberAt(b.life.ackedSeq), read[0]),
      Math.max(numberAt(b.life.ackTriedSeq), read[1]),
    ] as const;
    const told = a.view.conversations.get(right) ?? { delivered: 0, read: 0 };
    // Snapshots leave out conversations that nothing is retained of.
    if (!a.whole && !a.view.conversations.has(right)) continue;
    within(left, right, "delivered", told.delivered, delivered);
    within(left, right, "read", told.read, read);
  }
}

/**
 * The writer's number of the last message that the peer has up to a position; and of the last one
 * that was for a former account of the peer's name.
 */
function numbersOf(a: Folded, b: Folded) {
  const own = new Map<string, number>();
  for (const e of a.events) {
    if (e.k === "message" && e.out && e.with === b.life.name) own.set(e.id, e.num);
  }
  const taken = b.events.flatMap((e) => {
    const mine = e.k === "message" && !e.out && e.with === a.life.name &&
      e.change === undefined && a.life.sent.get(e.id)?.body === e.body;
    return mine ? [{ seq: e.seq, num: own.get(e.id) ?? e.num }] : [];
  });
  const numberAt = (seq: number) => taken.findLast((e) => e.seq <= seq)?.num ?? 0;
  const former = b.life.number === 1 ? 0 : (taken[0]?.num ?? Infinity) - 1;
  return { numberAt, before: former };
}

function within(
  left: string,
  right: string,
  what: string,
  told: number,
  [least, most]: readonly [number, number],
): void {
  if (told >= least && told <= most) return;
  const text = `${left} got that ${right} has ${what} ${told}, but it is ${least} to ${most}`;
  throw new Violation("receipts are right", text, [left, right]);
}

/** What was set and known to be done is so; what was taken back is gone. */
export function checkSettings(cluster: Cluster, folded: readonly Folded[]): void {
  const now = cluster.oracle.nowMs;
  for (const { life, view } of folded) {
    const fail = (what: string, peer: string): never => {
      throw new Violation("acked changes are durable", `${life.name}: ${what}`, [life.name, peer]);
    };
    const anyone = life.anyone.certain(now);
    if (anyone !== undefined && anyone !== (view.messagesFrom === "anyone")) {
      fail(`messagesFrom is ${view.messagesFrom}`, life.name);
    }
    for (const [peer, register] of life.blocks) {
      const blocked = register.certain(now);
      if (blocked !== undefined && blocked !== view.blocked.has(peer)) {
        fail(`${peer} should be ${blocked ? "" : "un"}blocked`, peer);
      }
    }
    for (const [peer, register] of life.labels) {
      const label = register.certain(now);
      const has = view.roster.get(peer);
      if (typeof label === "string" && label !== (has?.label ?? "")) {
        fail(`${peer} should have the label ${label}, is ${JSON.stringify(has)}`, peer);
      }
    }
    for (const [peer, register] of life.grants) {
      if (register.certain(now) === false && sub(view, peer).from) {
        fail(`still shows ${peer}`, peer);
      }
    }
    for (const [peer, register] of life.wants) {
      if (register.certain(now) === false && sub(view, peer).to) fail(`still sees ${peer}`, peer);
    }
  }
}

/** Tokens that should be good are, and all others are not. */
export function checkTokens(cluster: Cluster): void {
  const { oracle } = cluster;
  const now = oracle.nowMs;
  for (const name of oracle.names) {
    for (const life of oracle.lives(name)) {
      for (const [device, register] of life.tokens) {
        const alive = life === oracle.alive(name);
        const certain = alive ? register.certain(now) : null;
        const possible = alive ? register.possible(now) : [];
        for (const token of new Set(register.values)) {
          if (token === null || token === "?") continue;
          const input = { tokenHash: hashToken(token) };
          const good = ask(cluster, cluster.nodeOf(name), name, "auth.token", input).ok;
          const wanted = certain === token ? true : possible.includes(token) ? null : false;
          if (wanted === null || wanted === good) continue;
          const text = `a token of ${name}/${device} is ${good ? "good" : "refused"}`;
          throw new Violation("tokens", text, [name]);
        }
      }
    }
  }
}

// ---- presence

/** What `device` shows as the server keeps it; null while it is not to be seen. */
function shownBy(device: Device): DevicePresence | null {
  if (!device.online) return null;
  const { presence } = device.shown;
  return presence === null
    ? null
    : devicePresence(presence as Parameters<typeof devicePresence>[0]);
}

/** Whether the two rosters and blocks let `watcher` see `seen`. */
function maySee(watcher: Folded, seen: Folded): boolean {
  return sub(watcher.view, seen.life.name).to && sub(seen.view, watcher.life.name).from &&
    !watcher.view.blocked.has(seen.life.name) && !seen.view.blocked.has(watcher.life.name);
}

function comparable(event: SoftEvent & { k: "presence" } | undefined): string {
  if (event === undefined || event.show === "offline") return "offline";
  const { lastSeen: _lastSeen, ...rest } = event;
  return JSON.stringify(rest);
}

/** Every device that is connected sees exactly what it may see, as it is. */
export function checkPresence(cluster: Cluster, folded: readonly Folded[]): void {
  for (const watcher of folded) {
    const person = cluster.person(watcher.life.name);
    for (const device of person.devices) {
      if (!device.online) continue;
      for (const seen of folded) {
        const own = seen === watcher;
        const devices: PresenceOfDevice[] = [];
        for (const other of cluster.person(seen.life.name).devices) {
          const presence = shownBy(other);
          if (presence !== null) devices.push({ device: other.id as DeviceId, presence });
        }
        const except = own ? device.id as DeviceId : null;
        const allowed = own || maySee(watcher, seen);
        const text = encodePresence(seen.life.name as never, devices, 0, except);
        const truth = allowed ? comparable(JSON.parse(text)) : "offline";
        const view = comparable(device.seen.get(seen.life.name));
        if (truth === view) continue;
        const names = [watcher.life.name, seen.life.name];
        const what = `${device.who} sees ${seen.life.name} as ${view}, but it is ${truth}`;
        throw new Violation("presence converges", what, names);
      }
    }
  }
}

/**
 * All devices of a watcher are shown the same time of who is offline. Some of them were there when
 * it signed out or blocked them, others came later: the two must look alike to both.
 */
export function checkLastSeen(cluster: Cluster, folded: readonly Folded[]): void {
  for (const watcher of folded) {
    const devices = cluster.person(watcher.life.name).devices.filter((d) => d.online);
    for (const seen of folded) {
      const { name } = seen.life;
      if (seen === watcher || !sub(watcher.view, name).to || watcher.view.blocked.has(name)) {
        continue;
      }
      const { name: who } = watcher.life;
      // Who was unblocked, but may not see any more, keeps what a device was shown by the block.
      if (!sub(seen.view, who).from && !seen.view.blocked.has(who)) continue;
      const shown = devices.map((d) => {
        const event = d.seen.get(name);
        return event === undefined ? 0 : event.show === "offline" ? event.lastSeen ?? 0 : -1;
      });
      if (new Set(shown).size <= 1) continue;
      const text = `${
        devices.map((d) => d.who).join()
      } are shown that ${name} was last seen at ${shown.join()}`;
      throw new Violation("last seen is the same everywhere", text, [watcher.life.name, name]);
    }
  }
}

/** What each connected device has folded is what its mailbox says. */
export function checkViews(cluster: Cluster, folded: readonly Folded[]): void {
  for (const { life, view, whole } of folded) {
    // Snapshots leave out conversations that nothing is retained of.
    if (!whole) continue;
    for (const device of cluster.person(life.name).devices) {
      if (!device.online || device.view === null) continue;
      const mine = device.view.text(0);
      const truth = view.text(0);
      if (mine === truth) continue;
      const text = `${device.who} has\n${mine}\nbut the mailbox says\n${truth}`;
      throw new Violation("devices are up to date", text, [life.name]);
    }
  }
}
