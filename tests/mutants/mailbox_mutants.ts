/** Mutants of events, receipts, history and quotas of a mailbox. */
import { inFile, type Mutant } from "./mutant.ts";

/** See the head of this file. */
export const MAILBOX: readonly Mutant[] = [
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
    "shard/message/inbound_rate.ts",
    [
      "take messages at any rate",
      "if (all + 1 > rate.burst || own >= Math.ceil(room)) return false;",
      "if (rate.burst === 0) return false;",
    ],
    [
      "let one contact take all that an account takes",
      "const CONTACT_PART = 1 / 2;",
      "const CONTACT_PART = 1;",
    ],
    [
      "let strangers take what contacts leave",
      "((rate.burst - (all - strangers)) * STRANGERS_PART - others)",
      "(rate.burst - others)",
    ],
    [
      "let one stranger take the strangers' part",
      "const STRANGER_PART = 1 / 8;",
      "const STRANGER_PART = 1;",
    ],
    [
      "count for ever what was received",
      "Math.exp((sinceMs - nowMs) / (rate.burst * rate.tokenMs));",
      "sinceMs > nowMs ? 0 : 1;",
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
  ...inFile(
    "shard/handlers/retention.ts",
    [
      "drop message ids before they are over age",
      "account.dedupe.expired(wallMs - limits.dedupeWindowMs);",
      "account.dedupe.expired(wallMs - 1000);",
    ],
  ),
  ...inFile(
    "shard/mailbox/conversation.ts",
    [
      "receipts go backwards",
      "this.deliveredOut = Math.max(this.deliveredOut, delivered);",
      "this.deliveredOut = read;",
    ],
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
    "shard/account/apply.ts",
    [
      "keep no account of unread messages",
      "if (e.from !== account.name) account.unread.add(c.index, event.seq);",
      "",
    ],
    [
      "keep what was read",
      "account.unread.settle(c.index, entry.upTo, c.unreadAfter(entry.upTo));\n      return readPushMark(account, entry.with);",
      "return readPushMark(account, entry.with);",
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
  ),
  ...inFile(
    "shard/account/clear_account.ts",
    [
      "reuse a deleted account's conversations",
      "  account.clearConversations();\n  account.outbox",
      "  account.outbox",
    ],
  ),
  ...inFile(
    "shard/account/clear_account.ts",
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
];
