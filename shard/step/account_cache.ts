/** The accounts a shard has in memory: loading, ageing out, and their checkpoints. */
import type { AccountName } from "../name/ids.ts";
import type { CheckpointBatch, CheckpointBudget, ShardInput } from "../effects.ts";
import type { OpenBatch } from "./open_batch.ts";
import {
  checkpointRows,
  owesAnything,
  owesDeletes,
  type RowChange,
} from "../account/checkpoint.ts";
import type { ShardLimits } from "../limits.ts";
import { type Account, AccountState } from "../account/account.ts";
import { CorruptBytes } from "../record/bytes.ts";
import { type HeadRow, readHeadRows } from "../account/head_rows.ts";
import { owesPush } from "../account/push_targets.ts";
import { pointOf } from "../name/ids.ts";

/** Log rows that one checkpoint write deletes at most. */
const CUT_ROWS_MAX = 200;
/** Log rows that one deletes at least: neighbours together take a third of the store's time. */
const CUT_ROWS_MIN = 16;
/** Log rows that are worth a write of their own. */
const CUT_ROWS_ALONE = 50;
/** A head of more bytes is the first one of a write, and with that the last. */
const ALONE_BYTES = 128 * 1024;
/** Intervals between checkpoints of an account after which its shard is behind. */
const BEHIND = 5;
/** An account that has asked for the newest account of a name stays for so long after its last use (ms). */
const SUCCESSORS_MS = 10_000;
/** Accounts looked at by one call of `evict`. */
const EVICT_LOOK = 200;

interface Loading {
  readonly waiters: (() => void)[];
}

/** Fills the account; says whose head it is that cannot be read. */
function readHead(account: AccountState, rows: readonly HeadRow[]): void {
  try {
    readHeadRows(account, rows);
  } catch (cause) {
    if (!(cause instanceof CorruptBytes)) throw cause;
    throw new CorruptBytes(`account ${account.name}: ${cause.message}`, { cause });
  }
}

function damaged(name: AccountName, damage: string): CorruptBytes {
  return new CorruptBytes(`account ${name}: ${damage}`);
}

function rowBytes(c: RowChange): number {
  return (c.value?.length ?? 0) + 64;
}

/** Accounts by name. */
export class AccountCache {
  readonly #limits: ShardLimits;
  readonly #accounts = new Map<AccountName, AccountState>();
  /** Accounts that nobody may have now: all but the move to another cell finds them missing. */
  readonly #frozen = new Map<AccountName, AccountState>();
  #loading = new Map<AccountName, Loading>();
  /** Waiters to be run: one that throws must not take the others with it. */
  #due: (() => void)[] = [];
  /** Accounts with changes no checkpoint includes, oldest change first. */
  readonly #dirty = new Map<Account, number>();
  /** Accounts in the checkpoint write under way. */
  #saving = new Set<Account>();
  /** Those, and the one of which a part is in that write. */
  #writing: Account[] = [];
  /** Log rows before this one have been deleted. */
  #cutLsn = 0;
  /** The log is kept from here on: its rows are all there is of an account that cannot be read. */
  #heldLsn = Infinity;
  #evictCursor: Iterator<[AccountName, Account]> | null = null;
  /** Rises when everything is forgotten: answers to older loads are ignored. */
  generation = 1;

  constructor(limits: ShardLimits) {
    this.#limits = limits;
  }

  /** Log rows up to this one have been deleted. */
  get cutLsn(): number {
    return this.#cutLsn;
  }

  get size(): number {
    return this.#accounts.size + this.#frozen.size;
  }

  /** From now on everybody finds the account missing. */
  freeze(account: Account): void {
    this.#accounts.delete(account.name);
    this.#frozen.set(account.name, account as AccountState);
  }

  /** The account is like any other again. */
  thaw(account: Account): void {
    if (this.#frozen.delete(account.name)) {
      this.#accounts.set(account.name, account as AccountState);
    }
  }

  /** An account that is frozen. */
  frozen(name: AccountName): Account | undefined {
    return this.#frozen.get(name);
  }

  /** An account in memory, for a look that does not keep it there. */
  peek(name: AccountName): Account | undefined {
    return this.#accounts.get(name);
  }

  /** An account in memory, noted as used. */
  get(name: AccountName, monoMs: number): Account | undefined {
    const account = this.#accounts.get(name);
    if (account !== undefined) account.runtime.usedMs = monoMs;
    return account;
  }

