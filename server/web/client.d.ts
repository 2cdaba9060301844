/** Roost's client library: types of `client.js`. Times are ms since 1970 unless said otherwise. */

/** How available somebody is, as they chose it. */
export type Show = "online" | "chat" | "away" | "xa" | "dnd";
/** What carries events and commands. */
export type Transport = "ws" | "poll";

/** One's own presence; what is left out is reset (online, no status, priority 0). */
export interface OwnPresence {
  readonly show?: Show;
  readonly status?: string;
  /** −128 … 127: the device of highest priority stands for the user. */
  readonly priority?: number;
  /** Opaque text, carried untouched. */
  readonly ext?: string;
}

/** Somebody's presence, all devices as one. */
export interface Presence {
  /**
   * `unknown`: there is no connection, or none with the user's cell, so that nothing is known about
   * now, or the server has begun lately and does not know yet.
   */
  readonly show: Show | "offline" | "unknown";
  readonly status: string;
  readonly priority: number;
  readonly ext: string;
  /** The device that stands for the user; `null` while offline. */
  readonly device: string | null;
  /** How many devices are online. */
  readonly devices: number;
  /** When the user went offline; 0 where that is not known, or while online. */
  readonly lastSeen: number;
}

/** A presence and whose it is; one's own name means one's other devices. */
export type PresenceEvent = Presence & { readonly user: string };

/** An entry of the contact list with its live presence. */
export interface Contact {
  readonly name: string;
  readonly label: string;
  readonly groups: readonly string[];
  /** `to`: I see them; `from`: they see me. */
  readonly subscription: "none" | "to" | "from" | "both";
  /** I asked to see them and wait for the answer. */
  readonly pendingOut: boolean;
  /** They may see me as soon as they ask. */
  readonly approved: boolean;
  readonly presence: Presence;
}

/** Where a conversation stands. Positions (`seq`, `upTo`) are this account's own. */
export interface Conversation {
  readonly with: string;
  readonly lastSeq: number;
  readonly lastAt: number;
  readonly unread: number;
  readonly readUpTo: number;
  /** How far the other side has got, and has read, my messages: by their `num`. */
  readonly delivered: number;
  readonly read: number;
  /**
   * Numbers of my messages that wait, ascending. They are sent when the two accounts have a
   * subscription; until I ask for one (`subscribe`), nothing of them leaves this account.
   */
  readonly waiting: readonly number[];
}

/** An event of the mailbox. */
export interface Durable {
  /** Its position: 1, 2, 3 … without gaps. */
  readonly seq: number;
  readonly at: number;
}

/** A message of mine or to me, live or from the history. */
export interface Message extends Durable {
  readonly k: "message";
  readonly with: string;
  /** This account sent it. */
  readonly out?: true;
  /** Its number among what its sender sent in this conversation. */
  readonly num: number;
  /** The sender's key. */
  readonly id: string;
  readonly body: string;
  readonly ext?: string;
  /** Which device sent it. */
  readonly device?: string;
  /** It waited when it was sent: see `Conversation.waiting`. */
  readonly waits?: true;
  /** The message that it replies to. */
  readonly reply?: Named;
  /** When its text was edited last (ms), and the position of that edit. */
  readonly edited?: number;
  readonly edit?: number;
  /** Its sender has removed it: `body` is a text for clients that do not know that. */
  readonly removed?: true;
  /** My reactions, and the other side's. */
  readonly own?: readonly string[];
  readonly peer?: readonly string[];
}

/** A message of a conversation, by its number and by whose it is. */
export interface Named {
  readonly num: number;
  /** I have sent it. */
  readonly out?: boolean;
}

/**
 * What somebody has done to the message `of` of the conversation. `edit`: `body` is its text now.
 * `react`: `emoji` are all reactions of the sender now. `past`: an edit that another one, or a
 * removal, has followed; it says nothing.
 */
export interface Change extends Message {
  readonly change: "edit" | "remove" | "react" | "past";
  readonly of?: Named;
  readonly emoji?: readonly string[];
}

