/** One reading of a shard's log: its rows, and their replay into the accounts that they change. */
import type { AccountAccess } from "./account_access.ts";
import type { AccountName } from "../name/ids.ts";
import type { ShardInput } from "../effects.ts";
import type { Account } from "../account/account.ts";
import type { ShardTurn } from "./shard_turn.ts";
import { CorruptBytes } from "../record/bytes.ts";
import { LogTail } from "./log_tail.ts";
import { readRecord } from "../account/records.ts";

/** Readings that fail at the same account before it is given up, so that the others are served. */
const POISONED_MAX = 3;

/** The entries of a row; the reason where it cannot be read. */
function entriesOf(bytes: Uint8Array): ReturnType<typeof readRecord> | string {
  try {
    return readRecord(bytes);
  } catch (error) {
    if (error instanceof CorruptBytes) return error.message;
    throw error;
  }
}

/** See the head of this file. */
export class LogReading {
  readonly #turn: ShardTurn;
  readonly #accounts: AccountAccess;
  readonly #tail = new LogTail();
  readonly #poisoned: Map<AccountName, number>;
  /** Whether a row of the shard's own log has been read. */
  #begun = false;
  /** Whether the whole log has been read. */
  #complete = false;
  /** Accounts that could not be loaded, to be tried again. */
  #failed: AccountName[] = [];

  /** `poisoned`: how many readings so far have failed at an account; this one adds to it. */
  constructor(
    turn: ShardTurn,
    accounts: AccountAccess,
    poisoned: Map<AccountName, number>,
  ) {
    this.#turn = turn;
    this.#accounts = accounts;
    this.#poisoned = poisoned;
  }

  /** Whether every row has been replayed. */
  get done(): boolean {
    return this.#complete && this.#tail.left === 0;
  }

  /**
   * Takes a page of rows; after the last one the accounts that they change are loaded. Returns the row
   * that cannot be read, and why; null where all can.
   */
  rows(
    input: ShardInput & { kind: "log_rows" },
  ): { readonly lsn: number; readonly error: string } | null {
    for (const row of input.rows) {
      // Inherited logs come first; they have rows of others as well.
      if (!this.#begun && row.lsn >= this.#turn.row.start) {
        this.#turn.accounts.logBegins(row.lsn);
        this.#begun = true;
      }
      const entries = entriesOf(row.bytes);
      if (typeof entries === "string") return { lsn: row.lsn, error: entries };
      this.#tail.add(row.lsn, entries.filter((r) => this.#turn.owns(r.account)));
      this.#turn.batch.sawRow(row.lsn);
    }
    if (!input.done) return null;
    for (const name of this.#tail.names()) this.#load(name);
    this.#complete = true;
    return null;
  }

  /** Brings a loaded account up to date with the log. */
  loaded(input: ShardInput & { kind: "loaded" }): void {
    const { name, generation } = input;
    const replayed = this.#accounts.readable(name, () => {
      const account = this.#accounts.load(input);
      return { account, first: account === null ? 0 : this.#applyTail(account) };
    });
    const { accounts, now } = this.#turn;
    if (replayed === null) {
      // Its rows stay in the log for a program, or a day, that can read it.
      this.#accounts.abandon(name, this.#tail.abandon(name));
      return accounts.loadFailed(name, generation);
    }
    const { account, first } = replayed;
    // The load is out of date.
    if (account === null) return;
    if (first > 0) accounts.replayed(account, first, now.mono);
    this.#accounts.serve(account);
  }

  #applyTail(account: Account): number {
    try {
      return this.#tail.replay(account);
    } catch (bug) {
      const { name } = account;
      const times = (this.#poisoned.get(name) ?? 0) + 1;
      this.#poisoned.set(name, times);
      if (bug instanceof CorruptBytes || times < POISONED_MAX) throw bug;
      throw new CorruptBytes(`account ${name}: its log cannot be replayed: ${bug}`, { cause: bug });
    }
  }

  /** An account could not be loaded: it is tried again at the next `tick`. */
  loadFailed({ name, generation }: ShardInput & { kind: "load_failed" }): void {
    this.#turn.accounts.loadFailed(name, generation);
    if (generation === this.#turn.accounts.generation) this.#failed.push(name);
  }

  tick(): void {
    const failed = this.#failed;
    this.#failed = [];
    for (const name of failed) this.#load(name);
  }

  #load(name: AccountName): void {
    this.#accounts.whenLoaded([name], () => {});
  }
}