  /**
   * Runs `run` when all of `names` are in memory: at once, or after the answered loads. A name that
   * cannot be loaded counts as answered: `run` then finds it missing.
   */
  await(
    names: readonly AccountName[],
    monoMs: number,
    run: () => void,
  ): { name: AccountName; generation: number }[] {
    const toLoad: { name: AccountName; generation: number }[] = [];
    let missing = 0;
    const arrived = () => {
      if (--missing === 0) run();
    };
    for (const name of new Set(names)) {
      if (this.get(name, monoMs) !== undefined || this.#frozen.has(name)) continue;
      missing++;
      const loading = this.#loading.get(name);
      if (loading !== undefined) {
        loading.waiters.push(arrived);
        continue;
      }
      this.#loading.set(name, { waiters: [arrived] });
      toLoad.push({ name, generation: this.generation });
    }
    if (missing === 0) run();
    return toLoad;
  }

  /** Whether something waits for the account to be in memory. */
  awaited(name: AccountName): boolean {
    return this.#loading.has(name);
  }

  /** Takes a stored head; null where nobody waits for it any more. Run the waiters next. */
  loaded(input: ShardInput & { kind: "loaded" }, monoMs: number): Account | null {
    if (input.generation !== this.generation || !this.#loading.has(input.name)) return null;
    const { dedupeShape, headShape } = this.#limits;
    const { name } = input;
    const account = new AccountState(name, pointOf(name), dedupeShape, headShape);
    if (input.damage !== undefined) throw damaged(name, input.damage);
    readHead(account, input.rows);
    account.runtime.savedOwes = owesAnything(account);
    account.runtime.usedMs = monoMs;
    this.#accounts.set(input.name, account);
    return account;
  }

  /** Forgets an account that was put into memory and may not be served. */
  forget(name: AccountName): void {
    this.#accounts.delete(name);
  }

  runWaiters(name: AccountName): void {
    const loading = this.#loading.get(name);
    this.#loading.delete(name);
    if (loading !== undefined) this.#run(loading.waiters);
  }

  #run(waiters: readonly (() => void)[]): void {
    this.#due.push(...waiters);
    for (let next = this.#due.shift(); next !== undefined; next = this.#due.shift()) next();
  }

  loadFailed(name: AccountName, generation: number): void {
    if (generation === this.generation) this.runWaiters(name);
  }

  /** Takes the stored parts of a dedupe window; false where they are out of date. */
  dedupeLoaded(
    input: ShardInput & { kind: "dedupe_loaded" },
    lastLsn: number,
    monoMs: number,
  ): boolean {
    if (input.generation !== this.generation) return false;
    const account = this.#accounts.get(input.name);
    if (account === undefined || account.id !== input.id) return true;
    if (input.damage !== undefined) throw damaged(input.name, input.damage);
    // What former versions wrote is to be stored in this version's form.
    const changed = (account as AccountState).dedupe.load(input.rows, input.blocks);
    if (changed && account.runtime.dirtyLsn === 0) this.replayed(account, lastLsn, monoMs);
    return true;
  }

  /** Notes that the account differs from its checkpoint since the open batch. */
  changed(account: Account, batch: OpenBatch, monoMs: number): void {
    if (account.runtime.dirtyLsn !== 0) return;
    account.runtime.dirtyLsn = batch.nextLsn;
    this.#dirty.set(account, monoMs);
  }

  /** Notes that the account was changed by log rows from `firstLsn` on. */
  replayed(account: Account, firstLsn: number, monoMs: number): void {
    account.runtime.dirtyLsn = firstLsn;
    this.#dirty.set(account, monoMs);
  }

  /** Whether the oldest change that no checkpoint includes is `BEHIND` intervals old. */
  behind(nowMs: number): boolean {
    const { value: sinceMs } = this.#dirty.values().next();
    return sinceMs !== undefined && nowMs - sinceMs > BEHIND * this.#limits.checkpointMs;
  }

  checkpoint(
    batch: OpenBatch,
    monoMs: number,
    budget: CheckpointBudget,
  ): CheckpointBatch | null {
    if (this.#saving.size > 0) return null;
    const changes: RowChange[] = [];
    let bytes = 0;
    for (const [account, since] of this.#dirty) {
      if (!budget.all && monoMs - since < this.#limits.checkpointMs) break;
      const alone = budget.first && changes.length === 0;
      if (account.runtime.wholeBytes > ALONE_BYTES && !alone) break;
      const { rows, complete } = checkpointRows(account, batch.lastLsn);
      this.#writing.push(account);
      changes.push(...rows);
      for (const r of rows) bytes += rowBytes(r);
      // What is left of it is the next write's; until then its log rows stay.
      if (!complete) break;
      account.runtime.dirtyLsn = 0;
      this.#dirty.delete(account);
      this.#saving.add(account);
      if (owesDeletes(account)) this.replayed(account, batch.lastLsn, monoMs);
      if (changes.length >= budget.rowsMax || bytes >= budget.bytesMax) break;
    }
    const cut = this.#cut(batch, this.#leastCut(changes.length > 0, budget.all));
    if (changes.length === 0 && cut === null) {
      // Accounts that came and went between two checkpoints need no row, and nobody to save them.
      this.dropCheckpoint();
      return null;
    }
    return { changes, cut, accounts: this.#saving.size, bytes };
  }

  /** How many log rows are worth deleting; `writes`: there is a write in any case. */
  #leastCut(writes: boolean, all: boolean): number {
    if (!writes && !all) return CUT_ROWS_ALONE;
    // With nothing left to come, a start is to find no row that it need not read.
    return all || this.#dirty.size === 0 ? 1 : CUT_ROWS_MIN;
  }

  /**
   * Log rows whose changes every checkpoint includes, a few at a time; the last row always stays.
   * Null where there are fewer than `least`.
   */
  #cut(batch: OpenBatch, least: number): CheckpointBatch["cut"] {
    let upTo = Math.min(batch.lastLsn, this.#heldLsn) - 1;
    // Replayed accounts are not in the order of their first change: look at all.
    for (const account of this.#dirty.keys()) upTo = Math.min(upTo, account.runtime.dirtyLsn - 1);
    if (upTo - this.#cutLsn < least) return null;
    const from = this.#cutLsn + 1;
    const below = Math.min(upTo, this.#cutLsn + CUT_ROWS_MAX) + 1;
    this.#cutLsn = below - 1;
    return { from, below };
  }

  /** The log begins at this row: rows before it are gone. */
  logBegins(lsn: number): void {
    this.#cutLsn = lsn - 1;
  }

  /** Forgets an account that could not be brought up to date, and keeps its log rows. */
  abandon(name: AccountName, firstLsn: number): void {
    this.forget(name);
    this.#heldLsn = Math.min(this.#heldLsn, firstLsn);
  }

  /** The accounts in memory that everybody finds there. */
  served(): Iterable<Account> {
    return this.#accounts.values();
  }

  /** The accounts in memory. */
  *all(): Iterable<Account> {
    yield* this.#accounts.values();
    yield* this.#frozen.values();
  }

  /** Whether no account is being read or written, nor any pages of one that needs several writes. */
  get quiescent(): boolean {
    return this.#loading.size === 0 && !this.writing;
  }

  /** Whether checkpoints include all of the log up to `lsn`. */
  includes(lsn: number): boolean {
    return this.#heldLsn > lsn && this.saved(lsn);
  }

  /** Whether no account that can be written has changes up to `lsn` that no checkpoint includes. */
  saved(lsn: number): boolean {
    if (this.#saving.size > 0) return false;
    for (const account of this.#dirty.keys()) if (account.runtime.dirtyLsn <= lsn) return false;
    return true;
  }

  /** Takes over the accounts that `owns` has from the cache of a shard that ends. */
  inherit(from: AccountCache, owns: (name: AccountName) => boolean): void {
    for (const [name, account] of from.#accounts) {
      if (!owns(name)) continue;
      // All that it is was committed, in batches of another shard.
      account.runtime.batch = 0;
      this.#accounts.set(name, account);
    }
    for (const [name, account] of from.#frozen) {
      if (!owns(name)) continue;
      account.runtime.batch = 0;
      this.#frozen.set(name, account);
    }
    for (const [account, sinceMs] of from.#dirty) {
      if (owns(account.name)) this.#dirty.set(account, sinceMs);
    }
    this.#heldLsn = Math.min(this.#heldLsn, from.#heldLsn);
  }

  checkpointed(): void {
    this.#saving.clear();
    for (const account of this.#writing) {
      const { dedupe, mailbox } = account as AccountState;
      dedupe.saved();
      mailbox.saving.clear();
    }
    this.#writing = [];
  }

  /**
   * Forgets clean accounts that nobody has used for a while, a few at a time; `leaves` is called
   * with
   * each: all that it was is committed.
   */
  evict(monoMs: number, committedBatch: number, leaves: (account: Account) => void): void {
    const crowded = this.#accounts.size > this.#limits.cacheAccountsMax;
    const idleMs = crowded ? this.#limits.cacheIdleMs / 20 : this.#limits.cacheIdleMs;
    for (let i = 0; i < EVICT_LOOK; i++) {
      this.#evictCursor ??= this.#accounts.entries();
      const next = this.#evictCursor.next();
      if (next.done) {
        this.#evictCursor = null;
        return;
      }
      const account = next.value[1];
      if (monoMs - account.runtime.usedMs < idleMs || account.runtime.dirtyLsn !== 0) continue;
      // What it has learned of its peers' names is in memory only, and may come from another cell.
      const idle = monoMs - account.runtime.usedMs;
      if (account.runtime.hasSuccessors && idle < SUCCESSORS_MS) continue;
      if (account.runtime.batch > committedBatch || this.#saving.has(account)) continue;
      if (account.outbox.size > 0 || account.runtime.owed.size > 0) continue;
      if (owesPush(account)) continue;
      if (account.leaving !== null) continue;
      this.#accounts.delete(account.name);
      leaves(account);
    }
  }

  /** Whether a checkpoint is on its way to the store. */
  get writing(): boolean {
    return this.#writing.length > 0;
  }

  /** No checkpoint is written. */
  dropCheckpoint(): void {
    this.#saving.clear();
    this.#writing = [];
  }

  /** Forgets everything; what waits for an account is run and finds it missing. */
  clear(): void {
    const waiters = [...this.#loading.values()].flatMap((loading) => loading.waiters);
    this.generation++;
    this.#accounts.clear();
    this.#frozen.clear();
    this.#loading = new Map();
    this.#dirty.clear();
    this.dropCheckpoint();
    this.#evictCursor = null;
    this.#heldLsn = Infinity;
    this.#run(waiters);
  }
}
