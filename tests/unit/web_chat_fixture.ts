/** What tests of the chat page share: contacts and conversations as the client library has them. */
import type { Conversation, Presence } from "../../server/web/client.d.ts";

/** The presence of a contact that was never seen. */
export const OFFLINE: Presence = {
  show: "offline",
  status: "",
  priority: 0,
  ext: "",
  device: null,
  devices: 0,
  lastSeen: 0,
};

/** A conversation without messages, with `fields` in place of its own. */
export function conversation(name: string, fields: Partial<Conversation> = {}): Conversation {
  const none = {
    lastSeq: 0,
    lastAt: 0,
    unread: 0,
    readUpTo: 0,
    delivered: 0,
    read: 0,
    waiting: [],
  };
  return { with: name, ...none, ...fields };
}
