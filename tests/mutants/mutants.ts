/**
 * Ways to break the code on purpose, one at a time: the simulator's checkers must notice each. A
 * mutant that is not noticed shows what is not checked, or code that does nothing.
 */

import { CELL } from "./cell_mutants.ts";

/** One way to break the code. */
export interface Mutant {
  /** What it does wrong. */
  readonly name: string;
  readonly file: string;
  /** Text that the file has exactly once. */
  readonly find: string;
  readonly replace: string;
  /** Nodes of the cells that it runs on; one unless said. */
  readonly nodes?: number;
}

type Row = readonly [name: string, find: string, replace: string];

function inFile(file: string, ...rows: readonly Row[]): Mutant[] {
  return rows.map(([name, find, replace]) => ({ name, file, find, replace }));
}

const HOLD = "if (account === null || !this.batch.hold(account, effect)) this.out.push(effect);";

const COMMITS: readonly Mutant[] = [
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
      "this.#withheld.push(effect.input);",
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
];

const STORE: readonly Mutant[] = [
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
      "w.u8(HEAD_VERSION).uint(lsn)",
      "w.u8(HEAD_VERSION).uint(lsn + 1)",
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
      "return crc32(value, crc32(keyText(key)));",
      "return crc32(value, key.length * 0);",
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
    [
      "keep what rests on a lost record in one that is had back",
      'if (row.key[0] === "log") this.#instead.set(text, this.#recordRow(row));',
      "",
    ],
  ),
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
      "if (lsn <= account.runtime.savedLsn || !begun) continue;",
      "if (!begun) continue;",
    ],
    [
      "skip a row after the checkpoint",
      "if (lsn <= account.runtime.savedLsn || !begun) continue;",
      "if (lsn <= account.runtime.savedLsn + (account.runtime.savedLsn === 0 ? 0 : 1) || !begun) continue;",
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

const MESSAGES: readonly Mutant[] = [
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
    "shard/handlers/receipts.ts",
    [
      "tell of more than was delivered",
      "      delivered: c.deliveredIn,\n",
      "      delivered: c.lastInNum,\n",
    ],
    [
      "believe receipts for good, tell nobody",
      "  if (!turn.writable) return;\n  const c = account.conversations.get(p.from);\n  if (account.alive",
      "  if (!turn.writable) return;\n  const c = undefined as Conversation | undefined;\n  if (account.alive",
    ],
    [
      "note a receipt that was sent without a record",
      'turn.append(account, { kind: "receipt_told", with: p.from, delivered, read }, true);',
      "Object.assign(c, { deliveredInTold: delivered, readInTold: read });",
    ],
    [
      "cover refused messages with receipts",
      "      tellRefused(turn, account, c, Math.max(delivered, read));\n",
      "",
    ],
  ),
  ...inFile(
    "shard/account/kept_blocks.ts",
    [
      "drop unread messages over count",
      "return (block) => block.first >= unreadFrom && hasUnread(block, unread);",
      "return (block) => block.first >= unreadFrom && !hasUnread(block, unread);",
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
    "shard/handlers/mailbox_quota.ts",
    ["let one peer take all the room", "const CONTACT_PART = 1 / 2;", "const CONTACT_PART = 1;"],
    ["refuse nothing for want of room", "upTo === 0 || full) return false;", "full) return true;"],
    [
      "release unread messages that no device has",
      "return upTo <= account.ackedSeq ? upTo : 0;",
      "return upTo;",
    ],
  ),
  ...inFile(
    "shard/handlers/request_events.ts",
    [
      "announce requests to nobody",
      "if (turn.presence.sessions(account.name).length === 0) return false;",
      "",
    ],
    ["withhold requests for good", "if (waitMs > 0) {", "if (waitMs >= 0) {"],
  ),
  ...inFile(
    "shard/mailbox/conversation_page.ts",
    [
      "page past what is kept for being unread",
      "Math.max(this.#at + 1, blocks[0]?.first ?? tailFirst);",
      "Math.max(this.#at + 1, mailbox.first);",
    ],
  ),
  ...inFile(
    "shard/handlers/retention.ts",
    [
      "drop message ids before they are over age",
      "account.dedupe.expired(wallMs - limits.dedupeWindowMs);",
      "account.dedupe.expired(wallMs - 1000);",
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
      "if (goes && c?.peerId !== toId) forgetFormer(turn, account, input.to, toId);",
      "",
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
      "clear what was sent before an answer that stands alone",
      'const settles = p.as === "alone" ? p.n === first : p.n >= first;',
      "const settles = p.n >= first;",
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
      'if (!accepts(account, p)) return refuse(turn, account, p, "", causeOf(account, p.from));',
      "if (!accepts(account, p)) return;",
    ],
    [
      "refuse whom one accepts, now and then",
      "if (!accepts(account, p)) return refuse",
      "if (!accepts(account, p) || p.n % 7 === 6) return refuse",
    ],
    [
      "never send the second time",
      "    progress.sentTo = 0;\n",
      "",
    ],
    [
      "do not answer for the user",
      "  if (step.reply !== null) oweSubscription(",
      "  if (step.reply?.length === 0) oweSubscription(",
    ],
  ),
  ...inFile(
    "shard/handlers/subscription_packets.ts",
    [
      "take an answer to an earlier request for one to a later",
      "item.state.pendingOut && seen > 0 && seen < item.asked;",
      "item.state.pendingOut && seen > 0 && seen < 0;",
    ],
    [
      "take the answer to a request for one to an earlier",
      "?? account.pairOutFloor) + 1;",
      "?? account.pairOutFloor) + 2;",
    ],
  ),
  ...inFile(
    "shard/roster/roster.ts",
    [
      "do not store which request waits for an answer",
      "(listed ? LISTED : 0) | (asked > 0 ? ASKED : 0) |",
      "(listed ? LISTED : 0) |",
    ],
  ),
  ...inFile(
    "shard/mailbox/conversation.ts",
    [
      "receipts go backwards",
      "this.deliveredOut = Math.max(this.deliveredOut, delivered);",
      "this.deliveredOut = read;",
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
  ...inFile(
    "shard/account/apply.ts",
    [
      "keep no account of unread messages",
      "if (e.from !== account.name) account.unread.add(c.index, event.seq);",
      "",
    ],
    [
      "keep what was read",
      "account.unread.settle(c.index, entry.upTo, c.unreadAfter(entry.upTo));\n      return;",
      "return;",
    ],
    [
      "leave waiting what a later message overtook",
      "    overtake(account, c);\n",
      "",
    ],
    ["number messages alike", "  c.outNum = e.num;\n  if", "  if"],
    ["count no unread messages", "  c.addUnread(event.seq, e.num);\n", ""],
    ["lose the mark of what was acked", "  account.undelivered.add(e.from);\n", ""],
    [
      "forget blocks",
      "if (blocked) account.blocked.set(contact, { peerId, lastSeen });",
      "if (blocked) void [peerId, lastSeen];",
    ],
    [
      "reuse a deleted account's conversations",
      "      account.clearConversations();\n",
      "",
    ],
    ["reuse a deleted account's roster", "  account.roster.clear();\n", ""],
    [
      "reuse a deleted account's devices",
      "  account.devices = [];\n  account.mailbox",
      "  account.mailbox",
    ],
    [
      "leave rows of a deleted account's message ids",
      "[...dedupe.takeDropped(), ...dedupe.stored];",
      "dedupe.takeDropped();",
    ],
    [
      "reuse a deleted account's message ids",
      '  account.dedupe = new DedupeWindow("", dedupe.shape);\n',
      "",
    ],
    [
      "reuse a deleted account's settings",
      '  account.messagesFrom = "contacts";\n',
      "",
    ],
  ),
  ...inFile(
    "shard/mailbox/conversation.ts",
    [
      "tell another account of the name the numbers of the former",
      "    this.outBase = this.outNum;\n",
      "",
    ],
    [
      "take told numbers for one's own",
      "return told === 0 ? 0 : Math.min(told + this.outBase, this.outNum);",
      "return told;",
    ],
    [
      "mark all as read",
      "const kept = this.unread.filter((u) => u.seq > seq);",
      "const kept: Unread[] = [];",
    ],
  ),
  ...inFile(
    "shard/mailbox/mailbox.ts",
    [
      "continue cursors over gaps",
      "if (kept.length > 0) this.gapsBefore = first;",
      "",
    ],
    [
      "trim what is to be retained",
      "if (few && after < countMax && b.lastAt >= cutoffMs) break;",
      "if (few && after < countMax / 1000 && b.lastAt >= cutoffMs) break;",
    ],
  ),
  ...inFile(
    "shard/mailbox/conversation_page.ts",
    [
      "skip blocks that hold the conversation",
      "return holds(conversations, this.#query.conversation);",
      "return conversations[0] === this.#query.conversation;",
    ],
    [
      "end the pages of a conversation too early",
      "if (this.#isFull) return this.#end(true);",
      "if (this.#isFull) return this.#end(false);",
    ],
    [
      "leave out what does not fit into a page",
      "if (full && this.#found.length > 0) return false;",
      "if (full && this.#found.length > 0) return true;",
    ],
  ),
];

const PRESENCE: readonly Mutant[] = [
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
      "if (p.sessions.length > 0 || p.nodes.length > 0) return;",
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
  ...inFile(
    "shard/table/table.ts",
    [
      "forget the log of a shard that is replaced",
      "if (upTo >= s.start) inherits.push({ log: s.id, upTo });",
      "void upTo;",
    ],
    [
      "number the log of a successor from the beginning",
      "const start = Math.max(...old.map((s) => lastLsn.get(s.id)!)) + 1;",
      "const start = 1;",
    ],
  ),
  ...inFile(
    "server/node/resharder.ts",
    [
      "delete logs that are still needed",
      "if (!shard.writable || !shard.includes(upTo)) needed",
      "if (!shard.writable) needed",
    ],
    [
      "lose what was buffered for shards that are replaced",
      "      dispatch.release(change.shards);\n      const { of, at }",
      "      const { of, at }",
    ],
  ),
  ...inFile(
    "shard/account/head_items.ts",
    [
      "forget who is owed a receipt, once the account has left memory",
      '    if (owed !== "") account.runtime.owed.add(owed);\n',
      "",
    ],
  ),
  ...inFile(
    "shard/account/rights.ts",
    [
      "show to whom it was never granted",
      "return seesOwner(item) && item!.peerId === id;",
      "return item !== undefined;",
    ],
    [
      "show to whom it was never granted, of contacts as they are stored",
      'if (item.peerId !== "" && seesOwner(item)) ids.push(item.peerId);',
      'if (item.peerId !== "") ids.push(item.peerId);',
    ],
    [
      "show to whom one has blocked, once the account has left memory",
      " || account.blocked.has(item.contact)",
      "",
    ],
    [
      "show to whom it was never granted, once the account has left memory",
      " || !seesOwner(item)",
      "",
    ],
    [
      "show to nobody, once the account has left memory",
      "    ids.push(item.peerId);\n",
      "",
    ],
    [
      "show nothing to whom one has blocked, once the account has left memory",
      "  if (at < 0) return null;\n",
      "  if (at < 1e9) return null;\n",
    ],
  ),
  ...inFile(
    "shard/handlers/roster_ops.ts",
    [
      "let a blocked account use an earlier approval",
      'if (type !== "subscribe" || !account.blocked.has(from)) return inbound(state, type);',
      "return inbound(state, type);",
    ],
    [
      "do not tell a blocked contact that it was removed",
      '  if (before.peerId !== "") {\n    for (const type of removal',
      '  if (before.peerId !== "" && !account.blocked.has(input.contact)) {\n    for (const type of removal',
    ],
    [
      "go on showing after the right has ended",
      "if (seesOwner(before) && !seesOwner(after) && !told) revokeWatcher(turn, account, after.contact);",
      "",
    ],
    [
      "go on showing to whom one blocks",
      "    revokeWatcher(turn, account, input.contact);\n",
      "",
    ],
    [
      "go on seeing whom one blocks",
      "    unwatchContact(turn, account, input.contact);\n",
      "",
    ],
    [
      "do not look at new contacts",
      "    watchContact(turn, account, after);\n",
      "    void after;\n",
    ],
    [
      "stay hidden after unblocking",
      "  if (seesOwner(item)) {\n    turn.send(account, {",
      "  if (!seesOwner(item)) {\n    turn.send(account, {",
    ],
    [
      "remove a contact on one side only",
      "for (const type of removalStanzas(before.state)) {",
      "for (const type of removalStanzas(before.state).slice(1)) {",
    ],
    [
      "let rights of a former account pass to the new one",
      "  if (state !== item.state) storeItem(",
      '  if (item.contact === "") storeItem(',
    ],
    [
      "carry approvals over to another account",
      'if (item.peerId !== "") return NO_SUBSCRIPTION;',
      'if (item.peerId !== "") return item.state;',
    ],
  ),
  ...inFile(
    "shard/handlers/account_ops.ts",
    [
      "forget where an account has signed in from",
      '    turn.append(account, { kind: "place_known", place, at: turn.now.wall });\n',
      "",
    ],
    [
      "revoke no token",
      '  if (known) turn.append(account, { kind: "device_removed", device: input.device });\n',
      "",
    ],
    [
      "leave sessions of a revoked device",
      '  closeSessions(turn, account, "revoked", (s) => s.device === input.device);\n',
      "",
    ],
    [
      "leave sessions of a removed account",
      'return NO_ACCOUNT;\n  closeSessions(turn, account, "revoked", () => true);\n  for',
      "return NO_ACCOUNT;\n  for",
    ],
    [
      "leave other devices' tokens when the password changes",
      "    if (d.device !== input.keepDevice) {",
      "    if (d.device === input.keepDevice) {",
    ],
    [
      "leave contacts of a removed account",
      "for (const type of removalStanzas(item.state)) {",
      "for (const type of removalStanzas(item.state).slice(2)) {",
    ],
    [
      "stay unseen by whom one has blocked after being enabled again",
      "    else shown.set(name, peerId);\n",
      "    else shown.delete(name);\n",
    ],
    ["stay hidden after being enabled again", "  else showAgain(turn, account);\n", ""],
    [
      "end sessions without telling the edge",
      "    endSession(turn, account, s);\n    turn.emit(account, {",
      '    endSession(turn, account, s);\n    if (reason === "expired") turn.emit(account, {',
    ],
  ),
];

const EDGE: readonly Mutant[] = [
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
      "if (user.id !== presence.watchedId || user.isOlder(presence)) this.#update(user, presence);",
      "this.#update(user, presence);",
    ],
    [
      "overlook a right that ends while it is asked for",
      "if (presence !== null && revoked === undefined) {",
      "if (presence !== null) {",
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
      "this.#shared.ended(this, detach && opened);",
      "this.#shared.ended(this, false);",
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
];

const TAKEOVER: readonly Mutant[] = [
  ...inFile(
    "server/store/fences.ts",
    [
      "skip the fence",
      "return fence !== undefined && fence.epoch === epoch && fence.head !== null;",
      "return fence !== undefined && fence.head !== null;",
    ],
  ),
  ...inFile(
    "server/node/takeovers.ts",
    [
      "keep the state of a shard that was fenced",
      "    if (this.#parts.cell === null) this.takeOver(shard, () => {});",
      "    if (this.#parts.cell === null) this.#parts.ownership.takeOver(shard.id, () => true, () => {});",
    ],
    [
      "forget what the former owner of a shard was asked",
      "    this.#repeat(fresh, old.takeBegun());\n",
      "",
    ],
    [
      "begin a request anew that was begun for another account",
      "dispatch.submit(shard, id === undefined ? input : callers.begun(input, id));",
      "dispatch.submit(shard, input);",
    ],
  ),
  ...inFile(
    "shard/step/incoming.ts",
    [
      "tell presence before all sessions are announced",
      "    if (settling.active) return settling.withhold(input);\n",
      "",
    ],
  ),
  ...inFile(
    "server/edge/packets.ts",
    [
      "forget to announce to a new owner",
      "        this.#announcer.announce(packet.lo, packet.hi, packet.epoch, packet.lossy === true);\n",
      "",
    ],
  ),
  ...inFile(
    "server/edge/announcer.ts",
    [
      "announce sessions, but no interests",
      "    for (const asked of watchers.registrations(lo, hi, this.#sessions.all())) {",
      "    for (const asked of watchers.registrations(lo, lo, this.#sessions.all())) {",
    ],
  ),
  ...inFile(
    "server/edge/watched.ts",
    [
      "apply the presence of an old epoch",
      "return epoch > this.epoch || (epoch === this.epoch && version > this.version);",
      "return epoch !== this.epoch || version > this.version;",
    ],
    [
      "take the presence of a new epoch for old",
      "return epoch > this.epoch || (epoch === this.epoch && version > this.version);",
      "return version > this.version;",
    ],
  ),
  ...inFile(
    "server/edge/own_presence.ts",
    [
      "announce the presence of the time of sign-in",
      "      if (set.ok) this.#known = presence;\n",
      "",
    ],
  ),
  ...inFile(
    "server/edge/session.ts",
    [
      "miss the events of the time without an owner",
      "    this.feed.heard(out.seq);\n    if (this.#phase",
      "    if (this.#phase",
    ],
    [
      "go on watching whom one may not see since the time without an owner",
      "    else this.#shared.watchers.rewatch(this, out.watch);\n",
      "",
    ],
  ),
];

/** All of them. */
export const MUTANTS: readonly Mutant[] = [
  ...COMMITS,
  ...STORE,
  ...MESSAGES,
  ...PRESENCE,
  ...EDGE,
  ...TAKEOVER,
  ...CELL,
];