/** A message that a search has found. */
export interface FoundMessage extends Durable {
  readonly with: string;
  /** This account sent it. */
  readonly out?: true;
  readonly num: number;
  /** The sender's key. */
  readonly id: string;
  /** The part of its text around what was found, with `…` where it is cut. */
  readonly excerpt: string;
  /** Begin and end of each word that was found, as positions in `excerpt`, ascending. */
  readonly marks: readonly (readonly [begin: number, end: number])[];
}

/** A page of a search. */
export interface Found {
  /** Newest first. */
  readonly found: readonly FoundMessage[];
  /** Where the next page continues, as its `before`; absent: there is none. */
  readonly next?: number;
}

/**
 * A message of mine that was not delivered. `reason`: `not_accepted` (the other side denied the
 * request that the message waited for, I took it back, it had no answer for 30 days, or the other
 * side refused the message) or `quota` (the other side's mailbox has no room for more unread
 * messages of mine, or got too many at once). With an empty `id`: all messages from `from` to `num`.
 */
export interface Undelivered extends Durable {
  readonly k: "undelivered";
  readonly with: string;
  readonly num: number;
  readonly id: string;
  readonly reason: string;
  /** Where several messages are not delivered, the number of the first. */
  readonly from?: number;
}

/**
 * How far the other side has my messages, by `num`: all but those that `undelivered` named before.
 */
export interface Receipt extends Durable {
  readonly k: "receipt";
  readonly with: string;
  readonly delivered: number;
  readonly read: number;
}

/** I have read so far, on any of my devices. */
export interface Read extends Durable {
  readonly k: "read";
  readonly with: string;
  readonly upTo: number;
  readonly unread: number;
}

/** Somebody asks to see my presence, or does not any more. */
export interface SubscriptionRequest extends Durable {
  readonly k: "request";
  readonly from: string;
  readonly pending: boolean;
}

/** The contact list, the block list or the settings changed; the client's maps have it already. */
export interface RosterEvent extends Durable {
  readonly k: "roster" | "roster_removed" | "blocked" | "settings";
  readonly contact?: string;
}

/** Something of the moment, such as typing; it is not kept. */
export interface Signal {
  readonly k: "signal";
  readonly from: string;
  readonly device: string;
  readonly type: string;
  readonly body?: string;
  readonly id?: string;
}

/** The state was taken anew: contacts, requests, conversations and the rest are in the client. */
export interface SnapshotEvent {
  /** Events may be missing before it: throw shown messages away and read the history again. */
  readonly reset: boolean;
}

/** What a client is doing. */
export interface State {
  /**
   * `waiting`: for the next try to connect. `stopped`: it does not try any more, `reason` says why
   * (an error code, or `replaced`: the device signed in elsewhere); `signIn()` tries again. For
   * `limit_reached` see there.
   */
  readonly status: "signed_out" | "connecting" | "online" | "waiting" | "stopped" | "closed";
  readonly transport: Transport | null;
  readonly user: string | null;
  readonly device: string | null;
  readonly domain: string | null;
  /** The code of the last error of the connection, until it is online again. */
  readonly reason: string | null;
  /** How long it waits for the next try, ms. */
  readonly retryInMs: number | null;
  /** When the token ends. */
  readonly expiresAt: number | null;
  /** Sizes that the server takes; empty before the first connection. */
  readonly limits: Readonly<Record<string, number>>;
}

/** A message that the server has not acknowledged yet. */
export interface PendingMessage {
  readonly to: string;
  readonly key: string;
  readonly body: string;
  readonly ext?: string;
  readonly reply?: Named;
  /** When it was handed over. */
  readonly at: number;
}

/** Where a sent message is: it is durable, and will be delivered once. */
export interface Sent extends Durable {
  readonly num: number;
  /** It waits until the two accounts have a subscription: see `Conversation.waiting`. */
  readonly waits?: true;
}

/** One of the account's devices. */
export interface Device {
  readonly device: string;
  readonly label: string;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly online: boolean;
}

/** What listeners are given, by event. */
export interface Events {
  /** A message, in the mailbox's order, once; one's own too, from every device. */
  message: Message;
  /**
   * A message of the conversation was edited or removed, or has other reactions: it is no message of
   * its own. `history` has every message as changes have left it.
   */
  change: Change;
  undelivered: Undelivered;
  receipt: Receipt;
  read: Read;
  presence: PresenceEvent;
  roster: RosterEvent;
  request: SubscriptionRequest;
  signal: Signal;
  snapshot: SnapshotEvent;
  status: State;
  /**
   * Something failed that nobody waits for: a stored message of an earlier run was refused (then
   * `key` and `to` are set), or the storage takes nothing.
   */
  error: RoostError;
}

