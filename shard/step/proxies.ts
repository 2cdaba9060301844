/**
 * The presence of users of other cells. In each cell where somebody watches, the shard that has the
 * point of the name stands for the user: it keeps the interested nodes, as a home does, and is itself
 * one interested party at the home, which checks rights: a change costs one frame for each such cell.
 *
 * A watcher sees nobody until the home has said that it may; then its edge asks again. What is said
 * over a link arrives in its order, or the link breaks: then everything is asked for again, at a
 * bounded rate.
 */
import type { Account } from "../account/account.ts";
import type { AccountId, AccountName, CellName, NodeId } from "../name/ids.ts";
import { POINT_SPACE, pointOf } from "../name/ids.ts";
import type { Cells } from "../federation/cells.ts";
import type { InterestAnswer, InterestItem } from "../edge_packet.ts";
import type { ProxyAnswer, ProxyMessage, ShownPresence } from "../federation/proxy_message.ts";
import type { ShardPacket } from "../message/packets.ts";
import type { ShardTurn } from "./shard_turn.ts";
import { cellOf } from "../federation/cell_node.ts";
import { eraOf, homeOf, isHere } from "../account/home.ts";
import { GRACE_MS, UNDECIDED } from "../presence/returning.ts";
import { Proxied, watchersOf } from "../presence/proxied.ts";
import { Questions, type Standing } from "./questions.ts";
import { UnknownHomes } from "./unknown_homes.ts";

/** Users that are asked for again at one tick, ten of which come in a second. */
const AGAIN_MAX = 100;
/** How long a reply may take, and edges to ask again after it (ms). */
const KEEP_MS = 5000;

/** See the head of this file. */
export class Proxies {
  readonly #turn: ShardTurn;
  readonly #cells: Cells;
  /** Users that edges want to watch before this cell knows their homes. */
  readonly unknownHomes: UnknownHomes;
  readonly #questions: Questions;
  /** Users that are to be asked for again. */
  readonly #again = new Set<AccountName>();
  /** Users that are kept, and until when (monotonic ms). */
  readonly #kept = new Map<AccountName, number>();

  constructor(turn: ShardTurn, cells: Cells) {
    this.#turn = turn;
    this.#cells = cells;
    this.#questions = new Questions(turn);
    this.unknownHomes = new UnknownHomes(turn);
  }

  /** Whether a `tick` has anything to do. */
  get ticking(): boolean {
    return this.#again.size + this.#kept.size > 0 || this.unknownHomes.ticking ||
      this.#turn.presence.unwatched !== undefined;
  }

