/** Mutants of subscriptions, blocks and rights. */
import { inFile, type Mutant } from "./mutant.ts";

/** See the head of this file. */
export const ROSTER: readonly Mutant[] = [
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
      '  if (known || pushed) turn.append(account, { kind: "device_removed", device: input.device });\n',
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
      "filter((device) => device !== keep);",
      "filter((device) => device === keep);",
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
