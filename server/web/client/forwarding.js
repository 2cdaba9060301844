// @ts-check
/** What a client shows, from a mirror of it, and its calls as names and arguments for another tab. */
import { newKey } from "./bytes.js";
import { passkeysOf, signInWithPasskey } from "./passkeys.js";
import { pushFields } from "./push.js";

/**
 * @import * as Api from "../client.d.ts"
 * @import { Mirror } from "./mirror.js"
 * @import { Method } from "./tab_message.js"
 */

/**
 * A call that is made again by another tab has the same key.
 * @template {{ readonly key?: string }} T
 * @param {T} options
 */
const keyed = (options) => ({ ...options, key: options.key ?? newKey() });

/** See the head of this file. */
export class Forwarding {
  #mirror;
  #forward;

  /**
   * @param {Mirror} mirror what the client shows
   * @param {(method: Method, args: readonly unknown[]) => Promise<unknown>} forward
   */
  constructor(mirror, forward) {
    this.#mirror = mirror;
    this.#forward = forward;
  }

  get state() {
    return this.#mirror.state;
  }
  get contacts() {
    return this.#mirror.contacts;
  }
  get requests() {
    return this.#mirror.requests;
  }
  get blocked() {
    return this.#mirror.blocked;
  }
  get conversations() {
    return this.#mirror.conversations;
  }
  get messagesFrom() {
    return this.#mirror.messagesFrom;
  }
  get otherDevices() {
    return this.#mirror.otherDevices;
  }
  get pending() {
    return this.#mirror.pending;
  }

  /**
   * @template {Method} M
   * @param {M} method
   * @param {Parameters<Api.Client[M]>} args
   * @returns {ReturnType<Api.Client[M]>}
   */
  #ask(method, ...args) {
    return /** @type {ReturnType<Api.Client[M]>} */ (this.#forward(method, args));
  }

  /** @type {Api.Client["send"]} */
  send = (to, body, options = {}) => this.#ask("send", to, body, keyed(options));
  /** @type {Api.Client["edit"]} */
  edit = (to, num, body, options = {}) => this.#ask("edit", to, num, body, keyed(options));
  /** @type {Api.Client["remove"]} */
  remove = (to, num, options = {}) => this.#ask("remove", to, num, keyed(options));
  /** @type {Api.Client["react"]} */
  react = (to, message, emoji, options = {}) =>
    this.#ask("react", to, message, emoji, keyed(options));
  /** @type {Api.Client["register"]} */
  register = (account) => this.#ask("register", account);
  /** @type {Api.Client["signIn"]} */
  signIn = (...args) => this.#ask("signIn", ...args);
  /** @type {Api.Client["signOut"]} */
  signOut = () => this.#ask("signOut");
  /** @type {Api.Client["setPresence"]} */
  setPresence = (presence) => this.#ask("setPresence", presence);
  /** @type {Api.Client["subscribe"]} */
  subscribe = (contact) => this.#ask("subscribe", contact);
  /** @type {Api.Client["approve"]} */
  approve = (contact) => this.#ask("approve", contact);
  /** @type {Api.Client["deny"]} */
  deny = (contact) => this.#ask("deny", contact);
  /** @type {Api.Client["unsubscribe"]} */
  unsubscribe = (contact) => this.#ask("unsubscribe", contact);
  /** @type {Api.Client["contact"]} */
  contact = (...args) => this.#ask("contact", ...args);
  /** @type {Api.Client["uncontact"]} */
  uncontact = (contact) => this.#ask("uncontact", contact);
  /** @type {Api.Client["block"]} */
  block = (contact) => this.#ask("block", contact);
  /** @type {Api.Client["unblock"]} */
  unblock = (contact) => this.#ask("unblock", contact);
  /** @type {Api.Client["setMessagesFrom"]} */
  setMessagesFrom = (who) => this.#ask("setMessagesFrom", who);
  /** @type {Api.Client["history"]} */
  history = (...args) => this.#ask("history", ...args);
  /** @type {Api.Client["search"]} */
  search = (...args) => this.#ask("search", ...args);
  /** @type {Api.Client["markRead"]} */
  markRead = (...args) => this.#ask("markRead", ...args);
  /** @type {Api.Client["typing"]} */
  typing = (...args) => this.#ask("typing", ...args);
  /** @type {Api.Client["signal"]} */
  signal = (...args) => this.#ask("signal", ...args);
  /** @type {Api.Client["devices"]} */
  devices = () => this.#ask("devices");
  /** @type {Api.Client["revoke"]} */
  revoke = (device) => this.#ask("revoke", device);
  /** @type {Api.Client["push"]} */
  push = (given) => this.#ask("push", /** @type {typeof given} */ (pushFields(given)));
  /** @type {Api.Client["unpush"]} */
  unpush = () => this.#ask("unpush");
  /** @type {Api.Client["pushes"]} */
  pushes = () => this.#ask("pushes");
  /** @type {Api.Client["factors"]} */
  factors = () => this.#ask("factors");
  /** @type {Api.Client["beginTotp"]} */
  beginTotp = (proof = {}) => this.#ask("beginTotp", proof);
  /** @type {Api.Client["confirmTotp"]} */
  confirmTotp = (confirmed) => this.#ask("confirmTotp", confirmed);
  /** @type {Api.Client["removeTotp"]} */
  removeTotp = (proof) => this.#ask("removeTotp", proof);
  /** @type {Api.Client["renewRecoveryCodes"]} */
  renewRecoveryCodes = (proof) => this.#ask("renewRecoveryCodes", proof);
  /** @type {Api.Client["passkeyRequest"]} */
  passkeyRequest = (t, fields) => this.#ask("passkeyRequest", t, fields);
  // The browser asks in the tab where the user is.
  passkeys = passkeysOf((t, fields) => this.passkeyRequest(t, fields));
  /** @type {Api.Client["signInWithPasskey"]} */
  signInWithPasskey = (options) => signInWithPasskey(this, options);
  /** @type {Api.Client["changePassword"]} */
  changePassword = (change) => this.#ask("changePassword", change);
}
