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

/** Lines of JSON in a file, each durable when it was added; a last one that is cut is none. */
export function keptLines<T>(path: string) {
  return {
    get exists(): boolean {
      return statOf(path) !== null;
    },
    add(lines: readonly T[]): void {
      Deno.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      const file = Deno.openSync(path, { append: true, create: true, write: true, mode: 0o600 });
      try {
        // A line that a crash has cut ends before the next one.
        const text = lines.map((line) => `\n${JSON.stringify(line)}`).join("");
        const bytes = new TextEncoder().encode(text);
        for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
        file.syncSync();
      } finally {
        file.close();
      }
    },
    load(): readonly T[] {
      if (statOf(path) === null) return [];
      return Deno.readTextFileSync(path).split("\n").flatMap((line) => {
        try {
          return line === "" ? [] : [JSON.parse(line) as T];
        } catch {
          return [];
        }
      });
    },
    remove: () => removeIfThere(path),
  };
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
