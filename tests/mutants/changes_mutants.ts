/** Mutants of edits, removals, reactions and replies. */
import { inFile, inTested, type Mutant } from "./mutant.ts";

const TEST = "tests/scenario/changes_test.ts";

/** See the head of this file. */
export const CHANGES: readonly Mutant[] = [
  ...inTested("shard/step/incoming.ts", TEST, [
    "end a shard while a change waits for a block",
    "return !this.takesAgain && this.changes.waiting === 0;",
    "return !this.takesAgain;",
  ]),
  ...inTested(
    "shard/handlers/changes.ts",
    TEST,
    [
      "let the peer edit and remove what is not its own",
      'if (change.kind !== "react" && named.out !== out) return "missing";',
      'if (change.kind === "past" as string) return "missing";',
    ],
    [
      "keep the text of an edit that is over",
      'rewrites.push({ seq: before.edit, body: "", ext: withNote({ kind: "past" }) });',
      "rewrites.push();",
    ],
    [
      "keep a removed text",
      'const body = kind === "edit" ? of.body : kind === "remove" ? "" : target.body;',
      'const body = kind === "edit" ? of.body : target.body;',
    ],
    [
      "change what is removed",
      'if (noteOf(target.ext)?.removed === true) return "removed";',
      'if (noteOf(target.ext)?.edit === 0) return "removed";',
    ],
  ),
  ...inTested(
    "shard/mailbox/find_message.ts",
    "tests/unit/find_message_test.ts",
    [
      "change a message of an account that had the peer's name before",
      "if (message.num >= after || message.num < num) return null;",
      "if (message.num < num) return null;",
    ],
  ),
  ...inTested(
    "server/web/client/connection.js",
    "tests/unit/client_addresses_test.ts",
    [
      "give up where nobody knows an address of the account's home for now",
      "const passing = homeless || AGAIN.includes(error.code);",
      "const passing = AGAIN.includes(error.code);",
    ],
  ),
  ...inTested(
    "shard/handlers/peer_changes.ts",
    TEST,
    [
      "let one peer make any number of changes",
      "if (count >= CHANGES_MAX) return false;",
      "if (count < 0) return false;",
    ],
  ),
  ...inTested(
    "shard/message/note.ts",
    TEST,
    [
      "tell the recipient numbers that count for a former account",
      "return withNote({ ...note, num: Math.max(0, note.num - base) });",
      "return ext;",
    ],
    [
      "take a client's ext for a note",
      "if (Object.keys(rest).length === 0 && !ext.startsWith(PREFIX)) return ext;",
      "if (Object.keys(rest).length === 0) return ext;",
    ],
  ),
  ...inTested(
    "shard/step/change_packets.ts",
    TEST,
    [
      "take no packet that waits for a block",
      "    this.#waiting.set(request, { packet, account, replaced, blocks: mail.blocks });\n",
      "",
    ],
  ),
  ...inFile(
    "shard/handlers/pair.ts",
    [
      "take changes without their effects",
      "  for (const entry of effects) turn.append(account, entry);\n",
      "",
    ],
  ),
  ...inFile(
    "shard/account/apply.ts",
    ["count changes as unread", "  if (changing) return event;\n", ""],
  ),
  ...inFile(
    "shard/mailbox/conversation_page.ts",
    [
      "list changes in the history",
      '      if (event.kind === "message" && isChanging(event.ext)) continue;\n',
      "",
    ],
  ),
];
