/** Mutants of sessions and watchers at an edge. */
import { inFile, inTested, type Mutant } from "./mutant.ts";

/** See the head of this file. */
export const EDGE: readonly Mutant[] = [
  ...inFile(
    "shard/handlers/session_ops.ts",
    [
      "keep the session that is to end for another",
      "    endSession(turn, account, ended);\n    tellReplaced(turn, account, ended);\n",
      "    tellReplaced(turn, account, ended);\n",
    ],
    [
      "do not tell the session that ends for another",
      "    endSession(turn, account, ended);\n    tellReplaced(turn, account, ended);\n",
      "    endSession(turn, account, ended);\n",
    ],
    [
      "count the session that is to end for another",
      "others.length - (ended === undefined ? 0 : 1) >= max",
      "others.length >= max",
    ],
    [
      "let an account have any number of sessions",
      "others.length - (ended === undefined ? 0 : 1) >= max",
      "others.length < 0",
    ],
  ),
  ...inFile(
    "server/edge/watchers.ts",
    [
      "take an old answer for new presence",
      "if (user.id !== presence.watchedId || user.isNews(presence)) this.#update(user, presence);",
      "this.#update(user, presence);",
    ],
    [
      "overlook a right that ends while it is asked for",
      "const revoked = asking.revoked?.get(answer.watched);",
      "const revoked = undefined;",
    ],
    ["keep interest for nobody", "if (names.length > 0) this.#deps.router.uninterest(names);", ""],
    [
      "give interest back that is still wanted",
      "    if (this.#idle.size > 0) this.#idle.delete(user);\n    return user;",
      "    return user;",
    ],
    [
      "revoke without showing it",
      "if (lastSeen === null) watcher.presenceRevoked(user);",
      "if (lastSeen === null) void user;",
    ],
    [
      "show old presence",
      "    user.encoded = null;\n",
      "",
    ],
  ),
  ...inFile(
    "server/edge/feed.ts",
    [
      "push past a gap",
      "      if (seq !== this.sent + 1) continue;\n      const text",
      "      const text",
    ],
    [
      "take an event for known only when it is sent",
      "      this.heard(seq);\n      if (seq !== this.sent + 1) continue;",
      "      if (seq !== this.sent + 1) continue;\n      this.heard(seq);",
    ],
  ),
  ...inFile(
    "server/edge/push.ts",
    [
      "never catch up",
      "      if (this.behind) this.#readOn();\n      if (host",
      "      if (host",
    ],
    [
      "never cut off who does not read",
      "if (this.#untouchedMs(buffered, nowMs) >= limits.stalledMs) {",
      "if (this.#untouchedMs(buffered, nowMs) >= 1e9) {",
    ],
    [
      "begin where the mailbox ends",
      "    if (!this.#host.feed.complete) this.#fallBehind();\n",
      "",
    ],
  ),
  ...inFile(
    "server/edge/polls.ts",
    ["lose soft events of a lost answer", "    this.#host.outgoing.restore(sent);\n", ""],
    [
      "begin a poll where the last one was",
      "      host.feed.seek(cursor.seq);\n",
      "",
    ],
  ),
  ...inFile(
    "server/edge/outgoing.ts",
    [
      "watch nobody when taken up again",
      "    for (const user of watched) this.pending().addPresence(user);\n",
      "",
    ],
  ),
  ...inFile(
    "server/edge/session.ts",
    [
      "keep lost sessions for ever",
      "    this.time.beginGrace();\n",
      "",
    ],
    [
      "end a session without its shard",
      "this.#shared.ended(this, detach && opened, opened ? as : null);",
      "this.#shared.ended(this, false, opened ? as : null);",
    ],
  ),
  ...inFile(
    "server/edge/opening.ts",
    [
      "count the session that is to end for another, at the edge",
      "countOthers(user, [device, ends]) <",
      "countOthers(user, [device]) <",
    ],
    [
      "end no session for another",
      "const ending = ends === undefined ? {} : { ends };",
      "const ending = ends === undefined ? {} : {};",
    ],
  ),
  ...inFile(
    "server/edge/sessions.ts",
    [
      "hand a session to another device",
      "return session.user === user && session.device === device ? session : null;",
      "return session.user === user ? session : null;",
    ],
  ),
  ...inTested(
    "server/edge/announcer.ts",
    "tests/unit/edge_announce_test.ts",
    [
      "revoke a session whose account has moved",
      'return code === "moved" ? "shutdown" : "revoked";',
      'return "revoked";',
    ],
  ),
  ...inTested(
    "server/edge/watchers.ts",
    "tests/unit/edge_announce_test.ts",
    [
      "ask again for whom its user has given up",
      'if (revoked === "own") return this.#forgetIfIdle(user);',
      "",
    ],
    [
      "take an answer about whom its user has given up meanwhile",
      "const known = [...seen, ...asked].map(({ name }) => name);",
      "const known = seen.map(({ name }) => name);",
    ],
  ),
  ...inTested(
    "server/edge/watchers.ts",
    "tests/unit/edge_regrant_test.ts",
    [
      "take no grant that came before the withdrawal",
      'if (revoked === "own") return this.#forgetIfIdle(user);',
      "if (revoked !== undefined) return this.#forgetIfIdle(user);",
    ],
    [
      "do not ask a new owner for those who have blocked the user",
      "for (const { name, id } of watcher.watched) if (wanted.get(name) === id) wanted.delete(name);",
      "for (const { name, id } of seen) if (wanted.get(name) === id) wanted.delete(name);",
    ],
    [
      "have a refusal make void what is asked after it",
      'if (ended) this.revoke(watcher, user.name, lastSeen, "theirs");',
      'if (ended) this.revoke(watcher, user.name, lastSeen, "own");',
    ],
  ),
  ...inTested(
    "server/edge/packets.ts",
    "tests/unit/edge_regrant_test.ts",
    [
      "have a session that has not started forget whom it was refused",
      'if (by === "own") session.unwatchLater(watched);',
      "if (lastSeen === null) session.unwatchLater(watched);",
    ],
  ),
  ...inTested(
    "server/edge/registrations.ts",
    "tests/unit/edge_regrant_test.ts",
    [
      "ask again for everybody where only the refused are meant",
      "return registered(isAsked, sessions, false);",
      "return registered(isAsked, sessions, true);",
    ],
  ),
  ...inTested(
    "server/node/remote.ts",
    "tests/scenario/cell_regrant_test.ts",
    [
      "lose grants that were on their way over a link that breaks",
      "    for (const input of this.#grants.lost(peer)) this.#park(input);\n",
      "",
    ],
  ),
  ...inTested(
    "server/node/from_afar.ts",
    "tests/scenario/cell_regrant_test.ts",
    [
      "take a withdrawal of another node's shard for one of the watcher",
      "const isTheirs = has(pointOf(packet.watched)) && !has(pointOf(packet.watcher));",
      "const isTheirs = has(pointOf(packet.watched)) && has(pointOf(packet.watcher));",
    ],
  ),
];
