/**
 * Operations that take an account out of a server and into another. An account that is being
 * imported is nobody's: it cannot sign in, takes no messages, and is shown to nobody until all of
 * it exists. Its mailbox's id follows from the file, so that an import is known again.
 */
import type { Account } from "../account/account.ts";
import type { AccountId, AccountName } from "../name/ids.ts";
import type {
  ExportedContact,
  ExportedConversation,
  ImportItem,
  ImportState,
} from "../account/transfer.ts";
import type { MailboxBody } from "../ops.ts";
import type { RosterItem } from "../roster/roster.ts";
import type { Handler, Turn } from "./turn.ts";
import { conversationsTotalMax } from "../limits.ts";
import { fail, type Failure, ok } from "../errors.ts";
import { headFull } from "./head_full.ts";
import { homeElsewhere } from "./name_home.ts";
import { NO_SUBSCRIPTION } from "../roster/subscription.ts";
import { KEPT_BLOCKS_MAX, readRetained } from "../mailbox/mailbox.ts";
import { showAgain } from "./account_ops.ts";

const NO_ACCOUNT = fail("not_found", "There is no such account");
const NOT_IMPORTING = fail("conflict", "Cannot import: this account is not being imported");
/** How long until a checkpoint has told how large an account is (ms). */
const MEASURE_MS = 1000;

function contactOf(item: RosterItem): ExportedContact {
  const { contact, label, groups, state, listed } = item;
  return { contact, label, groups, state, listed };
}

function waitingOf(account: Account, peer: AccountName): Pick<ExportedConversation, "waiting"> {
  const waiting = account.waiting.get(peer);
  return waiting === undefined ? {} : { waiting: waiting.map(({ num, id }) => ({ num, id })) };
}

function conversationsOf(account: Account): ExportedConversation[] {
  return [...account.conversations.values()].map((c) => ({
    with: c.with,
    sent: c.outNum,
    lastSeq: c.lastSeq,
    lastAt: c.lastAt,
    lastInSeq: c.lastInSeq,
    unread: c.unread.map(({ seq }) => seq),
    unreadMore: c.unreadMore,
    readUpTo: c.readUpTo,
    delivered: c.deliveredOut,
    read: c.readOut,
    ...waitingOf(account, c.with),
  }));
}

/** As of the mailbox's last position. */
export const exportAccount: Handler<"export.account"> = (_turn, account, input) => {
  if (!account.alive) return NO_ACCOUNT;
  return ok({
    state: account.active ? "active" : "disabled",
    createdAt: account.createdAt,
    lastSeen: account.lastSeen,
    messagesFrom: account.messagesFrom,
    credentials: input.credentials ? account.credentials : null,
    first: account.mailbox.first,
    ...(account.mailbox.keptFirst < account.mailbox.first
      ? { keptFrom: account.mailbox.keptFirst }
      : {}),
    last: account.mailbox.last,
    devices: account.devices.map(({ tokenHash: _, ...device }) => device),
    contacts: [...account.roster.values()].map(contactOf),
    blocked: [...account.blocked.keys()],
    conversations: conversationsOf(account),
  });
};

/**
 * A page ends early where the next block would have to be read; a gap where events were dropped.
 */
export const exportEvents: Handler<"export.events"> = (_turn, account, input, pending) => {
  if (!account.alive) return NO_ACCOUNT;
  const { after, upTo } = input;
  const limit = Math.min(input.limit, upTo - after);
  const events = readRetained(account.mailbox, after, limit, input.bytesMax, pending.blocks);
  if ("need" in events) return { wait: "block", table: "m", first: events.need };
  return ok(events.filter(({ seq }) => seq <= upTo));
};

function stateOf(account: Account, key: string): ImportState {
  if (account.state === "absent") return "free";
  if (account.mailbox.id !== key) return "taken";
  if (account.state === "importing") return "importing";
  return account.alive ? "done" : "taken";
}

/** Changes nothing. */
export const lookAtImport: Handler<"import.look"> = (_turn, account, { key }) =>
  ok(stateOf(account, key));

/** Again for the same import goes on where it was. */
export const beginImport: Handler<"import.begin"> = (turn, account, input) => {
  switch (stateOf(account, input.key)) {
    case "free": {
      const elsewhere = homeElsewhere(turn, account);
      if (elsewhere !== null) return elsewhere;
      const { id, key: mailboxId, account: { keptFrom = 0, ...head } } = input;
      turn.append(account, { kind: "import_begun", id, mailboxId, ...head, keptFrom });
      return ok({ last: account.mailbox.last });
    }
    case "importing":
      return ok({ last: account.mailbox.last });
    case "done":
      return ok({ last: null });
    case "taken":
      return fail("conflict", "Cannot import: this name is taken");
  }
};

/** Up to the first thing that cannot be added; what came before it stays. */
export const appendImport: Handler<"import.append"> = (turn, account, input) => {
  if (stateOf(account, input.key) !== "importing") return NOT_IMPORTING;
  for (const item of input.items) {
    const refusal = append(turn, account, item);
    if (refusal !== null) return refusal;
  }
  return ok({ last: account.mailbox.last });
};

