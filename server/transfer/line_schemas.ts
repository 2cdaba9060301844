/** What the lines of an export must look like to be imported; the inverse of `lines.ts`. */
import { decodeBase64 } from "byte-encodings/base64";
import { z } from "zod";
import type { MailboxBody } from "../../shard/ops.ts";
import type { ImportItem } from "../../shard/account/transfer.ts";
import { EXPORT_VERSION } from "./lines.ts";
import { exceedsBytes } from "../text/utf8.ts";
import { NOTE_FIELDS, storedContent } from "./note_fields.ts";
import { parseName } from "../../shard/name/name.ts";

/** Numbers go on from these: they must not be near where whole numbers end. */
const uint = z.number().int().min(0).max(2 ** 50);
/** Bytes of texts: the largest that settings allow, for a row of the log has to take them. */
const BYTES_MAX = { body: 24_576, ext: 6144, short: 512 } as const;
/** Messages that wait for one answer: the largest that a server lets wait. */
const WAITING_MAX = 100;
/** Groups of one contact. */
const GROUPS_MAX = 32;

function text(bytesMax: number) {
  const message = `has more than ${bytesMax} bytes`;
  return z.string().refine((value) => !exceedsBytes(value, bytesMax), { message });
}

const short = text(BYTES_MAX.short);
const groups = z.array(short).max(GROUPS_MAX);
const subscription = z.enum(["none", "to", "from", "both"]);

const name = z.string().max(512).transform((text, context) => {
  const parsed = parseName(text);
  if (parsed !== null) return parsed;
  context.addIssue({ code: "custom", message: `${JSON.stringify(text)} is no account name` });
  return z.NEVER;
});

const base64 = z.string().max(256).transform((text, context) => {
  try {
    return decodeBase64(text);
  } catch {
    context.addIssue({ code: "custom", message: "is no base64" });
    return z.NEVER;
  }
});

/** Bytes of a salt: shorter ones repeat, and clients are sent it. */
const SALT_BYTES = { min: 8, max: 64 } as const;

/** A key of a password, whose hash has so many bytes. */
function key(hashBytes: number) {
  const hash = base64.refine((bytes) => bytes.length === hashBytes, {
    message: `wants ${hashBytes} bytes`,
  });
  return z.object({
    salt: base64.refine(({ length }) => length >= SALT_BYTES.min && length <= SALT_BYTES.max, {
      message: `wants ${SALT_BYTES.min} to ${SALT_BYTES.max} bytes`,
    }),
    iterations: uint.min(1),
    storedKey: hash,
    serverKey: hash,
  });
}

/** The first line. */
export const HEAD_LINE = z.object({
  t: z.literal("roost"),
  v: z.number().int().min(1).max(EXPORT_VERSION),
  export: z.string().regex(/^[A-Za-z0-9_-]{16}$/),
  domain: z.string(),
});

/** An account begins. */
export const ACCOUNT_LINE = z.object({
  t: z.literal("account"),
  name,
  state: z.enum(["active", "disabled"]),
  createdAt: uint,
  lastSeen: uint,
  messagesFrom: z.enum(["contacts", "anyone"]),
  first: uint.min(1),
  keptFrom: uint.min(1).optional(),
  last: uint,
  credentials: z.object({ sha256: key(32), sha1: key(20).nullable() }).optional(),
});

const CONTACT = z.object({
  t: z.literal("contact"),
  contact: name,
  label: short,
  groups,
  listed: z.boolean(),
  subscription,
  pendingOut: z.boolean(),
  pendingIn: z.boolean(),
  approved: z.boolean(),
}).transform(({ contact, label, groups, listed, t: _, ...state }): ImportItem => ({
  kind: "contact",
  contact: { contact, label, groups, listed, state },
}));

const BLOCKED = z.object({ t: z.literal("blocked"), contact: name })
  .transform(({ contact }): ImportItem => ({ kind: "blocked", contact }));

const CONVERSATION = z.object({
  t: z.literal("conversation"),
  with: name,
  sent: uint,
  lastSeq: uint,
  lastAt: uint,
  lastInSeq: uint,
  unread: z.array(uint).max(100),
  unreadMore: uint,
  readUpTo: uint,
  delivered: uint,
  read: uint,
  waiting: z.array(z.object({ num: uint.min(1), id: short })).max(WAITING_MAX).optional(),
}).refine(({ sent, waiting = [] }) => waiting.every(({ num }) => num <= sent), {
  message: "has a message that waits with a number above `sent`",
}).transform(({ t: _, waiting, ...marks }): ImportItem => {
  const conversation = waiting === undefined ? marks : { ...marks, waiting };
  return { kind: "conversation", conversation };
});

const message = { num: uint, id: short, with: name };

/** The body of an event, by its kind `k`. */
const BODIES = {
  message: z.object({
    ...message,
    out: z.boolean().default(false),
    body: text(BYTES_MAX.body),
    ext: text(BYTES_MAX.ext).default(""),
    device: short.default(""),
    ...NOTE_FIELDS,
  }).transform(storedContent),
  undelivered: z.object({ ...message, reason: short, from: uint.min(1).optional() }),
  receipt: z.object({ with: name, delivered: uint, read: uint }),
  read: z.object({ with: name, upTo: uint, unread: uint }),
  roster: z.object({
    contact: name,
    label: short.default(""),
    groups: groups.default([]),
    subscription,
    pendingOut: z.boolean().default(false),
    approved: z.boolean().default(false),
  }).transform((item) => ({ item })),
  roster_removed: z.object({ contact: name }),
  request: z.object({ from: name, pending: z.boolean() }),
  blocked: z.object({ contact: name, blocked: z.boolean() }),
  settings: z.object({ messagesFrom: z.enum(["contacts", "anyone"]) }),
} as const satisfies { readonly [K in MailboxBody["kind"]]: z.ZodType };

const EVENT_HEAD = z.object({ t: z.literal("event"), k: z.string(), seq: uint.min(1), at: uint });

const EVENT = z.unknown().transform((line, context): ImportItem => {
  const issue = (message: string) => {
    context.addIssue({ code: "custom", message });
    return z.NEVER;
  };
  const head = EVENT_HEAD.safeParse(line);
  if (!head.success) return issue("is no event");
  const { k, seq, at } = head.data;
  if (!Object.hasOwn(BODIES, k)) return issue(`is an event of an unknown kind, ${k}`);
  const body = BODIES[k as keyof typeof BODIES].safeParse(line);
  if (!body.success) {
    const [fault] = body.error.issues;
    return issue(`${fault?.path.join(".")}: ${fault?.message}`);
  }
  return { kind: "event", event: { seq, at, kind: k, ...body.data } as never };
});

const ITEMS = {
  contact: CONTACT,
  blocked: BLOCKED,
  conversation: CONVERSATION,
  event: EVENT,
} as const;

const TAGGED = z.object({ t: z.string() });

/** A line of an account other than its first and last. */
export const ITEM_LINE: z.ZodType<ImportItem> = z.unknown().transform((line, context) => {
  const tagged = TAGGED.safeParse(line);
  const t = tagged.success ? tagged.data.t : "";
  const schema = Object.hasOwn(ITEMS, t) ? ITEMS[t as keyof typeof ITEMS] : null;
  const parsed = schema?.safeParse(line);
  if (parsed?.success === true) return parsed.data;
  const [fault] = parsed?.error?.issues ?? [];
  const why = fault === undefined ? "is of no known kind" : fault.message;
  context.addIssue({ code: "custom", message: `a line "${t}" cannot be imported: ${why}` });
  return z.NEVER;
});
