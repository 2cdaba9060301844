// @ts-check
/** What a component shows of a client: the same value until something in it changes. */

/**
 * @import * as Api from "../client.d.ts"
 */

/**
 * Whether two values of plain data are equal, entry by entry.
 * @param {unknown} a
 * @param {unknown} b
 * @returns {boolean}
 */
export function same(a, b) {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  const [one, other] = [Object.entries(a), /** @type {Record<string, unknown>} */ (b)];
  return one.length === Object.keys(b).length &&
    one.every(([key, value]) => Object.hasOwn(other, key) && same(value, other[key]));
}

/**
 * A value for `useSyncExternalStore`.
 * @template T
 */
export class View {
  #listen;
  #read;
  /** @type {T | undefined} */
  #value;

  /**
   * @param {(changed: () => void) => readonly (() => void)[]} listen returns what ends it
   * @param {() => T} read
   */
  constructor(listen, read) {
    this.#listen = listen;
    this.#read = read;
  }

  /** @param {() => void} changed */
  subscribe = (changed) => {
    const ends = this.#listen(changed);
    return () => {
      for (const end of ends) end();
    };
  };

  /** @returns {T} */
  get = () => {
    const value = this.#read();
    if (this.#value === undefined || !same(value, this.#value)) this.#value = value;
    return this.#value;
  };
}

/**
 * A view of something that any of the events may change.
 * @template T
 * @param {Api.Client} client
 * @param {readonly (keyof Api.Events)[]} events
 * @param {() => T} read
 * @returns {View<T>}
 */
export function viewOf(client, events, read) {
  return new View((changed) => events.map((event) => client.on(event, changed)), read);
}

/** Of somebody who is no contact. @type {Api.Presence} */
const UNKNOWN = Object.freeze({
  show: "unknown",
  status: "",
  priority: 0,
  ext: "",
  device: null,
  devices: 0,
  lastSeen: 0,
});

/**
 * Somebody's presence. Events about others are passed over at once: a list has many of these.
 * @param {Api.Client} client
 * @param {string} contact
 * @returns {View<Api.Presence>}
 */
export function presenceView(client, contact) {
  return new View((changed) => [
    client.on("presence", ({ user }) => {
      if (user === contact) changed();
    }),
    client.on("roster", changed),
    client.on("snapshot", changed),
    client.on("status", changed),
  ], () => client.contacts.get(contact)?.presence ?? UNKNOWN);
}

/** @param {Api.Client} client */
export function contactsView(client) {
  return viewOf(
    client,
    ["presence", "roster", "snapshot", "status"],
    () => [...client.contacts.values()].sort((a, b) => a.name < b.name ? -1 : 1),
  );
}

/** @param {Api.Client} client */
export function requestsView(client) {
  return viewOf(client, ["request", "snapshot", "status"], () => [...client.requests].sort());
}

/** Events that change conversations. @type {readonly (keyof Api.Events)[]} */
export const TALKING = [
  "message",
  "change",
  "undelivered",
  "receipt",
  "read",
  "roster",
  "snapshot",
];

/** @param {Api.Client} client */
export function conversationsView(client) {
  return viewOf(
    client,
    [...TALKING, "status"],
    () => [...client.conversations.values()].sort((a, b) => b.lastAt - a.lastAt),
  );
}
