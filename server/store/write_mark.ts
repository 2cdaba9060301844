/**
 * The head mark: a file beside the store with the number of the last write that was durable. A store
 * whose last write has a lower number has lost some, which SQLite does not notice where its
 * write-ahead file was cut short or replaced by an older one.
 *
 * The number is written after each commit, before its caller is called back, and synced every two seconds:
 * a killed process leaves it exact. After a loss of power it may be up to two seconds old, and what a
 * damaged file loses of these seconds is noticed only as `wal_file.ts` describes.
 */
import { crc32 } from "node:zlib";

/** How long a number may wait to be synced (ms). */
const SYNC_MS = 2000;
/** Two places that are written in turn, so that one is whole after a crash: number, then checksum. */
const PLACE_BYTES = 16;

/** Reads the mark in the file `path`: null where none exists or none can be read. */
export function readMark(path: string): number | null {
  let bytes: Uint8Array;
  try {
    bytes = Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
  let mark: number | null = null;
  for (let at = 0; at + PLACE_BYTES <= bytes.length; at += PLACE_BYTES) {
    const view = new DataView(bytes.buffer, at, PLACE_BYTES);
    const number = Number(view.getBigUint64(0));
    const whole = view.getUint32(8) === crc32(bytes.subarray(at, at + 8));
    if (whole && (mark === null || number > mark)) mark = number;
  }
  return mark;
}

/** The mark of an open store. */
export class WriteMark {
  readonly #file: Deno.FsFile;
  readonly #bytes = new Uint8Array(PLACE_BYTES);
  readonly #view = new DataView(this.#bytes.buffer);
  #turn = 0;
  #last = 0;
  #syncedMs = performance.now();
  #syncing = false;

  /** Opens or makes the file. */
  constructor(path: string) {
    this.#file = Deno.openSync(path, { create: true, read: true, write: true, mode: 0o600 });
  }

  /** Notes that the write with this number is durable. */
  note(number: number): void {
    if (number <= this.#last) return;
    this.#last = number;
    this.#view.setBigUint64(0, BigInt(number));
    this.#view.setUint32(8, crc32(this.#bytes.subarray(0, 8)));
    this.#turn = 1 - this.#turn;
    this.#file.seekSync(this.#turn * PLACE_BYTES, Deno.SeekMode.Start);
    this.#file.writeSync(this.#bytes);
    const now = performance.now();
    if (this.#syncing || now - this.#syncedMs < SYNC_MS) return;
    this.#syncing = true;
    this.#syncedMs = now;
    // A mark that cannot be synced is one that is older after a loss of power.
    this.#file.syncData().catch(() => {}).finally(() => this.#syncing = false);
  }

  close(): void {
    this.#file.syncSync();
    this.#file.close();
  }
}
