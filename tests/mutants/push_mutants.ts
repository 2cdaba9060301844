/** Mutants of push messages. */
import { inTested, type Mutant } from "./mutant.ts";

const SHARD = "tests/scenario/push_test.ts";
const KEPT = "tests/unit/push_targets_test.ts";
const SENDER = "tests/unit/push_sender_test.ts";

/** See the head of this file. */
export const PUSH: readonly Mutant[] = [
  ...inTested(
    "shard/handlers/push_due.ts",
    SHARD,
    [
      "send a push message for each message of a burst",
      "if (account.pushMarks.has(peer)) return;",
      "",
    ],
    [
      "send a push message without a grace",
      "turn.schedulePush(account, turn.limits.pushGraceMs);",
      "turn.schedulePush(account, 0);",
    ],
    [
      "send a push message to who is there",
      "if (isActive(turn, account)) {",
      'if (isActive(turn, account) && account.name === "") {',
    ],
    [
      "take a device that is away for active",
      'presence.show !== "away" && presence.show !== "xa"',
      'presence.show !== "xa"',
    ],
    [
      "take a dead connection for a reader",
      "if (account.ackedSeq >= c.lastInSeq) return settle",
      "if (account.ackedSeq >= 0) return settle",
    ],
    [
      "send push messages of who is blocked",
      "|| account.blocked.has(peer)",
      "",
    ],
    [
      "wait for a node that says nothing for ever",
      "return SILENT_MS;",
      "return null;",
    ],
    [
      "send again to devices that have had it",
      ".filter((t) => !progress.done.has(t.device));",
      ";",
    ],
    [
      "give a push message up that was not taken",
      'if (outcome !== "later") progress.done.add(device);',
      "progress.done.add(device);",
    ],
    [
      "send push messages of what is days old",
      "if (now.wall - c.lastAt > limits.pushAgeMaxMs) return settle(turn, account, peer, mark, true);",
      "",
    ],
  ),
  ...inTested(
    "shard/handlers/push_ops.ts",
    SHARD,
    [
      "send to devices whose tokens have expired",
      "return (device?.expiresAt ?? target.at + WITHOUT_TOKEN_MS) > wallMs;",
      "return device !== undefined || wallMs > 0;",
    ],
    [
      "take one push subscription too many",
      "account.pushTargets.length >= PUSH_TARGETS_MAX",
      "account.pushTargets.length > PUSH_TARGETS_MAX",
    ],
    [
      "keep push subscriptions that are gone",
      'if (outcome !== "gone" || target?.endpoint !== endpoint) continue;',
      "continue;",
    ],
  ),
  ...inTested(
    "shard/account/push_targets.ts",
    KEPT,
    [
      "owe push messages without a subscription",
      "if (account.pushTargets.length === 0) return;\n      marksOf",
      "marksOf",
    ],
    [
      "settle the push message of another message",
      "if (account.pushMarks.get(e.with)?.seq !== seq) return;",
      "",
    ],
    [
      "keep marks without a subscription",
      "if (left.length === 0) account.pushMarks = NO_PUSH_MARKS;",
      "",
    ],
  ),
  ...inTested("shard/account/push_targets.ts", SHARD, [
    "send nothing more once a conversation has had a push message",
    "if (mark.sent || unread === 0) forgetPushMark",
    "if (unread < 0) forgetPushMark",
  ]),
  ...inTested("shard/account/head_sections.ts", KEPT, [
    "checkpoint without push subscriptions",
    "sections.push([PUSH_SECTION, body]);",
    "void body;",
  ]),
  ...inTested(
    "server/push/push_sender.ts",
    SENDER,
    [
      "send a push message twice that is under way",
      "if (this.#stopped || this.#jobs.has(key)) return;",
      "if (this.#stopped) return;",
    ],
    [
      "keep all push messages that wait",
      "if (this.#waiting + push.targets.length > this.#limits.waitingMax) {",
      "if (this.#waiting < 0) {",
    ],
    [
      "give all requests to one push service",
      "Math.floor(this.#limits.requestsMax / 4)",
      "Math.floor(this.#limits.requestsMax / 1)",
    ],
    [
      "go on with all requests to a push service that fails",
      "const keep = waitMs <= 0 && service.active === 0 ? 1 : 0;",
      "const keep = waitMs <= 0 ? service.waiting.length : 0;",
    ],
    [
      "try a dead push service for each message",
      "if (service.failures >= FAILURES_MAX) this.#putOff(service);",
      "",
    ],
    [
      "end push subscriptions for any refusal",
      "status === 404 || status === 410) {",
      "(status >= 400 && status < 429)) {",
    ],
    [
      "give up what a push service is too busy for",
      "status === 0 || status === 429 || status >= 500",
      "status === 0 || status >= 500",
    ],
    [
      "tell the shard of a push message device by device",
      "if (--job.left > 0) return;",
      "job.left--;",
    ],
    [
      "connect to the endpoint of a device whose service is not known",
      'return service === "" || this.#deps.services.has(service);',
      "return service !== null;",
    ],
  ),
];
