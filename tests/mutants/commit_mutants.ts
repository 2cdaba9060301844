/** Mutants of commits and of the recovery after them. */
import { HOLD, inFile, inTested, type Mutant } from "./mutant.ts";

/** See the head of this file. */
export const COMMIT: readonly Mutant[] = [
  ...inFile(
    "shard/step/shard_turn.ts",
    ["ack before commit", HOLD, `if (effect.kind === "reply") account = null;\n    ${HOLD}`],
    ["show events before commit", HOLD, `if (effect.kind === "edge") account = null;\n    ${HOLD}`],
    [
      "keep what a failed commit left in memory",
      "    this.accounts.clear();\n    this.timers.clear();",
      "    this.timers.clear();",
    ],
    [
      "lose the presence of a shard that is replaced",
      "    this.presence.inherit(from.presence, owns);\n",
      "",
    ],
    [
      "lose the accounts of a shard that is replaced",
      "    this.accounts.inherit(from.accounts, owns);\n",
      "",
    ],
  ),
  ...inFile(
    "shard/step/requests.ts",
    [
      "go on for another account of the name",
      "if ((p.accountId ??= account.id) !== account.id) {",
      "if (p.accountId === undefined) {",
    ],
    ["never ask again which account has a name", "    this.#ask();\n  }\n", "  }\n"],
  ),
  ...inFile(
    "shard/step/recovery.ts",
    [
      "forget the effects of an unknown commit",
      "    } else this.#lost.push(lost);",
      "    }",
    ],
    [
      "forget who asked for presence when a commit fails",
      "this.#withheld.unshift(effect.input, this.#endedOf(effect));",
      "void effect.input;",
    ],
    [
      "go on with what a bug has left half done",
      "return this.#reload();",
      "return;",
    ],
    [
      "do not tell edges of sessions that a step with a bug has ended",
      "presence.removed()",
      "[] as ReturnType<typeof presence.removed>",
    ],
    [
      "do not tell edges of sessions that a failed commit has ended",
      "      this.#turn.out.push(effect);\n    } else this.#lost",
      "    } else this.#lost",
    ],
  ),
  ...inFile(
    "shard/step/log_reading.ts",
    [
      "retry what nobody can read without a pause",
      "this.#failed.push(name);",
      "this.#load(name);",
    ],
    [
      "take users of others from an inherited log",
      "entries.filter((r) => this.#turn.owns(r.account))",
      "entries",
    ],
  ),
  ...inFile(
    "shard/step/incoming.ts",
    [
      "take an unreadable account for one that may not be seen",
      "if (missing().some((n) => this.#accounts.unread(n))) again();",
      "if (missing().some((n) => this.#accounts.unread(n))) this.#turn.out.push(seesNobody(input));",
    ],
    [
      "forget that an unreadable account owes packets",
      'if (this.#accounts.unread(name)) this.#again.push({ kind: "owing", names: [name] });',
      "",
    ],
  ),
  ...inFile(
    "shard/step/push.ts",
    [
      "forget presence that was not pushed because of a bug",
      "for (const p of rest) turn.presence.pushAgain(p);",
      "void rest;",
    ],
  ),
  ...inFile(
    "shard/step/attempts.ts",
    ["do not repeat after a bug what nobody else repeats", "failed < ATTEMPTS_MAX", "failed < 0"],
  ),
  ...inFile(
    "shard/step/open_batch.ts",
    [
      "skip held-back effects",
      "if (h.batch <= this.committedBatch) out.push(h.effect);",
      'if (h.batch <= this.committedBatch) {\n        if (h.effect.kind !== "edge") out.push(h.effect);\n      }',
    ],
    [
      "lose the last LSN",
      "this.lastLsn = Math.max(this.lastLsn, lsn);",
      "void lsn;",
    ],
    [
      "commit what was open at a bug",
      "    this.#held = this.#held.filter((h) => h.batch <= this.#sealedBatch);\n" +
      "    this.#full = [];\n    this.#begin();",
      "    this.#held = this.#held.filter((h) => h.batch <= this.#sealedBatch);",
    ],
    [
      "wait for a batch that was sealed and not written",
      "this.#sealedBatch = this.committedBatch;\n  }\n\n  /** The batch is durable",
      "void 0;\n  }\n\n  /** The batch is durable",
    ],
    [
      "forget effects that wait for the batch in flight at a bug",
      "    this.#held = this.#held.filter((h) => h.batch <= this.#sealedBatch);\n",
      "    this.#held = [];\n",
    ],
    [
      "count a log row that was never written",
      "    this.lastLsn = 0;\n",
      "",
    ],
  ),
  ...inFile(
    "server/node/committer.ts",
    [
      "take an unknown commit for a success",
      "} else if (error !== null) {\n        if (error.kind",
      '} else if (error !== null && error.kind !== "unknown") {\n        if (error.kind',
    ],
    [
      "take a failed commit for a success",
      "} else if (error !== null) {\n        if (error.kind",
      '} else if (error !== null && error.kind !== "failed") {\n        if (error.kind',
    ],
    [
      "hang when the store fails while stopping",
      "        return next();\n",
      "        return;\n",
    ],
    [
      "never try the store again",
      "if (error !== null || unclaimed) return this.#probe(tries + 1);",
      "if (error !== null || unclaimed) return;",
    ],
    [
      "stop without a checkpoint",
      "const rows = this.failingSinceMs === 0 ? this.#collectCheckpoint(true) : null;",
      "const rows = null;",
    ],
  ),
  ...inTested(
    "server/node/committer.ts",
    "tests/unit/committer_writes_test.ts",
    [
      "begin a commit while one that has waited is concluded",
      "    this.writingSinceMs = this.#host.ports.clock.monoMs();\n    const again",
      "    const again",
    ],
    [
      "begin a commit while shards learn that one has failed",
      "    this.writingSinceMs = this.#host.ports.clock.monoMs();\n    for (const shard of",
      "    for (const shard of",
    ],
    [
      "begin a commit while a checkpoint loses a shard",
      "        const rest = this.#fence(parts, error.shards);\n        this.writingSinceMs = 0;\n",
      "        this.writingSinceMs = 0;\n        const rest = this.#fence(parts, error.shards);\n",
    ],
  ),
];
