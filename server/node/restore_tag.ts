/** The mark of a store that was restored from a backup: see `shownMailboxId`. */
import { cellText, CellValue, type Registers } from "./cell_value.ts";
import { newId } from "../../shard/name/ids.ts";
import type { Random } from "./ports.ts";

function tagOf(store: Registers): CellValue<string | null> {
  return new CellValue(store, cellText("restored"));
}

/** The tag of the last restore; "" where there was none. Rejects where it cannot be read. */
export function restoreTag(store: Registers): Promise<string> {
  return new Promise((resolve, reject) =>
    tagOf(store).load((error, tag) =>
      error === null
        ? resolve(tag ?? "")
        : reject(new Error(`Cannot open the store: ${error.message}`))
    )
  );
}

/** Notes that the store was restored now. */
export function markRestored(store: Registers, random: Random): Promise<void> {
  const tag: string = newId(random.bytes(12));
  return new Promise((resolve, reject) =>
    tagOf(store).update(
      (stored) => stored === tag ? null : tag,
      (error) => error === null ? resolve() : reject(new Error(error.message)),
    )
  );
}
