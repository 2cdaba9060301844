/**
 * Recovery of a shard: reading its log at start and after a commit of unknown outcome, replaying it
 * into the accounts, and replaying the effects that were lost. Inputs that need accounts are withheld
 * until then.
 */
import type { AccountAccess } from "./account_access.ts";
import type { AccountName } from "../name/ids.ts";
import type { Lost } from "./open_batch.ts";
import type { ShardInput } from "./effects.ts";
import type { ShardRow } from "../table/table.ts";
import type { ShardTurn } from "./shard_turn.ts";
import { fail } from "../errors.ts";
import { LogTail } from "./log_tail.ts";
import { readRecord } from "../record/records.ts";
import { replayLostEffects } from "./lost_effects.ts";

/** One reading of the log. */
interface Reading {
  readonly tail: LogTail;
  /** Whether a row of the shard's own log has been read. */
  begun: boolean;
  /** Whether the whole log has been read. */
  complete: boolean;
  /** Accounts that could not be loaded, to be tried again. */
  failed: AccountName[];
}

function newReading(): Reading {
  return { tail: new LogTail(), begun: false, complete: false, failed: [] };
}

/** See the head of this file. */
export class Recovery {
  readonly #turn: ShardTurn;
  readonly #accounts: AccountAccess;
  readonly #handle: (input: ShardInput) => void;
  /** null: the log has been read and replayed. */
  #reading: Reading | null = newReading();
  /** Inputs to be handled once the log has been replayed, in order. */
  #withheld: ShardInput[] = [];
  /** Effects that were dropped with a failed commit. */
  #lost: Lost[] = [];

  /** `handle` takes the withheld inputs at the end. */
  constructor(turn: ShardTurn, accounts: AccountAccess, handle: (input: ShardInput) => void) {
    this.#turn = turn;
    this.#accounts = accounts;
    this.#handle = handle;
  }

  /** Whether the log is being read or replayed. */
  get active(): boolean {
    return this.#reading !== null;
  }

  /** Inputs and effects that are kept for later. */
  get kept(): number {
    return this.#withheld.length + this.#lost.length;
  }

  /** Effects to be replayed at the next tick. */
  get owing(): boolean {
    return this.#lost.length > 0;
  }

  /** There is no log to be read: the accounts came from shards that ended. */
  skip(): void {
    this.#reading = null;
  }

  /** Forgets everything provisional and asks for the log of `row`; presence stays. */
  begin(row: ShardRow): void {
    for (const lost of this.#turn.batch.drop()) this.#lose(lost);
    this.#turn.forget();
    this.#accounts.forgetAbandoned();
    this.#reading = newReading();
    this.#turn.batch.sawRow(row.start - 1);
    this.#turn.out.push({ kind: "recover" });
  }

  /** Takes an input while the log is being read; returns whether the shard is to handle it now. */
  take(row: ShardRow, input: ShardInput): boolean {
    const reading = this.#reading!;
    switch (input.kind) {
      case "log_rows":
        this.#read(reading, row, input.rows);
        if (!input.done) return false;
        for (const name of reading.tail.names()) this.#load(name);
        reading.complete = true;
        break;
      case "loaded":
        if (!this.#replay(reading.tail, input)) return false;
        break;
      case "load_failed":
        this.#turn.accounts.loadFailed(input.name, input.generation);
        if (input.generation === this.#turn.accounts.generation) reading.failed.push(input.name);
        return false;
      case "writable":
      case "uninterest":
        return true;
      case "tick":
        this.#retryFailed(reading);
        return false;
      case "checkpointed":
      case "committed":
      case "commit_failed":
      case "dedupe_loaded":
      case "block_loaded":
        return false;
      default:
        this.#withheld.push(input);
        return false;
    }
    if (reading.complete && reading.tail.left === 0) this.#end();
    return false;
  }

  /** Replays the effects that were lost, as far as the accounts' state still wants them. */
  replayLostEffects(): void {
    const all = this.#lost;
    this.#lost = [];
    for (const lost of all) {
      this.#accounts.whenLoaded([lost.name], () => {
        const account = this.#accounts.get(lost.name);
        if (account === undefined) this.#lost.push(lost);
        else replayLostEffects(this.#turn, account, lost.effect);
      });
    }
  }

  #end(): void {
    this.#reading = null;
    const withheld = this.#withheld;
    this.#withheld = [];
    this.replayLostEffects();
    for (const input of withheld) this.#handle(input);
  }

  #load(name: AccountName): void {
    this.#accounts.whenLoaded([name], () => {});
  }

  #retryFailed(reading: Reading): void {
    const { failed } = reading;
    reading.failed = [];
    for (const name of failed) this.#load(name);
  }

  #read(
    reading: Reading,
    shard: ShardRow,
    rows: (ShardInput & { kind: "log_rows" })["rows"],
  ): void {
    for (const row of rows) {
      // Inherited logs come first; they have rows of others as well.
      if (!reading.begun && row.lsn >= shard.start) {
        this.#turn.accounts.logBegins(row.lsn);
        reading.begun = true;
      }
      const entries = readRecord(row.bytes).filter((r) => this.#turn.owns(r.account));
      reading.tail.add(row.lsn, entries);
      this.#turn.batch.sawRow(row.lsn);
    }
  }

  /** Brings an account up to date with the log; false where the load is out of date. */
  #replay(tail: LogTail, input: ShardInput & { kind: "loaded" }): boolean {
    const { name, generation } = input;
    const replayed = this.#accounts.readable(name, () => {
      const account = this.#accounts.load(input);
      return { account, first: account === null ? 0 : tail.replay(account) };
    });
    const { accounts, now } = this.#turn;
    if (replayed === null) {
      // Its rows stay in the log for a program, or a day, that can read it.
      this.#accounts.abandon(name, tail.abandon(name));
      accounts.loadFailed(name, generation);
      return true;
    }
    const { account, first } = replayed;
    if (account === null) return false;
    if (first > 0) accounts.replayed(account, first, now.mono);
    this.#accounts.serve(account);
    return true;
  }

  /** An effect is dropped, although the change that it tells of may have become durable. */
  #lose(lost: Lost): void {
    const { effect } = lost;
    if (effect.kind === "reply") {
      const message = "The outcome is not known: repeat it";
      const result = fail("unavailable", message, this.#turn.retryAfterMs);
      this.#turn.out.push({ kind: "reply", request: effect.request, result });
    } else if (effect.kind === "interest_answer") {
      this.#withheld.push(effect.input);
    } else if (effect.kind === "edge" && effect.packet.kind === "closed") {
      // Its sessions are detached already: their edge must know, whatever became of the change.
      this.#turn.out.push(effect);
    } else this.#lost.push(lost);
  }
}
