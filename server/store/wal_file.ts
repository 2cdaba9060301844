/**
 * SQLite's write-ahead file (https://www.sqlite.org/fileformat2.html, section 4): a header and frames,
 * each with a page and the checksum of everything before it. SQLite reads up to the first frame whose
 * checksum does not fit and forgets the rest, for that is how a crash ends. Since every commit is
 * synced before the next one begins, a crash leaves at most one commit behind such a frame: more of
 * them are commits that were acknowledged, and the frame is damaged.
 */
import { statOf } from "../system/small_file.ts";

const HEADER_BYTES = 32;
const FRAME_BYTES = 24;
/** Magic number of a file whose checksums are of little-endian words; of big-endian ones plus 1. */
const MAGIC = 0x377f0682;
const VERSION = 3_007_000;

/** What a write-ahead file has. */
export interface WalState {
  /** Frames that belong to it; older ones, which SQLite overwrites, not among them. */
  readonly frames: number;
  /** Frames before the first whose checksum does not fit. */
  readonly whole: number;
  /** Whether what follows cannot be left by a crash. */
  readonly damaged: boolean;
  /** Commits that SQLite would forget, where it is damaged. */
  readonly commits: number;
}

type Sum = readonly [number, number];

/** The parts of a write-ahead file. */
class Wal {
  readonly #view: DataView;
  readonly pageBytes: number;
  readonly #little: boolean;
  /** The salts of this generation of frames. */
  readonly salts: Sum;
  readonly headerWhole: boolean;
  /** Frames with these salts, up to the last one. */
  readonly frames: number;

  constructor(readonly bytes: Uint8Array, pageBytes: number) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.pageBytes = pageBytes;
    // The lowest bit of a damaged magic number may be wrong: then the frames decide.
    const marked = this.#view.getUint32(0);
    const sums = ([true, false] as const).filter((little) =>
      this.#same(this.sum(0, HEADER_BYTES - 8, [0, 0], little), HEADER_BYTES - 8)
    );
    this.#little = sums[0] ?? marked !== MAGIC + 1;
    this.headerWhole = sums.length > 0 && marked === (this.#little ? MAGIC : MAGIC + 1) &&
      this.#view.getUint32(8) === pageBytes;
    const count = Math.floor((bytes.length - HEADER_BYTES) / (FRAME_BYTES + pageBytes));
    this.salts = this.headerWhole ? this.saltsAt(16) : this.#commonSalts(count);
    let frames = count;
    while (frames > 0 && !this.belongs(frames - 1)) frames--;
    this.frames = frames;
  }

  frameAt(frame: number): number {
    return HEADER_BYTES + frame * (FRAME_BYTES + this.pageBytes);
  }