/** Every code of an error: the server's closed list, and the client's own. */
export type ErrorCode =
  | "bad_request"
  | "unsupported"
  | "unauthorized"
  | "forbidden"
  | "not_found"
  | "conflict"
  | "too_large"
  | "limit_reached"
  | "rate_limited"
  | "busy"
  | "unavailable"
  | "reset"
  /** The account is at home in another cell; the client follows where it may. */
  | "moved"
  /** The password is right; `second` of the error says how to go on. */
  | "second_factor_required"
  /** There was no answer: whether the server did it is unknown. */
  | "offline"
  /** The client was closed or signed out before it was done. */
  | "closed"
  /** Nobody is signed in: call `signIn` or `register` first. */
  | "signed_out"
  /** The server does not know the keys of the password. */
  | "untrusted"
  /** The storage takes nothing. */
  | "storage"
  /** The device signed in elsewhere, again and again. */
  | "replaced"
  /** Ends of a connection, as the server named them; the client connects again. */
  | "protocol"
  | "shutdown"
  | "slow"
  | "idle";

/**
 * Every error of the client: a refusal of the server or of the client itself. `forbidden` for a
 * page of an origin that the server refuses names the setting, `server.allowedOrigins`.
 */
export declare class RoostError extends Error {
  constructor(code: ErrorCode, message: string, retryAfterMs?: number);
  readonly code: ErrorCode;
  /** When a repetition makes sense, in ms from now; absent where it never does. */
  readonly retryAfterMs: number | undefined;
  /** Of the message that failed. */
  key: string | undefined;
  to: string | undefined;
  /** Of `moved`: addresses of the servers of the account's cell. */
  servers: readonly string[] | undefined;
  /** Of `second_factor_required` at a sign-in. */
  second: SecondFactor | undefined;
}

/** What a sign-in needs whose password was right. */
export interface SecondFactor {
  /** For `signIn({ second: exchange, code })`, within five minutes. */
  readonly exchange: string;
  /** What the account has; later servers may name more. */
  readonly methods: readonly ("passkey" | "totp" | "recovery" | (string & Record<never, never>))[];
  /** SCRAM's server-final message; the library has checked it. */
  readonly scram?: string;
}

/** What push messages say: who wrote what, who wrote, or only that there are messages. */
export type PushContent = "full" | "sender" | "none";

/** A push subscription, as `PushSubscription.toJSON()` has it. */
export interface PushSubscriptionFields {
  readonly endpoint: string;
  readonly keys: { readonly p256dh: string; readonly auth: string };
  /** Absent: `full`. */
  readonly content?: PushContent;
}

/** A service that passes push messages on to phones, and its name of this device. */
export interface PushServiceFields {
  /** One of `services` of `push` in `GET /v1/info`. */
  readonly service: string;
  readonly token: string;
  /** Absent: `sender`, for the service reads what it passes on. */
  readonly content?: PushContent;
}

/** A device that gets push messages. */
export interface PushTarget {
  readonly device: string;
  /** When it was set last (ms since 1970). */
  readonly at: number;
  /** The origin of its push service, or the id of a service that passes push messages on. */
  readonly service: string;
  readonly content: PushContent;
}

/** An account's second factors. */
export interface Factors {
  /** Whether an authenticator app is set up. */
  readonly totp: boolean;
  /** Recovery codes that are left. */
  readonly recoveryCodes: number;
  /** Whether the account has a password at this server. */
  readonly password: boolean;
}

/** How to set an authenticator app up. */
export interface TotpSetup {
  /** For `confirmTotp`, within 15 minutes. */
  readonly setup: string;
  /** In base32, for typing. */
  readonly secret: string;
  /** `otpauth:` address, for apps on the same device. */
  readonly uri: string;
  /** The same as a QR code: an SVG path in a square of `size`. */
  readonly qr: { readonly size: number; readonly path: string };
}

