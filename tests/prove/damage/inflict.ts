/** Damage to the files of a store, as disks and people do it. */
import { Buffer } from "node:buffer";
import { encodeKey } from "../../../server/store/key_bytes.ts";
import type { Prng } from "../../sim/prng.ts";

/** Kinds of damage: one bit, some bits of a page, a sector of zeros, an end that is cut off. */
export const DAMAGES = ["bit", "bits", "zeros", "cut"] as const;

/** One of `DAMAGES`. */
export type DamageName = typeof DAMAGES[number];

/** What was done. */
export interface Inflicted {
  readonly damage: DamageName;
  /** `store`: kv.sqlite3; `wal`: its write-ahead file. */
  readonly file: "store" | "wal";
  /** Where it begins (bytes). */
  readonly at: number;
}

const PAGE_BYTES = 4096;
const SECTOR_BYTES = 512;

/** Of ten, seven are of one bit. */
function pickDamage(prng: Prng): DamageName {
  const dice = prng.int(0, 9);
  return dice < 7 ? "bit" : DAMAGES[dice - 6]!;
}

/** Tables whose rows are few: at random, nearly all damage is of mailbox blocks. */
const AIMS = ["log", "u", "meta", "h"] as const;
/** How far behind the beginning of a key the damage is (bytes). */
const AIM_BYTES = 3000;

/** Somewhere; in two cases of five in or behind a key of one of the smaller tables. */
function pickPlace(bytes: Uint8Array, prng: Prng): number {
  const anywhere = prng.int(0, bytes.length - 1);
  if (!prng.chance(0.4)) return anywhere;
  const key = encodeKey([prng.pick(AIMS)]);
  const file = Buffer.from(bytes.buffer);
  const places: number[] = [];
  for (let at = file.indexOf(key); at >= 0; at = file.indexOf(key, at + 1)) places.push(at);
  if (places.length === 0) return anywhere;
  return Math.min(bytes.length - 1, prng.pick(places) + prng.int(0, AIM_BYTES));
}

function change(damage: DamageName, bytes: Uint8Array, prng: Prng): number {
  const at = pickPlace(bytes, prng);
  switch (damage) {
    case "bit":
      bytes[at]! ^= 1 << prng.int(0, 7);
      return at;
    case "bits":
      for (let i = prng.int(2, 12); i > 0; i--) {
        const one = Math.min(bytes.length - 1, at - at % PAGE_BYTES + prng.int(0, PAGE_BYTES - 1));
        bytes[one]! ^= 1 << prng.int(0, 7);
      }
      return at;
    default: {
      const from = at - at % SECTOR_BYTES;
      bytes.fill(0, from, from + SECTOR_BYTES);
      return from;
    }
  }
}

/** Damages one of the two files of the directory, each as likely where both exist. */
export function inflict(dir: string, prng: Prng): Inflicted {
  const damage = pickDamage(prng);
  const size = (name: string) => {
    try {
      return Deno.statSync(`${dir}/${name}`).size;
    } catch {
      return 0;
    }
  };
  const file = size("kv.sqlite3-wal") > 0 && prng.chance(0.5) ? "wal" : "store";
  const path = `${dir}/kv.sqlite3${file === "wal" ? "-wal" : ""}`;
  if (damage === "cut") {
    const at = prng.int(0, size(path.slice(dir.length + 1)) - 1);
    Deno.truncateSync(path, at);
    return { damage, file, at };
  }
  const bytes = Deno.readFileSync(path);
  const at = change(damage, bytes, prng);
  Deno.writeFileSync(path, bytes);
  return { damage, file, at };
}
