/**
 * What this tool writes into the statuses and bodies it sends, so that recipients can tell
 * which run they are of, the number of the change or message, and when it was due:
 * `~<run>.<number>.<due>~`, in base 36, `due` in µs since 1970.
 */

const MARK = 0x7e;
const DOT = 0x2e;
const PARTS = 3;

/** Writes a tag. */
export function formatTag(run: number, number: number, dueUs: number): string {
  return `~${run.toString(36)}.${number.toString(36)}.${Math.round(dueUs).toString(36)}~`;
}

/** A tag as it was read; one object is used again and again. */
export class TagReader {
  run = 0;
  number = 0;
  /** µs since 1970. */
  dueUs = 0;

  /** Reads the tag that `bytes[from … to)` begins with; false where there is none. */
  read(bytes: Uint8Array, from: number, to: number): boolean {
    if (from < 0 || to <= from || bytes[from] !== MARK) return false;
    let part = 0;
    let value = 0;
    for (let i = from + 1; i < to; i++) {
      const c = bytes[i]!;
      if (c === DOT || c === MARK) {
        if (part === 0) this.run = value;
        else if (part === 1) this.number = value;
        else this.dueUs = value;
        part++;
        if (c === MARK || part === PARTS) return c === MARK && part === PARTS;
        value = 0;
        continue;
      }
      const digit = c <= 0x39 ? c - 0x30 : c >= 0x61 ? c - 0x57 : -1;
      if (digit < 0 || digit > 35) return false;
      value = value * 36 + digit;
    }
    return false;
  }
}