  saltsAt(at: number): Sum {
    return [this.#view.getUint32(at), this.#view.getUint32(at + 4)];
  }

  /** Whether a frame has the salts of this generation. */
  belongs(frame: number): boolean {
    const [a, b] = this.saltsAt(this.frameAt(frame) + 8);
    return a === this.salts[0] && b === this.salts[1];
  }

  /** Pages of the store after the commit that this frame ends; 0 where it ends none. */
  commitAt(frame: number): number {
    return this.#view.getUint32(this.frameAt(frame) + 4);
  }

  storedSum(frame: number): Sum {
    return this.saltsAt(this.frameAt(frame) + 16);
  }

  /** The checksum that a frame should have, after one with the checksum `before`. */
  frameSum(frame: number, before: Sum): Sum {
    const at = this.frameAt(frame);
    return this.sum(at + FRAME_BYTES, this.pageBytes, this.sum(at, 8, before));
  }

  headerSum(): Sum {
    return this.sum(0, HEADER_BYTES - 8, [0, 0]);
  }

  sum(from: number, length: number, [a0, b0]: Sum, little = this.#little): Sum {
    let a = a0;
    let b = b0;
    for (let at = from; at < from + length; at += 8) {
      a = (a + this.#view.getUint32(at, little) + b) >>> 0;
      b = (b + this.#view.getUint32(at + 4, little) + a) >>> 0;
    }
    return [a, b];
  }

  #same(sum: Sum, at: number): boolean {
    const stored = this.saltsAt(at);
    return stored[0] === sum[0] && stored[1] === sum[1];
  }

  /** The salts that most frames have: the header's are not known. */
  #commonSalts(count: number): Sum {
    const votes = new Map<string, { salts: Sum; count: number }>();
    for (let frame = 0; frame < count; frame++) {
      const salts = this.saltsAt(this.frameAt(frame) + 8);
      const name = salts.join();
      const vote = votes.get(name) ?? { salts, count: 0 };
      votes.set(name, { salts, count: vote.count + 1 });
    }
    const most = [...votes.values()].sort((a, b) => b.count - a.count)[0];
    return most?.salts ?? [0, 0];
  }

  /** Whether the word at `at`, as checksums read it, has this bit. */
  hasBit(at: number, bit: number): boolean {
    return (this.#view.getUint32(at, this.#little) >>> bit & 1) === 1;
  }

  flipBit(at: number, bit: number): void {
    const word = this.#view.getUint32(at, this.#little);
    this.#view.setUint32(at, (word ^ 1 << bit) >>> 0, this.#little);
  }

  put(at: number, [a, b]: Sum): void {
    this.#view.setUint32(at, a);
    this.#view.setUint32(at + 4, b);
  }

  putHeader(): void {
    this.#view.setUint32(0, this.#little ? MAGIC : MAGIC + 1);
    this.#view.setUint32(4, VERSION);
    this.#view.setUint32(8, this.pageBytes);
    this.put(16, this.salts);
    this.put(24, this.headerSum());
  }
}

function same(a: Sum, b: Sum): boolean {
  return a[0] === b[0] && a[1] === b[1];
}

/** The page size that the store's file names; null where the file has none. */
function pageBytesOf(store: string): number | null {
  const bytes = new Uint8Array(18);
  const file = Deno.openSync(store);
  try {
    if (file.readSync(bytes) !== 18) return null;
  } finally {
    file.close();
  }
  const size = bytes[16]! << 8 | bytes[17]!;
  const pageBytes = size === 1 ? 65_536 : size;
  return pageBytes >= 512 && (pageBytes & (pageBytes - 1)) === 0 ? pageBytes : null;
}

function readWalFile(store: string): Wal | null {
  const path = `${store}-wal`;
  if ((statOf(path)?.size ?? 0) <= HEADER_BYTES) return null;
  const bytes = Deno.readFileSync(path);
  const own = new DataView(bytes.buffer).getUint32(8);
  const pageBytes = pageBytesOf(store) ?? own;
  return pageBytes >= 512 && pageBytes <= 65_536 ? new Wal(bytes, pageBytes) : null;
}

function stateOf(wal: Wal): WalState {
  let whole = 0;
  let sum = wal.headerSum();
  while (wal.headerWhole && whole < wal.frames && wal.belongs(whole)) {
    sum = wal.frameSum(whole, sum);
    if (!same(sum, wal.storedSum(whole))) break;
    whole++;
  }
  let commits = 0;
  let damaged = false;
  for (let frame = whole; frame < wal.frames; frame++) {
    if (!wal.belongs(frame)) continue;
    if (commits > 0) damaged = true;
    if (wal.commitAt(frame) !== 0) commits++;
  }
  return { frames: wal.frames, whole, damaged, commits: damaged ? commits : 0 };
}

/**
 * Looks at the write-ahead file beside the store's file `store`, which no process may have open; null
 * where none exists. Throws what the platform throws.
 */
export function readWal(store: string): WalState | null {
  const wal = readWalFile(store);
  return wal === null ? null : stateOf(wal);
}

/** How a write-ahead file was made readable. */
export interface WalRepair {
  /** Frames whose content was restored bit by bit: nothing of them is given up. */
  readonly restored: number;
  /** Frames that were signed as they are: their rows' checksums say what they are worth. */
  readonly signed: number;
}

/**
 * Makes SQLite read all of a damaged write-ahead file. A frame with one flipped bit is restored; of
 * others the checksum is computed anew.
 */
export function repairWal(store: string): WalRepair {
  const wal = readWalFile(store);
  if (wal === null) return { restored: 0, signed: 0 };
  if (!wal.headerWhole) wal.putHeader();
  const repair = restoreFrames(wal);
  let sum = wal.headerSum();
  for (let frame = 0; frame < wal.frames; frame++) {
    sum = wal.frameSum(frame, sum);
    wal.put(wal.frameAt(frame) + 16, sum);
  }
  writeBack(`${store}-wal`, wal.bytes);
  return repair;
}

/** Restores what can be; the checksums that were stored say how the frames were. */
function restoreFrames(wal: Wal): WalRepair {
  let restored = 0;
  let signed = 0;
  let before = wal.headerSum();
  for (let frame = 0; frame < wal.frames; frame++) {
    if (!wal.belongs(frame)) wal.put(wal.frameAt(frame) + 8, wal.salts);
    const sum = wal.frameSum(frame, before);
    const stored = wal.storedSum(frame);
    before = stored;
    if (same(sum, stored)) continue;
    if (nextFits(wal, frame, sum)) {
      before = sum;
      restored++;
    } else if (restoreFrame(wal, frame, sum)) restored++;
    else {
      signed++;
      dropWrongCommit(wal, frame);
    }
  }
  return { restored, signed };
}

/** Whether the frame after this one fits `sum`: then only the stored checksum of this one is wrong. */
function nextFits(wal: Wal, frame: number, sum: Sum): boolean {
  return frame + 1 < wal.frames && same(wal.frameSum(frame + 1, sum), wal.storedSum(frame + 1));
}

/**
 * Flips back the one bit that makes the stored checksum fit; leaves the frame as it is where none or
 * several do (the checksum is weak in the highest bits of words). The checksum is linear: what a word
 * adds to it depends only on the words behind it, modulo 2³².
 */
function restoreFrame(wal: Wal, frame: number, [a, b]: Sum): boolean {
  const [wantedA, wantedB] = wal.storedSum(frame);
  const missing: Sum = [(wantedA - a) | 0, (wantedB - b) | 0];
  const found: { readonly at: number; readonly bit: number }[] = [];
  // What the first and the second word of a pair add, times the words.
  let first: Sum = [1, 1];
  let second: Sum = [0, 1];
  const start = wal.frameAt(frame);
  for (let pair = wal.pageBytes / 8; pair >= 0; pair--) {
    const at = pair === 0 ? start : start + FRAME_BYTES + (pair - 1) * 8;
    for (const [word, adds] of [[at, first], [at + 4, second]] as const) {
      for (let bit = 0; bit < 32; bit++) {
        const step = wal.hasBit(word, bit) ? -(1 << bit) : 1 << bit;
        if (Math.imul(adds[0], step) !== missing[0]) continue;
        if (Math.imul(adds[1], step) === missing[1]) found.push({ at: word, bit });
      }
    }
    first = [(first[0] + first[1]) | 0, (first[0] + 2 * first[1]) | 0];
    second = [(second[0] + second[1]) | 0, (second[0] + 2 * second[1]) | 0];
  }
  if (found.length !== 1) return false;
  wal.flipBit(found[0]!.at, found[0]!.bit);
  return true;
}

/** A frame may not end a commit that the next end of one contradicts: the store would be cut short. */
function dropWrongCommit(wal: Wal, frame: number): void {
  const pages = wal.commitAt(frame);
  let next = frame + 1;
  while (next < wal.frames && wal.commitAt(next) === 0) next++;
  if (pages === 0 || next >= wal.frames || wal.commitAt(next) === pages) return;
  wal.put(wal.frameAt(frame) + 4, [0, wal.saltsAt(wal.frameAt(frame) + 8)[0]]);
}

function writeBack(path: string, bytes: Uint8Array): void {
  const file = Deno.openSync(path, { write: true });
  try {
    for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
    file.syncSync();
  } finally {
    file.close();
  }
}
