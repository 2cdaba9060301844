/**
 * Who is online as far as a node's own sessions go: no shard may say otherwise, whatever happens to
 * it. Looks at what passes between a node's edge and its shards.
 */
import type { AccountId, AccountName, DeviceId, SessionId } from "../../shard/name/ids.ts";
import type { EdgePacket, InterestAnswer } from "../../shard/edge_packet.ts";
import type { OpName, Ops, PresenceOfDevice } from "../../shard/ops.ts";
import type { Node } from "../../server/node/node.ts";
import { PENDING } from "../../shard/presence/returning.ts";
import type { Result } from "../../shard/errors.ts";
import { Returns } from "./returns.ts";
import { Violation } from "./history.ts";

/** How long a request may be on its way over a link that stands still (ms). */
const LATE_MS = 10_000;

/** Operations that end sessions, at a moment that is not known before their replies. */
const ENDING = /^(account\.(set|signOut|remove)|device\.(add|revoke))/;

interface Version {
  readonly epoch: number;
  readonly version: number;
}

interface Shown extends Version {
  readonly devices: readonly PresenceOfDevice[];
}

function isOlder(one: Version, other: Version): boolean {
  return one.epoch < other.epoch || one.epoch === other.epoch && one.version < other.version;
}

type Attach = Ops["session.attach"]["in"];

/** What the nodes of a cell have in common: who is asked to end sessions, at any of them. */
export class VisibleCell {
  readonly nodes: VisibleSessions[] = [];
  readonly returns = new Returns();
  /** How often operations that end sessions were asked for and replied to. */
  readonly ends = new Map<AccountName, number>();
  /** How many of them have no reply; Infinity where one may still be done. */
  readonly ending = new Map<AccountName, number>();
  /** The session that each device of a user was to have last: it replaces those before it. */
  readonly #attached = new Map<string, SessionId>();
  /** When the sessions of each device were asked for that have no reply. */
  readonly #asked = new Map<string, Map<SessionId, number>>();
  /** The newest presence of each user that any edge was shown. */
  readonly #newest = new Map<AccountName, Version>();

  /** A session is asked for. */
  attaching(name: AccountName, { device, session }: Attach, nowMs: number): void {
    const key = `${name}/${device}`;
    this.#attached.set(key, session);
    const asked = this.#asked.get(key) ?? new Map<SessionId, number>();
    this.#asked.set(key, asked.set(session, nowMs));
  }

  /** It has a reply. */
  attached(name: AccountName, { device, session }: Attach): void {
    this.#asked.get(`${name}/${device}`)?.delete(session);
  }

  /** Whether another session of the device may still arrive, late, at the owner, and replace it. */
  mayBeReplaced(name: AccountName, { device }: Attach, nowMs: number): boolean {
    const asked = this.#asked.get(`${name}/${device}`)?.values() ?? [];
    return [...asked].some((askedMs) => nowMs - askedMs < LATE_MS);
  }

  /** Notes a presence that an edge was shown; whether another edge was shown a newer one before. */
  isOld(user: AccountName, { epoch, version }: Version): boolean {
    const newest = this.#newest.get(user);
    if (newest !== undefined && isOlder({ epoch, version }, newest)) return true;
    this.#newest.set(user, { epoch, version });
    return false;
  }

  /** Whether another session of its device was asked for after this one. */
  isReplaced(name: AccountName, { device, session }: Attach): boolean {
    return this.#attached.get(`${name}/${device}`) !== session;
  }
}

/** The visible sessions of one process. */
export class VisibleSessions {
  /** The last packet of each user's presence. */
  readonly packets = new Map<AccountName, EdgePacket>();
  /** Users of whom it was said last that it is not known whether they are online. */
  readonly pending = new Set<AccountName>();
  /** Users of whom it was said since that it is not known whether what was said last still holds. */
  readonly #away = new Set<AccountName>();
  /** The body of the last signal to each session. */
  readonly signals = new Map<SessionId, string>();
  /** Whether the edge has a session that could be shown something. */
  hasSessions: () => boolean = () => true;
  /** By user and session; only what is certain. */
  readonly #users = new Map<AccountName, Map<SessionId, DeviceId>>();
  /** The newest presence of each user that was shown. */
  readonly #newest = new Map<AccountName, Version>();
  readonly #cell: VisibleCell;

  readonly #nowMs: () => number;

  /** `nowMs`: the time of the simulation. */
  constructor(cell: VisibleCell, nowMs: () => number) {
    this.#cell = cell;
    this.#nowMs = nowMs;
    cell.nodes.push(this);
  }

  /** Looks at everything that `node` is asked from now on. */
  watch(node: Node): void {
    const request = node.request.bind(node);
    node.request = <K extends OpName>(
      name: AccountName,
      op: K,
      input: Ops[K]["in"],
      done: (result: Result<Ops[K]["out"]>) => void,
      account?: AccountId,
    ) => {
      const life = this.#asked(name, op, input);
      return request(name, op, input, (result) => {
        const known = result.ok || result.code !== "unavailable";
        if (ENDING.test(op)) this.#replied(name, known);
        if (op === "session.attach") this.#cell.attached(name, input as Attach);
        if (op === "session.attach" && !result.ok && result.code === "moved") this.#moved(name);
        const certain = life === this.#lifeOf(name) && !this.#cell.ending.has(name);
        if (result.ok && certain) this.#done(name, op, input);
        done(result);
      }, account);
    };
    const interest = node.interest.bind(node);
    node.interest = (items, done) =>
      interest(items, (answers) => {
        for (const answer of answers) this.#answered(answer);
        done(answers);
      });
  }

