/** The state a new or reset device starts from. */
import type { Account } from "../account/account.ts";
import { forEachSince } from "../account/head_items.ts";
import type { AccountName } from "../name/ids.ts";
import type { ConversationView, RosterItemView, Snapshot } from "../ops.ts";
import { type RosterItem, rosterView } from "../roster/roster.ts";

/** Its contacts, and those who ask to be. */
export function contactsOf(account: Account): RosterItem[] {
  const items: RosterItem[] = [];
  account.lazyRoster.forEach((item) => items.push(item));
  return items;
}

function isShown(account: Account, item: RosterItem): boolean {
  return item.state.pendingIn && !item.withheld && !account.blocked.has(item.contact);
}

/** Everything a device needs, as of the mailbox's last position. */
export function snapshotOf(account: Account, contacts = contactsOf(account)): Snapshot {
  const roster: RosterItemView[] = [];
  const requests: AccountName[] = [];
  for (const item of contacts) {
    if (item.listed) roster.push(rosterView(item));
    if (isShown(account, item)) requests.push(item.contact);
  }
  const conversations: ConversationView[] = [];
  forEachSince(account, account.mailbox.first, (c) => {
    const waiting = account.waiting.get(c.with);
    conversations.push({
      with: c.with,
      lastSeq: c.lastSeq,
      lastAt: c.lastAt,
      // Earlier versions counted a message to oneself as unread.
      unread: c.with === account.name ? 0 : c.unreadCount,
      readUpTo: c.readUpTo,
      delivered: c.deliveredOut,
      read: c.readOut,
      ...(waiting === undefined ? {} : { waiting: waiting.map(({ num }) => num) }),
    });
  });
  return {
    seq: account.mailbox.last,
    roster,
    requests,
    blocked: [...account.blocked.keys()],
    conversations,
    messagesFrom: account.messagesFrom,
  };
}
