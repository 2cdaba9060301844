// @ts-check
/** What an application asks for by one command each. */
import { newKey } from "./bytes.js";
import { laneOf } from "./commands.js";
import { passkeysOf, signInWithPasskey } from "./passkeys.js";
import { pushFields } from "./push.js";
import { RoostError, signedOut } from "./error.js";

/**
 * @import * as Api from "../client.d.ts"
 * @import { Commands } from "./commands.js"
 * @import { Json } from "./types.d.ts"
 */

/**
 * `enqueue` takes a command in. `lastSeq` is the position of the newest message of a conversation.
 * `present`: new sessions have this presence.
 * @typedef {{
 *   env: Api.Platform,
 *   timing: Api.Timing,
 *   status: () => Api.State["status"],
 *   lastSeq: (peer: string) => number,
 *   limits: () => Readonly<Record<string, number>>,
 *   present: (presence: Api.OwnPresence | null) => void,
 *   beginPasskey: (fields: Json) => Promise<unknown>,
 *   enqueue: (t: string, fields: Json, how?: Parameters<Commands["add"]>[2]) => Promise<unknown>
 * }} CallsHost
 */

/** Typing to one person is signalled at most so often (ms). */
const TYPING_MS = 3000;

/** See the head of this file. */
export class Calls {
  #host;
  /** @type {{ to: string, at: number }} */
  #typed = { to: "", at: 0 };

  /** @param {CallsHost} host */
  constructor(host) {
    this.#host = host;
  }

  /**
   * A change that can be repeated; those of one lane keep their order. What is for one contact is one:
   * it does not wait for others.
   * @param {string} t
   * @param {Json} fields
   * @param {string} [lane]
   * @param {string} [merge]
   */
  #change(t, fields, lane = `roster ${laneOf(String(fields["contact"]))}`, merge) {
    const how = merge === undefined ? { lane } : { lane, merge };
    return /** @type {Promise<void>} */ (this.#host.enqueue(t, fields, how));
  }

