/** Mutants of the search of mailboxes. */
import { inFile, inTested, type Mutant } from "./mutant.ts";

const WORDS = "tests/unit/search_words_test.ts";
const SCENARIO = "tests/scenario/search_test.ts";

/** See the head of this file. */
export const SEARCH: readonly Mutant[] = [
  ...inFile(
    "shard/search/search_page.ts",
    [
      "find messages of other conversations",
      "if (message === null || !this.#isOfPeer(packed, message.peer)) continue;",
      "if (message === null) continue;",
    ],
    [
      "pass over the rest of a block when the page is full",
      "      if (this.#found.length >= limit) return;\n",
      "      if (this.#found.length >= limit) break;\n",
    ],
    [
      "go on one message too far",
      "return this.#end(this.#at);",
      "return this.#end(this.#at - 1);",
    ],
    [
      "search no block that is in memory only",
      "if (events === null) return { need: part.first };",
      "if (events === null) {\n        this.#at = part.first;\n        continue;\n      }",
    ],
    [
      "find what is at the position that the page is to end before",
      "for (let i = Math.min(spans.length / 2, this.#at - first) - 1; i >= 0; i--) {",
      "for (let i = Math.min(spans.length / 2, this.#at - first + 1) - 1; i >= 0; i--) {",
    ],
  ),
  ...inTested(
    "shard/search/query.ts",
    WORDS,
    [
      "find words within others",
      "if (isWordBefore(folded, at)) continue;",
      "",
    ],
    [
      "find words within others in texts of ASCII",
      "if (n < length || at > start && isWordByte(bytes[at - 1]!)) continue;",
      "if (n < length) continue;",
    ],
    [
      "find messages with one of the words",
      "return this.#terms.every(",
      "return this.#terms.some(",
    ],
  ),
  ...inTested(
    "shard/search/fold.ts",
    WORDS,
    ["let accents count", '.replace(IGNORED, "").toLowerCase()', ".toLowerCase()"],
  ),
  ...inTested(
    "shard/handlers/search_ops.ts",
    SCENARIO,
    [
      "let an account search at any rate",
      "if (waitMs > 0) return fail(",
      "if (waitMs > 1e9) return fail(",
    ],
    [
      "let an account have any number of searches at once",
      "if (own < OWN_SEARCHES_MAX && all < SEARCHES_MAX) return null;",
      "if (all < SEARCHES_MAX) return null;",
    ],
  ),
  ...inTested(
    "shard/search/search_page.ts",
    "tests/unit/search_page_test.ts",
    [
      "search a mailbox of any size at once",
      "this.#bytes >= SEARCHED_BYTES_MAX ||",
      "this.#bytes < 0 ||",
    ],
    [
      "search all blocks in memory in one step",
      "blocks >= STEP_BLOCKS_MAX;",
      "blocks < 0;",
    ],
  ),
  ...inTested("server/peer/versions.ts", "tests/unit/peer_versions_test.ts", [
    "ask a node for what its version does not know",
    "return (OPS[frame.op] ?? 1) <= version;",
    "return true;",
  ]),
];