/** Codes to write down; each stands in for the second factor once. They are shown once. */
export interface RecoveryCodes {
  readonly recoveryCodes: readonly string[];
}

/** A passkey of the account. */
export interface Passkey {
  /** Its credential id, base64url. */
  readonly passkey: string;
  readonly name: string;
  /** When it was added, and last used (ms since 1970); `null`: never. */
  readonly at: number;
  readonly usedAt: number | null;
  /** The domain whose pages can use it. */
  readonly domain: string;
  /** Its maker keeps it in several places. */
  readonly synced: boolean;
}

/** A passkey that was added. */
export interface AddedPasskey {
  readonly passkey: string;
  /** Shown once; absent where the account had another factor. */
  readonly recoveryCodes?: readonly string[];
}

/** What a passkey has signed, for one request. */
export interface PasskeyProof {
  readonly exchange: string;
  readonly response: unknown;
}

/** How to sign in with a passkey. */
export interface PasskeySignIn {
  /** Ends a sign-in that was refused with `second_factor_required`: `error.second.exchange`. */
  readonly second?: string;
  /** Takes back what the browser shows. */
  readonly signal?: AbortSignal;
}

/**
 * The passkeys of the account that is signed in (WebAuthn), in pages over https or on localhost. What
 * the browser asks for wants a click of the user before. Rejects with `closed` where the user cancels,
 * `unsupported` where the page, the browser or the authenticator cannot, `conflict` where the
 * authenticator has one already.
 */
export interface Passkeys {
  list(): Promise<readonly Passkey[]>;
  /**
   * Adds one. An account without factors proves its `password`, unless this device has signed in
   * within the last ten minutes; others a `code`, or with `proof` another passkey.
   */
  add(
    passkey: {
      readonly name: string;
      readonly password?: string;
      readonly code?: string;
      readonly proof?: PasskeyProof;
    },
  ): Promise<AddedPasskey>;
  rename(passkey: string, name: string): Promise<void>;
  /** Removes one. `conflict`: nothing else would sign in. */
  remove(
    passkey: string,
    proof: { readonly code: string } | { readonly proof: PasskeyProof },
  ): Promise<void>;
  /** Has a passkey of the account prove one change, as its `proof`. */
  prove(): Promise<PasskeyProof>;
}

/** What is kept between runs: `localStorage`, `sessionStorage`, or anything like them. */
export interface Storage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** Times, all in ms. */
export interface Timing {
  /** Waits between tries are random in 0 … min(cap, base × 2ⁿ), besides `retryAfterMs`. */
  readonly backoffBaseMs: number;
  readonly backoffCapMs: number;
  /** A connection that lasts so long forgets the tries before. */
  readonly stableMs: number;
  /** Time from connecting to the welcome. */
  readonly connectMs: number;
  /** After so long without a frame a WebSocket is pinged. */
  readonly idleMs: number;
  /** Time for the answer to a ping or command, after which the connection counts as dead. */
  readonly answerMs: number;
  /** Received messages are acknowledged together, so often. */
  readonly ackMs: number;
  /** While on long-poll, WebSocket is tried again after so long; longer each time it fails. */
  readonly upgradeMs: number;
  /** How long a poll may stay open. */
  readonly pollMs: number;
  /** Least time from one poll that was answered at once to the next. */
  readonly pollGapMs: number;
  /** How long questions (history, devices) wait for a connection and their answer. */
  readonly requestMs: number;
}