  /**
   * A query, or a change that must not be repeated.
   * @param {string} t
   * @param {Json} fields
   * @param {boolean} [repeat]
   */
  #ask(t, fields, repeat = true) {
    return this.#host.enqueue(t, fields, { repeat, deadlineMs: this.#host.timing.requestMs });
  }

  /**
   * What changes a message, behind the messages to the same person.
   * @param {string} t
   * @param {string} to
   * @param {Json} fields
   * @param {{ readonly key?: string } | undefined} options
   */
  #changeMessage(t, to, fields, { key = newKey() } = {}) {
    const limits = this.#host.limits();
    if (Object.keys(limits).length > 0 && limits["reactionsMax"] === undefined) {
      const message = "The server is of an earlier version, which has no edits and no reactions";
      return Promise.reject(new RoostError("unsupported", message));
    }
    const sent = this.#host.enqueue(t, { ...fields, to, key }, { lane: laneOf(to) });
    return /** @type {Promise<Api.Sent>} */ (sent);
  }

  /** @type {Api.Client["edit"]} */
  edit = (to, num, body, options) => this.#changeMessage("edit", to, { num, body }, options);
  /** @type {Api.Client["remove"]} */
  remove = (to, num, options) => this.#changeMessage("remove", to, { num }, options);
  /** @type {Api.Client["react"]} */
  react = (to, { num, out }, emoji, options) =>
    this.#changeMessage("react", to, { num, out: out === true, emoji }, options);
  /** @type {Api.Client["setPresence"]} */
  setPresence = (presence) => {
    const fields = presence === null ? { invisible: true } : { ...presence };
    // A refused one must not be in the next greeting, which would be refused as well.
    return this.#change("presence", fields, "presence", "presence").then(() => {
      this.#host.present(presence);
    });
  };
  /** @type {Api.Client["subscribe"]} */
  subscribe = (contact) => this.#change("subscription", { contact, type: "subscribe" });
  /** @type {Api.Client["approve"]} */
  approve = (contact) => this.#change("subscription", { contact, type: "subscribed" });
  /** @type {Api.Client["deny"]} */
  deny = (contact) => this.#change("subscription", { contact, type: "unsubscribed" });
  /** @type {Api.Client["unsubscribe"]} */
  unsubscribe = (contact) => this.#change("subscription", { contact, type: "unsubscribe" });
  /** @type {Api.Client["contact"]} */
  contact = (contact, fields = {}) => this.#change("contact", { ...fields, contact });
  /** @type {Api.Client["uncontact"]} */
  uncontact = (contact) => this.#change("uncontact", { contact });
  /** @type {Api.Client["block"]} */
  block = (contact) => this.#change("block", { contact, blocked: true });
  /** @type {Api.Client["unblock"]} */
  unblock = (contact) => this.#change("block", { contact, blocked: false });
  /** @type {Api.Client["setMessagesFrom"]} */
  setMessagesFrom = (messagesFrom) => this.#change("settings", { messagesFrom }, "settings");
  /** @type {Api.Client["markRead"]} */
  markRead = (peer, upTo = this.#host.lastSeq(peer)) =>
    this.#change("read", { with: peer, upTo }, `read ${peer}`, "read");
  /** @type {Api.Client["history"]} */
  history = (
    peer,
    options = {},
  ) => /** @type {Promise<Api.Page>} */ (this.#ask("history", { ...options, with: peer }));
  /** @type {Api.Client["search"]} */
  search = (
    text,
    options = {},
  ) => /** @type {Promise<Api.Found>} */ (this.#ask("search", { ...options, text }));
  /** @type {Api.Client["devices"]} */
  devices = () => /** @type {Promise<readonly Api.Device[]>} */ (this.#ask("devices", {}));
  /** @type {Api.Client["revoke"]} */
  revoke = (device) => /** @type {Promise<void>} */ (this.#ask("revoke", { device }, false));
  /** @type {Api.Client["changePassword"]} */
  changePassword = (
    change,
  ) => /** @type {Promise<void>} */ (this.#ask("password", { ...change }, false));
  /** @type {Api.Client["push"]} */
  push = (given) => this.#change("push", pushFields(given), "push");
  /** @type {Api.Client["unpush"]} */
  unpush = () => this.#change("unpush", {}, "push");
  /** @type {Api.Client["pushes"]} */
  pushes = () => /** @type {Promise<readonly Api.PushTarget[]>} */ (this.#ask("pushes", {}));
  /** @type {Api.Client["factors"]} */
  factors = () => /** @type {Promise<Api.Factors>} */ (this.#ask("factors", {}));
  /** @type {Api.Client["beginTotp"]} */
  beginTotp = (
    proof = {},
  ) => /** @type {Promise<Api.TotpSetup>} */ (this.#ask("totp", { ...proof }, false));
  /** @type {Api.Client["confirmTotp"]} */
  confirmTotp = (
    confirmed,
  ) => /** @type {Promise<Api.RecoveryCodes>} */ (this.#ask("totp_on", { ...confirmed }, false));
  /** @type {Api.Client["removeTotp"]} */
  removeTotp = (proof) => /** @type {Promise<void>} */ (this.#ask("totp_off", { ...proof }, false));
  /** @type {Api.Client["renewRecoveryCodes"]} */
  renewRecoveryCodes = (
    proof,
  ) => /** @type {Promise<Api.RecoveryCodes>} */ (this.#ask("recovery", { ...proof }, false));
  /** @type {Api.Client["passkeyRequest"]} */
  passkeyRequest = (t, fields) =>
    t === "begin" ? this.#host.beginPasskey({ ...fields }) : this.#ask(t, { ...fields }, false);
  passkeys = passkeysOf((t, fields) => this.passkeyRequest(t, fields));
  /** @type {Api.Client["signInWithPasskey"]} */
  signInWithPasskey = (options) =>
    signInWithPasskey(/** @type {Api.Client} */ (/** @type {unknown} */ (this)), options);
  /** @type {Api.Client["typing"]} */
  typing = (to, active = true) => {
    const now = this.#host.env.now();
    const just = this.#typed.to === to && now - this.#typed.at < TYPING_MS;
    if (active && just) return Promise.resolve(true);
    this.#typed = active ? { to, at: now } : { to: "", at: 0 };
    return this.signal(to, active ? "typing" : "paused");
  };
  /** @type {Api.Client["signal"]} */
  signal = async (to, type, options = {}) => {
    if (this.#host.status() === "signed_out") throw signedOut();
    if (this.#host.status() !== "online") return false;
    const how = { repeat: false, deadlineMs: this.#host.timing.answerMs };
    return await this.#host.enqueue("signal", { ...options, to, type }, how).then(
      () => true,
      () => false,
    );
  };
}
