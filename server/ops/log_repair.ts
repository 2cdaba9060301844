/**
 * The way past a record of a log that is lost. What came after it may rest on it, so that each account
 * that no checkpoint has brought past the record goes back to its checkpoint. Its peers may have taken
 * more from it than it knows then: numbers that they have seen are not used again, or what is sent
 * under them would be taken for a repetition.
 */
import type { AccountId, AccountName } from "../../shard/name/ids.ts";
import type { Account } from "../../shard/account/account.ts";
import type { Floor } from "../../shard/account/salvage.ts";
import { ByteWriter } from "../../shard/record/bytes.ts";
import { type Entry, readRecord, RECORD_VERSION, writeEntry } from "../../shard/account/records.ts";

/** What is given up of one account. */
export interface GivenUp {
  entries: number;
  messages: number;
}

/** Lost records of logs, and what follows from them. */
export class LogRepair {
  /** By log, the first record that is lost. */
  readonly #lost = new Map<number, number>();
  /** Which logs an account's entries are in. */
  readonly #logsOf: (name: AccountName) => readonly number[];
  /** Accounts that go back to their checkpoints, by name with their ids. */
  readonly #back = new Map<AccountName, AccountId | "">();
  /** Accounts that have a checkpoint. */
  readonly #heads = new Set<AccountName>();
  readonly #floors = new Map<AccountName, Map<AccountName, Floor>>();
  readonly givenUp = new Map<AccountName, GivenUp>();

  constructor(logsOf: (name: AccountName) => readonly number[]) {
    this.#logsOf = logsOf;
  }

  get needed(): boolean {
    return this.#lost.size > 0;
  }

  lose(log: number, lsn: number): void {
    this.#lost.set(log, Math.min(lsn, this.#lost.get(log) ?? Infinity));
  }

  /** The first lost record of the logs that an account is in; null where none is lost. */
  #firstLost(name: AccountName): number | null {
    const lost = this.#logsOf(name).flatMap((log) => this.#lost.get(log) ?? []);
    return lost.length === 0 ? null : Math.min(...lost);
  }

  /** Notes an account that goes back to its checkpoint. Call it with every head first. */
  head(account: Account): void {
    this.#heads.add(account.name);
    const lost = this.#firstLost(account.name);
    if (lost !== null && account.runtime.savedLsn < lost) this.#back.set(account.name, account.id);
  }

  /** Notes what a peer has got of accounts that go back; call it with every head after that. */
  peer(account: Account): void {
    for (const c of account.conversations.values()) {
      this.#raise(c.with, c.inId, account.name, c.pairIn, c.lastInNum);
    }
  }

  #raise(of: AccountName, id: AccountId | "", peer: AccountName, n: number, num: number): void {
    if (n === 0 || this.#back.get(of) !== id) return;
    const floors = this.#floors.get(of) ?? new Map<AccountName, Floor>();
    const floor = floors.get(peer);
    floors.set(peer, {
      peer,
      pairOut: Math.max(n, floor?.pairOut ?? 0),
      outNum: Math.max(num, floor?.outNum ?? 0),
    });
    this.#floors.set(of, floors);
  }

  /** What peers have got of an account that goes back. */
  floorsOf(name: AccountName): Floor[] {
    return [...this.#floors.get(name)?.values() ?? []];
  }

  /** Whether an entry is given up: it is counted then. */
  #drops(log: number, lsn: number, name: AccountName, entry: Entry): boolean {
    const lost = this.#lost.get(log);
    if (lost === undefined || lsn < lost) return false;
    // An account without a head is all in the log, and cannot begin in its middle.
    if (!this.#back.has(name) && this.#heads.has(name)) return false;
    const given = this.givenUp.get(name) ?? { entries: 0, messages: 0 };
    given.entries++;
    if (entry.kind === "received" || entry.kind === "sent") given.messages++;
    this.givenUp.set(name, given);
    return true;
  }

  /** The record to store in the place of one that can be read; null: it stays as it is. */
  record(log: number, lsn: number, bytes: Uint8Array): Uint8Array | null {
    const entries = readRecord(bytes);
    const kept = entries.filter(({ account, entry }) => !this.#drops(log, lsn, account, entry));
    for (const { account, entry } of kept) {
      if (entry.kind === "received") {
        this.#raise(entry.from, entry.fromId, account, entry.n, entry.num);
      } else if (entry.kind === "pair_in") {
        this.#raise(entry.from, entry.fromId, account, entry.n, 0);
      }
    }
    return kept.length === entries.length ? null : recordOf(kept);
  }
}

/** A record of these entries. */
export function recordOf(
  entries: readonly { readonly account: AccountName; readonly entry: Entry }[],
): Uint8Array {
  const w = new ByteWriter().u8(RECORD_VERSION);
  for (const { account, entry } of entries) writeEntry(w, account, entry);
  return w.take();
}
