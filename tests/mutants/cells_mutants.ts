/** Ways to break what cells of one name space promise each other; each runs on three cells. */
import { inFile, inTested, type Mutant } from "./mutant.ts";

const ROWS: readonly Mutant[] = [
  ...inFile(
    "shard/federation/caspaxos.ts",
    [
      "count a minority as a majority",
      "if (votes.size * 2 <= voters.length) return",
      "if (votes.size === 0) return",
    ],
    [
      "propose another home than the one that was accepted",
      "proposal.change(newest(votes.values())?.value ?? null)",
      "proposal.change(null)",
    ],
  ),
  ...inTested(
    "shard/step/home_rounds.ts",
    "tests/unit/home_rounds_test.ts",
    [
      "use a ballot twice",
      "    this.#host.set(account, { ...register, promised: ballot });\n",
      "",
    ],
  ),
  ...inTested(
    "shard/step/waiting.ts",
    "tests/scenario/cells_names_test.ts",
    [
      "wait for ever for the home of a name that cannot be decided now",
      "const over = takeBefore(this.#homes, sinceMs);",
      "const over = takeBefore(this.#homes, -Infinity);",
    ],
  ),
  ...inFile(
    "shard/handlers/name_home.ts",
    [
      "make an account before its name's home is decided",
      'if (home === null) return { wait: "home" };',
      "if (home === null) return null;",
    ],
    [
      "make an account whose name has its home elsewhere",
      "return home.value === cells.self ? null : TAKEN;",
      "return null;",
    ],
  ),
  ...inFile(
    "shard/account/head_version.ts",
    [
      "checkpoint without votes on the name",
      "const registered = a.register === null ? 0 : REGISTERED;",
      "const registered = 0;",
    ],
  ),
  ...inFile(
    "shard/account/checkpoint.ts",
    [
      "keep no checkpoint of a name that is no account's here",
      'a.state === "absent" && a.register === null && !owesDeletes(a)',
      'a.state === "absent" && !owesDeletes(a)',
    ],
  ),
  ...inFile(
    "shard/step/log_tail.ts",
    [
      "forget votes at a replay",
      'const counts = begun || entry.kind === "name_register";',
      "const counts = begun;",
    ],
  ),
  ...inFile(
    "shard/step/names.ts",
    [
      "vote before the vote is durable",
      "    return this.#say(account, cell, this.#vote(account, message));",
      "    const given = this.#vote(account, message);\n    account.runtime.batch = 0;\n" +
      "    return this.#say(account, cell, given);",
    ],
    [
      "pass a packet on before what it says is committed",
      "const later = sender !== null && sender.runtime.batch > account.runtime.batch;",
      "const later = false as boolean;",
    ],
    [
      "never tell the other cells a home",
      "if (chosen === null || linked.length === 0) return;",
      "return;",
    ],
    [
      "tell a home only once",
      "    this.#turn.scheduleHome(account, wait);\n",
      "    void wait;\n",
    ],
    [
      "drop packets for a name that is asked for",
      "if (carried !== null && question.held.length < HELD_MAX) question.held.push(carried);",
      "void carried;",
    ],
    [
      "keep a name's packets in a cell that is not its home",
      "if (home !== null) return this.#abroad(account, home.value, carried);",
      "if (home !== null) return this.#ways.here(packet);",
    ],
  ),
  ...inFile(
    "shard/step/account_access.ts",
    [
      "forget at a start what other cells are to learn",
      "if ((account.register?.telling.length ?? 0) > 0) {",
      "if ((account.register?.telling.length ?? 0) > 99) {",
    ],
  ),
  ...inFile(
    "shard/step/account_cache.ts",
    [
      "forget which account was asked for before another cell replies",
      "if (account.runtime.hasSuccessors && idle < SUCCESSORS_MS) continue;",
      "void idle;",
    ],
  ),
];

