/**
 * Every frame, body and query that a client of protocol v1 can send. These schemas are the one
 * truth: they check the input, they make the OpenAPI document, and they are what the protocol's
 * documentation describes. Unknown fields are ignored.
 */
import { z } from "zod";
import type { ProtocolLimits } from "./limits.ts";
import { SECOND_CHARS_MAX } from "../auth/second_seal.ts";
import { HOME_WAIT_SECONDS_MAX } from "./lost_homes.ts";
import { exceedsBytes } from "../text/utf8.ts";
import { REACTIONS_MAX } from "../../shard/message/note.ts";
import { pushSchema } from "./push_schema.ts";
import {
  createdResponse,
  passkeyAnswer,
  passkeyExchange,
  passkeyId,
  passkeyPage,
  signedResponse,
} from "./passkey_schemas.ts";
import type { IssueParams } from "../text/validate.ts";

/** Text of at most `bytesMax` bytes of UTF-8 (over it: `too_large`) without lone surrogates. */
function text(bytesMax: number, lengthMin = 0) {
  const tooLarge: IssueParams = { code: "too_large" };
  return z.string().check((ctx) => {
    const value = ctx.value;
    if (exceedsBytes(value, bytesMax)) {
      const message = `must have at most ${bytesMax} bytes of UTF-8`;
      ctx.issues.push({ code: "custom", input: value, message, params: tooLarge });
    } else if (value.length < lengthMin) {
      ctx.issues.push({ code: "custom", input: value, message: "must not be empty" });
    } else if (!value.isWellFormed()) {
      const message = "must be well-formed Unicode (no lone surrogates)";
      ctx.issues.push({ code: "custom", input: value, message });
    }
  }).meta({ maxLength: bytesMax, ...(lengthMin > 0 ? { minLength: lengthMin } : {}) });
}

/** Text that matches `pattern`; `wanted` completes the sentence "<field> must be …". */
function pattern(expression: RegExp, wanted: string) {
  return z.string().regex(expression, { error: `must be ${wanted}` });
}

const SHOWS = ["online", "chat", "away", "xa", "dnd"] as const;

/** A whole number in 0 … 2⁵³ − 1. */
const count = z.int().min(0);
const device = pattern(/^[\x21-\x7e]{1,64}$/, "1 to 64 printable ASCII characters, no spaces");
const cursor = pattern(/^[A-Za-z0-9_-]{16}:(0|[1-9][0-9]{0,14})$/, "a cursor (mailboxId:seq)");
const session = pattern(/^[A-Za-z0-9_-]{16}$/, "a session id");
const key = pattern(/^[\x21-\x7e]{1,64}$/, "1 to 64 printable ASCII characters, no spaces");
/** Bytes of a code of a second factor, however it is written. */
const CODE_BYTES_MAX = 64;
const PASSKEY_NAME_BYTES_MAX = 128;
const out = z.boolean().describe("Of the message: true where this account has sent it");
const num = z.int().min(1).describe("The `num` of the message");
/** For a home that cannot be reached. */
const homeWait = z.int().min(0).max(HOME_WAIT_SECONDS_MAX).optional().describe(
  "Seconds that the client waits, where its account is at home in another cell that cannot be " +
    "reached from here now, for the refusal that says where to sign in; 0 if absent",
);
const mechanism = z.enum(["SCRAM-SHA-256", "SCRAM-SHA-1"]);

/** One emoji of Unicode, also one that is newer than this program. */
const EMOJI = /^(\p{RGI_Emoji}|\p{Extended_Pictographic})$/v;

const emoji = z.string().check((ctx) => {
  if (ctx.value.length <= 64 && EMOJI.test(ctx.value)) return;
  ctx.issues.push({ code: "custom", input: ctx.value, message: "must be one emoji" });
}).meta({ maxLength: 64 });

