/** The turn of a shard: what its handlers may do to accounts, and the effects that follow. */
import type { AccountId, AccountName, NodeId, SessionId } from "../name/ids.ts";
import type { MailboxBody, MailboxEvent } from "../ops.ts";
import type { Effect, Now } from "../effects.ts";
import type { Account } from "../account/account.ts";
import type { Cells } from "../federation/cells.ts";
import type { Entry } from "../account/records.ts";
import type { Payload, ShardPacket } from "../message/packets.ts";
import type { Retries } from "../retry.ts";
import type { ShardLimits } from "../limits.ts";
import type { ShardRow } from "../table/table.ts";
import type { MovesOf, Turn } from "../handlers/turn.ts";
import { AccountCache } from "./account_cache.ts";
import { apply } from "../account/apply.ts";
import { contactBytes, conversationBytes } from "../account/head_bytes.ts";
import { DrainMeter } from "../message/drain_meter.ts";
import { OpenBatch } from "./open_batch.ts";
import { pointOf } from "../name/ids.ts";
import { PresenceTable } from "../presence/presence.ts";
import { RequestAllowances } from "../handlers/request_events.ts";
import { Timers } from "./timers.ts";
import { Searches } from "../handlers/search_ops.ts";
import { spreadOfNumber } from "../retry.ts";
import { trimEntry } from "../handlers/retention.ts";

/** A packet to one of the shard's own users, and the account that sends it. */
interface LocalPacket {
  readonly packet: ShardPacket;
  readonly sender: Account;
}

/** One shard's `Turn`, with the state that its changes go into. It lives as long as the shard. */
export class ShardTurn implements Turn {
  readonly limits: ShardLimits;
  readonly retries: Retries;
  readonly cells: Cells | null;
  moves: MovesOf | null = null;
  readonly presence = new PresenceTable();
  readonly requestAllowances = new RequestAllowances();
  readonly searches = new Searches();
  readonly accounts: AccountCache;
  readonly batch = new OpenBatch();
  readonly timers = new Timers();
  now: Now = { mono: 0, wall: 0 };
  writable = true;
  retryAfterMs = 1000;
  /** Effects of the step so far, in order. */
  out: Effect[] = [];
  #row: ShardRow;
  /** Effects of a bug outside a step. */
  #deferred: Effect[] = [];
  /** Packets to this shard's own users, to be handled within the step. */
  #local: LocalPacket[] = [];

  constructor(row: ShardRow, limits: ShardLimits, retries: Retries, cells: Cells | null) {
    this.cells = cells;
    this.#row = row;
    this.presence.epoch = row.epoch;
    this.limits = limits;
    this.retries = retries;
    this.accounts = new AccountCache(limits);
    this.accounts.logBegins(row.start);
    this.batch.sawRow(row.start - 1);
  }

  /** The shard's row in the shard table: its range stays, its owner and epoch may change. */
  get row(): ShardRow {
    return this.#row;
  }

  set row(row: ShardRow) {
    this.#row = row;
    this.presence.epoch = row.epoch;
  }

