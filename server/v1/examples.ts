/**
 * One example of every frame and answer of protocol v1. They are shown in the OpenAPI document; the
 * tests hold them to the schemas and send every one of them.
 */
import type { AnswerName } from "./answers.ts";
import type { CommandName, Hello, Registration } from "./schemas.ts";

type Example = { readonly t: string; readonly id: number } & Readonly<Record<string, unknown>>;

/** A credential that an authenticator returns. */
const CREDENTIAL = { id: "Zr5Wk0Yv", rawId: "Zr5Wk0Yv", type: "public-key" } as const;
const SETUP = "uRk1nEw0Q2s8vYp3ZtLx5bGd7fHjKmWc";
const CURSOR = "5NHrFZgXx0ZqPzTA:41";

/** The device's public key of RFC 8291, section 5. */
const PUSH_KEY =
  "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";

/** What a client says before the welcome. */
export const GREETING_EXAMPLES: {
  readonly hello: Hello;
  readonly register: Registration;
  readonly auth: { readonly t: "auth"; readonly message: string };
} = {
  hello: {
    t: "hello",
    v: 1,
    auth: { token: "rt1_YWxpY2U_kVwP1mWxK8m7y0mDq8mJj3o3mP0i0rVfX0bQ0m3yJ2Q" },
    device: "phone",
    session: "Jm2bWc8f0A1kQx7T",
    after: CURSOR,
    presence: { show: "away", status: "at lunch" },
    client: "example/1.0",
  },
  register: { t: "register", user: "alice", password: "correct horse", device: "phone" },
  auth: {
    t: "auth",
    message: "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY,p=v0X8v3Bz2T0CJGbJQyF0X+",
  },
};

/** Commands, by name. */
export const FRAME_EXAMPLES: Readonly<Record<CommandName, Example>> = {
  send: { t: "send", id: 1, to: "bob", key: "01J9ZK3V5Q8M", body: "Hello, Bob" },
  ack: { t: "ack", id: 2, seq: 41 },
  read: { t: "read", id: 3, with: "bob", upTo: 41 },
  history: { t: "history", id: 4, with: "bob", before: 41, limit: 20 },
  search: { t: "search", id: 20, text: "tickets sev", with: "bob", before: 41, limit: 20 },
  events: { t: "events", id: 5, after: CURSOR, limit: 100 },
  snapshot: { t: "snapshot", id: 6 },
  presence: { t: "presence", id: 7, show: "dnd", status: "in a meeting", priority: 5 },
  signal: { t: "signal", id: 8, to: "bob", type: "typing", body: "on" },
  contact: { t: "contact", id: 9, contact: "bob", label: "Bob", groups: ["Friends"] },
  uncontact: { t: "uncontact", id: 10, contact: "bob" },
  subscription: { t: "subscription", id: 11, contact: "bob", type: "subscribe" },
  block: { t: "block", id: 12, contact: "mallory", blocked: true },
  settings: { t: "settings", id: 13, messagesFrom: "anyone" },
  push: {
    t: "push",
    id: 20,
    endpoint: "https://push.example.net/wpush/v2/gAAAAABl",
    keys: { p256dh: PUSH_KEY, auth: "BTBZMqHH6r4Tts7J_aSIgg" },
    content: "sender",
  },
  unpush: { t: "unpush", id: 21 },
  pushes: { t: "pushes", id: 22 },
  devices: { t: "devices", id: 14 },
  revoke: { t: "revoke", id: 15, device: "old-phone" },
  password: { t: "password", id: 16, old: "secret", new: "correct horse" },
  factors: { t: "factors", id: 20 },
  totp: { t: "totp", id: 21, password: "correct horse" },
  totp_on: { t: "totp_on", id: 22, setup: SETUP, code: "492039" },
  totp_off: { t: "totp_off", id: 23, code: "492039" },
  recovery: { t: "recovery", id: 24, code: "492039" },
  passkeys: { t: "passkeys", id: 25 },
  passkey_ask: { t: "passkey_ask", id: 26, at: "https://chat.example.com", new: true },
  passkey_add: {
    t: "passkey_add",
    id: 27,
    exchange: SETUP,
    response: {
      ...CREDENTIAL,
      response: { clientDataJSON: "eyJ0eXBlIjoid2ViYXV0aG4u", attestationObject: "o2NmbXRkbm9uZQ" },
    },
    name: "My laptop",
  },
  passkey_name: { t: "passkey_name", id: 28, passkey: CREDENTIAL.id, name: "My old laptop" },
  passkey_remove: {
    t: "passkey_remove",
    id: 29,
    passkey: CREDENTIAL.id,
    code: "492039",
  },
  bye: { t: "bye", id: 17 },
  signout: { t: "signout", id: 18 },
  ping: { t: "ping", id: 19 },
  edit: { t: "edit", id: 20, to: "bob", key: "01J9ZK3V5Q8P", num: 7, body: "Hello, Robert" },
  remove: { t: "remove", id: 21, to: "bob", key: "01J9ZK3V5Q8Q", num: 7 },
  react: { t: "react", id: 22, to: "bob", key: "01J9ZK3V5Q8R", num: 3, emoji: ["\u{1f44d}"] },
};

