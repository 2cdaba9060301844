// @ts-check
/**
 * The client: what an application calls. Its account, token and position are in the record, its
 * contacts and conversations in the mailbox, and what the server has not settled in the commands.
 */
import { Addresses } from "./addresses.js";
import { newKey } from "./bytes.js";
import { Calls } from "./calls.js";
import { Commands, given, laneOf } from "./commands.js";
import { Connection } from "./connection.js";
import { Emitter } from "./emitter.js";
import { closed, RoostError, signedOut } from "./error.js";
import { greetingOf, headersOf } from "./greeting.js";
import { Mailbox } from "./mailbox.js";
import { originRefusal } from "./origin.js";
import { memory, platform, TIMING } from "./platform.js";
import { ClientRecord } from "./record.js";
import { asRequest, baseOf, rest } from "./rest.js";
import { SignIn } from "./sign_in.js";

/**
 * @import * as Api from "../client.d.ts"
 * @import { Json, Link, Who } from "./types.d.ts"
 */

/** Commands that a client can do whose session was refused. */
const WITHOUT_SESSION = ["devices", "revoke"];

/** See `Client` in client.d.ts. @implements {Api.Client} */
export class RoostClient extends Calls {
  #env;
  #timing;
  #options;
  #addresses;
  #emitter = new Emitter();
  #record;
  #mailbox;
  #commands;
  #connection;
  #signIn;
  /** @type {Pick<Api.State, "domain" | "expiresAt" | "limits">} */
  #told = { domain: null, expiresAt: null, limits: {} };
  /** For new sessions; a resumed one has it. @type {Api.OwnPresence | null | undefined} */
  #presence;
  /** The device to end for the next session. @type {string | null} */
  #end = null;
  /** @type {{ resolve: (state: Api.State) => void, reject: (e: RoostError) => void }[]} */
  #waiters = [];