/** A socket as browsers have it, as far as it is used. */
export interface Socket {
  onopen: ((event: Event) => void) | null;
  onmessage: ((event: MessageEvent) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  onerror: ((event: Event) => void) | null;
  send(text: string): void;
  close(code?: number): void;
}

/** What tabs share. */
export interface Tabs {
  /** Opens a channel to the other tabs; `heard` takes their messages, which are cloned. */
  channel(
    name: string,
    heard: (message: unknown) => void,
  ): { post(message: unknown): void; close(): void };
  /**
   * Waits for the lock of this name (`steal`: takes it). `got` is called when it is held, `lost`
   * when another tab took it. Returns the function that releases it, or ends the wait.
   */
  lead(
    name: string,
    steal: boolean,
    on: { readonly got: () => void; readonly lost: () => void },
  ): () => void;
}

/** What the client needs of its surroundings; tests give their own. */
export interface Platform {
  /** Monotonic ms. */
  now(): number;
  /** Runs once after so many ms; the answer cancels it. */
  after(ms: number, run: () => void): () => void;
  /** In 0 … 1. */
  random(): number;
  /** `null` where tabs cannot share a client. */
  readonly tabs: Tabs | null;
  /** The origin of the page; `null` outside of pages. */
  readonly origin: string | null;
  /** `null` where there are no WebSockets. */
  readonly socket: ((url: string) => Socket) | null;
  fetch(url: string, init: RequestInit): Promise<Response>;
  /**
   * Calls back before the browser freezes the page (true) and when it runs again; returns the
   * function that ends this.
   */
  onFreeze?(run: (frozen: boolean) => void): () => void;
  /**
   * Calls back with an address that the policy of the page does not let it connect to; returns the
   * function that ends this.
   */
  onBlocked?(run: (url: string) => void): () => void;
  /** Calls back when the network is lost; returns the function that ends this. */
  onOffline(run: () => void): () => void;
  /** Calls back whenever there may be a network again: online, or looked at after a while. */
  onOnline(run: () => void): () => void;
}

/** How to make a client. */
export interface ClientOptions {
  /**
   * The server, as `http(s)://` or `ws(s)://`, with its path where it has one; absent: the server
   * that serves this module as `client.js`.
   */
  readonly url?: string;
  /**
   * Keeps token, session, position and unsent messages; absent: memory. One client at a time may
   * use a storage under one `storageKey`.
   */
  readonly storage?: Storage;
  readonly storageKey?: string;
  /**
   * Tabs of one browser with this and the same `storageKey` share one client: one device, session
   * and connection, each with the whole API; when the tab with the connection closes, another takes
   * over. Where the browser has no Web Locks or BroadcastChannel, as on pages without HTTPS, each
   * tab has a device of its own and keeps nothing: `storage` is not used.
   */
  readonly share?: boolean;
  /** Names this client among the account's; absent: the server makes a name, which is kept. */
  readonly device?: string;
  /** For people, in the list of devices. */
  readonly label?: string;
  /** Presence of new sessions until `setPresence`; `null`: invisible; absent: online. */
  readonly presence?: OwnPresence | null;
  /** Never use the other one. */
  readonly onlyTransport?: Transport;
  /**
   * Send the password itself where SCRAM cannot be used (no WebCrypto, as on pages without HTTPS,
   * or a server without SCRAM-SHA-256). Only do this over an encrypted or local connection.
   */
  readonly allowPlainPassword?: boolean;
  /** Messages that may wait to be sent; 1,000 if absent. */
  readonly pendingMax?: number;
  readonly timing?: Partial<Timing>;
  readonly platform?: Partial<Platform>;
}

/** A way to sign in. */
export type Credentials =
  | {
    readonly user: string;
    readonly password: string;
    /**
     * Sends the password itself: what a directory checks cannot be proved by SCRAM. For servers
     * whose `GET /v1/info` has `directory`, over an encrypted or local connection.
     */
    readonly plain?: boolean;
  }
  /** Ends a sign-in that was refused with `second_factor_required`: see `SecondFactor`. */
  | { readonly second: string; readonly code: string }
  | { readonly second: string; readonly passkey: PasskeyProof }
  /** What a passkey has signed; `signInWithPasskey` does all of it. */
  | { readonly passkey: PasskeyProof }
  | { readonly token: string }
  /** A token of an issuer that the server takes, such as an OpenID Connect ID token. */
  | { readonly jwt: string }
  /** What a page got behind `#oidc?`; see `beginSignIn`. */
  | { readonly response: string };

/** How to sign in. */
export interface SignInOptions {
  /** Another device of the account, whose session ends when this one is open. */
  readonly end?: string | null;
}

/** A page of a conversation, ascending. */
export type Page = {
  readonly events: readonly (Message | Undelivered)[];
  readonly more: boolean;
};

/**
 * One account on one device. Until `signIn` or `register` has proved who that is, commands reject
 * with `signed_out`.
 */
export interface Client {
  readonly state: State;
  /** The contact list with live presence, by name. */
  readonly contacts: ReadonlyMap<string, Contact>;
  /** Accounts that ask to see my presence. */
  readonly requests: ReadonlySet<string>;
  readonly blocked: ReadonlySet<string>;
  readonly conversations: ReadonlyMap<string, Conversation>;
  /** Who may write to me; `null` before the first snapshot. */
  readonly messagesFrom: "contacts" | "anyone" | null;
  /** Presence of my other devices. */
  readonly otherDevices: Presence;
  /** Messages that wait to be sent, or for their acknowledgement, in their order. */
  readonly pending: readonly PendingMessage[];