/** Inputs of the REST routes that are not commands, by the route's id. */
export const REST_EXAMPLES: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  register: { user: "alice", password: "correct horse", device: "phone" },
  signInPassword: { user: "alice", password: "correct horse", device: "phone", label: "My phone" },
  scramFirst: { mechanism: "SCRAM-SHA-256", message: "n,,n=alice,r=fyko+d2lbbFgONRv9qkxdawL" },
  scramFinal: {
    exchange: "6f1ed002ab5595859014ebf0951522d9",
    message: GREETING_EXAMPLES.auth.message,
    device: "phone",
  },
  signInSecond: { exchange: "Ym9i.6f1ed002ab5595859014ebf0951522d9", code: "492039" },
  passkeyBegin: { at: "https://chat.example.com" },
  passkeyFinish: {
    exchange: "6f1ed002ab5595859014ebf0951522d9",
    response: {
      ...CREDENTIAL,
      response: {
        clientDataJSON: "eyJ0eXBlIjoid2ViYXV0aG4u",
        authenticatorData: "SZYN5YgOjGh0NBcPZHZgW4",
        signature: "MEUCIQDb",
        userHandle: "YWxpY2U",
      },
    },
    device: "phone",
  },
  resetPassword: { code: "rp1_YWxpY2UAQUFB_6f1ed002ab5595859014eb", password: "battery staple" },
  oidcBegin: { issuer: "corp", at: "https://chat.example.com" },
  oidcFinish: { response: "code=yHb2JqZc&state=6f1ed002ab5595859014ebf095", device: "phone" },
  openSession: { after: CURSOR, presence: { show: "away" } },
  closeSession: { session: "Jm2bWc8f0A1kQx7T" },
  events: { session: "Jm2bWc8f0A1kQx7T", after: CURSOR, wait: 30, soft: 3 },
};

const AT = 1_760_000_000_000;
const contact = { contact: "bob", label: "Bob", groups: ["Friends"], subscription: "both" };
const message = {
  k: "message",
  seq: 42,
  at: AT,
  with: "bob",
  num: 7,
  id: "01J9ZK3V5Q8N",
  body: "Hello, Alice",
};
const presence = { k: "presence", user: "bob", show: "away", status: "at lunch", device: "desk" };
const snapshot = {
  roster: [contact],
  requests: ["carol"],
  blocked: ["mallory"],
  conversations: [{
    with: "bob",
    lastSeq: 41,
    lastAt: AT,
    unread: 1,
    readUpTo: 40,
    delivered: 3,
    read: 3,
  }],
  messagesFrom: "contacts",
};
const limits = { messageBytesMax: 16_384, extBytesMax: 2048 };
const token = "rt1_YWxpY2U_kVwP1mWxK8m7y0mDq8mJj3o3mP0i0rVfX0bQ0m3yJ2Q";

/** Answers, by the name of their shape. */
export const ANSWER_EXAMPLES: Readonly<Record<AnswerName, unknown>> = {
  Error: {
    code: "rate_limited",
    message: "Too many messages: wait retryAfterMs",
    retryAfterMs: 90,
  },
  Contact: contact,
  Message: message,
  DurableEvent: { k: "receipt", seq: 43, at: AT, with: "bob", delivered: 7, read: 6 },
  SoftEvent: presence,
  Snapshot: snapshot,
  Welcome: {
    v: 1,
    domain: "example.com",
    user: "alice",
    device: "phone",
    session: "Jm2bWc8f0A1kQx7T",
    resumed: false,
    mode: "snapshot",
    cursor: CURSOR,
    expiresAt: AT,
    serverTime: AT,
    limits,
    snapshot,
  },
  Sent: { seq: 42, at: AT, num: 7 },
  Unread: { unread: 0 },
  History: { events: [message], more: true },
  Found: {
    found: [{
      seq: 31,
      at: AT,
      with: "bob",
      num: 5,
      id: "01J9ZK3V5Q8P",
      excerpt: "See you at seven, I bring the tickets",
      marks: [[11, 14], [30, 37]],
    }],
    next: 12,
  },
  SnapshotAt: { cursor: CURSOR, snapshot },
  Device: { device: "phone", label: "My phone", createdAt: AT, expiresAt: AT, online: true },
  Push: { device: "phone", at: AT, service: "https://push.example.net", content: "sender" },
  SignedIn: { user: "alice", device: "phone", token, expiresAt: AT },
  Factors: { totp: true, recoveryCodes: 10, password: true },
  PasskeyAsked: {
    exchange: SETUP,
    options: { challenge: "x2l8Wd0", rpId: "example.com", userVerification: "required" },
  },
  Passkey: {
    passkey: CREDENTIAL.id,
    name: "My laptop",
    at: AT,
    usedAt: null,
    domain: "example.com",
    synced: false,
  },
  PasskeyAdded: { passkey: CREDENTIAL.id, recoveryCodes: ["abcd-efgh-ijkm-npqr"] },
  TotpSetup: {
    setup: SETUP,
    secret: "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
    uri:
      "otpauth://totp/example.com:alice?issuer=example.com&secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
    qr: { size: 57, path: "M4 4h1v1h-1z" },
  },
  RecoveryCodes: { recoveryCodes: ["abcd-efgh-ijkm-npqr"] },
  OidcBegun: { url: "https://id.example.com/authorize?client_id=roost&response_type=code" },
  Challenge: { exchange: "6f1ed002ab5595859014ebf0951522d9", message: "r=…,s=…,i=100000" },
  Events: { session: "Jm2bWc8f0A1kQx7T", soft: 3, cursor: CURSOR, events: [message, presence] },
  Info: {
    v: 1,
    domain: "example.com",
    registration: "open",
    mechanisms: ["SCRAM-SHA-256"],
    passwordLengthMin: 8,
    serverTime: AT,
    limits,
  },
};
