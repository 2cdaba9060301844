/**
 * The way past a record of a log that is lost. What came after it may rest on it, so that each account
 * that no checkpoint has brought past the record goes back to how it was before the record. Its peers
 * may have taken more from it than it knows then: numbers that they have seen are not used again, or
 * what is sent under them would be taken for a repetition.
 */
import type { AccountId, AccountName } from "../../shard/name/ids.ts";
import type { Account } from "../../shard/account/account.ts";
import { ByteWriter } from "../../shard/record/bytes.ts";
import { type Entry, readRecord, RECORD_VERSION, writeEntry } from "../../shard/account/records.ts";

/** A record with so many bytes gets no more numbers, where another one follows. */
const RECORD_BYTES = 50_000;

/** What is given up of one account. */
export interface GivenUp {
  entries: number;
  messages: number;
}

/** An entry with its account, as a record has it. */
export interface AccountEntry {
  readonly account: AccountName;
  readonly entry: Entry;
}

/** A record of a log. */
interface Place {
  readonly log: number;
  readonly lsn: number;
}

/** What a peer has taken of the account `of`. */
interface Taken {
  readonly of: AccountId;
  readonly n: number;
  readonly num: number;
}

/** Lost records of logs, and what follows from them. */
export class LogRepair {
  /** By log, ranges of records that are lost. */
  readonly #lost = new Map<number, { readonly from: number; until: number }[]>();
  /** Which logs an account's entries are in. */
  readonly #logsOf: (name: AccountName) => readonly number[];
  /** Accounts that have a checkpoint. */
  readonly #heads = new Set<AccountName>();
  /** Accounts that go back, with the lost record from which on nothing of them is kept. */
  readonly #back = new Map<AccountName, Place>();
  readonly #ids = new Map<AccountName, AccountId>();
  /** By an account in a log with a lost record, what each of its peers has taken. */
  readonly #taken = new Map<AccountName, Map<AccountName, Taken>>();
  readonly givenUp = new Map<AccountName, GivenUp>();

  constructor(logsOf: (name: AccountName) => readonly number[]) {
    this.#logsOf = logsOf;
  }

  get needed(): boolean {
    return this.#lost.size > 0;
  }

  lose(log: number, lsn: number): void {
    const lost = this.#lost.get(log) ?? [];
    this.#lost.set(log, lost);
    const last = lost.at(-1);
    if (last?.until === lsn) last.until++;
    else lost.push({ from: lsn, until: lsn + 1 });
  }

