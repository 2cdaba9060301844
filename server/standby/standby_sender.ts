/**
 * The primary's side of the stream to one standby: sends the writes that the standby does not have, as
 * many at a time as its acks allow, and the ranges of rows that it asks for, at a bounded rate. What
 * may be sent next depends on this object alone; a new connection has a new one.
 */
import type { Cancel, Clock, Row, StoreKey, Timers } from "../node/ports.ts";
import { cutPage, digestOf, isOfCopy, isUpTo, keyName } from "./row_ranges.ts";
import { type Entry, entryBytes } from "./write_ring.ts";
import type { FromStandby, ToStandby } from "./stream.ts";
import type { NumberedRows } from "./numbered_rows.ts";
import { PAGE_BYTES, RANGE_ROWS } from "./stream.ts";
import { type Position, samePosition } from "./write_number.ts";

/** Bounds of the stream. */
export interface SenderLimits {
  /** Bytes of writes that were sent and not acknowledged. */
  readonly windowBytes: number;
  /** Bytes of compared rows per second. */
  readonly fillBytesPerSecond: number;
}

/** What the sender is given. */
export interface SenderOptions {
  readonly rows: NumberedRows;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly limits: SenderLimits;
  send(frame: ToStandby): void;
  /** The standby has all writes up to here, and rows that are not compared yet where `filling`. */
  acked(at: Position, filling: boolean): void;
  /** Ends the stream; the standby begins another one. */
  end(why: string): void;
}

type Range = Extract<FromStandby, { readonly kind: "range" }>;

