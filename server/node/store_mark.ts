/**
 * The mark that a store is given once, and that the data directory notes beside it. A store without
 * the noted mark is not the one that the directory had: to serve it would mean an empty server
 * whose names are free for others.
 */
import { cellText, CellValue, type Registers } from "./cell_value.ts";
import { newId } from "../../shard/name/ids.ts";
import type { Random, StoreError } from "./ports.ts";

/** Thrown where the store is not the one that the directory had. */
export class StoreLost extends Error {
  override readonly name = "StoreLost";

  /** `dataDir` is for the message; `other`: the store has the mark of another directory. */
  constructor(dataDir: string, other: boolean) {
    const what = other ? "its store is that of another directory" : "its store is empty";
    super(
      `Cannot serve --data ${dataDir}: ${what}: kv.sqlite3 was removed, truncated or replaced. ` +
        "Put the file back, or restore a backup to a new directory with `roost restore`. " +
        "To begin with an empty server, give a new directory.",
    );
  }
}

/**
 * Returns the store's mark, which it is given at its first start. Rejects with `StoreLost` where it
 * does not have the mark `noted`, the one that the directory notes (null: none yet), and with an
 * error where it cannot be read or written.
 */
export function keepStoreMark(
  store: Registers,
  random: Random,
  noted: string | null,
  dataDir: string,
): Promise<string> {
  const value = new CellValue(store, cellText("store"));
  return new Promise((resolve, reject) => {
    const settle = (error: StoreError | null, mark: string | null) => {
      if (error !== null) reject(new Error(`Cannot open the store: ${error.message}`));
      else if (mark === null || (noted !== null && mark !== noted)) {
        reject(new StoreLost(dataDir, mark !== null));
      } else resolve(mark);
    };
    if (noted !== null) return value.load(settle);
    const fresh: string = newId(random.bytes(12));
    value.update((mark) => mark === null ? fresh : null, settle);
  });
}
