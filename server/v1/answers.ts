/**
 * What a client of protocol v1 is answered: the shapes of values, events and welcomes. They make
 * the OpenAPI document, and the tests hold every encoder to them.
 */
import { z } from "zod";
import { PUSH_CONTENTS } from "../../shard/account/push_targets.ts";
import { ERROR_CODES, type ErrorCode } from "../../shard/errors.ts";

const name = z.string().describe("An account name, normalised");
const seq = z.int().min(0).describe("Position in the mailbox");
const ms = z.int().min(0).describe("Milliseconds since 1970");
const cursor = z.string().describe("mailboxId:seq");

const contact = z.object({
  contact: name,
  label: z.string().optional(),
  groups: z.array(z.string()).optional(),
  subscription: z.enum(["none", "to", "from", "both"]),
  pendingOut: z.literal(true).optional(),
  approved: z.literal(true).optional(),
});

const messagesFrom = z.enum(["contacts", "anyone"]);
const stamp = { seq, at: ms };
const ext = z.string().optional().describe("Opaque text, carried untouched");

const waits = z.literal(true).optional()
  .describe("It waits until the two accounts have a subscription");

const named = z.object({
  num: z.int().min(0),
  out: z.literal(true).optional().describe("This account has sent it"),
});

const message = z.object({
  k: z.literal("message"),
  ...stamp,
  with: name,
  out: z.literal(true).optional().describe("This account sent it"),
  num: z.int().min(1).describe("Its number among what its sender sent in this conversation"),
  id: z.string().describe("The sender's key"),
  body: z.string(),
  ext,
  device: z.string().optional().describe("The device that sent it, on outgoing ones"),
  waits,
  reply: named.optional().describe("The message that it replies to"),
  change: z.enum(["edit", "remove", "react", "past"]).optional()
    .describe("It changes the message `of`. `past`: an edit that something has followed"),
  of: named.optional(),
  emoji: z.array(z.string()).optional().describe("Of `react`: in place of the sender's before"),
  edited: ms.optional().describe("When the text was edited last, …"),
  edit: seq.optional().describe("… and the position of that edit"),
  removed: z.literal(true).optional().describe("Its sender has removed it: the text is gone"),
  own: z.array(z.string()).optional().describe("This account's reactions"),
  peer: z.array(z.string()).optional().describe("The other user's reactions"),
});

const found = z.object({
  ...stamp,
  with: name,
  out: message.shape.out,
  num: message.shape.num,
  id: message.shape.id,
  excerpt: z.string().describe("The part of the body with what was found, cut at `…`"),
  marks: z.array(z.tuple([z.int().min(0), z.int().min(1)]))
    .describe("Begin and end of each word found in the excerpt, in UTF-16 code units, ascending"),
});

const durable = z.discriminatedUnion("k", [
  message,
  z.object({
    k: z.literal("undelivered"),
    ...stamp,
    with: name,
    num: z.int().min(1),
    id: z.string().describe("Its key; empty for several messages"),
    reason: z.string(),
    from: z.int().min(1).optional()
      .describe("The number of the first message not delivered, where `num` is that of the last"),
  }),
  z.object({
    k: z.literal("receipt"),
    ...stamp,
    with: name,
    delivered: z.int().min(0),
    read: z.int().min(0),
  }),
  z.object({
    k: z.literal("read"),
    ...stamp,
    with: name,
    upTo: seq,
    unread: z.int().min(0),
  }),
  z.object({ k: z.literal("roster"), ...stamp, ...contact.shape }),
  z.object({ k: z.literal("roster_removed"), ...stamp, contact: name }),
  z.object({ k: z.literal("request"), ...stamp, from: name, pending: z.boolean() }),
  z.object({ k: z.literal("blocked"), ...stamp, contact: name, blocked: z.boolean() }),
  z.object({ k: z.literal("settings"), ...stamp, messagesFrom }),
]);

const soft = z.discriminatedUnion("k", [
  z.object({
    k: z.literal("presence"),
    user: name,
    show: z.enum(["online", "chat", "away", "xa", "dnd", "offline"]),
    status: z.string().optional(),
    priority: z.int().optional(),
    ext,
    device: z.string().optional(),
    devices: z.int().min(2).optional().describe("How many are online, where more than one"),
    lastSeen: ms.optional(),
    unknown: z.literal(true).optional().describe("The user's cell cannot be reached for now"),
  }),
  z.object({ k: z.literal("presence_pending"), user: name })
    .describe("It is not known yet whether the user is online: its presence follows"),
  z.object({
    k: z.literal("signal"),
    from: name,
    device: z.string(),
    type: z.string(),
    body: z.string().optional(),
    id: z.string().optional(),
  }),
  z.object({ k: z.literal("servers"), servers: z.array(z.string()) })
    .describe("In place of the welcome's: a server of the cell was added"),
]);

const conversation = z.object({
  with: name,
  lastSeq: seq,
  lastAt: ms,
  unread: z.int().min(0),
  readUpTo: seq,
  delivered: z.int().min(0),
  read: z.int().min(0),
  waiting: z.array(z.int().min(1)).optional()
    .describe("Numbers of your messages that wait for a subscription, ascending"),
});

const snapshot = z.object({
  roster: z.array(contact),
  requests: z.array(name),
  blocked: z.array(name),
  conversations: z.array(conversation),
  messagesFrom,
});

const mode = z.enum(["resume", "snapshot", "reset"])
  .describe("resume: events follow from your cursor. Otherwise: start from the snapshot");
const limits = z.record(z.string(), z.int());

