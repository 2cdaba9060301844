/**
 * Who is online among a shard's users, and which nodes want to know. None of it is durable: edges
 * announce sessions and interests again when it is lost.
 */
import type { AccountId, AccountName, DeviceId, NodeId, SessionId } from "../name/ids.ts";
import type { DevicePresence, PresenceOfDevice } from "../ops.ts";
import type { Proxied } from "./proxied.ts";
import type { Revocation } from "../edge_packet.ts";
import type { Rights } from "../account/rights.ts";

import { GRACE_MS, PENDING, Returning } from "./returning.ts";
import { Settling } from "./settling.ts";

const NO_DEVICES: readonly PresenceOfDevice[] = [];

/** A session attached to its user. */
export interface Attached {
  readonly session: SessionId;
  readonly device: DeviceId;
  readonly node: NodeId;
  /** null while invisible. */
  presence: DevicePresence | null;
}

/** One user's presence, for as long as somebody is attached or interested. */
export interface Presentity {
  readonly name: AccountName;
  id: AccountId;
  sessions: Attached[];
  /** Nodes with watchers. */
  nodes: NodeId[];
  /** Rises with every change, across all users of the shard. */
  version: number;
  lastSeen: number;
  /** The version at which a right to see it was withdrawn last, or might have been: see `Revoked`. */
  revoked: number;
  /** Who may see it, while its account is not in memory; null while it is, or nobody knows. */
  rights: Rights | null;
  /** Whether the shard has known a visible session of it. */
  known: boolean;
  /** Of a user of another cell; null for those of this one. */
  proxied: Proxied | null;
  /** Rises with the home of its name: see `epochOf`. */
  era: number;
}

/** What there is of the edge of a node. */
export interface OfEdge {
  readonly sessions: readonly { readonly name: AccountName; readonly session: SessionId }[];
  /** The users that somebody there watches. */
  readonly watched: readonly AccountName[];
}

/** Epochs of one home. */
const ERA_EPOCHS = 2 ** 32;

/** The presence of a shard's users. */
export class PresenceTable {
  /** Epoch of the shard: versions of a later one are newer, whatever their numbers. */
  epoch = 1;
  /** Whether sessions are still to be announced. */
  readonly settling = new Settling();
  /** Whether clients of a process that has ended may still return. */
  readonly returning = new Returning<Presentity>();
  readonly #users = new Map<AccountName, Presentity>();
  readonly #changed = new Set<Presentity>();
  /** Users of other cells that were watched, of which homes are still to learn that. */
  readonly #unwatched: Presentity[] = [];
  /** Users that have moved here and whose clients may return, and until when (monotonic ms). */
  readonly #awaited = new Map<Presentity, number>();
  /** Sessions removed since the step began: after a bug in it their edges may not know. */
  #removed: { readonly name: AccountName; readonly session: Attached }[] = [];
  #version = 0;

  /** Users with a session or an interested node. */
  get size(): number {
    return this.#users.size;
  }

  get(name: AccountName): Presentity | undefined {
    return this.#users.get(name);
  }

  /**
   * The user's entry, made when there is none; starts anew for another account of the name. `era`: of
   * the account's home, see `eraOf`; without it, what is shown would be older than at a former owner.
   */
  ensure(name: AccountName, id: AccountId, lastSeen: number, era: number): Presentity {
    let p = this.#users.get(name);
    if (p === undefined || p.id !== id) {
      // Nobody returns to the former account: its clients are not those of this one.
      if (p !== undefined) this.#awaited.delete(p);
      const none = { sessions: [], nodes: [], rights: null, known: false, proxied: null };
      const version = ++this.#version;
      p = { name, id, version, lastSeen, revoked: version, era, ...none };
      this.#users.set(name, p);
    }
    p.era = era;
    return p;
  }

  /** Sessions of a user; empty where none is attached. */
  sessions(name: AccountName): readonly Attached[] {
    return this.#users.get(name)?.sessions ?? [];
  }