  /** Begins a step at `now`, with the effects that were deferred. */
  begin(now: Now): void {
    this.now = now;
    this.out = [];
    this.presence.begin();
    if (this.#deferred.length === 0) return;
    this.out.push(...this.#deferred);
    this.#deferred = [];
  }

  /** Nobody takes the effects so far: the next step has them first. */
  defer(): void {
    this.#deferred = this.out;
  }

  /** Whether the point of a name falls into this shard. */
  owns(name: AccountName): boolean {
    const point = pointOf(name);
    return point >= this.#row.lo && point < this.#row.hi;
  }

  /**
   * Asks which account has a name, through the node even within the shard: the node makes the time
   * of the answer independent of whether the account is in memory.
   */
  resolve(from: AccountName, to: AccountName): void {
    this.out.push({ kind: "packet", packet: { kind: "resolve", from, to } });
  }

  /** Takes the packets to the shard's own users. */
  takeLocal(): readonly LocalPacket[] {
    const packets = this.#local;
    if (packets.length > 0) this.#local = [];
    return packets;
  }

  append(account: Account, entry: Entry, lazy = false): MailboxEvent | null {
    if (!this.writable) {
      throw new Error(`shard ${this.#row.id}: append while the store is failing`);
    }
    const blocks = account.mailbox.blocks.length;
    const peers = account.lazyConversations.size;
    const before = contactBytes(account, entry);
    const event = apply(account, entry);
    const bytes = this.batch.append(account, entry, lazy);
    // What makes the head grow counts at once, so that it never outgrows a write of the store.
    account.runtime.headBytes += contactBytes(account, entry) - before;
    if (entry.kind === "blocked" || entry.kind === "device_added" || entry.kind === "push_set") {
      account.runtime.headBytes += bytes;
    }
    if (account.lazyConversations.size > peers) {
      account.runtime.headBytes += conversationBytes(account, entry);
    }
    this.accounts.changed(account, this.batch, this.now.mono);
    if (entry.kind === "block_changed") this.moves?.blockChanged(account);
    if (account.mailbox.blocks.length > blocks && entry.kind !== "trimmed") this.trim(account);
    return event;
  }

  /** Removes the events of the account that are over age or over its bound. */
  trim(account: Account): void {
    const entry = trimEntry(account, this.now.wall, this.limits);
    if (entry !== null) this.append(account, entry, true);
  }

  event(account: Account, body: MailboxBody): MailboxEvent {
    const at = this.eventTime(account);
    const event = this.append(account, { kind: "event", seq: account.mailbox.last + 1, at, body });
    this.push(account, event!);
    return event!;
  }

  push(account: Account, event: MailboxEvent, sinceMs = this.now.mono): void {
    const sessions = this.presence.sessions(account.name);
    const first = sessions[0];
    if (first === undefined) return;
    if (sessions.length === 1) {
      return this.#pushTo(account, event, sinceMs, first.node, [first.session]);
    }
    const alone = sessions.every((s) => s.node === first.node);
    for (const node of alone ? [first.node] : new Set(sessions.map((s) => s.node))) {
      const here = alone ? sessions : sessions.filter((s) => s.node === node);
      this.#pushTo(account, event, sinceMs, node, here.map((s) => s.session));
    }
  }

  #pushTo(
    account: Account,
    event: MailboxEvent,
    sinceMs: number,
    node: NodeId,
    sessions: readonly SessionId[],
  ): void {
    const owner = account.name;
    const packet = { kind: "events", owner, sinceMs, sessions, events: [event] } as const;
    this.emit(account, { kind: "edge", node, packet });
  }

  emit(account: Account | null, effect: Effect): void {
    if (account === null || !this.batch.hold(account, effect)) this.out.push(effect);
  }

  send(account: Account, packet: ShardPacket): void {
    // Within the shard the same commit, or a later one, carries what the packet changes. A rewatch
    // changes nothing: the effects on edges that follow from it must not overtake withheld ones. The
    // answer to `resolve` leaves when the node says.
    const local = packet.kind !== "rewatch" && packet.kind !== "resolved";
    if (local && this.owns(packet.to)) this.#local.push({ packet, sender: account });
    else this.emit(account, { kind: "packet", packet });
  }

  owe(account: Account, to: AccountName, toId: AccountId, payload: Payload): void {
    const before = account.conversations.get(to)?.pairOut ?? account.pairOutFloor;
    const n = before + 1;
    this.append(account, { kind: "pair_out", to, toId, n, payload });
    this.sendOwed(account, to);
  }

  sendOwed(account: Account, to: AccountName): void {
    const queue = account.outbox.get(to);
    if (queue === undefined) return account.runtime.forgetProgress(to);
    const progress = account.runtime.progress(to, queue.toId);
    progress.drain ??= new DrainMeter(this.now.mono);
    account.runtime.drain ??= new DrainMeter(this.now.mono);
    const window = progress.oneByOne ? 1 : this.limits.outboxWindow;
    const limit = queue.entries[0]!.n + window;
    const sinceMs = progress.attempts === 0 ? this.now.mono : 0;
    for (const entry of queue.entries) {
      if (entry.n <= progress.sentTo) continue;
      if (entry.n >= limit) break;
      progress.sentTo = entry.n;
      this.send(account, {
        kind: "pair",
        from: account.name,
        fromId: account.id as AccountId,
        to,
        toId: queue.toId,
        n: entry.n,
        base: queue.entries[0]!.n,
        generation: progress.generation,
        payload: entry.payload,
        sinceMs,
      });
    }
    if (progress.dueMs === 0) {
      const waitMs = this.retries.waitMs("outbox", 1, spreadOfNumber(progress.sentTo));
      progress.dueMs = this.now.mono + waitMs;
    }
    this.scheduleOutbox(account, progress.dueMs - this.now.mono);
  }

  scheduleOutbox(account: Account, delayMs: number): void {
    this.timers.setEarlier("outbox", account.name, this.now.mono + delayMs);
  }

  scheduleReceipts(account: Account, delayMs: number): void {
    if (account.runtime.owed.size === 0) return;
    this.timers.setEarlier("receipts", account.name, this.now.mono + delayMs);
  }

  scheduleHome(account: Account, delayMs: number): void {
    this.timers.setEarlier("home", account.name, this.now.mono + delayMs);
  }

  schedulePush(account: Account, delayMs: number): void {
    this.timers.setEarlier("push", account.name, this.now.mono + delayMs);
  }

  scheduleRequests(account: Account, delayMs: number): void {
    this.timers.setEarlier("requests", account.name, this.now.mono + delayMs);
  }

  scheduleWaiting(account: Account, delayMs: number): void {
    this.timers.setEarlier("waiting", account.name, this.now.mono + delayMs);
  }

  eventTime(account: Account): number {
    return Math.max(this.now.wall, account.mailbox.lastAt);
  }

  /** Forgets the accounts in memory and what is due for them; presence stays. */
  forget(): void {
    this.accounts.clear();
    this.timers.clear();
    this.#local = [];
  }

  /** Takes over from a shard that ends what belongs to its own range. */
  inherit(from: ShardTurn): void {
    const owns = (name: AccountName) => this.owns(name);
    // What is taken over may begin to wait before the first step does.
    if (from.now.mono > this.now.mono) this.now = from.now;
    this.writable &&= from.writable;
    this.retryAfterMs = Math.max(this.retryAfterMs, from.retryAfterMs);
    this.presence.inherit(from.presence, owns);
    this.accounts.inherit(from.accounts, owns);
    this.timers.inherit(from.timers, owns);
  }
}
