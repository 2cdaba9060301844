/**
 * The number of a store's last write, as a row of the store: every write of a store that has standbys
 * sets it, in the same transaction. Numbers rise by at least one. A *run* is a series of writes of
 * which every one is known: each opening of the store begins one, and so does a write whose outcome is
 * not known. Two copies with the same run and number have the same rows.
 */
import { addChecksum, checkRow } from "../store/row_checksum.ts";
import { ByteReader, ByteWriter, CorruptBytes } from "../../shard/record/bytes.ts";
import { type Schema, text, uint } from "../../shard/record/schema.ts";
import { readVersion, struct } from "../../shard/record/struct.ts";
import type { Mutation, StoreKey } from "../node/ports.ts";
import type { RowError, RowStore } from "../store/row_store.ts";

/** Key of the row. */
export const NUMBER_KEY: StoreKey = ["meta", "write number"];

/** A place in the sequence of a store's writes: `w` is the number of the last one. */
export interface Position {
  readonly run: string;
  readonly w: number;
}

const VERSION = 1;

/** The schema of a position. */
export const position: Schema<Position> = struct({ run: text, w: uint });

/** Whether two positions are the same one; null is none. */
export function samePosition(a: Position | null, b: Position | null): boolean {
  return a !== null && b !== null && a.run === b.run && a.w === b.w;
}

/** The change of the row that is part of the write with this number. */
export function numberMutation(at: Position): Mutation {
  const w = new ByteWriter(64).u8(VERSION);
  position.write(w, at);
  return { kind: "set", key: NUMBER_KEY, value: addChecksum(NUMBER_KEY, w.take()) };
}

/** Reads the stored row; null where none exists or it is damaged. */
export function readNumber(stored: Uint8Array | null): Position | null {
  if (stored === null) return null;
  const row = checkRow(NUMBER_KEY, stored, false);
  if (row.kind === "damaged") return null;
  try {
    const r = new ByteReader(row.value);
    readVersion(r, "write number", VERSION);
    return position.read(r);
  } catch (error) {
    if (error instanceof CorruptBytes) return null;
    throw error;
  }
}

/**
 * Rows that are written to without numbers: forgets the number of the last write, so that copies
 * compare what they have before they follow again. Rejects where the row cannot be read or deleted.
 */
export function withoutNumber(rows: RowStore): Promise<RowStore> {
  return new Promise((resolve, reject) => {
    const failed = (error: RowError | null) => {
      if (error === null) return false;
      reject(new Error(error.message));
      return true;
    };
    rows.read([NUMBER_KEY], (error, [stored]) => {
      if (failed(error)) return;
      if (stored == null) return resolve(rows);
      rows.write([{ kind: "delete", key: NUMBER_KEY }], (error) => {
        if (!failed(error)) resolve(rows);
      });
    });
  });
}
