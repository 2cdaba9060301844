/**
 * The batch of changes a shard is collecting, the one that is being committed, and the effects that
 * wait for either. Batches are numbered 1, 2, 3 … in memory; the rows they become are numbered by
 * the log (LSN).
 */
import type { Account } from "../account/account.ts";
import type { AccountName } from "../name/ids.ts";
import type { Effect, SealedBatch } from "../effects.ts";
import { type Entry, RECORD_VERSION, writeEntry } from "../account/records.ts";
import { ByteWriter } from "../record/bytes.ts";

/** Bytes of one log row at most; below a store value's limit. */
const ROW_BYTES = 60_000;
/** Bytes of a row that are kept for the next one. */
const SPARE_BYTES_MAX = 16_000;
/** Bytes of one batch, so that batches of several shards fit into one write of the store. */
const BATCH_BYTES = 240_000;

interface Held extends Lost {
  readonly batch: number;
}

/** An effect that was to be done once the state of the account `name` was committed. */
export interface Lost {
  readonly name: AccountName;
  readonly effect: Effect;
}

/** Collects entries and buffers effects. */
export class OpenBatch {
  /** Number of the batch being collected. */
  number = 1;
  /** Everything up to this batch is committed. */
  committedBatch = 0;
  /** LSN of the last row that was sealed (or found in the log). */
  lastLsn = 0;
  #urgent = false;
  #rows: ByteWriter[] = [];
  #rowBytes = 0;
  /** Batches that are complete but wait for those before them. */
  #full: { readonly batch: number; readonly rows: ByteWriter[] }[] = [];
  #sealedBatch = 0;
  /** A row that was sealed, to be written anew: they all have about the same length. */
  #spare: ByteWriter | null = null;
  #held: Held[] = [];

  /** Whether somebody waits for what is not sealed yet. */
  get urgent(): boolean {
    return this.#urgent || this.#full.length > 0;
  }

  get open(): boolean {
    return this.#rows.length > 0 || this.#full.length > 0;
  }

  /** Whether no batch is on its way to the store. */
  get settled(): boolean {
    return this.committedBatch === this.#sealedBatch;
  }

  /** Copies of the rows that are not sealed yet, in order. */
  unsealed(): Uint8Array[] {
    return [...this.#full.flatMap(({ rows }) => rows), ...this.#rows].map((row) => row.take());
  }

  /** Whether nothing is collected, under way, or withheld. */
  get quiescent(): boolean {
    return !this.open && this.#held.length === 0 && this.settled;
  }

  /** Whether a batch is sealed and its outcome is not known yet. */
  get inFlight(): boolean {
    return this.committedBatch !== this.#sealedBatch;
  }

  /** Bytes of the batch that `seal` takes next. */
  get bytes(): number {
    const rows = this.#full[0]?.rows ?? this.#rows;
    return rows.reduce((sum, r) => sum + r.length, 0);
  }

  /** LSN that the first row of the open batch will have. */
  get nextLsn(): number {
    return this.lastLsn + 1;
  }

  sawRow(lsn: number): void {
    this.lastLsn = Math.max(this.lastLsn, lsn);
  }

  /** Adds an entry; returns its bytes. */
  append(account: Account, entry: Entry, lazy: boolean): number {
    const row = this.#rows.at(-1) ?? this.#newRow();
    const start = row.length;
    writeEntry(row, account.name, entry);
    const bytes = row.length - start;
    // Only a row's first entry may make it larger than that.
    if (row.length > ROW_BYTES && start > 1) this.#newRow().raw(row.cutFrom(start));
    account.runtime.batch = this.number;
    if (!lazy) this.#urgent = true;
    this.#rowBytes += bytes;
    if (this.#rowBytes >= BATCH_BYTES) {
      this.#full.push({ batch: this.number, rows: this.#rows });
      this.#begin();
    }
    return bytes;
  }

  #newRow(): ByteWriter {
    const row = this.#spare ?? new ByteWriter(4096);
    this.#spare = null;
    row.clear();
    this.#rows.push(row.u8(RECORD_VERSION));
    return row;
  }

  #begin(): void {
    this.#rows = [];
    this.#rowBytes = 0;
    this.#urgent = false;
    this.number++;
  }

  /** Keeps the effect until the account's state is committed; false where it is already. */
  hold({ name, runtime: { batch } }: Account, effect: Effect): boolean {
    if (batch <= this.committedBatch) return false;
    if (batch === this.number) this.#urgent = true;
    this.#held.push({ batch, name, effect });
    return true;
  }

  /** Takes the oldest batch for commit; null where there is none. */
  seal(): SealedBatch | null {
    if (!this.open) return null;
    if (this.inFlight) throw new Error("a batch is in flight already");
    const bytes = this.bytes;
    const full = this.#full.shift();
    const { batch, rows } = full ?? { batch: this.number, rows: this.#rows };
    if (full === undefined) this.#begin();
    this.#sealedBatch = batch;
    const sealed = rows.map((r) => ({ lsn: ++this.lastLsn, bytes: r.take() }));
    this.#spare ??= rows.find((r) => r.length < SPARE_BYTES_MAX) ?? null;
    return { batch, rows: sealed, bytes };
  }

  /** The sealed batch will not be written: it is not in flight, and `dropOpen` forgets it. */
  unseal(): void {
    this.#sealedBatch = this.committedBatch;
  }

  /** The batch is durable: answers the effects that waited for it, in their order. */
  committed(batch: number): Effect[] {
    this.committedBatch = Math.max(this.committedBatch, batch);
    const out: Effect[] = [];
    const kept: Held[] = [];
    for (const h of this.#held) {
      if (h.batch <= this.committedBatch) out.push(h.effect);
      else kept.push(h);
    }
    this.#held = kept;
    return out;
  }

  /**
   * Forgets what is not sealed; returns the effects that will now never be released. Those that
   * wait for the batch in flight go on waiting for it.
   */
  dropOpen(): Lost[] {
    const lost = this.#held.filter((h) => h.batch > this.#sealedBatch);
    this.#held = this.#held.filter((h) => h.batch <= this.#sealedBatch);
    this.#full = [];
    this.#begin();
    return lost;
  }

  /**
   * Forgets everything provisional; returns the effects that will now never be released. The log
   * has to be read again: which of its rows is the last is not known any more.
   */
  drop(): Lost[] {
    const lost = this.#held;
    this.#held = [];
    this.#full = [];
    this.committedBatch = this.#sealedBatch = this.number;
    this.#begin();
    // A row that was never written must not count: log rows before the last one are deleted.
    this.lastLsn = 0;
    return lost;
  }
}
