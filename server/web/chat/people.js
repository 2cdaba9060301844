// @ts-check
/** Who is in the list, and in which order. Nothing here touches the page. */

/**
 * @import * as Api from "../client.d.ts"
 */

/**
 * Somebody in the list.
 * @typedef {{
 *   readonly name: string, readonly title: string, readonly presence: Api.Presence | null,
 *   readonly unread: number, readonly at: number, readonly blocked: boolean,
 *   readonly asked: boolean
 * }} Entry
 */

/**
 * Contacts, and whoever there is a conversation with. The latest conversation comes first, then
 * who there is none with, by name; people who are blocked last.
 * @param {Pick<Api.Client, "contacts" | "conversations" | "blocked">} client
 * @param {string} query what to find in names; empty: all
 * @returns {readonly Entry[]}
 */
export function entriesOf({ contacts, conversations, blocked }, query) {
  const names = new Set([...contacts.keys(), ...conversations.keys(), ...blocked]);
  const wanted = query.trim().toLocaleLowerCase();
  return [...names].map((name) => {
    const contact = contacts.get(name);
    const conversation = conversations.get(name);
    return {
      name,
      title: contact?.label || name,
      presence: contact !== undefined && sees(contact) ? contact.presence : null,
      unread: conversation?.unread ?? 0,
      at: conversation?.lastAt ?? 0,
      blocked: blocked.has(name),
      asked: contact?.pendingOut === true && !sees(contact),
    };
  }).filter(({ name, title }) =>
    name.toLocaleLowerCase().includes(wanted) || title.toLocaleLowerCase().includes(wanted)
  ).sort((a, b) =>
    Number(a.blocked) - Number(b.blocked) || b.at - a.at || a.title.localeCompare(b.title)
  );
}

/** Whether a contact's presence can be seen. @param {Api.Contact} contact */
export const sees = ({ subscription }) => subscription === "to" || subscription === "both";

/** Whether a contact can see mine. @param {Api.Contact} contact */
export const seen = ({ subscription }) => subscription === "from" || subscription === "both";

/**
 * Unread messages of everybody who is not blocked.
 * @param {Pick<Api.Client, "conversations" | "blocked">} client
 */
export function unreadOf({ conversations, blocked }) {
  let sum = 0;
  for (const { with: name, unread } of conversations.values()) {
    if (!blocked.has(name)) sum += unread;
  }
  return sum;
}
