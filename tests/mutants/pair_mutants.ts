/** Mutants of the way of a message from its sender to its recipient. */
import { inFile, inTested, type Mutant } from "./mutant.ts";

/** See the head of this file. */
export const PAIR: readonly Mutant[] = [
  // Only packets that are lost, and a crash between them, have it matter: few seeds have both.
  ...inTested(
    "shard/handlers/pair.ts",
    "tests/scenario/acked_alone_test.ts",
    [
      "clear what was sent before an answer that stands alone",
      'const settles = p.as === "alone" ? p.n === first : p.n >= first;',
      "const settles = p.n >= first;",
    ],
  ),
  ...inTested(
    "shard/handlers/pair.ts",
    "tests/scenario/waiting_messages_test.ts",
    [
      "refuse without a word what was released for a request that was taken back",
      'const reason = owesEnd(account, p) ? NOT_ACCEPTED : "";',
      'const reason = owesEnd(account, p) ? "" : "";',
    ],
  ),
  ...inFile(
    "shard/message/dedupe.ts",
    [
      "take a false match of hashes for a repetition",
      "decodeDedupeBlock(bytes).findLast((e) => e.key === message.id);",
      "decodeDedupeBlock(bytes).at(-1);",
    ],
    [
      "make the index of sent messages without stored ones",
      "if (this.#former.length > 0 || this.first < this.#tailFirst) return false;",
      "",
    ],
    [
      "make the index of sent messages without those in the head",
      "    this.#index = index;\n    this.#indexTail();\n",
      "    this.#index = index;\n",
    ],
    [
      "look only at the newest block with the hash",
      "for (const block of this.#index!.candidates(hash)) {",
      "for (const block of this.#index!.candidates(hash).slice(0, 1)) {",
    ],
  ),
  ...inFile(
    "shard/handlers/successors.ts",
    [
      "take packets of a former account for those of the next",
      'if (known === "") return true;',
      "return true;",
    ],
    [
      "take every other account of a name for the newest",
      "  if (account.id !== p.id) return;\n",
      "",
    ],
    [
      "take no packets of the next account of a name",
      "isNewest: true });",
      "isNewest: false });",
    ],
  ),
  ...inFile(
    "shard/handlers/message_ops.ts",
    [
      "drop dedupe",
      'if (found.kind === "new" || found.before.at <= turn.now.wall - turn.limits.dedupeWindowMs) {',
      'if (found.kind === "new" || found.before.at <= turn.now.wall) {',
    ],
    [
      "take another content under a key for a repetition",
      "  if (found.same) {\n",
      "  if (found.same || found.before.seq > 0) {\n",
    ],
    [
      "mark as read in a conversation without messages",
      "if (c === undefined || c.lastSeq === 0) return ok({ unread: 0 });",
      "if (c === undefined) return ok({ unread: 0 });",
    ],
    [
      "go on with rights of a former account of whom one writes to",
      "if (toId !== null && account.conversations.get(input.to)?.peerId !== toId) {",
      "if (toId === undefined) {",
    ],
    [
      "send past one's own block",
      "  if (account.blocked.has(input.to)) return ok(null);\n  const toId",
      "  const toId",
    ],
  ),
  ...inFile(
    "shard/step/shard_turn.ts",
    [
      "skip a pair number",
      "const n = before + 1;",
      "const n = before + (before === 3 ? 2 : 1);",
    ],
  ),
  ...inFile(
    "shard/handlers/settled_pairs.ts",
    [
      "keep the records of settled strangers",
      "if (!turn.writable || account.id !== p.toId || !wantsToForget(account, c)) return;",
      "return;",
    ],
    [
      "forget a pair that has taken more meanwhile",
      "if (c!.inId !== p.fromId || c!.pairIn !== p.n) return;",
      "if (c!.inId !== p.fromId) return;",
    ],
    [
      "forget conversations with messages",
      "if (c.lastSeq >= Math.max(1, account.mailbox.first) || ",
      "if (",
    ],
    [
      "send nothing again to an account that has forgotten the pair",
      "  progress.generation = p.generation;\n  progress.sentTo = 0;\n",
      "",
    ],
  ),
  ...inFile(
    "shard/account/account.ts",
    [
      "begin no new generation with a forgotten pair",
      "    this.pairGeneration++;\n",
      "    this.pairGeneration = 1;\n",
    ],
    [
      "use the numbers of a forgotten pair again",
      "    this.pairOutFloor = Math.max(this.pairOutFloor, c.pairOut);\n",
      "",
    ],
    [
      "give a conversation the index of another one",
      "this.freeIndexes.pop() ?? conversations.size",
      "conversations.size",
    ],
  ),
  ...inFile(
    "shard/handlers/pair.ts",
    [
      "forget a pair that its sender has not settled",
      'const forget = as === "upTo" && known && wantsToForget(account, c);',
      'const forget = as === "upTo" && known && wantsToForget(account, c);\n' +
      '  if (forget) turn.append(account, { kind: "pair_forgotten", with: p.from }, true);',
    ],
    [
      "take a late copy of a forgotten pair's packet",
      "if (begins && p.generation !== account.pairGeneration) return",
      "if (begins && p.generation > account.pairGeneration) return",
    ],
    [
      "take packets past a gap",
      'if (p.n > last + 1) return ack(turn, account, p, last, "gap");',
      "",
    ],
    [
      "take packets twice",
      'if (p.n <= taken) return ack(turn, account, p, taken, "upTo");',
      "if (p.n <= taken) {\n    takeMessage(turn, account, { ...p, n: taken + 1 });\n    return;\n  }",
    ],
    [
      "clear packets that were not acked",
      'turn.append(account, { kind: "pair_acked", to: p.from, toId: p.fromId, n: p.n }, true);',
      'turn.append(account, { kind: "pair_acked", to: p.from, toId: p.fromId, n: p.n + 1 }, true);',
    ],
    [
      "forget that a stranger was answered",
      "const last = Math.max(taken, p.base - 1);",
      "const last = taken;",
    ],
    [
      "turn strangers away whom one accepts",
      "if (!isFull(turn, account, p)) return null;",
      "",
    ],
    [
      "forget gaps behind packets that are settled",
      "const last = Math.max(taken, p.base - 1);",
      "const last = p.n - 1;",
    ],
    [
      "deliver past a block",
      "if (account.blocked.has(p.from)) return false;\n  if (account.messagesFrom",
      "if (account.messagesFrom",
    ],
    [
      "hide silent refusals from the sender's shard",
      'if (p.as !== "alone") turn.append',
      'if (p.as === "alone") turn.append',
    ],
    [
      "drop what a blocked account says of its subscriptions",
      "  const before = itemOf(account, p.from);\n  const step = inboundFrom",
      '  if (account.blocked.has(p.from)) return refuse(turn, account, p, "");\n' +
      "  const before = itemOf(account, p.from);\n  const step = inboundFrom",
    ],
    [
      "forget what waits when a request is answered",
      "  settleWaiting(turn, account, p.from, asked);\n}",
      "}",
    ],
    [
      "deliver late signals to the next account of the name",
      "if (!account.active || account.id !== p.toId || !accepts(account, p)) return;",
      "if (!account.active || !accepts(account, p)) return;",
    ],
    [
      "deliver to accounts that want no strangers",
      'return item !== undefined && item.peerId === p.fromId && item.state.subscription !== "none";',
      "return item !== undefined;",
    ],
    [
      "refuse without using up the number",
      "return refuse(turn, account, p, reason, causeOf(account, p.from));",
      "return;",
    ],
    [
      "refuse whom one accepts, now and then",
      "if (!accepts(account, p)) {",
      "if (!accepts(account, p) || p.n % 7 === 6) {",
    ],
    [
      "do not answer for the user",
      "  if (step.reply !== null) oweSubscription(",
      "  if (step.reply?.length === 0) oweSubscription(",
    ],
  ),
  ...inFile(
    "shard/message/outbox_progress.ts",
    [
      "never send the second time",
      "    this.attempts++;\n    this.sentTo = 0;\n",
      "    this.attempts++;\n",
    ],
  ),
  ...inFile(
    "shard/account/outbox.ts",
    [
      "release what waits in another order",
      "waiting.filter((m) => m.toId === e.toId)",
      "waiting.filter((m) => m.toId === e.toId).reverse()",
    ],
    [
      "forget which messages a former account was to get",
      '    if (payload.kind === "message") c.addRefusedOut',
      '    if (payload.kind !== "message") c.addRefusedOut',
    ],
  ),
  ...inFile(
    "server/node/steady_clock.ts",
    [
      "follow every jump of the wall clock",
      "if (this.#jump !== null) return",
      "if (this.#jump === undefined) return",
    ],
  ),
  ...inFile(
    "shard/handlers/waiting_messages.ts",
    [
      "drop what waits without a word",
      "  turn.push(account, event);\n}\n\n/** Sends what waits",
      "}\n\n/** Sends what waits",
    ],
    [
      "drop what waits when it is accepted",
      'releaseWaiting(turn, account, contact, accepted ? item.peerId : "");',
      'releaseWaiting(turn, account, contact, accepted ? "" : "");',
    ],
    [
      "keep what waits beyond the end of its request",
      "if (!accepted && !blocked && !asked) return;",
      "if (!accepted && !blocked) return;",
    ],
  ),
  ...inTested(
    "shard/handlers/pair.ts",
    "tests/scenario/roster_crossing_test.ts",
    [
      "turn a stranger's packet away although the one before it has not arrived",
      "  if (p.n > last + 1) return",
      "  if (p.n > last + 1 && (known !== undefined || turnedAway(turn, account, p) === null)) return",
    ],
  ),
];
