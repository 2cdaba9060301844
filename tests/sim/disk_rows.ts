/** The rows of a simulated disk as checks and repairs read those of a store's file. */
import { type CheckedRow, checkRow } from "../../server/store/row_checksum.ts";
import type { FileRow, RowFile, TakeRow } from "../../server/store/store_file.ts";
import type { MemoryDisk } from "./memory_store.ts";
import type { Row, StoreKey } from "../../server/node/ports.ts";

function fileRow({ key, value: stored }: Row): FileRow {
  const row: CheckedRow = checkRow(key, stored, false);
  if (row.kind !== "damaged") return { ...row, key, reason: "", trueKey: null };
  return { key, kind: "damaged", value: stored, reason: row.reason, trueKey: null };
}

/** See the head of this file; no process may have the disk open. */
export class DiskRows implements RowFile {
  readonly #rows: ReadonlyMap<string, Row>;

  constructor(disk: MemoryDisk) {
    this.#rows = new Map(disk.stored([]).map((row) => [row.key.join("\n"), row]));
  }

  has(key: StoreKey): boolean {
    return this.#rows.has(key.join("\n"));
  }

  faults(): string[] {
    return [];
  }

  rows(take: TakeRow): string | null {
    for (const row of this.#rows.values()) take(fileRow(row));
    return null;
  }

  salvage(take: TakeRow): readonly StoreKey[] {
    this.rows(take);
    return [];
  }
}