  /** Goes on where the shards have stopped whose users' presence this one has taken over. */
  inherit(from: Proxies): void {
    this.unknownHomes.inherit(from.unknownHomes, (name) => this.#turn.owns(name));
    for (const p of this.#turn.presence.proxied()) this.#keep(p);
    this.askAgain(null, 0, POINT_SPACE);
  }

  /** Asks homes again. */
  tick(): void {
    this.unknownHomes.tick();
    this.unwatch();
    for (const [name, untilMs] of this.#kept) {
      if (untilMs <= this.#turn.now.mono) this.#endKeeping(name);
    }
    let left = AGAIN_MAX;
    for (const name of this.#again) {
      if (left-- === 0) return;
      this.#again.delete(name);
      const p = this.#find(name);
      if (p !== null) this.#ask(p, [...p.proxied.watchers.keys()]);
    }
  }

  /** Questions and replies may be lost: they are repeated. One may be about to be asked, too. */
  #endKeeping(name: AccountName): void {
    const p = this.#find(name);
    if (p !== null && (p.proxied.asking || this.#again.has(name))) {
      // While its home cannot be reached it waits for that.
      this.#keep(p);
      if (this.#cells.isLinked(p.proxied.home)) this.#again.add(name);
      return;
    }
    if (p !== null) {
      p.proxied.trusted = null;
      this.#askOthers(p.proxied);
      this.#turn.presence.keepNoLonger(p);
    }
    this.#kept.delete(name);
    this.unwatch();
  }

  // ---- homes that move

  /**
   * The home of an account of this cell is `home` from now on: its sessions end, and this shard stands
   * for it. Edges register their interest again, by which it learns who watches.
   */
  leave(account: Account, home: CellName): void {
    const { presence } = this.#turn;
    const { name } = account;
    const proxied = new Proxied(home);
    proxied.trusted = watchersOf(account);
    const { nodes, sessions } = presence.leave(name, proxied, (node) => cellOf(node) === null);
    for (const { node, session } of sessions) {
      const packet = { kind: "closed", sessions: [session], reason: "shutdown" } as const;
      this.#turn.emit(account, { kind: "edge", node, packet });
    }
    this.#rewatch(account, nodes);
    const p = this.#find(name);
    if (p !== null) this.#keep(p);
  }

  /** The edges of these nodes are to register their interest in an account again. */
  #rewatch(account: Account, nodes: Iterable<NodeId>): void {
    const packet = {
      kind: "rewatch",
      watched: account.name,
      watchedId: account.id as AccountId,
    } as const;
    for (const node of nodes) this.#turn.emit(account, { kind: "edge", node, packet });
  }

  /**
   * An account has moved here: watchers go on seeing what they saw until its clients return. Edges
   * register their interest again, for nobody else replies to what the former home was asked.
   */
  arrive(account: Account): void {
    const { now, presence } = this.#turn;
    const { name, lastSeen } = account;
    const before = presence.get(name);
    // First: after a bug nobody would know any more who waits.
    this.#rewatch(account, new Set([...before?.nodes ?? [], ...before?.proxied?.waiting ?? []]));
    this.#kept.delete(name);
    this.#again.delete(name);
    const p = presence.ensure(name, account.id as AccountId, lastSeen, eraOf(account));
    presence.arrive(p, now.mono + GRACE_MS);
  }

  /** The home of a user of another cell is a third one now: it is asked for what it shows. */
  homeChanged(name: AccountName, home: CellName): void {
    const p = this.#find(name);
    if (p === null || p.proxied.home === home) return;
    p.proxied.home = home;
    for (const of of p.proxied.watchers.values()) of.asked = null;
    this.#keep(p);
    this.#again.add(name);
  }

  #keep(p: Standing): void {
    p.proxied.kept = true;
    this.#kept.set(p.name, this.#turn.now.mono + KEEP_MS);
  }

  /** The users of a cell (null: of all) with points in `[lo, hi)` are to be asked for again. */
  askAgain(cell: CellName | null, lo: number, hi: number): void {
    for (const { name, proxied } of this.#turn.presence.proxied()) {
      const point = pointOf(name);
      if ((cell === null || proxied.home === cell) && point >= lo && point < hi) {
        this.#again.add(name);
      }
    }
  }

  /** What was known of a cell's users may not hold any more. */
  unknown(cell: CellName): void {
    for (const p of this.#turn.presence.proxied()) {
      if (p.proxied.home !== cell || p.proxied.unknown) continue;
      p.proxied.unknown = true;
      this.#turn.presence.pushAgain(p);
    }
  }

  /** Homes learn that nobody here watches their users any more. */
  unwatch(): void {
    const { presence } = this.#turn;
    for (let p = presence.unwatched; p !== undefined; p = presence.unwatched) {
      const { name, proxied } = p;
      // After a bug somebody may watch it again.
      if (this.#find(name) === null) {
        this.#again.delete(name);
        this.#unwatched(name, proxied!.home);
      }
      proxied!.watchers.clear();
      this.#askOthers(proxied!);
      presence.unwatchedTold();
    }
  }

  /** Edges that want to watch another account of the name ask again, where nobody watches this one. */
  #askOthers({ inUse, others }: Proxied): void {
    if (inUse || others.size === 0) return;
    for (const { item: { watched, watchedId, watcher }, node } of others.values()) {
      const packet = { kind: "ask_again", watched, watchedId, watcher } as const;
      this.#turn.emit(null, { kind: "edge", node, packet });
    }
    others.clear();
  }

  #find(name: AccountName): Standing | null {
    const p = this.#turn.presence.get(name);
    return p === undefined || p.proxied === null ? null : p as Standing;
  }

