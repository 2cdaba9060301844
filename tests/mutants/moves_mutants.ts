/** Mutants of moves of accounts to other cells. */
import { inFile, inTested, type Mutant } from "./mutant.ts";

const MOVES = "tests/scenario/cells_moves_test.ts";
const STUCK = "tests/scenario/cells_stuck_moves_test.ts";
const PRESENCE = "tests/scenario/cells_presence_test.ts";
const DOUBTED = "tests/scenario/cells_doubted_test.ts";

/** Those that the simulator notices where cells have several nodes. */
const SEVERAL: readonly Mutant[] = [
  ...inFile(
    "shard/step/moves.ts",
    [
      "let an account go on at the next owner of its shard while the cells decide",
      "    if (leaving.deciding) this.#freeze(account, going);\n",
      "",
    ],
  ),
  ...inFile(
    "server/node/evacuation.ts",
    [
      "leave the first account of a page where it is",
      "this.#page.push(...names);",
      "this.#page.push(...names.slice(1));",
    ],
  ),
].map((mutant) => ({ ...mutant, cells: 2, nodes: 2 }));

/** See the head of this file. */
export const MOVED: readonly Mutant[] = [
  ...inTested(
    "shard/step/moves.ts",
    MOVES,
    [
      "let an account change while its head is copied",
      "    accounts.freeze(account);\n",
      "    void accounts;\n",
    ],
    [
      "go on serving an account that has left",
      '    this.#turn.append(account, { kind: "left" });\n',
      "",
    ],
    [
      "forget at a crash that the cells decide",
      'this.#turn.append(account, { kind: "leaving", ...leaving, deciding: true });\n',
      "account.runtime.batch = 0;\n",
    ],
  ),
  ...inTested(
    "shard/step/moves.ts",
    PRESENCE,
    [
      "show who stands still, after a takeover, with versions of no home",
      "account.lastSeen, eraOf(account));",
      "account.lastSeen, 0 * eraOf(account));",
    ],
  ),
  ...inTested(
    "shard/step/incoming.ts",
    DOUBTED,
    [
      "keep interests that the next owner of another cell's shard does not know",
      "    this.doubted.doubt(cellNode(cell), lo, hi);\n",
      "",
    ],
    [
      "doubt interests that are registered again",
      "message.watchers.length > 0) this.doubted.said(node, to);",
      "message.watchers.length > 0);",
    ],
    [
      "take a question about nobody for a sign that somebody watches",
      'if (message.kind !== "interest" || message.watchers.length > 0) this',
      "this",
    ],
  ),
  ...inTested(
    "server/node/evacuation.ts",
    "tests/unit/evacuation_test.ts",
    [
      "pause an evacuation again that was resumed at another node",
      'const end = state === "done" ? { endedAt, state } as const : {};',
      "const end = { endedAt, state };",
    ],
  ),
  ...inTested(
    "server/node/cell_value.ts",
    "tests/unit/cell_value_test.ts",
    [
      "go back to a value that was replaced, at a late reply",
      "    return this.#newest.value;\n",
      "    return value;\n",
    ],
  ),
  ...inTested(
    "shard/step/arrivals.ts",
    MOVES,
    [
      "have an account arrive before the cells have decided",
      "return arrival !== null && isComplete(arrival) && home === this.#cells.self;",
      "return arrival !== null && isComplete(arrival) && home !== undefined;",
    ],
    [
      "take a head for staged that lacks parts",
      "    if (!isComplete(account.arrival!)) return;\n",
      "",
    ],
  ),
  ...inTested(
    "shard/step/arrivals.ts",
    STUCK,
    [
      "begin an arrival anew at a late offer of before",
      "if (arrival !== null && isFormerId(move, arrival.move)) return;",
      "",
    ],
    [
      "keep rows of an arrival whose blocks have changed since",
      "if (isRestarted(move)) this.#drop(account);",
      "",
    ],
    [
      "stage a head some of whose rows have not come",
      'if (reason === "incomplete") return;',
      'if (reason === "incomplete") return this.#say(account, cell, { kind: "staged", move, attempt });',
    ],
  ),
  ...inTested(
    "shard/step/moves.ts",
    STUCK,
    [
      "send rows for ever that the target does not take",
      "going.sent !== null && going.tries > SENT_MAX &&",
      "going.sent !== null && going.tries > Infinity &&",
    ],
  ),
  ...inTested(
    "shard/step/going.ts",
    "tests/unit/moving_test.ts",
    ["give a move one id however often it begins anew", "${count + 1}", "1"],
  ),
  ...inTested(
    "shard/account/away.ts",
    MOVES,
    [
      "leave behind what an account has sent lately",
      "  readEnd(r, a, FORMER.read(r));\n",
      "  readEnd(r, a, FORMER.read(r));\n  a.dedupe.trim(a.dedupe.next + 1);\n",
    ],
    [
      "leave behind what an account owes",
      "  readOutbox(r, a);\n",
      "  readOutbox(r, a);\n  a.outbox.clear();\n",
    ],
  ),
  ...inTested(
    "shard/account/moving.ts",
    MOVES,
    [
      "lose rows of a moved account that no checkpoint has",
      '    if (table === "m") account.mailbox.unsaved.set(number, bytes);\n',
      '    if (table === "m") void bytes;\n',
    ],
  ),
  ...SEVERAL,
];