/** See the head of this file. */
export class StandbySender {
  readonly #options: SenderOptions;
  readonly #unfollow: () => void;
  /** The last write that was sent; null before the standby's position is known. */
  #sent: Position | null = null;
  /** The number that the standby began with. */
  #fromW = 0;
  /** What the standby said at its beginning, while it cannot be used yet. */
  #hello: { readonly position: Position | null } | null = null;
  /** Bytes of writes that were sent and not acknowledged, with their numbers. */
  #window: { readonly w: number; readonly bytes: number }[] = [];
  #windowBytes = 0;
  #listing:
    | { readonly n: number; readonly fromW: number; readonly keys: Map<string, StoreKey> }
    | null = null;
  /** The number that has to be settled and sent before the copy is equal. */
  #equal: { readonly n: number; readonly w: number } | null = null;
  #notBeforeMs = 0;
  #waiting: Cancel | null = null;
  #ended = false;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#unfollow = options.rows.follow({
      added: () => this.#added(),
      broken: () => this.#broken(),
    });
  }

  /** Takes a frame of the standby. */
  take(frame: FromStandby): void {
    if (this.#ended) return;
    switch (frame.kind) {
      case "hello":
        if (this.#hello !== null || this.#sent !== null) return this.#end("a second hello");
        this.#hello = frame;
        return this.#begin();
      case "ack":
        return this.#acked(frame.at, frame.filling);
      case "range":
        return this.#later(() => this.#list(frame));
      case "compared":
        this.#equal = { n: frame.n, w: this.#options.rows.assigned };
        return this.#pump();
    }
  }

  /** Sends and takes nothing more. */
  stop(): void {
    this.#ended = true;
    this.#waiting?.();
    this.#unfollow();
  }

  #end(why: string): void {
    this.stop();
    this.#options.end(why);
  }

  // ---- writes

  #added(): void {
    if (this.#hello !== null) this.#begin();
    else this.#pump();
  }

  #broken(): void {
    if (this.#sent !== null) this.#compare();
  }

  /** Goes on after the standby's position where the writes that follow are kept. */
  #begin(): void {
    const { rows, send } = this.#options;
    if (rows.position === null) return;
    const { position } = this.#hello!;
    const known = position !== null &&
      (samePosition(position, rows.position) || rows.next(position) !== null);
    if (!known) return this.#compare();
    this.#hello = null;
    this.#sent = position;
    this.#fromW = position.w;
    send({ kind: "continue" });
    this.#pump();
  }

  /** The standby has to compare all its rows, as soon as the run has a write. */
  #compare(): void {
    const { rows, send } = this.#options;
    this.#listing = null;
    this.#equal = null;
    this.#window = [];
    this.#windowBytes = 0;
    this.#sent = null;
    this.#hello = { position: null };
    if (rows.position === null) return;
    this.#hello = null;
    this.#sent = rows.position;
    this.#fromW = rows.position.w;
    send({ kind: "compare", at: rows.position });
  }

  #pump(): void {
    const { rows, limits } = this.#options;
    while (this.#sent !== null && !this.#ended) {
      const entry = rows.next(this.#sent);
      if (entry === null) {
        // Fallen behind what is kept.
        if (!samePosition(this.#sent, rows.position)) return this.#compare();
        break;
      }
      if (this.#windowBytes >= limits.windowBytes) return;
      this.#sendWrite(entry);
    }
    const equal = this.#equal;
    if (equal === null || this.#sent === null || rows.settled < equal.w) return;
    this.#equal = null;
    this.#options.send({ kind: "equal", n: equal.n });
  }

  #sendWrite(entry: Entry): void {
    const bytes = entryBytes(entry);
    this.#window.push({ w: entry.at.w, bytes });
    this.#windowBytes += bytes;
    this.#sent = entry.at;
    const listing = this.#listing;
    if (listing !== null && entry.at.w > listing.fromW) {
      for (const { key } of entry.rows) listing.keys.set(keyName(key), key);
    }
    this.#options.send({ kind: "write", entry });
  }

  #acked(at: Position, filling: boolean): void {
    // What the standby said before it began to compare says nothing of the rows that it has now.
    if (this.#sent === null || at.w < this.#fromW) return;
    if (at.w > this.#sent.w) return this.#end(`an ack of write ${at.w}, which was not sent`);
    let count = 0;
    while (count < this.#window.length && this.#window[count]!.w <= at.w) {
      this.#windowBytes -= this.#window[count]!.bytes;
      count++;
    }
    this.#window.splice(0, count);
    this.#options.acked(at, filling);
    this.#pump();
  }

  // ---- ranges

  /** Runs it when the rate of comparing allows. */
  #later(run: () => void): void {
    const { clock, timers } = this.#options;
    const waitMs = this.#notBeforeMs - clock.monoMs();
    this.#waiting?.();
    this.#waiting = null;
    if (waitMs <= 0) return run();
    this.#waiting = timers.after(waitMs, () => {
      this.#waiting = null;
      if (!this.#ended) run();
    });
  }

  #list(range: Range): void {
    if (this.#sent === null) return;
    const { rows } = this.#options;
    // The list shows all writes up to this one, and perhaps some that are not over yet.
    const listing = { n: range.n, fromW: rows.position?.w ?? 0, keys: new Map<string, StoreKey>() };
    this.#listing = listing;
    rows.list({ prefix: [], after: range.after, limit: RANGE_ROWS }, (error, found) => {
      if (this.#ended || this.#listing !== listing) return;
      this.#listing = null;
      if (error !== null) return this.#end(`rows cannot be read: ${error.message}`);
      this.#reply(range, found, listing.keys);
    });
  }

  #reply(range: Range, found: readonly Row[], changed: ReadonlyMap<string, StoreKey>): void {
    const ends = found.length < RANGE_ROWS;
    const all = found.filter(({ key }) => !isOfCopy(key));
    const inRange = all.filter(({ key }) => isUpTo(key, range.upTo));
    // Rows with an end are all of the range: the digest has the last one's key.
    const isSame = (ends || range.upTo !== null) && inRange.length === range.count &&
      sameBytes(digestOf(inRange), range.digest);
    if (isSame) return this.#options.send({ kind: "same", n: range.n });
    const { rows, upTo } = cutPage(all, PAGE_BYTES, ends);
    const { clock, limits, send } = this.#options;
    const bytes = rows.reduce((sum, { key, value }) => sum + 16 * key.length + value.length, 64);
    const spent = bytes / limits.fillBytesPerSecond * 1000;
    this.#notBeforeMs = Math.max(this.#notBeforeMs, clock.monoMs()) + spent;
    send({
      kind: "page",
      n: range.n,
      upTo,
      rows: rows.filter(({ key }) => !changed.has(keyName(key))),
      kept: [...changed.values()].filter((key) =>
        !isOfCopy(key) && isUpTo(key, upTo) && !(range.after !== null && isUpTo(key, range.after))
      ),
    });
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
