// @ts-check
/** Who is in the list, and in which order. Nothing here touches the page. */

import { oneLine } from "./rich_text.js";
import { t } from "./texts.js";

/**
 * @import * as Api from "../client.d.ts"
 */

/** Which part of the list is shown. @typedef {"all" | "online" | "unread"} Filter */

/**
 * Somebody in the list. `self`: the notes to oneself.
 * @typedef {{
 *   readonly name: string, readonly title: string, readonly presence: Api.Presence | null,
 *   readonly unread: number, readonly at: number, readonly blocked: boolean,
 *   readonly asked: boolean, readonly self: boolean
 * }} Entry
 */

/** Names in the order of the language, with the numbers in them by their size. */
const NAMES = new Intl.Collator(t.language, { numeric: true });

/** In this order people are shown who are online. */
const RANKS = ["chat", "online", "away", "xa", "dnd"];

/** Whether somebody is known to be online. @param {Api.Presence | null} presence */
export const isOnline = (presence) => presence !== null && RANKS.includes(presence.show);

/**
 * The contacts and everybody with whom there is a conversation. The latest conversation is first,
 * then those without one, by name; blocked people are last. Who is online is sorted by availability.
 * @param {Pick<Api.Client, "contacts" | "conversations" | "blocked">} client
 * @param {string} query what to find in names; empty: all
 * @param {{ readonly filter?: Filter, readonly self?: string | null }} view
 * @returns {readonly Entry[]}
 */
export function entriesOf(client, query, { filter = "all", self = null } = {}) {
  const { contacts, conversations, blocked } = client;
  const wanted = query.trim().toLocaleLowerCase();
  const names = new Set([...contacts.keys(), ...conversations.keys(), ...blocked]);
  if (self !== null && wanted !== "") names.add(self);
  return [...names].map((name) => entryOf(client, name, name === self)).filter((entry) => {
    if (filter === "online" && (!isOnline(entry.presence) || entry.blocked)) return false;
    if (filter === "unread" && (entry.unread === 0 || entry.blocked)) return false;
    return entry.name.toLocaleLowerCase().includes(wanted) ||
      entry.title.toLocaleLowerCase().includes(wanted);
  }).sort((a, b) =>
    (filter === "online" ? rankOf(a) - rankOf(b) : 0) ||
    Number(a.blocked) - Number(b.blocked) || b.at - a.at || NAMES.compare(a.title, b.title)
  );
}

/** @param {Entry} entry */
const rankOf = ({ presence }) => RANKS.indexOf(presence?.show ?? "");

/**
 * @param {Pick<Api.Client, "contacts" | "conversations" | "blocked">} client
 * @param {string} name
 * @param {boolean} self
 * @returns {Entry}
 */
function entryOf({ contacts, conversations, blocked }, name, self) {
  const contact = contacts.get(name);
  const conversation = conversations.get(name);
  return {
    name,
    title: self ? t.common.notes : oneLine(contact?.label ?? "") || name,
    presence: contact !== undefined && sees(contact) && !self ? contact.presence : null,
    unread: self ? 0 : conversation?.unread ?? 0,
    at: conversation?.lastAt ?? 0,
    blocked: blocked.has(name),
    asked: contact !== undefined && awaitsAnswer(contact),
    self,
  };
}

/**
 * Whether messages to somebody wait until they accept the request.
 * @param {Pick<Api.Contact, "pendingOut" | "subscription">} contact
 */
export const awaitsAnswer = ({ pendingOut, subscription }) => pendingOut && subscription === "none";

/**
 * What somebody is to messages that wait.
 * @param {Pick<Api.Contact, "pendingOut" | "subscription"> | undefined} contact
 * @returns {import("./timeline.js").Relation}
 */
export function relationTo(contact) {
  if (contact === undefined) return "stranger";
  if (contact.subscription !== "none") return "contact";
  return contact.pendingOut ? "asked" : "stranger";
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
