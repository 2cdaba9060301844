/** The mark of a store that was restored from a backup: see `shownMailboxId`. */
import type { Random, Store } from "./ports.ts";
import { newId } from "../../shard/name/ids.ts";

const KEY = ["meta", "restored"];

/** The tag of the last restore; "" where there was none. Rejects where it cannot be read. */
export function restoreTag(store: Pick<Store, "read">): Promise<string> {
  return new Promise((resolve, reject) =>
    store.read([KEY], (error, [value]) => {
      if (error !== null) return reject(new Error(`Cannot open the store: ${error.message}`));
      resolve(value ? new TextDecoder().decode(value) : "");
    })
  );
}

/** Notes that the store was restored now. */
export function markRestored(store: Pick<Store, "write">, random: Random): Promise<void> {
  const value = new TextEncoder().encode(newId(random.bytes(12)));
  return new Promise((resolve, reject) =>
    store.write(
      [{ kind: "set", key: KEY, value }],
      (error) => error === null ? resolve() : reject(new Error(error.message)),
    )
  );
}