  /** Users with a session, in no order. */
  *online(): Iterable<AccountName> {
    for (const { name, sessions } of this.#users.values()) if (sessions.length > 0) yield name;
  }

  find(name: AccountName, session: SessionId): Attached | undefined {
    return this.sessions(name).find((s) => s.session === session);
  }

  /** Adds a session; returns the one of the same device that it replaces. */
  attach(p: Presentity, session: Attached, wallMs: number): Attached | undefined {
    const old = p.sessions.find((s) => s.device === session.device);
    // Joined, not pushed: an array that grows makes room for sixteen more.
    p.sessions = p.sessions.filter((s) => s !== old).concat(session);
    if (old !== undefined) this.#removed.push({ name: p.name, session: old });
    if (!samePresence(old?.presence ?? null, session.presence)) {
      if (old !== undefined && old.presence !== null) seenAt(p, wallMs);
      this.touch(p);
    }
    return old;
  }

  /** Removes a session; returns whether it was there. */
  detach(name: AccountName, session: SessionId, wallMs: number): boolean {
    const p = this.#users.get(name);
    const gone = p?.sessions.find((s) => s.session === session);
    if (p === undefined || gone === undefined) return false;
    p.sessions = p.sessions.filter((s) => s !== gone);
    this.#removed.push({ name, session: gone });
    if (gone.presence !== null) {
      seenAt(p, wallMs);
      this.touch(p);
    }
    this.#forgetIdle(p);
    return true;
  }

  set(p: Presentity, session: Attached, presence: DevicePresence | null, wallMs: number): void {
    if (samePresence(session.presence, presence)) return;
    if (session.presence !== null) seenAt(p, wallMs);
    session.presence = presence;
    this.touch(p);
  }

  /** The epoch of its versions: those of a later home are above all of the homes before. */
  epochOf(p: Presentity): number {
    return p.era * ERA_EPOCHS + this.epoch;
  }

  /**
   * The user's home is another cell from now on: what was shown last stands until that says more.
   * Returns the sessions, which end, and the nodes of this cell that are interested.
   */
  leave(
    name: AccountName,
    proxied: Proxied,
    isNode: (node: NodeId) => boolean,
  ): { readonly sessions: readonly Attached[]; readonly nodes: readonly NodeId[] } {
    const p = this.#users.get(name);
    // After a bug or a commit that failed, what is shown is shown already.
    if (p === undefined || p.proxied !== null) return { sessions: [], nodes: p?.nodes ?? [] };
    const { sessions } = p;
    // Whether one who may return has done so only its new home can say.
    if (!this.#mayReturn(p)) {
      proxied.epoch = this.epochOf(p);
      proxied.version = p.version;
      proxied.devices = visibleDevices(p);
      proxied.lastSeen = p.lastSeen;
    }
    for (const session of sessions) this.#removed.push({ name, session });
    p.sessions = [];
    p.nodes = p.nodes.filter(isNode);
    p.proxied = proxied;
    p.rights = null;
    this.#awaited.delete(p);
    this.returning.delete(p);
    this.#changed.delete(p);
    return { sessions, nodes: p.nodes };
  }

  /** The user's home is this cell from now on: until `untilMs` (monotonic) its clients may return. */
  arrive(p: Presentity, untilMs: number): void {
    p.proxied = null;
    p.known = false;
    this.#awaited.set(p, untilMs);
  }

  /** The account leaves memory (`rights`), or returns (null). */
  setRights(name: AccountName, id: AccountId | "", rights: Rights | null): void {
    const p = this.#users.get(name);
    if (p !== undefined) p.rights = p.id === id ? rights : null;
  }

  /** Somebody may not see the user any more. */
  revoke(p: Presentity): Revocation {
    const after = p.revoked;
    p.revoked = ++this.#version;
    return { epoch: this.epochOf(p), after, revoked: p.revoked };
  }

  addInterest(p: Presentity, node: NodeId): void {
    if (!p.nodes.includes(node)) p.nodes = p.nodes.concat(node);
  }

  removeInterest(name: AccountName, node: NodeId): void {
    const p = this.#users.get(name);
    if (p === undefined) return;
    p.nodes = p.nodes.filter((n) => n !== node);
    this.#forgetIdle(p);
  }

  /** Users of other cells that somebody here watches, in no order. */
  *proxied(): Iterable<Presentity & { readonly proxied: Proxied }> {
    for (const p of this.#users.values()) if (isProxied(p)) yield p;
  }

  /** The first of the users of other cells that nobody here watches any more. */
  get unwatched(): Presentity | undefined {
    return this.#unwatched[0];
  }

  /** Everybody knows by now that nobody watches that user. */
  unwatchedTold(): void {
    this.#unwatched.shift();
  }

  /** The sessions at the edge of a node, and the users that somebody there watches. */
  ofEdge(node: NodeId): OfEdge {
    const sessions: OfEdge["sessions"][number][] = [];
    const watched: AccountName[] = [];
    for (const { name, sessions: attached, nodes } of this.#users.values()) {
      for (const s of attached) if (s.node === node) sessions.push({ name, session: s.session });
      if (nodes.includes(node)) watched.push(name);
    }
    watched.push(...this.settling.watchedBy(node));
    return { sessions, watched };
  }

  /** A user of another cell stays only where nodes are interested. */
  keepNoLonger(p: Presentity & { readonly proxied: Proxied }): void {
    p.proxied.kept = false;
    if (this.#users.get(p.name) === p) this.#forgetIdle(p);
  }

  #forgetIdle(p: Presentity): void {
    if (p.sessions.length > 0 || p.nodes.length > 0 || p.proxied?.kept === true) return;
    if (p.proxied !== null) this.#unwatched.push(p);
    if (this.#awaited.has(p)) return;
    this.#changed.delete(p);
    this.returning.delete(p);
    this.#users.delete(p.name);
  }

  /** Takes over the users that `owns` has from the table of a shard that ends. */
  inherit(from: PresenceTable, owns: (name: AccountName) => boolean): void {
    this.#version = Math.max(this.#version, from.#version);
    for (const [name, p] of from.#users) {
      if (!owns(name)) continue;
      this.#users.set(name, p);
      if (from.#changed.has(p)) this.#changed.add(p);
    }
    for (const [p, untilMs] of from.#awaited) if (owns(p.name)) this.#awaited.set(p, untilMs);
    this.#unwatched.push(...from.#unwatched.filter(({ name }) => owns(name)));
    this.returning.inherit(from.returning, ({ name }) => owns(name));
  }

  /** Begins a step. */
  begin(): void {
    if (this.#removed.length > 0) this.#removed = [];
  }

  /** The sessions that were removed since the step began and are not attached again. */
  removed(): readonly Attached[] {
    return this.#removed.filter(({ name, session: { session } }) => !this.find(name, session))
      .map(({ session }) => session);
  }

  /** The user's change is not pushed yet, or not everywhere. */
  pushAgain(p: Presentity): void {
    if (this.#users.get(p.name) === p) this.#changed.add(p);
  }

  /** Marks a user as changed. */
  touch(p: Presentity): void {
    p.version = ++this.#version;
    p.known = true;
    this.#awaited.delete(p);
    this.returning.delete(p);
    this.#changed.add(p);
  }

  /**
   * The version for a node that becomes interested in the user: `PENDING` where the user has no
   * visible session and may return.
   */
  versionFor(p: Presentity): number {
    if (!this.#mayReturn(p)) return p.version;
    if (!this.#awaited.has(p)) this.returning.add(p);
    return PENDING;
  }

  /** Whether it has no visible session, as far as is known, and its clients may return. */
  #mayReturn(p: Presentity): boolean {
    return this.#awaited.has(p) || !p.known && this.returning.active;
  }

  /**
   * The shard serves from now on at the earliest (monotonic): the sessions and clients that it waits for
   * get their whole time again.
   */
  serves(nowMs: number): void {
    this.settling.serves(nowMs);
    this.returning.serves(nowMs + GRACE_MS);
    for (const p of this.#awaited.keys()) this.#awaited.set(p, nowMs + GRACE_MS);
  }

  /** Whether clients of users that have moved here may return. */
  get awaiting(): boolean {
    return this.#awaited.size > 0;
  }

  /** Shows those as offline who have not returned in time. */
  endAwaiting(nowMs: number): void {
    for (const [p, untilMs] of this.#awaited) {
      if (untilMs > nowMs) continue;
      this.touch(p);
      if (p.sessions.length + p.nodes.length === 0) this.#forgetIdle(p);
    }
  }

  /** Shows users as offline who have not returned in time, some at a time. */
  endReturning(nowMs: number): void {
    for (const p of this.returning.takeDue(nowMs)) {
      if (this.#users.get(p.name) === p) this.touch(p);
    }
  }

  /** Takes the users that changed since the last call: one packet per interested node each. */
  takeChanged(): Presentity[] {
    if (this.#changed.size === 0) return [];
    const changed = [...this.#changed];
    this.#changed.clear();
    return changed;
  }
}

function isProxied(p: Presentity): p is Presentity & { readonly proxied: Proxied } {
  return p.proxied !== null;
}

/** It never goes back, whatever the clock does. */
function seenAt(p: Presentity, wallMs: number): void {
  p.lastSeen = Math.max(p.lastSeen, wallMs);
}

/** Devices that may be seen, as watchers see them. */
export function visibleDevices(p: Presentity): readonly PresenceOfDevice[] {
  // Most who are asked for while all sign in are not there yet.
  if (p.sessions.length === 0) return NO_DEVICES;
  const out: PresenceOfDevice[] = [];
  for (const s of p.sessions) {
    if (s.presence !== null) out.push({ device: s.device, presence: s.presence });
  }
  return out;
}

function samePresence(a: DevicePresence | null, b: DevicePresence | null): boolean {
  if (a === null || b === null) return a === b;
  return a.show === b.show && a.status === b.status && a.priority === b.priority &&
    a.ext === b.ext;
}
