/** Damaged rows that a node has read: each is logged once, with whose it is, and counted by kind. */
import type { Log, StoreKey } from "./ports.ts";

/** What a damaged row held; `other`: what belongs to no account and no log. */
export const DAMAGE_KINDS = ["head", "block", "dedupe", "mark", "log", "audit", "other"] as const;

/** One of `DAMAGE_KINDS`. */
export type DamageKind = typeof DAMAGE_KINDS[number];

const KIND_OF: Readonly<Record<string, DamageKind>> = {
  u: "head",
  m: "block",
  d: "dedupe",
  h: "dedupe",
  o: "mark",
  log: "log",
  audit: "audit",
};

/** Rows that are remembered as logged; damage beyond that is logged again and again. */
const NOTED_MAX = 10_000;

/** What a row under this key holds. */
export function damageKind(key: StoreKey): DamageKind {
  return KIND_OF[String(key[0])] ?? "other";
}

/** Whose row it is, as fields of a log line: of heads the account, of blocks its id, of logs the shard. */
export function damageFields(key: StoreKey): Readonly<Record<string, unknown>> {
  const kind = damageKind(key);
  const [, first, second, third] = key;
  switch (kind) {
    case "head":
    case "mark":
      return { kind, user: second, row: third };
    case "block":
    case "dedupe":
      return { kind, accountId: second, row: third };
    case "log":
      return { kind, shard: first, lsn: second };
    case "audit":
    case "other":
      return { kind, key: key.join(" ") };
  }
}

/** Returns what is to be called with every damaged row that is read; it counts in `counts`. */
export function noteDamage(
  log: Log,
  counts: Record<DamageKind, number>,
): (key: StoreKey, reason: string) => void {
  const noted = new Set<string>();
  return (key, reason) => {
    const name = key.join("\n");
    if (noted.has(name)) return;
    if (noted.size < NOTED_MAX) noted.add(name);
    counts[damageKind(key)]++;
    log.error("row_damaged", { ...damageFields(key), reason });
  };
}
