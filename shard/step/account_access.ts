/** How a shard's steps get at accounts: loads of those that are not in memory, unreadable ones. */
import type { Account } from "../account/account.ts";
import { owesDeletes } from "../account/checkpoint.ts";
import type { AccountName } from "../name/ids.ts";
import type { ShardInput } from "../effects.ts";
import type { ShardTurn } from "./shard_turn.ts";
import { scheduleExpiry } from "../handlers/waiting_messages.ts";
import { CorruptBytes } from "../record/bytes.ts";
import { owesPush } from "../account/push_targets.ts";
import { pointOf } from "../name/ids.ts";
import { spreadOf } from "../retry.ts";

/** Over so long (ms) accounts spread what other cells are to learn of their names' homes. */
export const HOME_SPREAD_MS = 5000;

type Loaded = ShardInput & { kind: "loaded" };

/** The accounts of a shard, for its steps. */
export class AccountAccess {
  readonly #turn: ShardTurn;
  /** Accounts whose stored bytes cannot be read: each is reported once. */
  readonly #corrupt = new Set<AccountName>();
  /** Those of them whose log entries could not be replayed: unavailable until the next start. */
  readonly #abandoned = new Set<AccountName>();

  constructor(turn: ShardTurn) {
    this.#turn = turn;
  }

  /** An account in memory, noted as used. */
  get(name: AccountName): Account | undefined {
    return this.#turn.accounts.get(name, this.#turn.now.mono);
  }

  /** Called with each account that was loaded, before anybody else gets it. */
  onLoaded: (account: Account) => void = () => {};

  /** Runs `run` once all of `names` are in memory or could not be loaded: `run` finds those missing. */
  whenLoaded(names: readonly AccountName[], run: () => void): void {
    const { accounts, now, out } = this.#turn;
    if (names.length === 1 && this.get(names[0]!) !== undefined) return run();
    const missing = accounts.await(names, now.mono, run);
    for (const { name, generation } of missing) {
      out.push({ kind: "load", name, point: pointOf(name), generation });
    }
  }

  /** Whether the account could not be loaded, but may be another time. */
  unread(name: AccountName): boolean {
    return this.get(name) === undefined && !this.#corrupt.has(name);
  }

  /** Runs a reader of stored bytes; null where they are corrupt: only this account is affected. */
  readable<T>(name: AccountName, read: () => T): T | null {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof CorruptBytes)) throw error;
      if (!this.#corrupt.has(name)) {
        this.#turn.out.push({ kind: "corrupt", name, error: error.message });
        this.#corrupt.add(name);
      }
      return null;
    }
  }

  /** Puts a stored account into memory and runs what waits for it. */
  loaded(input: Loaded): void {
    const { accounts } = this.#turn;
    const { name, generation } = input;
    if (this.#abandoned.has(name)) return accounts.loadFailed(name, generation);
    const account = this.readable(name, () => this.load(input));
    if (account === null) return accounts.loadFailed(name, generation);
    this.serve(account);
  }

  /** Puts a stored account into memory; null where nothing waits for it. `serve` it next. */
  load(input: Loaded): Account | null {
    const { accounts, presence, batch, now } = this.#turn;
    const { name } = input;
    const account = accounts.loaded(input, now.mono);
    if (account !== null) presence.setRights(account.name, "", null);
    if (account !== null && account.runtime.savedLsn > batch.lastLsn) {
      // What is logged from here on would be taken for included in the checkpoint.
      const { savedLsn } = account.runtime;
      accounts.forget(name);
      throw new CorruptBytes(
        `account ${name}: its checkpoint is of LSN ${savedLsn}, ` +
          `and the log ends before, at ${batch.lastLsn}`,
      );
    }
    return account;
  }

  /** Schedules what an account owes that is in memory from now on. */
  schedule(account: Account): void {
    if (account.outbox.size > 0) this.#turn.scheduleOutbox(account, 0);
    if (account.runtime.owed.size > 0) this.#turn.scheduleReceipts(account, 0);
    // Nothing else may change an account that is gone: they would stay.
    if (owesDeletes(account) && account.runtime.dirtyLsn === 0) {
      this.#turn.accounts.replayed(account, this.#turn.batch.lastLsn, this.#turn.now.mono);
    }
    if ((account.register?.telling.length ?? 0) > 0) {
      this.#turn.scheduleHome(account, HOME_SPREAD_MS * spreadOf(account.name, 0));
    }
    scheduleExpiry(this.#turn, account);
    if (owesPush(account)) this.#turn.schedulePush(account, this.#turn.limits.pushGraceMs);
  }

  /** Schedules what a loaded account owes, and runs what waits for the account. */
  serve(account: Account): void {
    this.schedule(account);
    this.onLoaded(account);
    this.#turn.accounts.runWaiters(account.name);
  }

  /** Gives up an account whose entries from `firstLsn` on cannot be replayed: they stay in the log. */
  abandon(name: AccountName, firstLsn: number): void {
    this.#turn.accounts.abandon(name, firstLsn);
    this.#abandoned.add(name);
  }

  /** The log is to be read again: accounts that could not be replayed get another try. */
  forgetAbandoned(): void {
    this.#abandoned.clear();
  }

  /** Takes over from a shard that ends what belongs to its own range. */
  inherit(from: AccountAccess): void {
    for (const name of from.#corrupt) if (this.#turn.owns(name)) this.#corrupt.add(name);
    for (const name of from.#abandoned) if (this.#turn.owns(name)) this.#abandoned.add(name);
  }
}