/** All emoji of one person at one message. */
const reactions = z.array(emoji).check((ctx) => {
  if (ctx.value.length <= REACTIONS_MAX) return;
  const params: IssueParams = { code: "limit_reached" };
  const message = `must be at most ${REACTIONS_MAX} emoji`;
  ctx.issues.push({ code: "custom", input: ctx.value, message, params });
}).meta({ maxItems: REACTIONS_MAX }).describe("In place of those before; empty: none");

/** The fields that several frames share. */
function fieldsOf(limits: ProtocolLimits) {
  const user = text(limits.userBytesMax, 1).describe("`bob` or `bob@<domain>`");
  const password = text(limits.passwordBytesMax, 1);
  const label = text(limits.labelBytesMax);
  const scram = text(limits.scramBytesMax, 1).describe("A SCRAM message (RFC 5802)");
  const code = text(CODE_BYTES_MAX, 1);
  const presence = {
    show: z.enum(SHOWS).optional(),
    status: text(limits.statusBytesMax).optional(),
    priority: z.int().min(-128).max(127).optional(),
    ext: text(limits.extBytesMax).optional().describe("Opaque text, carried untouched"),
  };
  return {
    user,
    password,
    code,
    label,
    scram,
    presence,
    second: {
      exchange: text(SECOND_CHARS_MAX, 1).describe("As the refusal of the first factor had it"),
      code: code.optional().describe("Of the authenticator app, or a recovery code"),
      passkey: passkeyAnswer.optional(),
    },
    token: text(limits.tokenBytesMax, 1),
    limit: z.int().min(1).max(limits.pageEventsMax).optional(),
  };
}
type Fields = ReturnType<typeof fieldsOf>;

/** What `hello`, `register` and `POST /v1/sessions` say about the session to open. */
function sessionFields(f: Fields) {
  return {
    session: session.optional().describe("A session of this device to take up again"),
    after: cursor.optional().describe("Everything up to here is known: continue after it"),
    presence: z.object(f.presence).nullable().optional()
      .describe("Absent: online. null: invisible"),
    end: device.optional().describe("Another device of the account, whose sessions end for this"),
  };
}

/** The ways to prove who one is in a hello; exactly one of them is to be given. */
function authSchema(f: Fields) {
  return z.object({
    token: f.token.optional(),
    jwt: f.token.optional(),
    user: f.user.optional(),
    password: f.password.optional(),
    scram: z.object({ mechanism, message: f.scram }).optional(),
    second: z.object(f.second).optional(),
  }).check((ctx) => {
    const a = ctx.value;
    const ways = [a.token, a.jwt, a.user ?? a.password, a.scram, a.second];
    const given = ways.filter((way) => way !== undefined).length;
    const half = (a.user === undefined) !== (a.password === undefined);
    if (given === 1 && !half) return;
    const message = "must be one of {token}, {jwt}, {user, password}, {scram}, {second}";
    ctx.issues.push({ code: "custom", input: a, message });
  });
}

/** Frames before the welcome. */
function greetingSchemas(f: Fields) {
  const newDevice = { device: device.optional(), label: f.label.optional() };
  const client = f.label.optional().describe("Name and version of the client, for logs");
  return {
    hello: z.object({
      t: z.literal("hello"),
      v: z.literal(1),
      auth: authSchema(f),
      ...newDevice,
      ...sessionFields(f),
      wait: homeWait,
      client,
    }),
    register: z.object({
      t: z.literal("register"),
      v: z.literal(1).optional(),
      user: f.user,
      password: f.password,
      invite: f.token.optional(),
      ...newDevice,
      presence: z.object(f.presence).nullable().optional(),
      client,
    }),
    auth: z.object({ t: z.literal("auth"), message: f.scram }),
  };
}

/** What proves a change of an account with factors: one of both. */
function factorProof(f: Fields) {
  return {
    code: f.code.optional().describe("Of the app, or a recovery code"),
    proof: passkeyAnswer.optional(),
  };
}