const PRESENCE: readonly Mutant[] = [
  ...inFile(
    "shard/step/proxies.ts",
    [
      "show a user of another cell before its home has replied",
      "if (!of.may || proxied.epoch === 0) {",
      "if (proxied.epoch === 0) {",
    ],
    [
      "do not ask a home again after a cut",
      "        this.#again.add(name);\n      }\n    }\n  }",
      "      }\n    }\n  }",
    ],
    [
      "leave homes interested for nobody",
      "this.#unwatched(name, proxied!.home);",
      "void [name, proxied];",
    ],
    [
      "keep from nodes that a right in another cell was lost",
      "    if (of.revoking) {",
      "    if (of.revoking && watcher.length === 0) {",
    ],
  ),
  ...inTested(
    "shard/presence/proxied.ts",
    "tests/scenario/cells_presence_test.ts",
    [
      "take old presence of another cell for new",
      "if (!isNewer && !this.unknown) return false;",
      "if (!isNewer) this.version = -1;",
    ],
    [
      "show what follows a block in another cell before the block is known",
      "&& !this.#knows(shown);",
      "&& this.unknown && !this.#knows(shown);",
    ],
    [
      "take a block in another cell for later than the word of its end",
      "return of?.may !== true || !isUpTo(of.knownTo, { epoch, revoked });",
      "return of?.may !== true || revoked > 0 || !isUpTo(of.knownTo, { epoch, revoked });",
    ],
  ),
  ...inTested(
    "shard/presence/proxied.ts",
    "tests/scenario/cells_bugs_test.ts",
    [
      "show what follows a block in another cell before edges know the block, after a bug",
      "if (revoking || may &&",
      "if (may &&",
    ],
  ),
  ...inTested(
    "server/node/cell.ts",
    "tests/scenario/cells_nodes_test.ts",
    [
      "do not ask again for what was lost on its way from another cell",
      "this.#parts().abroad?.nodeLinked();",
      "",
    ],
  ),
  ...inTested(
    "server/v1/lost_homes.ts",
    "tests/unit/lost_homes_test.ts",
    [
      "let clients wait for a home that can be reached",
      "if (this.#deps.isReached(cell)) return null;",
      "",
    ],
    [
      "let any number of clients wait for lost homes",
      "!(seconds > 0) || this.#size >= waitingMax",
      "!(seconds > 0)",
    ],
    [
      "let all who wait for a home leave at one moment",
      "[...waiting].slice(0, LEAVE_MAX)",
      "[...waiting]",
    ],
    [
      "send those who have waited to the addresses of before",
      "done(servers === null ? refusal : movedTo(cell, servers));",
      "done(refusal);",
    ],
    [
      "count those who have left as waiting",
      "if (waiting?.delete(leave) !== true) return;\n    this.#size--;",
      "if (waiting?.delete(leave) !== true) return;",
    ],
    [
      "let all wait equally long",
      "(1 - SPREAD * random.number())",
      "1",
    ],
  ),
  ...inTested(
    "server/v1/connection.ts",
    "tests/unit/lost_homes_test.ts",
    [
      "let those wait for their home who have gone",
      'else if (state.kind === "waiting") state.leave();',
      "",
    ],
  ),
  ...inTested(
    "server/peer/cells/directory.ts",
    "tests/unit/cells_parts_test.ts",
    [
      "take a server that does not serve yet for one that does",
      "!saying.left && saying.publicUrls.length > 0 && isLinked(saying)",
      "!saying.left && isLinked(saying)",
    ],
  ),
  ...inTested(
    "server/peer/cells/sayings.ts",
    "tests/unit/cells_parts_test.ts",
    [
      "take the address of an earlier process for that of the linked one",
      "return linked?.node.node.incarnation === node.incarnation;",
      "return linked !== undefined;",
    ],
  ),
];

/** All of them. */
export const CELLS: readonly Mutant[] = [...ROWS, ...PRESENCE].map((mutant) => ({
  ...mutant,
  cells: 3,
}));