  /** The process has ended, which was linked with all others. */
  ended(): void {
    for (const [user, sessions] of this.#users) {
      if (sessions.size > 0) this.#cell.returns.ended(user, sessions.keys(), this.#nowMs());
    }
  }

  /**
   * The owner of a user's shard ends a session, because it could not reach the session's node for as
   * long as that counts. Everybody is shown that, and so is that node once it can be reached, in
   * answers that come before it has announced the session again.
   */
  lost(name: AccountName, session: SessionId): void {
    for (const node of this.#cell.nodes) node.#users.get(name)?.delete(session);
  }

  /** An operation that ends sessions has a reply; `known`: it is done by now, or never will be. */
  #replied(name: AccountName, known: boolean): void {
    this.#cell.ends.set(name, this.#lifeOf(name) + 1);
    const pending = this.#cell.ending.get(name)! - 1;
    // It may be done at any time from now on.
    if (!known) this.#cell.ending.set(name, Infinity);
    else if (pending > 0) this.#cell.ending.set(name, pending);
    else this.#cell.ending.delete(name);
  }

  /** The account is at home in another cell: an edge that announces a session ends it, without a packet. */
  #moved(name: AccountName): void {
    for (const node of this.#cell.nodes) node.#users.delete(name);
  }

  #lifeOf(name: AccountName): number {
    return this.#cell.ends.get(name) ?? 0;
  }

  /** Returns a number that is another one once sessions of the user may have ended. */
  #asked(name: AccountName, op: OpName, input: object): number {
    if (ENDING.test(op)) {
      this.#cell.ends.set(name, this.#lifeOf(name) + 1);
      this.#cell.ending.set(name, (this.#cell.ending.get(name) ?? 0) + 1);
    }
    if (op === "session.attach") this.#cell.attaching(name, input as Attach, this.#nowMs());
    this.#leaves(name, op, input);
    for (const node of this.#cell.nodes) {
      const sessions = node.#users.get(name);
      if (sessions !== undefined) this.#forget(sessions, op, input);
    }
    return this.#lifeOf(name);
  }

  #leaves(name: AccountName, op: OpName, input: object): void {
    const { returns } = this.#cell;
    if (ENDING.test(op)) returns.left(name, null);
    if (op === "session.detach") {
      returns.left(name, (input as Ops["session.detach"]["in"]).session);
    }
    const hides = op === "session.attach" || op === "presence.set";
    if (hides && (input as Attach).presence === null) returns.left(name, null);
  }

  #forget(sessions: Map<SessionId, DeviceId>, op: OpName, input: object): void {
    if (op === "session.attach") {
      const { session, device } = input as Attach;
      for (const [id, its] of sessions) if (its === device && id !== session) sessions.delete(id);
    } else if (op === "session.detach") {
      sessions.delete((input as Ops["session.detach"]["in"]).session);
    } else if (op === "presence.set") {
      const { session, presence } = input as Ops["presence.set"]["in"];
      if (presence === null) sessions.delete(session);
    } else if (ENDING.test(op)) sessions.clear();
  }

  #done(name: AccountName, op: OpName, input: object): void {
    if (op !== "session.attach") return;
    const { session, device, presence, announced } = input as Attach;
    // What is announced again may have been hidden meanwhile, or have ended.
    if (presence === null || announced === true) return;
    // One that was asked for before its reply may have replaced it.
    if (this.#cell.isReplaced(name, input as Attach)) return;
    if (this.#cell.mayBeReplaced(name, input as Attach, this.#nowMs())) return;
    this.#cell.returns.back(name, this.#nowMs());
    const sessions = this.#users.get(name) ?? new Map<SessionId, DeviceId>();
    this.#users.set(name, sessions.set(session, device));
  }

  /** Looks at a packet from a shard. */
  delivered(packet: EdgePacket): void {
    if (packet.kind === "unknown") this.#away.add(packet.watched);
    if (packet.kind === "presence") {
      this.#away.delete(packet.watched);
      this.packets.set(packet.watched, packet);
      this.#shown(packet.watched, packet);
    }
    if (packet.kind === "signal") {
      for (const session of packet.sessions) this.signals.set(session, packet.body);
    }
    if (packet.kind !== "closed") return;
    for (const sessions of this.#users.values()) {
      for (const session of packet.sessions) sessions.delete(session);
    }
  }

  /**
   * Whether edges take this packet although they have had it: while nobody knows whether the last
   * presence still holds, that one once more says so.
   */
  isBack({ watched, epoch, version }: EdgePacket & { readonly kind: "presence" }): boolean {
    const newest = this.#newest.get(watched);
    return this.#away.has(watched) && newest?.epoch === epoch && newest.version === version;
  }

  #answered({ watched, presence }: InterestAnswer): void {
    if (presence !== null) this.#shown(watched, presence);
  }

  #shown(user: AccountName, { epoch, version, devices }: Shown): void {
    // Whether it is online is not known: edges go on with what they knew.
    if (version === PENDING) return void this.pending.add(user);
    this.pending.delete(user);
    // What is late was so when it was said.
    const old = this.#cell.isOld(user, { epoch, version });
    // The last node that stops ends the sessions of all once its clients have gone: nobody sees that.
    const seen = !old && this.hasSessions();
    if (devices.length === 0 && seen) this.#cell.returns.offline(user, this.#nowMs());
    const newest = this.#newest.get(user);
    // An answer that waited for a commit may be older than what was shown meanwhile.
    if (newest !== undefined && isOlder({ epoch, version }, newest)) return;
    this.#newest.set(user, { epoch, version });
    for (const device of this.#users.get(user)?.values() ?? []) {
      if (devices.some((d) => d.device === device)) continue;
      const text = `${user}/${device} is online, but its shard says that it is not`;
      throw new Violation("nobody is falsely offline", text, [user]);
    }
  }
}