  /**
   * Calls `listener` for every such event; returns the function that takes it off again. Throws
   * `bad_request` for the name of no event.
   */
  on<K extends keyof Events>(event: K, listener: (detail: Events[K]) => void): () => void;

  /** Makes an account and signs in. */
  register(
    account: { readonly user: string; readonly password: string; readonly invite?: string },
  ): Promise<State>;
  /**
   * Signs in and stays connected until `signOut`, `close` or a refusal; returns when it is online
   * for the first time. Without credentials: with the stored token (`unauthorized` where there is
   * none). Rejects with every refusal that no repetition changes. `limit_reached`: the account has
   * as many sessions as it may; then `devices` lists them, and `revoke`, or `signIn` with the `end`
   * of one, makes room: `signIn(undefined, { end })` uses the token of the first try.
   */
  signIn(credentials?: Credentials, options?: SignInOptions): Promise<State>;
  /**
   * Revokes the token and forgets everything here, the messages in `pending` too: ask the user
   * before. Returns whether the server was notified: it is not without a connection, and then the
   * token stays valid, though it is forgotten here, until it ends or another device revokes this
   * one. The client can sign in again.
   */
  signOut(): Promise<boolean>;
  /** Ends the connection. Token, position and unsent messages stay stored. */
  close(): void;

