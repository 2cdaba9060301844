/** What a copy knows of itself, as rows of its own: its position, and how far it was compared. */
import { addChecksum, checkRow } from "../store/row_checksum.ts";
import { CorruptBytes } from "../../shard/record/bytes.ts";
import { decodeKey, encodeKey } from "../store/key_bytes.ts";
import { FILLING_KEY } from "./row_ranges.ts";
import type { Mutation, StoreKey } from "../node/ports.ts";
import { NUMBER_KEY, type Position, readNumber } from "./write_number.ts";
import type { RowError, RowStore } from "../store/row_store.ts";

/** How far a copy has been compared. */
export interface Filling {
  /** The last key that was compared; null: none. */
  readonly after: StoreKey | null;
  /** Whether all were: only the writes that they may have shown are missing. */
  readonly compared: boolean;
}

/** See the head of this file; `position` is null in an empty copy. */
export interface CopyState {
  readonly position: Position | null;
  readonly filling: Filling | null;
}

/** What a copy has done since it was opened. */
export interface CopyCounts {
  writes: number;
  /** Rows and bytes of pages, and rows of ranges that were the same. */
  filledRows: number;
  filledBytes: number;
  sameRows: number;
}

/** After the range that ends at `upTo`; null: the last one. */
export function nextFilling({ after }: Filling, upTo: StoreKey | null): Filling {
  return { after: upTo ?? after, compared: upTo === null };
}

const FILLING_VERSION = 1;

/** The change of the row; a whole copy has none. */
export function fillingMutation(filling: Filling | null): Mutation {
  if (filling === null) return { kind: "delete", key: FILLING_KEY };
  const key = encodeKey(filling.after ?? []);
  const value = new Uint8Array([FILLING_VERSION, filling.compared ? 1 : 0, ...key]);
  return { kind: "set", key: FILLING_KEY, value: addChecksum(FILLING_KEY, value) };
}

/** A row that cannot be read is one of a copy that has to be compared from its beginning. */
function readFilling(stored: Uint8Array | null): Filling | null {
  if (stored === null) return null;
  const anew = { after: null, compared: false };
  const row = checkRow(FILLING_KEY, stored, false);
  if (row.kind === "damaged" || row.value[0] !== FILLING_VERSION) return anew;
  try {
    const after = decodeKey(row.value.slice(2));
    return { after: after.length === 0 ? null : after, compared: row.value[1] === 1 };
  } catch (error) {
    if (error instanceof CorruptBytes) return anew;
    throw error;
  }
}

/** Reads the rows; `state` is null where that fails. */
export function readState(
  rows: RowStore,
  done: (error: RowError | null, state: CopyState | null) => void,
) {
  rows.read([NUMBER_KEY, FILLING_KEY], (error, [number, filling]) => {
    if (error !== null) return done(error, null);
    const position = readNumber(number ?? null);
    done(null, { position, filling: readFilling(filling ?? null) });
  });
}
