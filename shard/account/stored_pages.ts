/**
 * Where the pages of one part of an account's head are stored. Each has two places that it is written
 * to in turn: the new rows never replace those that the stored head refers to. So they may be written
 * before the head that refers to them, in any number of writes; a crash between leaves the old ones.
 */
import { type ByteReader, type ByteWriter, CorruptBytes } from "../record/bytes.ts";

/** What pages are made of. */
export interface PageSource {
  /** Numbers of pages that have changed since they were taken. */
  readonly changed: Iterable<number>;
  /** The bytes of a page, which counts as unchanged from now on; none where it is empty. */
  take(page: number): Uint8Array;
}

/** A row of a page: its part, page, place and number within the page. */
export interface PageRowId {
  readonly part: number;
  readonly page: number;
  readonly place: number;
  readonly row: number;
}

/** A row of a page with its bytes. */
export interface PageRow extends PageRowId {
  readonly value: Uint8Array;
}

/** Where a page is; `rows` 0: it has none. */
interface Place {
  readonly place: number;
  readonly rows: number;
  readonly bytes: number;
}

/** The same before the head refers to it; `rowsMost`: that have been written there. */
interface NextPlace extends Place {
  readonly rowsMost: number;
}

/** Places of a page. */
const PLACES = 2;
const NOWHERE: Place = { place: PLACES - 1, rows: 0, bytes: 0 };

/** The pages of one part. */
export class StoredPages {
  readonly part: number;
  /** What the stored head refers to. */
  readonly #stored = new Map<number, Place>();
  /** What the next one refers to instead. */
  readonly #ahead = new Map<number, NextPlace>();

  constructor(part: number) {
    this.part = part;
  }

  /** Bytes of all pages. */
  get bytes(): number {
    let bytes = 0;
    for (const place of this.#stored.values()) bytes += place.bytes;
    return bytes;
  }

  /** The rows to write for new bytes of a page, each of at most `rowBytes`. */
  put(page: number, bytes: Uint8Array, rowBytes: number): PageRow[] {
    const stored = this.#stored.get(page) ?? NOWHERE;
    const place = (stored.place + 1) % PLACES;
    const rows: PageRow[] = [];
    for (let at = 0; at < bytes.length; at += rowBytes) {
      const value = bytes.subarray(at, at + rowBytes);
      rows.push({ part: this.part, page, place, row: rows.length, value });
    }
    const rowsMost = Math.max(rows.length, this.#ahead.get(page)?.rowsMost ?? 0);
    this.#ahead.set(page, { place, rows: rows.length, bytes: bytes.length, rowsMost });
    return rows;
  }

  /** The next head refers to what was put; returns the rows that are not needed once it is stored. */
  settle(): readonly PageRowId[] {
    const unneeded: PageRowId[] = [];
    const add = (page: number, place: number, from: number, to: number) => {
      for (let row = from; row < to; row++) unneeded.push({ part: this.part, page, place, row });
    };
    for (const [page, { place, rows, bytes, rowsMost }] of this.#ahead) {
      const stored = this.#stored.get(page);
      if (stored !== undefined) add(page, stored.place, 0, stored.rows);
      add(page, place, rows, rowsMost);
      if (rows === 0) this.#stored.delete(page);
      else this.#stored.set(page, { place, rows, bytes });
    }
    this.#ahead.clear();
    return unneeded;
  }

  /** Writes where the pages are, as `settle` has left them. */
  encode(w: ByteWriter): void {
    w.uint(this.#stored.size);
    let next = 0;
    for (const [page, { place, rows }] of [...this.#stored].sort(([a], [b]) => a - b)) {
      w.uint(page - next).uint(rows * PLACES + place);
      next = page + 1;
    }
  }

  /**
   * Reads where the pages are and has each taken, with its bytes; `find` returns those of a row.
   * Throws `CorruptBytes`.
   */
  decode(
    r: ByteReader,
    find: (id: PageRowId) => Uint8Array | null,
    take: (page: number, bytes: Uint8Array) => void,
  ): void {
    let next = 0;
    for (let i = r.count(2); i > 0; i--) {
      const page = next + r.uint();
      next = page + 1;
      const coded = r.uint();
      const place = coded % PLACES;
      const rows = (coded - place) / PLACES;
      const bytes = this.#join(page, place, rows, find);
      this.#stored.set(page, { place, rows, bytes: bytes.length });
      take(page, bytes);
    }
  }

  #join(
    page: number,
    place: number,
    rows: number,
    find: (id: PageRowId) => Uint8Array | null,
  ): Uint8Array {
    const values: Uint8Array[] = [];
    for (let row = 0; row < rows; row++) {
      const value = find({ part: this.part, page, place, row });
      if (value === null) {
        throw new CorruptBytes(`row ${row} of page ${page} of part ${this.part} does not exist`);
      }
      values.push(value);
    }
    if (values.length === 1) return values[0]!;
    const joined = new Uint8Array(values.reduce((sum, v) => sum + v.length, 0));
    let at = 0;
    for (const v of values) {
      joined.set(v, at);
      at += v.length;
    }
    return joined;
  }
}
