/**
 * One shard: a state machine over a log. `step` takes an input and answers what is to be done; it
 * reads no clock, no disk and no randomness. Accounts live in memory while in use. What a step
 * changes is provisional until its batch is committed: every effect that rests on it is held back.
 */
import type { AccountId, AccountName } from "../name/ids.ts";
import type { MailboxBody, MailboxEvent, OpName } from "../ops.ts";
import type {
  CheckpointBatch,
  CheckpointBudget,
  Effect,
  Now,
  RequestId,
  SealedBatch,
  ShardInput,
} from "./effects.ts";
import type { Entry } from "../record/records.ts";
import type { Handler, Outcome, Pending, Turn } from "./turn.ts";
import type { Lost } from "./open_batch.ts";
import type { Payload, ShardPacket } from "../message/packets.ts";
import type { RosterItem } from "../roster/roster.ts";
import type { ShardLimits } from "../limits.ts";
import type { ShardRow } from "../table/table.ts";
import { Account } from "../account/account.ts";
import { AccountCache } from "../account/account_cache.ts";
import { answerInterest, toLoadFor } from "../presence/interest.ts";
import { apply } from "../account/apply.ts";
import { CorruptBytes } from "../record/bytes.ts";
import { fail } from "../errors.ts";
import { HANDLERS, WRITES } from "./handlers.ts";
import { replayLostEffects } from "./lost_effects.ts";
import { OpenBatch } from "./open_batch.ts";
import { pointOf } from "../name/ids.ts";
import { PresenceTable, visibleDevices } from "../presence/presence.ts";
import { receivePacket, retryOwed } from "../message/pair.ts";
import { readRecord } from "../record/records.ts";
import { Recovery } from "./recovery.ts";
import { rightsOf } from "../roster/rights.ts";
import { setPresence } from "../presence/session_ops.ts";
import { trimEntry } from "../mailbox/retention.ts";

/** Longest a request waits for another shard's answer before it is given up (ms). */
const RESOLVE_TIMEOUT_MS = 15_000;

/** About what a conversation adds to an account's head; with long names it is more. */
const CONVERSATION_BYTES = 200;
/** What most requests wait for: nothing. */
const NO_BLOCKS: ReadonlyMap<number, Uint8Array> = new Map();
const NOBODY: ReadonlyMap<AccountName, AccountId | null> = new Map();

/** By how much more bytes, at least, a roster item takes than before. */
function itemGrowth(before: RosterItem, after: RosterItem): number {
  const texts = (i: RosterItem) => i.label + i.groups.join("") + i.peerId;
  // A character takes three bytes at most.
  return 3 * Math.max(0, texts(after).length - texts(before).length) + after.groups.length;
}

/** The slice `[lo, hi)` of a cell's users. */
export class Shard implements Turn {
  readonly id: number;
  readonly lo: number;
  readonly hi: number;
  /** As the shard table has it. */
  row: ShardRow;
  /** Successors are about to take over: no checkpoint begins any more. */
  ending = false;
  /** Successors have taken over: it takes nothing any more. */
  ended = false;
  /** Inputs taken so far. */
  inputs = 0;
  readonly limits: ShardLimits;
  readonly presence = new PresenceTable();
  now: Now = { mono: 0, wall: 0 };
  writable = true;
  retryAfterMs = 1000;

  readonly #accounts: AccountCache;
  readonly #batch = new OpenBatch();
  #recovery: Recovery | null = new Recovery();
  /** Inputs that came while the log was being read. */
  #waiting: ShardInput[] = [];
  readonly #blocked = new Map<RequestId, Pending>();
  readonly #resolving = new Map<string, Pending[]>();
  /** Packets to this shard's own users, handled within the step. */
  #local: ShardPacket[] = [];
  /** Accounts whose stored bytes cannot be read: told once. */
  readonly #corrupt = new Set<AccountName>();
  /** Those of them whose changes in the log could not be replayed: nobody gets them before a start. */
  readonly #abandoned = new Set<AccountName>();
  /** What to try again at the next tick, for the store could not be read. */
  #again: ShardInput[] = [];
  /** Effects that went with a failed commit, to be made good. */
  #lost: Lost[] = [];
  /** When to send again: account → monotonic ms. */
  readonly #outboxDue = new Map<AccountName, number>();
  readonly #receiptsDue = new Map<AccountName, number>();
  #out: Effect[] = [];