  /**
   * Sends a message, now or when there is a connection, in order for each recipient, once. Resolves
   * when it is durable on the server; rejects only where it was refused, or with `closed`.
   */
  send(
    to: string,
    body: string,
    options?: { readonly ext?: string; readonly key?: string; readonly reply?: Named },
  ): Promise<Sent>;
  /**
   * Changes the text of my message `num` to somebody. Waits for a connection, in order with the
   * messages to the same person, but is not stored. Rejects with `not_found`, `conflict` where it was
   * removed, and `unsupported` where the server is of an earlier version.
   */
  edit(to: string, num: number, body: string, options?: { readonly key?: string }): Promise<Sent>;
  /** Removes my message `num` for both sides. As `edit`. */
  remove(to: string, num: number, options?: { readonly key?: string }): Promise<Sent>;
  /** Sets all my reactions at a message, at most `limits.reactionsMax` emoji. As `edit`. */
  react(
    to: string,
    message: Named,
    emoji: readonly string[],
    options?: { readonly key?: string },
  ): Promise<Sent>;
  /**
   * Sets one's presence, and that of later sessions once the server has taken it; `null`:
   * invisible.
   */
  setPresence(presence: OwnPresence | null): Promise<void>;
  /** Asks to see somebody's presence. */
  subscribe(contact: string): Promise<void>;
  /** Lets somebody see mine. */
  approve(contact: string): Promise<void>;
  /** Does not let them see mine (any more). */
  deny(contact: string): Promise<void>;
  /** Does not want to see theirs any more. */
  unsubscribe(contact: string): Promise<void>;
  /** Adds or changes a contact. */
  contact(
    contact: string,
    fields?: { readonly label?: string; readonly groups?: readonly string[] },
  ): Promise<void>;
  uncontact(contact: string): Promise<void>;
  block(contact: string): Promise<void>;
  unblock(contact: string): Promise<void>;
  setMessagesFrom(who: "contacts" | "anyone"): Promise<void>;
  /**
   * A page of a conversation: the newest, or what is before or after a position. It may have fewer
   * messages than `limit`; `more` says whether another page follows.
   */
  history(
    peer: string,
    options?: { readonly before?: number; readonly after?: number; readonly limit?: number },
  ): Promise<Page>;
  /**
   * Finds messages of all conversations, or of the one `with` somebody, whose text has all words of
   * `text`, of the last one at least its beginning; case and accents do not count. Newest first, 20
   * unless `limit` says otherwise. A page may have fewer, even none, although older ones follow:
   * continue with its `next` as `before`. Rejects with `busy` or `rate_limited` where the account
   * searches much, see `retryAfterMs`.
   */
  search(
    text: string,
    options?: { readonly with?: string; readonly before?: number; readonly limit?: number },
  ): Promise<Found>;
  /** Everything up to this position (absent: everything) has been read. */
  markRead(peer: string, upTo?: number): Promise<void>;
  /**
   * Tells that the user types (a signal `typing`, at most every 3 s), or has stopped (`paused`).
   */
  typing(to: string, active?: boolean): Promise<boolean>;
  /** Sends something of the moment; whether the server took it. Nothing is kept while offline. */
  signal(
    to: string,
    type: string,
    options?: { readonly body?: string; readonly device?: string; readonly key?: string },
  ): Promise<boolean>;
  devices(): Promise<readonly Device[]>;
  revoke(device: string): Promise<void>;
  /**
   * This device gets push messages while it is away. The subscription is made with the `publicKey` of
   * `push` in `GET /v1/info`; an app for phones names one of its `services` instead. Call this at every
   * start. Rejects with `unsupported` where the server sends none, and with `bad_request` for an
   * endpoint that cannot be one.
   */
  push(subscription: PushSubscriptionFields | PushServiceFields): Promise<void>;
  /** This device gets none any more. Signing it out has the same effect. */
  unpush(): Promise<void>;
  /** The account's devices that get push messages. */
  pushes(): Promise<readonly PushTarget[]>;
  factors(): Promise<Factors>;
  /**
   * Begins to set an authenticator app up; nothing changes yet. `password`: needed unless this
   * device has signed in within the last ten minutes.
   */
  beginTotp(
    proof?: {
      readonly password?: string;
      readonly code?: string;
      readonly proof?: PasskeyProof;
    },
  ): Promise<TotpSetup>;
  /** Sets it up; `code`: what the app shows. From then on sign-in by password asks for a code. */
  confirmTotp(
    confirmed: { readonly setup: string; readonly code: string },
  ): Promise<RecoveryCodes>;
  /** Removes it. `code`: what it shows, or a recovery code. */
  removeTotp(
    proof: { readonly code: string } | { readonly proof: PasskeyProof },
  ): Promise<void>;
  /** Makes new recovery codes in place of those that are left. */
  renewRecoveryCodes(
    proof: { readonly code: string } | { readonly proof: PasskeyProof },
  ): Promise<RecoveryCodes>;
  /** In a client that several tabs share, the browser asks in the tab that calls. */
  readonly passkeys: Passkeys;
  /** Signs in with a passkey, alone or as second factor. As `signIn`; else as `Passkeys`. */
  signInWithPasskey(options?: PasskeySignIn): Promise<State>;
  /** What `passkeys` and `signInWithPasskey` ask the server. */
  passkeyRequest(t: string, fields: Readonly<Record<string, unknown>>): Promise<unknown>;
  /** Every other device is signed out. */
  changePassword(change: { readonly old: string; readonly new: string }): Promise<void>;
}

/**
 * Makes a client; it does nothing before `signIn` or `register`. Throws `bad_request` where `url`
 * is not an address of a server.
 */
export declare function createClient(options?: ClientOptions): Client;

/**
 * Begins sign-in at an OpenID Connect issuer: returns the address to send the browser to
 * (`location.assign`). It returns to `page`, the path of a page of the server's own origin (absent:
 * the web chat), with `#oidc?RESPONSE` behind it: `signIn({ response: "RESPONSE" })` then signs in, in
 * the same browser and once. `issuer` is one of the ids in `GET /v1/info`. Pages of other origins
 * get an ID token by a library of their own and pass it on: `signIn({ jwt })`.
 */
export declare function beginSignIn(options: {
  readonly issuer: string;
  readonly page?: string;
  /** As in `ClientOptions`. */
  readonly url?: string;
}): Promise<string>;
