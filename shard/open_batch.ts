/**
 * The batch of changes a shard is collecting, the one that is being committed, and the effects that
 * wait for either. Batches are numbered 1, 2, 3 … in memory; the rows they become are numbered by
 * the log (LSN).
 */
import type { Account } from "./account.ts";
import type { Effect, SealedBatch } from "./effects.ts";
import { type Entry, RECORD_VERSION, writeEntry } from "./records.ts";
import { ByteWriter } from "./bytes.ts";

/** Bytes of one log row at most; below a store value's limit. */
const ROW_BYTES = 60_000;

interface Held {
  readonly batch: number;
  readonly effect: Effect;
}

/** Collects entries and holds back effects. */
export class OpenBatch {
  /** Number of the batch being collected. */
  number = 1;
  /** Everything up to this batch is committed. */
  committedBatch = 0;
  /** LSN of the last row that was sealed (or found in the log). */
  lastLsn = 0;
  /** Whether somebody waits for the open batch. */
  urgent = false;
  #rows: ByteWriter[] = [];
  readonly #entry = new ByteWriter(1024);
  #held: Held[] = [];

  get open(): boolean {
    return this.#rows.length > 0;
  }

  get bytes(): number {
    return this.#rows.reduce((sum, r) => sum + r.length, 0);
  }

  /** LSN that the first row of the open batch will have. */
  get nextLsn(): number {
    return this.lastLsn + 1;
  }

  sawRow(lsn: number): void {
    this.lastLsn = Math.max(this.lastLsn, lsn);
  }

  append(account: Account, entry: Entry, lazy: boolean): void {
    this.#entry.clear();
    writeEntry(this.#entry, account.name, entry);
    let row = this.#rows.at(-1);
    if (row === undefined || row.length + this.#entry.length > ROW_BYTES) {
      row = new ByteWriter(4096);
      row.u8(RECORD_VERSION);
      this.#rows.push(row);
    }
    row.raw(this.#entry.view());
    account.batch = this.number;
    if (!lazy) this.urgent = true;
  }

  /** Keeps the effect until `batch` is committed; false where it is already. */
  hold(batch: number, effect: Effect): boolean {
    if (batch <= this.committedBatch) return false;
    if (batch === this.number) this.urgent = true;
    this.#held.push({ batch, effect });
    return true;
  }

  seal(): SealedBatch | null {
    if (this.#rows.length === 0) return null;
    if (this.committedBatch !== this.number - 1) throw new Error("a batch is in flight already");
    const bytes = this.bytes;
    const rows = this.#rows.map((r) => ({ lsn: ++this.lastLsn, bytes: r.take() }));
    this.#rows = [];
    this.urgent = false;
    return { batch: this.number++, rows, bytes };
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

  /** Forgets everything provisional; answers the effects that will now never be released. */
  drop(): Effect[] {
    const effects = this.#held.map((h) => h.effect);
    this.#held = [];
    this.#rows = [];
    this.urgent = false;
    this.committedBatch = this.number;
    this.number++;
    return effects;
  }
}
