/** The files of the directory `standby` of a data directory: what a place remembers of stores' roles. */
import { dirname, join } from "node:path";
import { type CellName, newId, type NodeId, parseCellName } from "../../shard/name/ids.ts";
import type { Random } from "../node/ports.ts";
import { FORMAT } from "./data_dir.ts";
import { readJson, removeIfThere, statOf, writeDurably } from "./small_file.ts";

const NAME_RE = /^(.+)\.json$/;
const SECRET_BYTES = 32;

/** The directory. */
export function standbyDir(dataDir: string): string {
  return join(dataDir, "standby");
}

/** Cells of which a data directory remembers roles. */
export function storedCells(dataDir: string): readonly CellName[] {
  if (statOf(standbyDir(dataDir)) === null) return [];
  return [...Deno.readDirSync(standbyDir(dataDir))].flatMap(({ name }) => {
    const cell = parseCellName(NAME_RE.exec(name)?.[1] ?? "");
    return cell === null ? [] : [cell];
  });
}

/** A JSON object that is kept durably. */
export interface KeptObject {
  /** Null where it was never kept; throws where the file is another one. */
  load(): Record<string, unknown> | null;
  /** Returns when it is durable. */
  save(content: object): void;
}

/** What is remembered of a cell's roles. */
export function rolesFile(dataDir: string, cell: CellName): KeptObject {
  const dir = standbyDir(dataDir);
  const name = `${cell}.json`;
  return {
    load() {
      const read = readJson(join(dir, name));
      if (read === null) return null;
      const { v, ...stored } = read;
      if (v !== 1) throw new Error(`Cannot use ${join(dir, name)}: it is damaged`);
      return stored;
    },
    save(content) {
      Deno.mkdirSync(dir, { recursive: true, mode: 0o700 });
      writeDurably(dir, name, { v: 1, ...content });
    },
  };
}

/** Where what a place has acknowledged alone is kept; `dir`: the directory `standby` of the place. */
export function unreplicatedPath(dir: string, cell: CellName): string {
  return join(dir, `${cell}.unreplicated`);
}

/** Bytes of such a file. */
const KEPT_BYTES_MAX = 256 * 1024 * 1024;
/** Bytes that are read of it at once, where they have a whole line. */
const PART_BYTES = 512 * 1024;
/** Bytes that are read for one line, if that is no longer. */
const LINE_BYTES = 4096;
const LINE_END = 10;

/**
 * Lines of JSON in a file, each durable when it was added; a last one that is cut is none. It has at
 * most `bytesMax` bytes: beyond, `add` throws.
 */
export function keptLines<T>(path: string, bytesMax = KEPT_BYTES_MAX, partBytes = PART_BYTES) {
  /** Bytes from a place on that end behind a line, and whether they are the last ones. */
  const read = (
    from: number,
    least: number,
  ): { readonly bytes: Uint8Array; readonly isLast: boolean } => {
    const size = statOf(path)?.size ?? 0;
    for (let length = least;; length *= 2) {
      const bytes = new Uint8Array(Math.max(0, Math.min(length, size - from)));
      const isLast = from + bytes.length >= size;
      if (bytes.length > 0) readAt(path, from, bytes);
      const end = isLast ? bytes.length : bytes.lastIndexOf(LINE_END);
      if (isLast || end > 0) return { bytes: bytes.subarray(0, end), isLast };
    }
  };
  return {
    get exists(): boolean {
      return statOf(path) !== null;
    },
    add(lines: readonly T[]): void {
      // A line that a crash has cut ends before the next one.
      const text = lines.map((line) => `\n${JSON.stringify(line)}`).join("");
      const bytes = new TextEncoder().encode(text);
      if ((statOf(path)?.size ?? 0) + bytes.length > bytesMax) {
        throw new Error(`${path} has reached its limit of ${bytesMax} bytes`);
      }
      Deno.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      const file = Deno.openSync(path, { append: true, create: true, write: true, mode: 0o600 });
      try {
        for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
        file.syncSync();
      } finally {
        file.close();
      }
    },
    /** The lines of a part, and where they are; `next`: where the next part begins. */
    part(from: number) {
      const { bytes, isLast } = read(from, partBytes);
      const lines: { readonly place: number; readonly line: T }[] = [];
      for (let at = 0; at < bytes.length;) {
        const found = bytes.indexOf(LINE_END, at);
        const end = found < 0 ? bytes.length : found;
        const line = lineOf<T>(bytes.subarray(at, end));
        if (line !== null) lines.push({ place: from + at, line });
        at = end + 1;
      }
      return { lines, next: isLast ? null : from + bytes.length };
    },
    at(place: number): T | null {
      const { bytes } = read(place, Math.min(LINE_BYTES, partBytes));
      const end = bytes.indexOf(LINE_END);
      return lineOf<T>(end < 0 ? bytes : bytes.subarray(0, end));
    },
    remove: () => removeIfThere(path),
  };
}

/** Fills `bytes` from a place of a file. */
function readAt(path: string, from: number, bytes: Uint8Array): void {
  const file = Deno.openSync(path);
  try {
    file.seekSync(from, Deno.SeekMode.Start);
    for (let at = 0; at < bytes.length;) {
      const count = file.readSync(bytes.subarray(at));
      if (count === null) throw new Error(`${path} ends before byte ${from + bytes.length}`);
      at += count;
    }
  } finally {
    file.close();
  }
}

function lineOf<T>(bytes: Uint8Array): T | null {
  if (bytes.length === 0) return null;
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as T;
  } catch {
    return null;
  }
}

/**
 * The data directory of a cell's copy, from which a server can serve it: made where it is missing. Its
 * secret is that in the store.
 */
export function copyDir(dataDir: string, cell: CellName, random: Random): string {
  const dir = join(standbyDir(dataDir), cell);
  Deno.mkdirSync(dir, { recursive: true, mode: 0o700 });
  if (readJson(join(dir, "format.json")) !== null) return dir;
  const secret = Array.from(random.bytes(SECRET_BYTES), (b) => b.toString(16).padStart(2, "0"));
  const nodeId = newId<NodeId>(random.bytes(12));
  writeDurably(dir, "secrets.json", { v: 1, nodeId, serverSecret: secret.join("") });
  writeDurably(dir, "kv.sqlite3", null);
  writeDurably(dir, "format.json", { format: FORMAT });
  return dir;
}
