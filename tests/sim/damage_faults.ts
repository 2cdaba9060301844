/** Faults of a disk that change what is stored: on any row, at random. */
import type { MemoryDisk } from "./memory_store.ts";
import type { Prng } from "./prng.ts";
import type { Row, StoreKey } from "../../server/node/ports.ts";

/** One flipped bit, an end that is missing, the bytes of another row. */
export const ROW_DAMAGES = ["flip", "truncate", "swap"] as const;

/** What was done to which row. */
export interface RowDamage {
  readonly kind: typeof ROW_DAMAGES[number];
  readonly key: StoreKey;
}

/** Registers and claims belong to all shards: a start that cannot read them is another test's. */
const isOwned = ({ key, value }: Row) => key[0] !== "meta" && value.length > 0;

/** Damages one row of the disk; null where it has none. */
export function damageRow(disk: MemoryDisk, prng: Prng): RowDamage | null {
  const rows = disk.stored([]).filter(isOwned);
  if (rows.length === 0) return null;
  // Kinds of rows are as likely as each other, however many there are.
  const table = prng.pick([...new Set(rows.map(({ key }) => key[0]!))]);
  const same = rows.filter(({ key }) => key[0] === table);
  const { key, value } = prng.pick(same);
  const kind = prng.pick(ROW_DAMAGES);
  const bytes = value.slice();
  switch (kind) {
    case "flip": {
      const bit = prng.int(0, bytes.length * 8 - 1);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      disk.store(key, bytes);
      break;
    }
    case "truncate":
      disk.store(key, bytes.slice(0, prng.int(0, bytes.length - 1)));
      break;
    case "swap": {
      const others = (same.length > 1 ? same : rows).filter((row) => row.key !== key);
      if (others.length === 0) return null;
      disk.store(key, prng.pick(others).value.slice());
      break;
    }
  }
  return { kind, key };
}
