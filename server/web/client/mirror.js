// @ts-check
/** What a client shows, as a tab has it whose client is in another tab. */
import { OFFLINE } from "./book.js";

/**
 * @import * as Api from "../client.d.ts"
 */

/**
 * What changes with an event: whole fields, or one entry of a map.
 * @typedef {Partial<Omit<Mirror, "apply">> & {
 *   conversation?: Api.Conversation | undefined, contact?: Api.Contact | undefined
 * }} Part
 */

/** See the head of this file. */
export class Mirror {
  /** @type {Api.State} */
  state = Object.freeze({
    status: "signed_out",
    transport: null,
    user: null,
    device: null,
    domain: null,
    reason: null,
    retryInMs: null,
    expiresAt: null,
    limits: {},
  });
  /** @type {Map<string, Api.Contact>} */
  contacts = new Map();
  /** @type {Set<string>} */
  requests = new Set();
  /** @type {Set<string>} */
  blocked = new Set();
  /** @type {Map<string, Api.Conversation>} */
  conversations = new Map();
  /** @type {"contacts" | "anyone" | null} */
  messagesFrom = null;
  otherDevices = OFFLINE;
  /** @type {readonly Api.PendingMessage[]} */
  pending = [];

  /** @param {Part} part */
  apply({ conversation, contact, ...fields }) {
    Object.assign(this, fields);
    if (conversation !== undefined) this.conversations.set(conversation.with, conversation);
    if (contact !== undefined) this.contacts.set(contact.name, contact);
  }
}

/**
 * Everything that a client shows.
 * @param {Api.Client} client
 * @returns {Part}
 */
export function wholeOf(client) {
  const { state, contacts, requests, blocked, conversations, pending } = client;
  const { messagesFrom, otherDevices } = client;
  return {
    state,
    pending,
    messagesFrom,
    otherDevices,
    contacts: new Map(contacts),
    requests: new Set(requests),
    blocked: new Set(blocked),
    conversations: new Map(conversations),
  };
}

/**
 * What an event has changed.
 * @param {Api.Client} client
 * @param {keyof Api.Events} event
 * @param {Readonly<Record<string, unknown>>} detail
 * @returns {Part}
 */
export function partOf(client, event, detail) {
  const { state, pending, otherDevices } = client;
  switch (event) {
    case "message":
    case "change":
    case "receipt":
    case "read":
    case "undelivered":
      return { pending, conversation: client.conversations.get(String(detail["with"])) };
    case "presence":
      return { otherDevices, contact: client.contacts.get(String(detail["user"])) };
    case "roster":
    case "request":
    case "snapshot":
      return wholeOf(client);
    default:
      return { state, pending };
  }
}
