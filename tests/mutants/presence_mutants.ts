/** Mutants of presence and interest. */
import { inFile, type Mutant } from "./mutant.ts";

/** See the head of this file. */
export const PRESENCE: readonly Mutant[] = [
  ...inFile(
    "shard/handlers/last_seen.ts",
    [
      "note when an account was last seen without a record",
      'turn.append(account, { kind: "last_seen", at, device: used?.device ?? "", usedAt }, true);',
      "Object.assign(account, { lastSeen: at });",
    ],
  ),
  ...inFile(
    "shard/presence/presence.ts",
    [
      "forget an interest",
      "if (!p.nodes.includes(node)) p.nodes = p.nodes.concat(node);",
      "void node;",
    ],
    [
      "keep a stale session",
      "p.sessions = p.sessions.filter((s) => s !== old).concat(session);",
      "p.sessions = p.sessions.concat(session);",
    ],
    [
      "show who has gone",
      "      seenAt(p, wallMs);\n      this.touch(p);\n    }\n    this.#forgetIdle",
      "      seenAt(p, wallMs);\n    }\n    this.#forgetIdle",
    ],
    ["give changes old versions", "    p.version = ++this.#version;\n", "    ++this.#version;\n"],
    [
      "keep who has neither session nor watcher",
      "if (p.sessions.length > 0 || p.nodes.length > 0 || p.proxied?.kept === true) return;",
      'if (p.name !== "") return;',
    ],
  ),
  ...inFile(
    "shard/handlers/interest.ts",
    [
      "show to whom one has blocked",
      "  if (account.blocked.has(item.watcher)) return false;\n",
      "",
    ],
    [
      "show nothing to whom one has blocked, where a sign-out would be shown",
      "if (!maySee(account, item)) return refused(frozenAt(account, item));",
      "if (!maySee(account, item)) return refused(null);",
    ],
  ),
];