  /** The first lost record that no checkpoint up to `saved` includes; null where none is lost. */
  #firstLost(name: AccountName, saved: number): Place | null {
    let first: Place | null = null;
    for (const log of this.#logsOf(name)) {
      for (const { from, until } of this.#lost.get(log) ?? []) {
        const lsn = Math.max(from, saved + 1);
        if (lsn < until && (first === null || lsn < first.lsn)) first = { log, lsn };
      }
    }
    return first;
  }

  /** Notes an account that goes back, and what it has taken of others. Call it with every head first. */
  head(account: Account): void {
    if (!this.needed) return;
    this.#heads.add(account.name);
    this.#knowId(account.name, account.id);
    const lost = this.#firstLost(account.name, account.runtime.savedLsn);
    if (lost !== null) this.#back.set(account.name, lost);
    for (const c of account.conversations.values()) {
      this.#take(c.with, c.inId, account.name, c.pairIn, c.lastInNum);
    }
  }

  #knowId(name: AccountName, id: AccountId | ""): void {
    if (id !== "") this.#ids.set(name, id);
  }

  #take(of: AccountName, id: AccountId | "", peer: AccountName, n: number, num: number): void {
    if (n === 0 || id === "" || this.#firstLost(of, 0) === null) return;
    const peers = this.#taken.get(of) ?? new Map<AccountName, Taken>();
    this.#taken.set(of, peers);
    const known = peers.get(peer);
    // Of an account that had the name before, nothing counts.
    const before = known?.of === id ? known : null;
    peers.set(peer, {
      of: id,
      n: Math.max(n, before?.n ?? 0),
      num: Math.max(num, before?.num ?? 0),
    });
  }

  /**
   * Accounts that may have changes in a lost record, and in no later one: their checkpoints do not
   * include it. Call it after every record.
   */
  perhaps(): AccountName[] {
    return [...this.#back.keys()].filter((name) => !this.givenUp.has(name)).sort();
  }

  /** Whether all that the log has of a given-up account is behind a lost record, its beginning too. */
  isWhole(name: AccountName): boolean {
    return !this.#heads.has(name) && !this.#back.has(name);
  }

  /** Whether an entry is given up: it is counted then. */
  #drops(lsn: number, name: AccountName): boolean {
    const saved = this.#heads.has(name);
    const lost = saved ? this.#back.get(name) ?? null : this.#firstLost(name, 0);
    if (lost === null) return false;
    if (lsn < lost.lsn) {
      // An account without a head is all in the log.
      if (!saved) this.#back.set(name, lost);
      return false;
    }
    return true;
  }

  #count(name: AccountName, entry: Entry): void {
    const given = this.givenUp.get(name) ?? { entries: 0, messages: 0 };
    given.entries++;
    if (entry.kind === "received" || entry.kind === "sent") given.messages++;
    this.givenUp.set(name, given);
  }

  /** The record to store in the place of one that can be read; null: it stays as it is. */
  record(log: number, lsn: number, bytes: Uint8Array): Uint8Array | null {
    if (!this.needed) return null;
    const entries = readRecord(bytes);
    const kept: AccountEntry[] = [];
    for (const { account, entry } of entries) {
      const drops = this.#logsOf(account).includes(log) && this.#drops(lsn, account);
      if (drops) this.#count(account, entry);
      else {
        kept.push({ account, entry });
        this.#note(account, entry);
      }
    }
    return kept.length === entries.length ? null : recordOf(kept);
  }

  #note(account: AccountName, entry: Entry): void {
    switch (entry.kind) {
      case "created":
      case "import_begun":
        return this.#knowId(account, entry.id);
      case "received":
        return this.#take(entry.from, entry.fromId, account, entry.n, entry.num);
      case "pair_in":
        return this.#take(entry.from, entry.fromId, account, entry.n, 0);
    }
  }

  /** Notes what an account that goes back knows itself; call it with every head, after every record. */
  knows({ name, conversations }: Account): void {
    if (!this.#back.has(name)) return;
    const taken = this.#taken.get(name);
    for (const [peer, { n, num }] of taken ?? []) {
      const c = conversations.get(peer);
      if (c !== undefined && c.pairOut >= n && c.outNum >= num + c.outBase) taken!.delete(peer);
    }
  }

  /**
   * The records that get the numbers which accounts that go back do not use again: at first those
   * that are lost, then those behind them. `recordAt` returns a record as it is to be stored so far,
   * null behind the last one.
   */
  *numbered(
    recordAt: (log: number, lsn: number) => Uint8Array | null,
  ): Iterable<Place & { readonly record: Uint8Array }> {
    const back = [...this.#back].sort(([, a], [, b]) => a.log - b.log || a.lsn - b.lsn);
    let at: Place = { log: -1, lsn: 0 };
    let w = new ByteWriter();
    for (const [name, place] of back) {
      for (const { account, entry } of this.#numbersOf(name)) {
        const full = w.length >= RECORD_BYTES ? recordAt(at.log, at.lsn + 1) : null;
        const next = place.log !== at.log || place.lsn > at.lsn
          ? place
          : full !== null
          ? { log: at.log, lsn: at.lsn + 1 }
          : at;
        if (next !== at) {
          if (w.length > 0) yield { ...at, record: w.take() };
          at = next;
          w = new ByteWriter().raw(recordAt(at.log, at.lsn) ?? recordOf([]));
        }
        writeEntry(w, account, entry);
      }
    }
    if (w.length > 0) yield { ...at, record: w.take() };
  }

  #numbersOf(name: AccountName): AccountEntry[] {
    const entries: AccountEntry[] = [];
    for (const [to, { of, n, num }] of this.#taken.get(name) ?? []) {
      const toId = this.#ids.get(to);
      if (toId === undefined || this.#ids.get(name) !== of) continue;
      entries.push({ account: name, entry: { kind: "numbers_used", to, toId, n, num } });
    }
    return entries;
  }
}

/** A record of these entries. */
export function recordOf(
  entries: readonly AccountEntry[],
): Uint8Array {
  const w = new ByteWriter().u8(RECORD_VERSION);
  for (const { account, entry } of entries) writeEntry(w, account, entry);
  return w.take();
}
