/** React hooks for Roost: types of `hooks.js`, which the npm package has as `roost-client/react`. */
import type { ReactElement, ReactNode } from "react";
import type {
  Client,
  Contact,
  Conversation,
  Message,
  PendingMessage,
  Presence,
  RoostError,
  Sent,
  State,
  Undelivered,
} from "../client.d.ts";

/** Gives the hooks below it their client, which stays the application's: it signs in and closes it. */
export declare function RoostProvider(
  props: { readonly client: Client; readonly children?: ReactNode },
): ReactElement;

/** Returns the client of the nearest `RoostProvider`; throws where there is none. */
export declare function useRoost(): Client;

/** What the client is doing: `status`, `user`, `reason` and so on. */
export declare function useStatus(): State;

/** The contact list with live presence, by name. */
export declare function useContacts(): readonly Contact[];

/** Somebody's presence; `unknown` of somebody who is no contact. Other contacts render nothing. */
export declare function usePresence(contact: string): Presence;

/** Names of those who ask to see my presence. */
export declare function useRequests(): readonly string[];

/** All conversations, that with the latest message first. */
export declare function useConversations(): readonly Conversation[];

/** A conversation as it is shown, and what can be done in it. */
export interface ConversationView {
  /** Unread messages and positions; `undefined` before the first message. */
  readonly conversation: Conversation | undefined;
  /** Messages, and what was not delivered, ascending: the newest page, and what was loaded since. */
  readonly events: readonly (Message | Undelivered)[];
  /** Messages that wait for the server's acknowledgement. */
  readonly pending: readonly PendingMessage[];
  /** Whether there may be earlier ones. */
  readonly more: boolean;
  readonly loading: boolean;
  /** Why the last page could not be loaded; it is tried again after the next connection. */
  readonly error: RoostError | null;
  /** The other side types at this moment. */
  readonly typing: boolean;

  /** See `Client.send`. */
  readonly send: (
    body: string,
    options?: { readonly ext?: string; readonly key?: string },
  ) => Promise<Sent>;
  /** Loads the page before the first event. */
  readonly loadEarlier: () => Promise<void>;
  /** Everything that is shown has been read. */
  readonly markRead: () => Promise<void>;
  /** Tells the other side that the user types, or has stopped. */
  readonly typed: (active?: boolean) => Promise<boolean>;
}

/** A conversation with live messages. Its newest page is loaded when the component is mounted. */
export declare function useConversation(
  peer: string,
  options?: { readonly limit?: number },
): ConversationView;