/** Inputs of the commands about second factors. */
function factorSchemas(f: Fields) {
  return {
    factors: z.object({}),
    totp: z.object({
      password: f.password.optional().describe("Needed unless this device has just signed in"),
      code: f.code.optional().describe("Of a second factor, where the account has any"),
      proof: passkeyAnswer.optional(),
    }),
    totp_on: z.object({
      setup: text(SECOND_CHARS_MAX, 1).describe("As `totp` returned it"),
      code: f.code.describe("Of the app that has the secret now"),
    }),
    totp_off: z.object(factorProof(f)),
    recovery: z.object(factorProof(f)),
    passkeys: z.object({}),
    passkey_ask: z.object({
      at: passkeyPage,
      new: z.boolean().optional().describe("true: for a new passkey; absent: to prove a change"),
      password: f.password.optional()
        .describe("For a new one, unless this device has just signed in"),
      ...factorProof(f),
    }),
    passkey_add: z.object({
      exchange: passkeyExchange,
      response: createdResponse,
      name: text(PASSKEY_NAME_BYTES_MAX, 1),
    }),
    passkey_name: z.object({ passkey: passkeyId, name: text(PASSKEY_NAME_BYTES_MAX, 1) }),
    passkey_remove: z.object({ passkey: passkeyId, ...factorProof(f) }),
  };
}

/** Inputs of the commands that send messages, and what changes them. */
function messageSchemas(f: Fields, limits: ProtocolLimits) {
  const named = key.describe("The client's id of this message: a repetition is answered alike");
  return {
    send: z.object({
      to: f.user,
      key: named,
      body: text(limits.messageBytesMax, 1),
      ext: text(limits.extBytesMax).optional(),
      reply: z.object({ num, out: out.optional() }).optional()
        .describe("The message that this one replies to"),
    }),
    edit: z.object({
      to: f.user,
      key: named,
      num,
      body: text(limits.messageBytesMax, 1),
    }),
    remove: z.object({ to: f.user, key: named, num }),
    react: z.object({ to: f.user, key: named, num, out: out.optional(), emoji: reactions }),
  };
}

/** Inputs of the commands, by the command's name: the fields of a frame besides `t` and `id`. */
function commandSchemas(f: Fields, limits: ProtocolLimits) {
  const none = z.object({});
  return {
    ...messageSchemas(f, limits),
    ack: z.object({ seq: count.describe("This device has every event up to here") }),
    read: z.object({ with: f.user, upTo: count }),
    history: z.object({
      with: f.user,
      before: count.optional().describe("Messages before this position in the mailbox"),
      after: count.optional().describe("Messages after this position in the mailbox"),
      limit: f.limit.describe("How many messages at most"),
    }).check((ctx) => {
      if (ctx.value.before === undefined || ctx.value.after === undefined) return;
      const message = "must have before or after, not both";
      ctx.issues.push({ code: "custom", input: ctx.value, message });
    }),
    search: z.object({
      text: text(limits.searchBytesMax, 1)
        .describe("Words that messages have, of the last one at least its beginning"),
      with: f.user.optional().describe("Only the conversation with this account"),
      before: count.optional().describe("Messages before this position: `next` of the page before"),
      limit: z.int().min(1).max(limits.searchFoundMax).optional()
        .describe("How many messages at most"),
    }),
    events: z.object({ after: cursor, limit: f.limit }),
    snapshot: none,
    presence: z.object({ ...f.presence, invisible: z.boolean().optional() }),
    signal: z.object({
      to: f.user,
      device: device.optional(),
      type: text(limits.signalTypeBytesMax, 1),
      body: text(limits.signalBytesMax).optional(),
      key: key.optional().describe("Ties a response to its request; shown as `id`"),
    }),
    contact: z.object({
      contact: f.user,
      label: f.label.optional(),
      groups: z.array(text(limits.groupBytesMax, 1)).max(limits.groupsMax).optional(),
    }),
    uncontact: z.object({ contact: f.user }),
    subscription: z.object({
      contact: f.user,
      type: z.enum(["subscribe", "subscribed", "unsubscribe", "unsubscribed"]),
    }),
    block: z.object({ contact: f.user, blocked: z.boolean() }),
    settings: z.object({ messagesFrom: z.enum(["contacts", "anyone"]) }),
    push: pushSchema(limits),
    unpush: none,
    pushes: none,
    devices: none,
    revoke: z.object({ device: device.describe("The device whose token ends") }),
    password: z.object({ old: f.password, new: f.password }),
    ...factorSchemas(f),
    bye: none,
    signout: none,
    ping: none,
  };
}

