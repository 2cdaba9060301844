/** Mutants of what is written to the store and read from it. */
import { inFile, inTested, type Mutant } from "./mutant.ts";

/** See the head of this file. */
export const STORE: readonly Mutant[] = [
  ...inFile(
    "shard/step/account_cache.ts",
    [
      "cut the log before its checkpoint",
      "upTo = Math.min(upTo, account.runtime.dirtyLsn - 1);",
      "void account;",
    ],
    [
      "wait for a checkpoint that needs no write",
      "      this.dropCheckpoint();\n      return null;",
      "      return null;",
    ],
    [
      "evict accounts that have changed",
      "if (monoMs - account.runtime.usedMs < idleMs || account.runtime.dirtyLsn !== 0) continue;",
      "if (monoMs - account.runtime.usedMs < idleMs) continue;",
    ],
    [
      "begin to cut the log at its first row ever",
      "this.#cutLsn = lsn - 1;",
      "void lsn;",
    ],
    [
      "forget who waits when a shard starts over",
      "this.#run(waiters);",
      "void waiters;",
    ],
  ),
  ...inFile(
    "shard/account/checkpoint.ts",
    [
      "checkpoint without mailbox blocks",
      "rows.push({ key: blockKey(a.point, a.id, first), value });",
      "void [first, value];",
    ],
    [
      "checkpoint without message ids",
      "rows.push({ key: dedupeKey(table, a.point, a.id, number), value });",
      "void [table, number, value];",
    ],
    [
      "do not mark who owes packets",
      "if (owes !== a.runtime.savedOwes) {",
      "if (owes !== a.runtime.savedOwes && !owes) {",
    ],
    [
      "leave rows of dropped blocks",
      "for (const b of blocks) rows.push({ key: blockKey(a.point, p.id, b), value: null });",
      "",
    ],
  ),
  ...inFile(
    "shard/account/head.ts",
    [
      "checkpoint without known places",
      "KNOWN_PLACES.write(w, a.knownPlaces);",
      "KNOWN_PLACES.write(w, []);",
    ],
    [
      "checkpoint ahead of its log",
      "writeHeadVersion(w, a, HEAD_VERSION, lsn);",
      "writeHeadVersion(w, a, HEAD_VERSION, lsn + 1);",
    ],
    [
      "checkpoint without where the numbers of an account begin",
      "filter((c) => c.outBase > 0)",
      "filter((c) => c.outBase < 0)",
    ],
  ),
  ...inFile(
    "server/store/row_checksum.ts",
    [
      "take rows whose checksum does not fit",
      "if (readSum(stored) === checksumOf(key, value)) return",
      "if (readSum(stored) >= 0) return",
    ],
    [
      "leave the key out of the checksum",
      "return crc32(joined(key, value).both);",
      "return crc32(value);",
    ],
  ),
  ...inFile(
    "server/node/loader.ts",
    [
      "quarantine accounts that are read with a damaged one",
      "const bad = new Set(error.keys.map((key) => key[2]));",
      "const bad = new Set(keys.map((key) => key[2]));",
    ],
  ),
  ...inFile(
    "server/ops/repair_plan.ts",
    [
      "repair blocks without the heads that are had back",
      'const row = kind === "damaged" ? instead.get(text) ?? null : { key, value };',
      'const row = kind === "damaged" ? null : { key, value };',
    ],
    [
      "give up the heads of others",
      'if (key[0] === "u" && this.#heads.has(key[2] as AccountName)) return;',
      'if (key[0] === "u" && this.#heads.size > 0) return;',
    ],
  ),
  // Few seeds have both a lost record and a later one of the same account with a flipped bit.
  ...inTested("server/ops/repair_plan.ts", "tests/unit/repair_plan_test.ts", [
    "keep what rests on a lost record in one that is had back",
    'if (row.key[0] === "log") this.#instead.set(text, this.#recordRow(row));',
    "",
  ]),
  ...inFile(
    "shard/account/outbox.ts",
    [
      "use again the numbers that a repair has given up",
      "  c.pairOut = Math.max(c.pairOut, e.n);\n",
      "",
    ],
  ),
  ...inFile(
    "shard/account/stored_pages.ts",
    [
      "write a page over the one that the head refers to",
      "const place = (stored.place + 1) % PLACES;",
      "const place = 0 * stored.place;",
    ],
    [
      "go on referring to the old place of a page",
      "else this.#stored.set(page, { place, rows, bytes });",
      "else if (!this.#stored.has(page)) this.#stored.set(page, { place, rows, bytes });",
    ],
  ),
  ...inFile(
    "shard/account/head_pages.ts",
    [
      "write the head before its last pages",
      "const complete = this.#queue.length === 0 && this.#changed() === null;",
      "const complete = true;",
    ],
    [
      "delete a row that is written again",
      "      this.#unneeded.delete(textOf(row));\n",
      "",
    ],
  ),
  ...inFile(
    "shard/account/item_pages.ts",
    [
      "do not write a page whose conversation has changed",
      "    this.#itemsOf(page);\n    this.#changed.add(page.number);",
      "    this.#itemsOf(page);",
    ],
    [
      "do not write a page that has lost an item",
      "    this.#pageOf.delete(name);\n    this.#changed.add(page.number);",
      "    this.#pageOf.delete(name);",
    ],
  ),
  ...inFile(
    "shard/account/block_pages.ts",
    [
      "do not list new mailbox blocks in their page",
      "if (was?.count !== is.count || was.last !== is.last) this.changed.add(number);",
      "if (was === undefined || is.count < was.count) this.changed.add(number);",
    ],
  ),
  ...inFile(
    "shard/step/log_tail.ts",
    [
      "replay what the checkpoint has",
      "if (lsn <= account.runtime.savedLsn || !counts) continue;",
      "if (!counts) continue;",
    ],
    [
      "skip a row after the checkpoint",
      "if (lsn <= account.runtime.savedLsn || !counts) continue;",
      "if (lsn <= account.runtime.savedLsn + (account.runtime.savedLsn === 0 ? 0 : 1) || !counts) continue;",
    ],
    [
      "replay what is left of a released account",
      "let begun = account.runtime.savedChunks > 0;",
      "let begun = true;",
    ],
  ),
  ...inFile(
    "server/node/node.ts",
    [
      "forget owing accounts at start",
      "    loader.owing(this.shards);\n",
      "",
    ],
  ),
  ...inFile(
    "server/node/effects.ts",
    [
      "forget owing accounts when a shard starts over",
      "        return parts.loader.owing([shard]);",
      "        return;",
    ],
  ),
];