  #say(name: AccountName, cell: CellName, message: ProxyMessage): void {
    const { self } = this.#cells;
    const packet = { kind: "proxy", from: name, to: name, cell: self, message } as const;
    this.#turn.emit(null, { kind: "abroad", cell, packet, hops: 0 });
  }

  #unwatched(name: AccountName, home: CellName): void {
    this.#say(name, home, { kind: "uninterest", ...this.#questions.next() });
  }

  /** Asks the home whether these may watch. */
  #ask(p: Standing, names: readonly AccountName[]): void {
    this.#keep(p);
    this.#say(p.name, p.proxied.home, this.#questions.about(p, names));
  }

  // ---- nodes of this cell

  /** Registers a node's interest in a user of another cell; null where it is one of this cell. */
  answer(item: InterestItem, node: NodeId): InterestAnswer | null {
    const { watched, watchedId, watcher, watcherId } = item;
    const p = cellOf(node) === null ? this.#standing(item, node) : null;
    if (p === null) return null;
    const { proxied } = p;
    const of = proxied.watcher(watcher, watcherId);
    const isTrusted = !of.may && proxied.trusted?.get(watcher) === watcherId;
    if (isTrusted) {
      // Its right is asked for with those of all others. It may have lost it before what is shown now.
      if (proxied.inherited) proxied.allow(of, null);
      this.#again.add(watched);
    }
    of.askedSince = of.asked !== null;
    // Who may see it may be known before what is seen: that is in doubt then, or a bug came between.
    if (!of.may || proxied.epoch === 0) {
      if (!of.waiting.includes(node)) of.waiting = [...of.waiting, node];
      const { decided, frozen } = of;
      if (of.asked === null && !isTrusted) this.#ask(p, [watcher]);
      if (!of.may && (decided || !this.#cells.isLinked(proxied.home))) {
        return { watcher, watched, presence: null, lastSeen: frozen };
      }
      return { watcher, watched, presence: { watchedId, ...UNDECIDED }, lastSeen: null };
    }
    this.#turn.presence.addInterest(p, node);
    const { epoch, version, unknown } = proxied;
    if (unknown) this.#turn.presence.pushAgain(p);
    const devices = unknown ? [] : proxied.devices;
    const lastSeen = unknown ? 0 : proxied.lastSeen;
    const presence = { watchedId, epoch, version, devices, lastSeen };
    return { watcher, watched, presence, lastSeen: null };
  }

  #standing(item: InterestItem, node: NodeId): Standing | null {
    const { watched, watchedId } = item;
    const { accounts, presence } = this.#turn;
    const p = this.#find(watched);
    if (p?.id === watchedId) return p;
    const account = accounts.peek(watched);
    if (account === undefined || isHere(account, this.#cells.self)) return null;
    const home = homeOf(account, this.#cells.self);
    if (home === null) {
      this.unknownHomes.add(item, node);
      return null;
    }
    if (p?.proxied.inUse === true) {
      p.proxied.addOther(item, node);
      return null;
    }
    if (p !== null) this.#askOthers(p.proxied);
    const fresh = presence.ensure(watched, watchedId, 0, eraOf(account));
    fresh.proxied = new Proxied(home.value);
    return fresh as Standing;
  }

  // ---- homes

  /** As `take`, before the account is in memory, for which interests do not wait either. */
  takeNow(packet: ShardPacket & { readonly kind: "proxy" }): boolean {
    return this.#find(packet.to)?.proxied.home === packet.cell && this.take(packet);
  }

  /** Takes what the home of a user says; returns whether it was that. */
  take({ to, cell, message }: ShardPacket & { readonly kind: "proxy" }): boolean {
    if (message.kind === "interest" || message.kind === "uninterest") return false;
    const p = this.#find(to);
    if (p === null || p.proxied.home !== cell) {
      // It learned too early, or not at all, that nobody watches.
      this.#unwatched(to, cell);
      return true;
    }
    switch (message.kind) {
      case "answers":
        for (const answer of message.answers) this.#answered(p, message.asked, answer);
        // Not before all rights are known.
        for (const { presence } of message.answers) if (presence !== null) this.#shown(p, presence);
        return true;
      case "presence":
        this.#shown(p, message.shown);
        return true;
      case "revoke": {
        const { lastSeen, watcher } = message;
        if (p.proxied.loses(message)) this.#refused(p, watcher, lastSeen, true);
        // Last: after a bug edges are not to show what comes after it.
        p.proxied.tookRevocation(message);
        return true;
      }
    }
  }

  /**
   * The home has said that a watcher may not. `isOpen`: it may have granted it again, and that may have
   * come before by another link: it is asked what holds.
   */
  #refused(p: Standing, watcher: AccountName, lastSeen: number | null, isOpen: boolean): void {
    const { home, watchers } = p.proxied;
    if (!isOpen || !watchers.has(watcher)) return this.#mayNot(p, watcher, lastSeen);
    // First, so that it is asked again where a bug ends the rest.
    this.#keep(p);
    const question = this.#questions.about(p, [watcher]);
    this.#mayNot(p, watcher, lastSeen);
    this.#say(p.name, home, question);
  }

  #shown(p: Standing, shown: ShownPresence): void {
    if (shown.watchedId !== p.id) return;
    // Whose right was withdrawn is on its way, or was lost.
    if (p.proxied.doubts(shown)) this.#again.add(p.name);
    else if (p.proxied.take(shown)) this.#turn.presence.pushAgain(p);
  }

  #answered(p: Standing, asked: number, answer: ProxyAnswer): void {
    const { watcher, presence, lastSeen } = answer;
    const of = p.proxied.watchers.get(watcher);
    if (of?.asked !== asked) return;
    of.asked = null;
    const { askedSince, decided, frozen, revoked } = of;
    // It is once edges are notified: after a bug the next reply notifies them.
    of.decided = false;
    if (presence === null) this.#refused(p, watcher, lastSeen, askedSince);
    else {
      // Others may have come before it.
      if (!p.proxied.allow(of, presence)) this.#again.add(p.name);
      of.revoking = false;
      of.frozen = null;
    }
    // They were shown what was known before, or go on with what they saw.
    if (!decided || presence !== null || lastSeen !== null && lastSeen !== frozen) {
      const { id: watchedId, name: watched } = p;
      const packet = { kind: "ask_again", watched, watchedId, watcher } as const;
      for (const node of of.waiting) this.#turn.emit(null, { kind: "edge", node, packet });
    }
    if (revoked && presence !== null) this.#askByWatcher(p, watcher, of.id);
    if (of.asked === null) {
      of.waiting = [];
      of.revoked = false;
    }
    of.decided = true;
    this.#keep(p);
    this.#askOthers(p.proxied);
  }

  /** Edges that have learned that it may not may have forgotten it: its own shard has them ask. */
  #askByWatcher(p: Standing, to: AccountName, toId: AccountId): void {
    const packet = { kind: "rewatch", from: p.name, fromId: p.id, to, toId } as const;
    this.#turn.emit(null, { kind: "packet", packet });
  }

  #mayNot(p: Standing, watcher: AccountName, lastSeen: number | null): void {
    // What this cell knew as the home does not hold any more.
    p.proxied.trusted?.delete(watcher);
    const of = p.proxied.watchers.get(watcher);
    if (of === undefined) return;
    of.revoking ||= of.may;
    of.may = false;
    of.frozen = lastSeen;
    if (of.revoking) {
      const about = { watched: p.name, watcher, lastSeen };
      const packet = { kind: "revoke", ...about, theirs: true } as const;
      for (const node of p.nodes) this.#turn.emit(null, { kind: "edge", node, packet });
      of.revoking = false;
      of.revoked = true;
    }
    if (lastSeen === null && of.asked === null && of.waiting.length === 0) {
      p.proxied.watchers.delete(watcher);
      if (p.proxied.watchers.size === 0) {
        for (const node of p.nodes) this.#turn.presence.removeInterest(p.name, node);
      }
    }
    this.#askOthers(p.proxied);
    this.unwatch();
  }
}
