// @ts-check
"use client";
/** React hooks for Roost. The types, which are their reference, are in hooks.d.ts. */
import { createContext, createElement, useContext, useMemo, useSyncExternalStore } from "react";
import { Talk } from "./talk.js";
import { contactsView, conversationsView, presenceView, requestsView, viewOf } from "./view.js";

/**
 * @import * as Api from "../client.d.ts"
 * @import * as Hooks from "./hooks.d.ts"
 */

const RoostContext = createContext(/** @type {Api.Client | null} */ (null));

/** @type {typeof Hooks.RoostProvider} */
export function RoostProvider({ client, children }) {
  return createElement(RoostContext.Provider, { value: client }, children);
}

/** @type {typeof Hooks.useRoost} */
export function useRoost() {
  const client = useContext(RoostContext);
  if (client === null) throw new Error("There is no RoostProvider above this component");
  return client;
}

/**
 * What a view of the client shows.
 * @template T
 * @param {(client: Api.Client) => { subscribe: (changed: () => void) => () => void, get: () => T }} make
 * @param {readonly unknown[]} of what `make` depends on besides the client
 */
function useView(make, of = []) {
  const client = useRoost();
  const view = useMemo(() => make(client), [client, ...of]);
  return useSyncExternalStore(view.subscribe, view.get, view.get);
}

/** @type {typeof Hooks.useStatus} */
export function useStatus() {
  return useView((client) => viewOf(client, ["status"], () => client.state));
}

/** @type {typeof Hooks.useContacts} */
export function useContacts() {
  return useView(contactsView);
}

/** @type {typeof Hooks.usePresence} */
export function usePresence(contact) {
  return useView((client) => presenceView(client, contact), [contact]);
}

/** @type {typeof Hooks.useRequests} */
export function useRequests() {
  return useView(requestsView);
}

/** @type {typeof Hooks.useConversations} */
export function useConversations() {
  return useView(conversationsView);
}

/** @type {typeof Hooks.useConversation} */
export function useConversation(peer, { limit } = {}) {
  const client = useRoost();
  const talk = useMemo(() => new Talk(client, peer, limit), [client, peer, limit]);
  const shown = useSyncExternalStore(talk.subscribe, talk.get, talk.get);
  return useMemo(() => {
    const { send, loadEarlier, markRead, typed } = talk;
    return { ...shown, send, loadEarlier, markRead, typed };
  }, [talk, shown]);
}