  constructor(row: ShardRow, limits: ShardLimits) {
    this.id = row.id;
    this.lo = row.lo;
    this.hi = row.hi;
    this.row = row;
    this.limits = limits;
    this.#accounts = new AccountCache(limits);
    this.#accounts.logBegins(row.start);
    this.#batch.sawRow(row.start - 1);
  }

  /** LSN of the last row that was written. */
  get lastLsn(): number {
    return this.#batch.lastLsn;
  }

  /** Whether checkpoints include all of the log up to `lsn`: those rows are not needed any more. */
  includes(lsn: number): boolean {
    return this.ready && this.#accounts.includes(lsn);
  }

  /** Whether nothing is under way: only then may others take over. */
  get quiescent(): boolean {
    return this.ready && this.#batch.quiescent && this.#accounts.quiescent &&
      this.#blocked.size === 0 &&
      this.#again.length + this.#lost.length + this.#waiting.length === 0 &&
      // Those who wait for an answer of another shard wait on at the successor.
      ![...this.#resolving.keys()].some((key) => key.startsWith("dedupe\n"));
  }

  /** Takes over from shards that end, all at rest, what belongs to its own range. */
  inherit(from: readonly Shard[]): void {
    const owns = (name: AccountName) => this.owns(name);
    for (const old of from) {
      if (!old.quiescent) throw new Error(`shard ${old.id} is not at rest`);
      this.#recovery = null;
      this.writable &&= old.writable;
      this.retryAfterMs = Math.max(this.retryAfterMs, old.retryAfterMs);
      this.presence.inherit(old.presence, owns);
      this.#accounts.inherit(old.#accounts, owns);
      for (const [key, waiters] of old.#resolving) {
        if (owns(waiters[0]!.name)) this.#resolving.set(key, waiters);
      }
      for (const [name, at] of old.#outboxDue) if (owns(name)) this.#outboxDue.set(name, at);
      for (const [name, at] of old.#receiptsDue) if (owns(name)) this.#receiptsDue.set(name, at);
      for (const name of old.#corrupt) if (owns(name)) this.#corrupt.add(name);
      for (const name of old.#abandoned) if (owns(name)) this.#abandoned.add(name);
    }
  }

  /** Whether the log has been read and requests are being answered. */
  get ready(): boolean {
    return this.#recovery === null;
  }

  /** Whether there is something to commit that somebody waits for. */
  get urgent(): boolean {
    return this.#batch.urgent;
  }

  /** Whether there is anything to commit. */
  get open(): boolean {
    return this.#batch.open;
  }

  /** Rows of its log that no checkpoint has made superfluous yet, about. */
  get logRows(): number {
    return Math.max(0, this.#batch.lastLsn - this.#accounts.cutLsn);
  }

  /** Bytes of the open batch. */
  get openBytes(): number {
    return this.#batch.bytes;
  }

  /** Accounts in memory. */
  get accountsInMemory(): number {
    return this.#accounts.size;
  }

  /** Whether a `tick` has anything to look at. */
  get ticking(): boolean {
    return this.#outboxDue.size + this.#receiptsDue.size + this.#resolving.size +
            this.#accounts.size + this.#again.length + this.#lost.length > 0 ||
      this.#recovery !== null;
  }

  /** Whether the point of a name falls into this shard. */
  owns(name: AccountName): boolean {
    const point = pointOf(name);
    return point >= this.lo && point < this.hi;
  }

  /** Takes one input; answers what is to be done, in order. */
  step(now: Now, input: ShardInput): Effect[] {
    this.inputs++;
    this.now = now;
    this.#out = [];
    this.#take(input);
    this.#deliverLocal();
    return this.#out;
  }

  /** After the inputs of a turn: one presence packet per changed user and interested node. */
  endTurn(now: Now): Effect[] {
    this.now = now;
    this.#out = [];
    for (const p of this.presence.takeChanged()) {
      if (p.nodes.length === 0) continue;
      const packet = {
        kind: "presence",
        sinceMs: now.mono,
        watched: p.name,
        watchedId: p.id,
        version: p.version,
        devices: visibleDevices(p),
        lastSeen: p.lastSeen,
      } as const;
      for (const node of p.nodes) this.#out.push({ kind: "edge", node, packet });
    }
    return this.#out;
  }

  #take(input: ShardInput): void {
    if (this.#recovery !== null && !this.#recover(this.#recovery, input)) return;
    switch (input.kind) {
      case "request":
        return this.#request({
          // One by one: a copy of all of them takes longer.
          request: input.request,
          node: input.node,
          name: input.name,
          op: input.op,
          input: input.input,
          seed: input.seed,
          blocks: NO_BLOCKS,
          resolved: NOBODY,
          accountId: null,
          sinceMs: this.now.mono,
        });
      case "packet":
        return this.#packet(input.packet);
      case "interest":
        return this.#interest(input);
      case "uninterest":
        for (const name of input.watched) this.presence.removeInterest(name, input.node);
        return;
      case "loaded":
      case "load_failed":
      case "dedupe_loaded":
        return this.#loaded(input);
      case "block_loaded":
        return this.#blockLoaded(input.request, input.first, input.bytes);
      case "committed":
        this.#out.push(...this.#batch.committed(input.batch));
        return;
      case "commit_failed":
        return this.#restart();
      case "checkpointed":
        return this.#accounts.checkpointed();
      case "writable":
        this.writable = input.writable;
        this.retryAfterMs = input.retryAfterMs;
        return;
      case "owing":
        for (const name of input.names) {
          this.#withAccounts([name], () => {
            if (this.#unread(name)) this.#again.push({ kind: "owing", names: [name] });
          });
        }
        return;
      case "sweep":
        return this.#withAccounts([input.name], () => this.#trim(input.name));
      case "tick":
        return this.#tick();
      case "log_rows":
        throw new Error(`shard ${this.id}: log rows outside recovery`);
    }
  }

  // ---- accounts in and out of memory

  #withAccounts(names: readonly AccountName[], run: () => void): void {
    if (names.length === 1 && this.#accounts.get(names[0]!, this.now.mono) !== undefined) {
      return run();
    }
    const missing = this.#accounts.await(names, this.now.mono, run);
    for (const { name, generation } of missing) {
      this.#out.push({ kind: "load", name, point: pointOf(name), generation });
    }
  }

  #loaded(input: ShardInput & { kind: "loaded" | "load_failed" | "dedupe_loaded" }): void {
    if (input.kind === "dedupe_loaded") {
      const known = this.#readable(input.name, () => this.#accounts.dedupeLoaded(input));
      if (known === null) return this.#loadFailed(input);
      if (!known) return;
      return this.#resume(`dedupe\n${input.name}`, () => {});
    }
    if (input.kind === "load_failed" || this.#abandoned.has(input.name)) {
      return this.#loadFailed(input);
    }
    const account = this.#readable(input.name, () => this.#load(input));
    if (account === null) return this.#accounts.loadFailed(input.name, input.generation);
    if (account.outbox.size > 0) this.scheduleOutbox(account, 0);
    if (account.owed.size > 0) this.scheduleReceipts(account, 0);
    this.#accounts.runWaiters(account.name);
  }

  #loadFailed({ name, generation }: { name: AccountName; generation: number }): void {
    for (const p of this.#takeWaiters(`dedupe\n${name}`)) this.#unavailable(p);
    this.#accounts.loadFailed(name, generation);
  }

  /** Runs what reads stored bytes; null where it cannot, which is this account's fault alone. */
  #readable<T>(name: AccountName, read: () => T): T | null {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof CorruptBytes)) throw error;
      if (!this.#corrupt.has(name)) {
        this.#out.push({ kind: "corrupt", name, error: error.message });
        this.#corrupt.add(name);
      }
      return null;
    }
  }

  #load(input: ShardInput & { kind: "loaded" }): Account | null {
    const account = this.#accounts.loaded(input, this.now.mono);
    if (account !== null) this.presence.setRights(account.name, "", null);
    if (account !== null && account.savedLsn > this.#batch.lastLsn) {
      // What is logged from here on would be taken for included in the checkpoint.
      const { savedLsn } = account;
      throw new Error(`shard ${this.id}: checkpoint ${savedLsn} after ${this.#batch.lastLsn}`);
    }
    return account;
  }

  #trim(name: AccountName): void {
    const account = this.#accounts.get(name, this.now.mono);
    if (account === undefined || !this.writable) return;
    const entry = trimEntry(account, this.now.wall, this.limits);
    if (entry !== null) this.append(account, entry, true);
  }

  // ---- requests

  #request(p: Pending): void {
    if (p.op === "presence.set") {
      // The hottest request needs no account, only the session.
      const input = p.input as Parameters<typeof setPresence>[2];
      this.#reply(null, p, setPresence(this, p.name, input));
      return;
    }
    if (!this.writable && WRITES.has(p.op)) return this.#unavailable(p);
    this.#withAccounts([p.name], () => this.#run(p));
  }

  #run(p: Pending): void {
    const account = this.#accounts.get(p.name, this.now.mono);
    if (account === undefined) return this.#unavailable(p);
    if (!this.writable && WRITES.has(p.op)) return this.#unavailable(p);
    if ((p.accountId ??= account.id) !== account.id) {
      return this.#reply(account, p, fail("unauthorized", "The account is no more"));
    }
    const handler = HANDLERS[p.op] as Handler<OpName>;
    const outcome = this.#readable(p.name, () => handler(this, account, p.input, p));
    if (outcome === null) return this.#unavailable(p);
    if (!("wait" in outcome)) return this.#reply(account, p, outcome);
    switch (outcome.wait) {
      case "block":
        this.#blocked.set(p.request, p);
        return this.emit(null, {
          kind: "load_block",
          request: p.request,
          name: p.name,
          point: account.point,
          id: account.id as AccountId,
          first: outcome.first,
        });
      case "dedupe":
        if (this.#await(`dedupe\n${p.name}`, p)) return;
        return this.emit(null, {
          kind: "load_dedupe",
          name: p.name,
          generation: this.#accounts.generation,
          point: account.point,
          id: account.id as AccountId,
          numbers: this.#accounts.storedDedupe(account),
        });
      case "resolve":
        this.#await(`${p.name}\n${outcome.name}`, p);
        return this.#route({ kind: "resolve", from: p.name, to: outcome.name });
    }
  }

  /** Parks a request; answers whether others wait for the same already. */
  #await(key: string, p: Pending): boolean {
    const waiters = this.#resolving.get(key);
    if (waiters === undefined) this.#resolving.set(key, [p]);
    else waiters.push(p);
    return waiters !== undefined;
  }

  #takeWaiters(key: string): Pending[] {
    const waiters = this.#resolving.get(key) ?? [];
    this.#resolving.delete(key);
    return waiters;
  }

  #resume(key: string, prepare: (p: Pending) => void): void {
    for (const p of this.#takeWaiters(key)) {
      prepare(p);
      this.#withAccounts([p.name], () => this.#run(p));
    }
  }

  #blockLoaded(request: RequestId, first: number, bytes: Uint8Array | null): void {
    const p = this.#blocked.get(request);
    if (p === undefined) return;
    this.#blocked.delete(request);
    if (bytes === null) return this.#unavailable(p);
    p.blocks = new Map(p.blocks).set(first, bytes);
    this.#withAccounts([p.name], () => this.#run(p));
  }

  #reply(account: Account | null, p: Pending, outcome: Outcome<OpName>): void {
    if ("wait" in outcome) throw new Error("a waiting request cannot be answered");
    this.emit(account, { kind: "reply", request: p.request, result: outcome });
  }

  #unavailable(p: Pending): void {
    const result = fail(
      "unavailable",
      "The store does not take this now: try again with the same idempotency key",
      this.retryAfterMs,
    );
    this.#out.push({ kind: "reply", request: p.request, result });
  }

  /** Whether the account could not be read, but may be another time. */
  #unread(name: AccountName): boolean {
    return this.#accounts.get(name, this.now.mono) === undefined && !this.#corrupt.has(name);
  }

  /** Nobody asks again: where an account cannot be read now, it is tried again. */
  #interest(input: ShardInput & { kind: "interest" }): void {
    const find = (name: AccountName) => this.#accounts.peek(name);
    const names = toLoadFor(this, input.items);
    if (names.length === 0) return answerInterest(this, input, find);
    this.#withAccounts(names, () => {
      // By now an account may be needed that was not before.
      if (toLoadFor(this, input.items).some((n) => this.#unread(n))) this.#again.push(input);
      else answerInterest(this, input, find);
    });
  }

  // ---- packets

  #packet(packet: ShardPacket): void {
    if (packet.kind === "resolved") {
      return this.#resume(
        `${packet.to}\n${packet.from}`,
        (p) => p.resolved = new Map(p.resolved).set(packet.from, packet.fromId),
      );
    }
    this.#withAccounts([packet.to], () => {
      const account = this.#accounts.get(packet.to, this.now.mono);
      if (account !== undefined) receivePacket(this, account, packet);
      // The only packet that is neither sent again nor without consequence.
      else if (packet.kind === "rewatch" && this.#unread(packet.to)) {
        this.#again.push({ kind: "packet", packet });
      }
    });
  }

  #deliverLocal(): void {
    while (this.#local.length > 0) {
      const packets = this.#local;
      this.#local = [];
      for (const packet of packets) this.#packet(packet);
    }
  }

  #route(packet: ShardPacket): void {
    if (this.owns(packet.to)) this.#local.push(packet);
    else this.#out.push({ kind: "packet", packet });
  }

  // ---- Turn

  append(account: Account, entry: Entry, lazy = false): MailboxEvent | null {
    if (!this.writable) throw new Error(`shard ${this.id}: append while the store is failing`);
    const blocks = account.mailbox.blocks.length;
    const peers = account.lazyConversations.size;
    const before = entry.kind === "roster" ? account.roster.get(entry.item.contact) : undefined;
    const event = apply(account, entry);
    const bytes = this.#batch.append(account, entry, lazy);
    // What makes the head grow counts at once, so that it never outgrows a write of the store.
    if (entry.kind === "roster") {
      account.headBytes += before === undefined ? bytes : itemGrowth(before, entry.item);
    } else if (entry.kind === "blocked" || entry.kind === "device_added") {
      account.headBytes += bytes;
    }
    if (account.lazyConversations.size > peers) account.headBytes += CONVERSATION_BYTES;
    this.#accounts.changed(account, this.#batch, this.now.mono);
    if (account.mailbox.blocks.length > blocks && entry.kind !== "trimmed") {
      const trim = trimEntry(account, this.now.wall, this.limits);
      if (trim !== null) this.append(account, trim, true);
    }
    return event;
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
    const alone = sessions.every((s) => s.node === first.node);
    for (const node of alone ? [first.node] : new Set(sessions.map((s) => s.node))) {
      const here = alone ? sessions : sessions.filter((s) => s.node === node);
      this.emit(account, {
        kind: "edge",
        node,
        packet: {
          kind: "events",
          owner: account.name,
          sinceMs,
          sessions: here.map((s) => s.session),
          events: [event],
        },
      });
    }
  }

  emit(account: Account | null, effect: Effect): void {
    if (account === null || !this.#batch.hold(account, effect)) this.#out.push(effect);
  }

  send(account: Account, packet: ShardPacket): void {
    // Within the shard the same commit, or a later one, carries what the packet changes. A rewatch
    // changes nothing: what edges are told for it must not overtake what was held back before.
    if (this.owns(packet.to) && packet.kind !== "rewatch") this.#local.push(packet);
    else this.emit(account, { kind: "packet", packet });
  }

  owe(account: Account, to: AccountName, toId: AccountId, payload: Payload): void {
    const c = account.conversation(to);
    const n = c.pairOut + 1;
    this.append(account, { kind: "pair_out", to, toId, n, payload });
    this.sendOwed(account, to);
  }

  sendOwed(account: Account, to: AccountName): void {
    const queue = account.outbox.get(to);
    if (queue === undefined) return;
    const limit = queue.entries[0]!.n + this.limits.outboxWindow;
    const sinceMs = queue.attempts === 0 ? this.now.mono : 0;
    for (const entry of queue.entries) {
      if (entry.n <= queue.sentTo) continue;
      if (entry.n >= limit) break;
      queue.sentTo = entry.n;
      this.send(account, {
        kind: "pair",
        from: account.name,
        fromId: account.id as AccountId,
        to,
        toId: queue.toId,
        n: entry.n,
        base: queue.entries[0]!.n,
        payload: entry.payload,
        sinceMs,
      });
    }
    if (!this.#outboxDue.has(account.name)) this.scheduleOutbox(account, 1000);
  }

  scheduleOutbox(account: Account, delayMs: number): void {
    this.#outboxDue.set(account.name, this.now.mono + delayMs);
  }

  scheduleReceipts(account: Account, delayMs: number): void {
    if (account.owed.size === 0) return;
    const due = this.now.mono + delayMs;
    const before = this.#receiptsDue.get(account.name);
    if (before === undefined || before > due) this.#receiptsDue.set(account.name, due);
  }

  eventTime(account: Account): number {
    return Math.max(this.now.wall, account.mailbox.lastAt);
  }

  // ---- time

  #tick(): void {
    for (const [due, receipts] of [[this.#outboxDue, false], [this.#receiptsDue, true]] as const) {
      for (const [name, at] of due) {
        if (at > this.now.mono) continue;
        due.delete(name);
        this.#withAccounts([name], () => {
          const account = this.#accounts.get(name, this.now.mono);
          if (account !== undefined) retryOwed(this, account, receipts);
          else due.set(name, this.now.mono + 1000);
        });
      }
    }
    for (const [key, waiters] of this.#resolving) {
      if (this.now.mono - waiters[0]!.sinceMs < RESOLVE_TIMEOUT_MS) continue;
      this.#resolving.delete(key);
      for (const p of waiters) this.#unavailable(p);
    }
    const again = this.#again;
    this.#again = [];
    for (const input of again) this.#take(input);
    this.#replayLostEffects();
    this.#accounts.evict(this.now.mono, this.#batch.committedBatch, (account) => {
      if (this.presence.get(account.name) === undefined) return;
      this.presence.setRights(account.name, account.id, rightsOf(account));
    });
  }

  // ---- commits, checkpoints, recovery

  /** Closes the open batch for commit; null where there is none. One is in flight at a time. */
  seal(): SealedBatch | null {
    return this.#batch.seal();
  }

  /**
   * Rows that bring due accounts' checkpoints up to the last sealed batch, and delete log rows that
   * no account needs any more. Call it only when nothing is open; write it after that batch.
   */
  checkpoint(now: Now, budget: CheckpointBudget): CheckpointBatch | null {
    if (this.#batch.open) throw new Error(`shard ${this.id}: checkpoint of an open batch`);
    if (this.ending) return null;
    return this.#accounts.checkpoint(this.id, this.#batch, now.mono, budget);
  }

  /** Everything provisional is forgotten and the log read again; presence stays. */
  #restart(): void {
    for (const p of this.#blocked.values()) this.#unavailable(p);
    this.#blocked.clear();
    for (const waiters of this.#resolving.values()) waiters.forEach((p) => this.#unavailable(p));
    this.#resolving.clear();
    for (const lost of this.#batch.drop()) this.#lose(lost);
    this.#accounts.clear();
    this.#abandoned.clear();
    this.#outboxDue.clear();
    this.#receiptsDue.clear();
    this.#local = [];
    this.#recovery = new Recovery();
    this.#batch.sawRow(this.row.start - 1);
    this.#out.push({ kind: "recover" });
  }

  /** An effect is dropped, although what it was to tell may have become durable. */
  #lose(lost: Lost): void {
    const { effect } = lost;
    if (effect.kind === "reply") {
      const message = "The outcome is not known: repeat it";
      const result = fail("unavailable", message, this.retryAfterMs);
      this.#out.push({ kind: "reply", request: effect.request, result });
    } else if (effect.kind === "interest_answer") {
      this.#waiting.push(effect.input);
    } else if (effect.kind === "edge" && effect.packet.kind === "closed") {
      // Its sessions are detached already: their edge must hear of it, whatever became of the change.
      this.#out.push(effect);
    } else this.#lost.push(lost);
  }

  /** Tells what dropped effects were to tell, as far as it is still so. */
  #replayLostEffects(): void {
    const all = this.#lost;
    this.#lost = [];
    for (const lost of all) {
      this.#withAccounts([lost.name], () => {
        const account = this.#accounts.get(lost.name, this.now.mono);
        if (account === undefined) this.#lost.push(lost);
        else replayLostEffects(this, account, lost.effect);
      });
    }
  }

  /** Brings an account up to date with the log; false where the load is out of date. */
  #replay(recovery: Recovery, input: ShardInput & { kind: "loaded" }): boolean {
    const { name, generation } = input;
    const replayed = this.#readable(name, () => {
      const account = this.#load(input);
      return { account, first: account === null ? 0 : recovery.replay(account) };
    });
    if (replayed === null) {
      // Its rows stay in the log for a program, or a day, that can read it.
      this.#accounts.abandon(name, recovery.abandon(name));
      this.#abandoned.add(name);
      this.#accounts.loadFailed(name, generation);
      return true;
    }
    const { account, first } = replayed;
    if (account === null) return false;
    if (first > 0) this.#accounts.replayed(account, first, this.now.mono);
    if (account.outbox.size > 0) this.scheduleOutbox(account, 0);
    if (account.owed.size > 0) this.scheduleReceipts(account, 0);
    this.#accounts.runWaiters(name);
    return true;
  }

  /** Answers whether `input` is to be handled now. */
  #recover(recovery: Recovery, input: ShardInput): boolean {
    switch (input.kind) {
      case "log_rows":
        for (const row of input.rows) {
          // Inherited logs come first; they have rows of others as well.
          if (!recovery.begun && row.lsn >= this.row.start) {
            this.#accounts.logBegins(row.lsn);
            recovery.begun = true;
          }
          recovery.add(row.lsn, readRecord(row.bytes).filter((r) => this.owns(r.account)));
          this.#batch.sawRow(row.lsn);
        }
        if (!input.done) return false;
        for (const name of recovery.names()) this.#withAccounts([name], () => {});
        break;
      case "loaded":
        if (!this.#replay(recovery, input)) return false;
        break;
      case "load_failed":
        this.#accounts.loadFailed(input.name, input.generation);
        if (input.generation === this.#accounts.generation) recovery.failed.push(input.name);
        return false;
      case "writable":
      case "uninterest":
        return true;
      case "tick":
        for (const name of recovery.takeFailed()) this.#withAccounts([name], () => {});
        return false;
      case "checkpointed":
      case "committed":
      case "commit_failed":
      case "dedupe_loaded":
      case "block_loaded":
        return false;
      default:
        this.#waiting.push(input);
        return false;
    }
    if (input.kind === "log_rows") recovery.complete = true;
    if (recovery.complete && recovery.left === 0) {
      this.#recovery = null;
      const waiting = this.#waiting;
      this.#waiting = [];
      this.#replayLostEffects();
      for (const w of waiting) {
        this.#take(w);
        this.#deliverLocal();
      }
    }
    return false;
  }
}