const welcome = z.object({
  v: z.literal(1),
  domain: z.string(),
  user: name,
  device: z.string(),
  session: z.string().describe("A secret of this device: continues the session"),
  resumed: z.boolean().describe("An earlier session of this device goes on"),
  mode,
  cursor,
  token: z.string().optional().describe("A new token, told once"),
  expiresAt: ms,
  scram: z.string().optional().describe("The server-final message"),
  snapshot: snapshot.optional(),
  limits,
  serverTime: ms,
  servers: z.array(z.string()).optional()
    .describe("Addresses of the cell's servers: connect to another where yours does not respond"),
});

const codes = Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]];

/** Every shape, under its name in the OpenAPI document. */
export const ANSWERS = {
  Error: z.object({
    code: z.enum(codes),
    message: z.string(),
    retryAfterMs: z.int().min(0).optional().describe("Wait this long before repeating"),
    servers: z.array(z.string()).optional().describe("Of `moved`: where to sign in"),
    second: z.object({
      exchange: z.string().describe("Goes on with the sign-in, for five minutes"),
      methods: z.array(z.enum(["passkey", "totp", "recovery"])).describe(
        "What the account has; more may come",
      ),
      scram: z.string().optional().describe("The server-final message"),
    }).optional().describe("Of `second_factor_required` at a sign-in"),
  }),
  Contact: contact,
  Message: message,
  DurableEvent: durable,
  SoftEvent: soft,
  Snapshot: snapshot,
  Welcome: welcome,
  Sent: z.object({ seq, at: ms, num: z.int().min(1), waits }),
  Unread: z.object({ unread: z.int().min(0) }),
  History: z.object({
    events: z.array(durable),
    more: z.boolean().describe("There is another page in the asked direction"),
  }),
  Found: z.object({
    found: z.array(found).describe("Newest first"),
    next: z.int().min(1).optional().describe("Continue with this as `before`; absent: no more"),
  }),
  SnapshotAt: z.object({ cursor, snapshot }),
  Device: z.object({
    device: z.string(),
    label: z.string(),
    createdAt: ms,
    expiresAt: ms,
    online: z.boolean(),
  }),
  Push: z.object({
    device: z.string(),
    at: ms.describe("When the device has said so last"),
    service: z.string().describe("The origin of its push service"),
    content: z.enum(PUSH_CONTENTS),
  }),
  SignedIn: z.object({
    user: name,
    device: z.string(),
    token: z.string().describe("Send it as `Authorization: Bearer …`; told once"),
    expiresAt: ms,
    scram: z.string().optional().describe("The server-final message"),
  }),
  Factors: z.object({
    totp: z.boolean().describe("Whether an authenticator app is set up"),
    recoveryCodes: z.int().min(0).describe("How many are left"),
    password: z.boolean().describe("Whether the account has a password here"),
  }),
  TotpSetup: z.object({
    setup: z.string().describe("To be sent back with a code, within 15 minutes"),
    secret: z.string().describe("In base32"),
    uri: z.string().describe("`otpauth:` address, for apps"),
    qr: z.object({ size: z.int().min(1), path: z.string() })
      .describe("The same as a QR code: an SVG path in a square of `size`"),
  }),
  RecoveryCodes: z.object({
    recoveryCodes: z.array(z.string()).describe("Each stands in for the app once; shown once"),
  }),
  PasskeyAsked: z.object({
    exchange: z.string().describe("To be sent back with the response, within five minutes"),
    options: z.record(z.string(), z.unknown()).describe(
      "For `PublicKeyCredential.parseCreationOptionsFromJSON` or `parseRequestOptionsFromJSON`",
    ),
  }),
  Passkey: z.object({
    passkey: z.string().describe("Its credential id, base64url"),
    name: z.string(),
    at: ms,
    usedAt: ms.nullable().describe("When it was used last; null: never"),
    domain: z.string().describe("Whose pages can use it"),
    synced: z.boolean().describe("Its maker keeps it in several places"),
  }),
  PasskeyAdded: z.object({
    passkey: z.string(),
    recoveryCodes: z.array(z.string()).optional()
      .describe("Shown once; absent where the account had another factor"),
  }),
  OidcBegun: z.object({ url: z.string().describe("Where to send the browser") }),
  Challenge: z.object({ exchange: z.string(), message: z.string() }),
  Events: z.object({
    session: z.string(),
    soft: z.int().min(0).describe("Repeat it as `soft` in the next request"),
    cursor,
    mode: mode.optional(),
    snapshot: snapshot.optional(),
    replaced: z.literal(true).optional().describe(
      "Another request ended this one: wait, then poll",
    ),
    events: z.array(z.union([durable, soft])),
  }),
  Info: z.object({
    v: z.literal(1),
    domain: z.string(),
    registration: z.enum(["open", "invite", "closed"]),
    mechanisms: z.array(z.enum(["SCRAM-SHA-256", "SCRAM-SHA-1"])),
    passwordLengthMin: z.int().optional().describe("Least length of a new password, in characters"),
    issuers: z.array(z.object({ id: z.string(), name: z.string() })).optional()
      .describe("Issuers to sign in with; absent: none"),
    directory: z.literal(true).optional()
      .describe("Passwords are checked by a directory too: SCRAM does not do for its users"),
    push: z.object({ publicKey: z.string(), services: z.array(z.string()).optional() }).optional()
      .describe("The `applicationServerKey` of push subscriptions; absent: there are none"),
    limits,
    serverTime: ms,
  }),
} as const;

/** Name of a shape. */
export type AnswerName = keyof typeof ANSWERS;