/** A page of this server's origin: a path, and nothing that browsers read as another host. */
const ownPage = z.string().max(1024).regex(/^\/(?![/\\])[\x21\x24-\x5b\x5d-\x7e]*$/);

/** Bodies of REST requests that are not commands. */
function restSchemas(f: Fields, limits: ProtocolLimits) {
  const newDevice = { device: device.optional(), label: f.label.optional() };
  return {
    register: z.object({
      user: f.user,
      password: f.password,
      invite: f.token.optional(),
      ...newDevice,
    }),
    signInPassword: z.object({ user: f.user, password: f.password, ...newDevice }),
    scramFirst: z.object({ mechanism, message: f.scram }),
    scramFinal: z.object({ message: f.scram, ...newDevice }),
    signInSecond: z.object({ ...f.second, ...newDevice }),
    passkeyBegin: z.object({
      at: passkeyPage,
      second: f.second.exchange.optional()
        .describe("As the refusal of the first factor had it; absent: the passkey is all"),
    }),
    passkeyFinish: z.object({
      exchange: passkeyExchange,
      response: signedResponse,
      ...newDevice,
    }),
    resetPassword: z.object({
      code: f.token.describe("Of the link that an operator has made"),
      password: f.password,
    }),
    oidcBegin: z.object({
      issuer: z.string().max(32).describe("The id of one of the issuers of `GET /v1/info`"),
      at: z.string().max(1024).describe("The server's address as the page sees it"),
      page: ownPage.optional().describe("The path of the page to return to; absent: the chat"),
    }),
    oidcFinish: z.object({
      response: z.string().max(8192).describe("The query that the page got behind `#oidc?`"),
      ...newDevice,
    }),
    openSession: z.object({ ...sessionFields(f), wait: homeWait }),
    events: z.object({
      after: cursor.optional().describe("Everything up to here is known: continue after it"),
      lastEventId: cursor.optional().describe("As `after`, where an event stream is resumed"),
      wait: z.int().min(0).max(limits.waitSecondsMax).optional().describe("Seconds; 30 if absent"),
      soft: count.optional().describe("Acknowledges soft events up to this number"),
      presence: z.enum(["online", "invisible"]).optional().describe("Of a session opened here"),
      end: device.optional().describe("As in `POST /v1/sessions`, of a session opened here"),
      session: session.optional().describe("The session to go on with; absent: opens one"),
    }),
  };
}

/** All input schemas under the given limits. Made once per node: zod compiles them on first use. */
export function protocolSchemas(limits: ProtocolLimits) {
  const fields = fieldsOf(limits);
  return {
    greeting: greetingSchemas(fields),
    commands: commandSchemas(fields, limits),
    rest: restSchemas(fields, limits),
    parameters: { device, session, key, cursor, user: fields.user },
  };
}

/** What `protocolSchemas` makes. */
export type ProtocolSchemas = ReturnType<typeof protocolSchemas>;
/** Names of the commands. */
export type CommandName = keyof ProtocolSchemas["commands"];
/** A checked hello. */
export type Hello = z.output<ProtocolSchemas["greeting"]["hello"]>;
/** A checked registration. */
export type Registration = z.output<ProtocolSchemas["greeting"]["register"]>;
/** A checked way to prove who one is. */
export type HelloAuth = Hello["auth"];
/** Presence as a client sets it. */
export type PresenceInput = NonNullable<Hello["presence"]>;