function append(turn: Turn, account: Account, item: ImportItem): Failure | null {
  const full = item.kind === "event"
    ? noRoomForPeer(turn, account, peerOf(item.event))
    : noRoom(turn, account, item);
  if (full !== null) return full;
  switch (item.kind) {
    case "contact":
      // Under another name, somebody's contact may have been what is now oneself.
      if (item.contact.contact === account.name) return null;
      turn.append(account, {
        kind: "roster",
        item: { ...item.contact, peerId: "", asked: 0, withheld: false },
      });
      return null;
    case "blocked":
      if (item.contact === account.name) return null;
      turn.append(account, {
        kind: "blocked",
        contact: item.contact,
        blocked: true,
        peerId: "",
        lastSeen: 0,
      });
      return null;
    case "conversation":
      return appendConversation(turn, account, item.conversation);
    case "event":
      return appendEvent(turn, account, item.event);
  }
}

function appendConversation(turn: Turn, account: Account, item: ExportedConversation): null {
  const { waiting = [], ...conversation } = item;
  turn.append(account, { kind: "import_conversation", ...conversation });
  const known = account.conversations.get(conversation.with)?.refusedOut ?? [];
  // They are not sent again: the next receipt tells that they did not arrive.
  for (const { num, id } of waiting) {
    if (known.some(({ to }) => to === num)) continue;
    turn.append(account, { kind: "refused", with: conversation.with, num, id });
  }
  return null;
}

function appendEvent(
  turn: Turn,
  account: Account,
  event: (ImportItem & { kind: "event" })["event"],
): Failure | null {
  const { seq, at, ...body } = event;
  const { last, gapsBefore, blocks } = account.mailbox;
  if (seq <= last) return null;
  if (seq !== last + 1 && seq > gapsBefore) {
    return fail("bad_request", `Cannot import: event ${seq} follows event ${last}`);
  }
  if (seq < gapsBefore && blocks.length >= KEPT_BLOCKS_MAX) {
    return fail("limit_reached", "Cannot import: too many gaps before the first event of `first`");
  }
  if (body.kind === "undelivered" && body.from !== undefined) {
    turn.append(account, { ...body, kind: "refused_told", seq, at, from: body.from });
  } else turn.append(account, { kind: "event", seq, at, body: body as MailboxBody });
  return null;
}

/** Who an event is a message with, where it is one. */
function peerOf(body: MailboxBody): AccountName | null {
  return body.kind === "message" || body.kind === "undelivered" ? body.with : null;
}

function noRoom(
  turn: Turn,
  account: Account,
  item: Exclude<ImportItem, { kind: "event" }>,
): Failure | null {
  const { limits } = turn;
  switch (item.kind) {
    case "contact": {
      if (account.roster.has(item.contact.contact)) return null;
      const max = limits.rosterMax + limits.pendingRequestsMax;
      return noMore(turn, account, account.roster.size, max, "contacts");
    }
    case "blocked":
      if (account.blocked.has(item.contact)) return null;
      return noMore(turn, account, account.blocked.size, limits.blockedMax, "blocked names");
    case "conversation":
      return noRoomForPeer(turn, account, item.conversation.with);
  }
}

function noRoomForPeer(turn: Turn, account: Account, peer: AccountName | null): Failure | null {
  if (peer === null || account.conversations.has(peer)) return null;
  const max = conversationsTotalMax(turn.limits);
  return noMore(turn, account, account.conversations.size, max, "conversations");
}

function noMore(
  turn: Turn,
  account: Account,
  has: number,
  max: number,
  what: string,
): Failure | null {
  if (has >= max) {
    return fail("limit_reached", `Cannot import: an account may have ${max} ${what}`);
  }
  if (!headFull(turn, account)) return null;
  // Until its checkpoint, an account's size is only estimated, and too high.
  return account.runtime.dirtyLsn === 0
    ? fail("limit_reached", `Cannot import: the account has all the ${what} that it can hold`)
    : fail("busy", "Cannot import yet: the account is being written", MEASURE_MS);
}

/** Those whose subscriptions somebody else has a part in. */
export const importedRoster: Handler<"import.roster"> = (_turn, account, { key }) => {
  if (stateOf(account, key) !== "importing") return NOT_IMPORTING;
  const items = [...account.roster.values()].filter((i) => i.peerId === "" && isTied(i));
  return ok(items.map(({ contact, state }) => ({ contact, state })));
};

function isTied({ state }: RosterItem): boolean {
  return state.subscription !== "none" || state.pendingOut || state.pendingIn || state.approved;
}

/** null where the name holds nothing, or something else. */
export const importedPeer: Handler<"import.peer"> = (_turn, account, { key, asker }) => {
  const state = stateOf(account, key);
  if (state !== "importing" && state !== "done") return ok(null);
  const item = account.roster.get(asker);
  return ok({ id: account.id as AccountId, state: item?.state ?? NO_SUBSCRIPTION });
};

/** A request of somebody who is not there is dropped. */
export const linkImport: Handler<"import.link"> = (turn, account, { key, links }) => {
  if (stateOf(account, key) !== "importing") return NOT_IMPORTING;
  for (const { contact, peerId, state } of links) {
    const item = account.roster.get(contact);
    if (item === undefined) continue;
    const linked = { ...item, peerId, state: peerId === "" ? NO_SUBSCRIPTION : state };
    if (linked.listed || linked.state.pendingIn) {
      turn.append(account, { kind: "roster", item: linked });
    } else turn.append(account, { kind: "roster_removed", contact });
  }
  return ok(null);
};

/** Sessions that attached during the import learned that there is nobody to see. */
export const endImport: Handler<"import.done"> = (turn, account, { key, disabled }) => {
  const state = stateOf(account, key);
  if (state === "done") return ok(null);
  if (state !== "importing") return NOT_IMPORTING;
  turn.append(account, { kind: "import_done", disabled });
  if (!disabled) showAgain(turn, account);
  return ok(null);
};
