/**
 * What the store of a cell has granted and taken, by a model of its own: one owner for each epoch of
 * a shard, no write of a former owner, and what was acked is what the next owner reads.
 */
import type { NodeRef } from "../../shard/name/ids.ts";
import type { Claim, Cut, LogBatch, LogRecord, Opening, Owned } from "../../server/node/ports.ts";
import { Violation } from "./history.ts";

interface Log {
  /** The newest epoch that was granted. */
  epoch: number;
  owner: NodeRef;
  /** LSN of the last record; null: an append of unknown outcome may have added some. */
  head: number | null;
  /** LSN of the last acked record; below `cutBelow` they were deleted. */
  acked: number;
  cutBelow: number;
  /** Below this they may have been deleted. */
  cuttingBelow: number;
  readonly records: Map<number, Uint8Array>;
  /** The table has no such shard any more. */
  ended: boolean;
}

function fail(check: string, text: string): never {
  throw new Violation(check, text);
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

const text = ({ id, incarnation }: NodeRef) => `${id}.${incarnation}`;

/** See the head of this file. Calls come in the order in which the store decides. */
export class StoreBook {
  readonly #logs = new Map<number, Log>();
  /** Owners by shard and epoch. */
  readonly #owners = new Map<string, NodeRef>();
  /** How many changes of their claims are under way, by shard. */
  readonly #changing = new Map<number, number>();

  /** Who was granted the shard at this epoch. */
  ownerOf({ shard, epoch }: Claim): NodeRef | undefined {
    return this.#owners.get(`${shard} ${epoch}`);
  }

  /** Whether the shard was claimed after this claim was granted, or has ended. */
  isFormer({ shard, epoch }: Claim): boolean {
    const log = this.#logs.get(shard);
    return log !== undefined && (log.ended || epoch < log.epoch);
  }

  /** A claim was granted. */
  granted({ shard, epoch, head }: Owned, owner: NodeRef): void {
    this.#own({ shard, epoch }, owner);
    const log = this.#log(shard, epoch, owner, head);
    if (epoch < log.epoch) {
      fail("epochs only rise", `shard ${shard}: ${epoch} after ${log.epoch}`);
    }
    if (head < log.acked) {
      fail("an owner begins behind all that was acked", `shard ${shard}: ${head} < ${log.acked}`);
    }
    log.epoch = epoch;
    log.owner = owner;
    log.head = head;
  }

  #own(claim: Claim, owner: NodeRef): void {
    const before = this.ownerOf(claim);
    if (before !== undefined) {
      const { shard, epoch } = claim;
      const whose = `${text(before)} and ${text(owner)}`;
      fail("one owner for each epoch", `epoch ${epoch} of shard ${shard} is of ${whose}`);
    }
    this.#owners.set(`${claim.shard} ${claim.epoch}`, owner);
  }

  #log(shard: number, epoch: number, owner: NodeRef, head: number): Log {
    let log = this.#logs.get(shard);
    if (log === undefined) {
      log = {
        epoch,
        owner,
        head,
        acked: head,
        cutBelow: head + 1,
        cuttingBelow: 0,
        records: new Map(),
        ended: false,
      };
      this.#logs.set(shard, log);
    }
    return log;
  }

  /** The table was changed. */
  reshaped(sealed: readonly Owned[], opened: readonly Opening[]): void {
    for (const { shard, epoch, head } of sealed) {
      const log = this.#logs.get(shard);
      if (log !== undefined && (log.epoch !== epoch || head < log.acked)) {
        fail("a shard ends behind all that was acked", `shard ${shard} ended at ${epoch}:${head}`);
      }
      if (log !== undefined) log.ended = true;
    }
    for (const { shard, epoch, start, owner } of opened) {
      this.#own({ shard, epoch }, owner);
      this.#log(shard, epoch, owner, start - 1);
    }
  }

  /** An append was acked. */
  appended(batches: readonly LogBatch[]): void {
    for (const { shard, epoch, from, records } of batches) {
      const log = this.#logs.get(shard);
      if (log === undefined) continue;
      this.#fenced("append", { shard, epoch }, log);
      if (from <= log.acked || (log.head !== null && from !== log.head + 1)) {
        const after = `${log.head ?? `${log.acked} or later`}`;
        fail("logs are without gaps", `shard ${shard}: an append at ${from} after ${after}`);
      }
      records.forEach((bytes, i) => log.records.set(from + i, bytes));
      log.head = log.acked = from + records.length - 1;
    }
  }

  #fenced(what: string, { shard, epoch }: Claim, log: Log): void {
    if (epoch === log.epoch) return;
    const text = `${what} of shard ${shard} at epoch ${epoch}, which has ${log.epoch}`;
    fail("no fenced write is applied", text);
  }

  /** The outcome of an append, or of a change of who owns what, is not known. */
  doubtful(shards: readonly number[]): void {
    for (const shard of shards) {
      const log = this.#logs.get(shard);
      if (log !== undefined) log.head = null;
    }
  }

  /**
   * These claims are being changed: until it is over, their shards may refuse writes. Returns what is
   * to be called then, with whether it failed.
   */
  changes(claims: readonly Claim[]): (failed: boolean) => void {
    for (const { shard } of claims) this.#changing.set(shard, (this.#changing.get(shard) ?? 0) + 1);
    return (failed) => {
      for (const { shard } of claims) this.#changing.set(shard, this.#changing.get(shard)! - 1);
      if (failed) this.doubtful(claims.map(({ shard }) => shard));
    };
  }

  /** The shards whose batches the store has to take now. */
  current(batches: readonly LogBatch[]): ReadonlySet<number> {
    const must = batches.filter(({ shard, epoch, from }) => {
      const log = this.#logs.get(shard);
      if (log?.epoch !== epoch || (this.#changing.get(shard) ?? 0) > 0) return false;
      return log.head !== null && from === log.head + 1;
    });
    return new Set(must.map(({ shard }) => shard));
  }

  /** An append was refused for these shards; `current`: those for which it must not be. */
  refused(shards: readonly number[], current: ReadonlySet<number>): void {
    const wrongly = shards.find((shard) => current.has(shard));
    if (wrongly === undefined) return;
    const text = `an append to shard ${wrongly}, by its owner and at its end, is refused`;
    fail("an owner's appends are taken", text);
  }

  /** A checkpoint is about to be written. */
  cuts(cuts: readonly Cut[]): void {
    for (const { log: id, below } of cuts) {
      const log = this.#logs.get(id);
      if (log !== undefined) log.cuttingBelow = Math.max(log.cuttingBelow, below);
    }
  }

  /** A checkpoint was written. */
  checkpointed(claims: readonly Claim[], cuts: readonly Cut[]): void {
    for (const claim of claims) {
      const log = this.#logs.get(claim.shard);
      if (log !== undefined) this.#fenced("checkpoint", claim, log);
    }
    for (const { log: id, below } of cuts) {
      const log = this.#logs.get(id);
      if (log === undefined) continue;
      for (let lsn = log.cutBelow; lsn < below; lsn++) log.records.delete(lsn);
      log.cutBelow = Math.max(log.cutBelow, below);
    }
  }

  /** A page of a log is about to be read: returns the last LSN that must be found. */
  reads(log: number): number {
    return this.#logs.get(log)?.acked ?? 0;
  }

  /** A page was read: the records after `after`, up to `acked` at least where it is the last one. */
  read(log: number, after: number, acked: number, records: readonly LogRecord[], end: boolean) {
    const known = this.#logs.get(log);
    if (known === undefined) return;
    const found = new Map(records.map(({ lsn, bytes }) => [lsn, bytes]));
    const last = end ? acked : Math.min(acked, records.at(-1)?.lsn ?? after);
    for (let lsn = Math.max(after + 1, known.cutBelow, known.cuttingBelow); lsn <= last; lsn++) {
      const wanted = known.records.get(lsn);
      const is = found.get(lsn);
      if (wanted === undefined || (is !== undefined && sameBytes(wanted, is))) continue;
      const what = is === undefined ? "is missing" : "is another one";
      fail("every acked record is in what the next owner reads", `record ${log}:${lsn} ${what}`);
    }
  }
}
