/** Archives of files with nothing in them that differs from one build to the next. */

/** One file or directory of an archive. */
export interface Entry {
  /** From the root, without a slash before it; a directory ends with one. */
  readonly path: string;
  readonly mode: number;
  /** Of a directory: empty. */
  readonly bytes: Uint8Array;
}

const BLOCK = 512;
const NAME_BYTES_MAX = 100;
const PREFIX_BYTES_MAX = 155;
const encoder = new TextEncoder();

/** A file of text. */
export function textEntry(path: string, text: string, mode = 0o644): Entry {
  return { path, mode, bytes: encoder.encode(text) };
}

/** Parts as one. */
export function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** All entries with the directories that they are in, each before what it has, by path. */
export function withDirectories(entries: readonly Entry[]): readonly Entry[] {
  const all = new Map(entries.map((entry) => [entry.path, entry]));
  for (const { path } of entries) {
    for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) {
      const dir = path.slice(0, at + 1);
      if (!all.has(dir)) all.set(dir, { path: dir, mode: 0o755, bytes: new Uint8Array() });
    }
  }
  return [...all.values()].sort((a, b) => a.path < b.path ? -1 : 1);
}

/** The name and prefix fields of a header; throws for a path that fits into neither. */
function split(path: string): readonly [name: string, prefix: string] {
  if (path.length <= NAME_BYTES_MAX) return [path, ""];
  const at = path.lastIndexOf("/", Math.min(PREFIX_BYTES_MAX, path.length - 2));
  const parts = [path.slice(at + 1), path.slice(0, Math.max(at, 0))] as const;
  if (at <= 0 || parts[0].length > NAME_BYTES_MAX || parts[0] === "") {
    throw new Error(`Cannot archive ${path}: the path is too long`);
  }
  return parts;
}

/** The header of an entry (POSIX ustar). */
function header({ path, mode, bytes }: Entry): Uint8Array {
  const block = new Uint8Array(BLOCK);
  const put = (at: number, text: string) => void block.set(encoder.encode(text), at);
  const octal = (at: number, width: number, value: number) =>
    put(at, value.toString(8).padStart(width - 1, "0"));
  const [name, prefix] = split(path);
  put(0, name);
  octal(100, 8, mode);
  // Owner, group and time: root, root, the epoch.
  octal(108, 8, 0);
  octal(116, 8, 0);
  octal(124, 12, bytes.length);
  octal(136, 12, 0);
  put(148, " ".repeat(8));
  put(156, path.endsWith("/") ? "5" : "0");
  put(257, "ustar\0" + "00");
  put(265, "root");
  put(297, "root");
  put(345, prefix);
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  return block;
}

/** The archive of entries, in their order. */
export function tar(entries: readonly Entry[]): Uint8Array<ArrayBuffer> {
  const padding = ({ bytes }: Entry) => new Uint8Array((BLOCK - bytes.length % BLOCK) % BLOCK);
  const parts = entries.flatMap((entry) => [header(entry), entry.bytes, padding(entry)]);
  return joined([...parts, new Uint8Array(2 * BLOCK)]);
}