  /** @param {Api.ClientOptions} options */
  constructor(options) {
    const env = { ...platform(), ...options.platform };
    const timing = { ...TIMING, ...options.timing };
    super({
      env,
      timing,
      status: () => this.#connection.status,
      lastSeq: (peer) => this.conversations.get(peer)?.lastSeq ?? 0,
      limits: () => this.#told.limits,
      present: (presence) => this.#presence = presence,
      enqueue: (t, fields, how) => this.#enqueue(t, fields, how),
      beginPasskey: (fields) => this.#signIn.beginPasskey(fields),
    });
    const base = baseOf(options.url);
    this.#options = options;
    this.#presence = options.presence;
    this.#env = env;
    this.#timing = timing;
    const { storage = memory(), storageKey: key = `roost ${base}` } = options;
    this.#record = new ClientRecord(storage, key, (error) => this.#emit("error", error));
    this.#addresses = new Addresses(base, env, this.#record);
    this.#mailbox = new Mailbox({
      env,
      timing,
      record: this.#record,
      emitter: this.#emitter,
      has: (link) => this.#connection.has(link),
      lost: (link, error) => this.#connection.lost(link, error),
      ask: (t, fields) => this.#enqueue(t, fields, { lane: t, merge: t }),
      servers: (list) => this.#addresses.take(list),
    });
    this.#commands = new Commands({
      env,
      link: () => this.#connection.onlineLink,
      limits: () => this.#told.limits,
      backoffMs: (...tries) => this.#connection.backoffMs(...tries),
      tried: (op) => this.#record.updateMessage(op),
      done: (slot) => this.#record.removeMessage(slot, () => this.#commands.slots),
      unauthorized: (link, error) => {
        link.drop();
        this.#connection.lost(link, error);
      },
    });
    this.#connection = new Connection(env, timing, options.onlyTransport, this.#host());
    this.#signIn = new SignIn(options, {
      env,
      timing,
      addresses: this.#addresses,
      backoffMs: (...tries) => this.#connection.backoffMs(...tries),
      assertOpen: () => this.#assertOpen(),
    });
    this.#load();
  }

  /** @returns {import("./connection.js").ConnectionHost} */
  #host() {
    return {
      opening: () =>
        greetingOf(this.#addresses.current, this.#record, {
          label: this.#options.label,
          presence: this.#presence,
          end: this.#end,
        }),
      cursor: () => this.#record.cursorText,
      welcomed: (welcome) => this.#welcomed(welcome),
      online: (link, welcome) => this.#online(link, welcome),
      events: (link, events) => this.#mailbox.events(link, events),
      settled: (link, op, error, value) => this.#commands.settled(link, op, error, value),
      released: (link) => this.#commands.release(link),
      down: (network) => this.#mailbox.down(network),
      malformed: () => this.#mailbox.forgetPosition(),
      unreached: () => this.#unreached(),
      addresses: this.#addresses,
      changed: () => this.#emit("status", this.state),
      gaveUp: (error) => this.#gaveUp(error),
    };
  }

  /** Takes what an earlier run has stored. */
  #load() {
    this.#record.load();
    this.#addresses.take(this.#record.servers);
    for (const [slot, { fields, at, tries }] of this.#record.messages()) {
      const to = String(fields["to"]);
      this.#commands.add("send", fields, { lane: laneOf(to), slot, at, tries }).catch((error) => {
        if (error.code === "closed") return;
        this.#emit("error", Object.assign(error, { key: fields["key"], to }));
      });
    }
  }

  // What the application reads.

  /** @returns {Api.State} */
  get state() {
    const { user = null, device = null } = this.#record.who ?? {};
    const { status, reason, retryInMs, onlineLink } = this.#connection;
    const transport = onlineLink?.kind ?? null;
    return Object.freeze({ status, transport, user, device, reason, retryInMs, ...this.#told });
  }
  /** The position of the last event that was taken; 0 before the first snapshot. */
  get position() {
    return this.#record.cursor?.seq ?? 0;
  }
  get contacts() {
    return this.#mailbox.book.contacts;
  }
  get requests() {
    return this.#mailbox.book.requests;
  }
  get blocked() {
    return this.#mailbox.book.blocked;
  }
  get conversations() {
    return this.#mailbox.book.conversations;
  }
  get messagesFrom() {
    return this.#mailbox.book.messagesFrom;
  }
  get otherDevices() {
    return this.#mailbox.book.otherDevices;
  }
  get pending() {
    return this.#commands.messages().map(({ fields, at }) => {
      return /** @type {Api.PendingMessage} */ ({ ...fields, at });
    });
  }

  /**
   * @template {keyof Api.Events} K
   * @param {K} event
   * @param {(detail: Api.Events[K]) => void} listener
   */
  on(event, listener) {
    return this.#emitter.on(event, listener);
  }

  /**
   * @template {keyof Api.Events} K
   * @param {K} event
   * @param {Api.Events[K]} detail
   */
  #emit(event, detail) {
    this.#emitter.emit(event, detail);
  }

  // Signing in.

  /** @param {{ user: string, password: string, invite?: string }} account */
  async register(account) {
    this.#assertOpen();
    return await this.#begin(await this.#signIn.register(account));
  }

  /**
   * @param {Api.Credentials} [credentials]
   * @param {Api.SignInOptions} [options]
   */
  async signIn(credentials, { end = null } = {}) {
    this.#assertOpen();
    return await this.#begin(await this.#signIn.prove(credentials, this.#record), end);
  }

  /**
   * Connects as an account and waits for the first welcome.
   * @param {Who} who
   * @param {string | null} [end]
   * @returns {Promise<Api.State>}
   */
  #begin({ token, jwt, user, device }, end = null) {
    this.#assertOpen();
    this.#end = end;
    this.#disconnect();
    const old = this.#record.who;
    if (user !== old?.user || device !== old?.device) this.#record.session = null;
    if (user !== null && old?.user !== user && old !== null) this.#forgetMailbox();
    const proof = token === undefined ? { jwt: String(jwt) } : { token };
    this.#record.who = { ...proof, user: user ?? old?.user ?? null, device };
    this.#connection.restart();
    this.#record.save();
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.#connection.connect();
    });
  }

  async signOut() {
    this.#assertOpen();
    const { signedIn } = this.#record;
    const headers = signedIn ? headersOf(this.#record) : {};
    this.#disconnect();
    // Before the server answers, which may take a while: a page that is closed now is signed out.
    this.#forgetMailbox();
    this.#presence = this.#options.presence;
    this.#record.remove();
    this.#connection.signedOut();
    this.#settleWaiters(new RoostError("closed", "Signed out"));
    if (!signedIn) {
      this.#connection.become("signed_out");
      return false;
    }
    const request = { method: "DELETE", headers, timeoutMs: 5000 };
    const answer = rest(this.#env, `${this.#addresses.current}/v1/auth`, request);
    const told = await answer.then(() => true, ({ code }) => code === "unauthorized");
    // The application may have signed in meanwhile.
    if (this.#connection.status === "signed_out") this.#connection.become("signed_out");
    return told;
  }

  close() {
    if (this.#connection.status === "closed") return;
    this.#disconnect();
    this.#connection.close();
    this.#addresses.close();
    this.#commands.close();
    this.#settleWaiters(closed());
    this.#connection.become("closed");
  }

  #assertOpen() {
    if (this.#connection.status === "closed") throw closed();
  }

  #disconnect() {
    this.#mailbox.disconnect();
    this.#commands.dropHolds();
    this.#connection.disconnect();
  }

  /** Another account signs in, or none: unsent messages are forgotten too. */
  #forgetMailbox() {
    this.#commands.forget();
    this.#mailbox.forget();
  }

  /** @param {RoostError | null} error */
  #settleWaiters(error) {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const { resolve, reject } of waiters) {
      if (error === null) resolve(this.state);
      else reject(error);
    }
  }

  /** No repetition changes the refusal. @param {RoostError} error */
  #gaveUp(error) {
    const { user = null, device = null } = this.#record.who ?? {};
    if (error.code === "unauthorized") {
      this.#record.who = { user, device };
      this.#record.session = null;
      this.#record.save();
    }
    this.#settleWaiters(error);
    this.#connection.become(error.code === "unauthorized" ? "signed_out" : "stopped");
  }

  async #unreached() {
    const error = await originRefusal(this.#env, this.#addresses.given);
    if (error !== null) this.#connection.refuse(error);
  }

  /** @param {Json} welcome */
  #welcomed(welcome) {
    const { domain, user, device, session, expiresAt, limits } =
      /** @type {Json & Record<"domain" | "user" | "device" | "session", string>} */ (
        welcome
      );
    const record = this.#record;
    const who = /** @type {Who} */ (record.who);
    // A given token may be of another account than what was stored.
    if (who.user !== null && who.user !== user) this.#forgetMailbox();
    this.#end = null;
    record.who = { ...who, user, device };
    record.session = session;
    this.#told = {
      domain,
      expiresAt: Number(expiresAt),
      limits: /** @type {Record<string, number> | undefined} */ (limits) ?? {},
    };
    this.#mailbox.welcomed(welcome);
    record.save();
  }

  /**
   * @param {Link} link
   * @param {Json} welcome
   */
  #online(link, welcome) {
    this.#settleWaiters(null);
    if (!this.#connection.has(link)) return; // A listener may have closed the client.
    this.#mailbox.online(welcome);
    this.#commands.pump();
  }

  // What the application asks for.

  /**
   * @param {string} t
   * @param {Json} fields
   * @param {Parameters<Commands["add"]>[2]} [how]
   */
  #enqueue(t, fields, how) {
    const refusal = this.#refusal();
    if (refusal !== null) return Promise.reject(refusal);
    const { status } = this.#connection;
    if (status === "stopped" && WITHOUT_SESSION.includes(t) && this.#record.signedIn) {
      return this.#withoutSession(t, fields);
    }
    return this.#commands.add(t, fields, how);
  }

  /** Why nothing can be asked for. */
  #refusal() {
    const { status } = this.#connection;
    return status === "closed" ? closed() : status === "signed_out" ? signedOut() : null;
  }

  /**
   * Makes room for a session of this device, where the account has as many as it may.
   * @param {string} t
   * @param {Json} fields
   */
  #withoutSession(t, fields) {
    const { method, path } = asRequest(t, fields);
    const how = { method, headers: headersOf(this.#record), timeoutMs: this.#timing.requestMs };
    return rest(this.#env, this.#addresses.current + path, how);
  }

  /** @type {Api.Client["send"]} */
  send = (to, body, { ext, key = newKey(), reply } = {}) => {
    const { pendingMax = 1000 } = this.#options;
    const refusal = this.#refusal();
    if (refusal !== null) return Promise.reject(refusal);
    // An earlier run, or another tab, had it and did not settle it.
    const same = this.#commands.messages().find(({ fields: f }) =>
      f["key"] === key && f["to"] === to && f["body"] === body && f["ext"] === ext
    );
    if (same !== undefined) return /** @type {Promise<Api.Sent>} */ (same.promise);
    if (this.#commands.sends >= pendingMax) {
      const message = `Cannot take a message: ${pendingMax} wait to be sent already`;
      return Promise.reject(new RoostError("limit_reached", message));
    }
    const fields = { to, key, body, ...given({ ext, reply }) };
    const at = Date.now();
    const slot = this.#record.addMessage({ fields, at, tries: 0 });
    const sent = this.#commands.add("send", fields, { lane: laneOf(to), slot, at });
    return /** @type {Promise<Api.Sent>} */ (sent);
  };
}
