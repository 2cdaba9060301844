/** What services send and are answered: checks the input, and makes the OpenAPI document. */
import { z } from "zod";
import type { ProtocolLimits } from "../v1/limits.ts";
import { exceedsBytes } from "../text/utf8.ts";

/** Names in one request, and webhooks' lists of them. */
export const BATCH_MAX = 200;
/** Contacts in one request. */
export const CONTACTS_MAX = 1000;
/** How long presence may be set for (s). */
const TTL_SECONDS_MAX = 86_400;
const TTL_SECONDS_DEFAULT = 3600;
/** Longer than any token lives (s). */
const LIFETIME_SECONDS_MAX = 1_000_000_000;

function text(bytesMax: number, lengthMin = 0) {
  return z.string().min(lengthMin).refine((value) => !exceedsBytes(value, bytesMax), {
    error: `must have at most ${bytesMax} bytes of UTF-8`,
    params: { code: "too_large" },
  }).refine((value) => value.isWellFormed(), { error: "must be well-formed Unicode" })
    .meta({ maxLength: bytesMax });
}

const printable = z.string().regex(/^[\x21-\x7e]{1,64}$/, {
  error: "must be 1 to 64 printable ASCII characters, no spaces",
});
const key = printable.describe("A repetition with the same key is answered alike, and sent once");

/** What services send that manage accounts. */
function backendSchemas(limits: ProtocolLimits, user: z.ZodType<string, string>) {
  const device = printable.describe("Name of a device among those of the account");
  const label = text(limits.labelBytesMax);
  const pair = z.object({
    users: z.tuple([user, user]),
    contacts: z.boolean().default(true).describe("Whether they are to be contacts"),
  });
  const contact = z.object({
    user,
    label: label.optional().describe("Absent: as it is"),
    groups: z.array(text(limits.groupBytesMax, 1)).max(limits.groupsMax).optional()
      .describe("Absent: as they are"),
  });
  return {
    token: z.object({
      user,
      device: device.optional().describe("Absent: a new one. Its former token and session end"),
      label: label.optional().describe("What the user's list of devices shows"),
      lifetimeSeconds: z.int().min(1).max(LIFETIME_SECONDS_MAX).optional()
        .describe("At most, and if absent, `auth.tokenTtlDays`"),
      create: z.boolean().default(true).describe("Whether a missing account is made"),
    }),
    device: z.object({ user, device: device.optional() }),
    pairs: z.object({ pairs: z.array(pair).min(1).max(BATCH_MAX) }),
    roster: z.object({ user, contacts: z.array(contact).max(CONTACTS_MAX) }),
    sendAs: z.object({
      from: user,
      to: user,
      key,
      body: text(limits.messageBytesMax, 1),
      ext: text(limits.extBytesMax).optional(),
    }),
  };
}

/** The schemas for the server's limits. */
export function gatewaySchemas(limits: ProtocolLimits) {
  const user = text(limits.userBytesMax, 1).describe("`bob` or `bob@<domain>`");
  const users = z.array(user).min(1).max(BATCH_MAX);
  const cursor = z.string().regex(/^[A-Za-z0-9_-]{16}:(0|[1-9][0-9]{0,14})$/, {
    error: "must be a cursor as an earlier answer gave it",
  });
  const presence = {
    show: z.enum(["online", "chat", "away", "xa", "dnd"]).optional(),
    status: text(limits.statusBytesMax).optional(),
    priority: z.int().min(-128).max(127).optional()
      .describe("The device of highest priority stands for the user"),
    ext: text(limits.extBytesMax).optional(),
    ttlSeconds: z.int().min(1).max(TTL_SECONDS_MAX).default(TTL_SECONDS_DEFAULT),
  };
  return {
    none: z.object({}),
    ...backendSchemas(limits, user),
    message: z.object({
      to: user,
      key,
      body: text(limits.messageBytesMax, 1),
      ext: text(limits.extBytesMax).optional(),
    }),
    outcomes: z.object({
      after: cursor.optional().describe("Outcomes after this cursor; absent: from the first"),
      limit: z.int().min(1).max(limits.pageEventsMax).default(100)
        .describe("Entries of the log looked at; not every one is an outcome"),
    }),
    users: z.object({ users }),
    watch: z.object({
      users: z.string().max(BATCH_MAX * 256).optional()
        .describe("Names with commas between them; absent: everybody who may be seen"),
    }),
    setPresence: z.object({
      users: z.array(z.union([
        z.object({ user, clear: z.literal(true) }),
        z.object({ user, ...presence }),
      ])).min(1).max(BATCH_MAX),
    }),
    webhook: z.object({
      id: z.string().regex(/^[A-Za-z0-9_-]{1,32}$/, {
        error: "must be 1 to 32 of A-Z a-z 0-9 _ -",
      }).describe("Name of the webhook, chosen by the service"),
      url: z.string(),
      topics: z.array(z.enum(["outcomes", "presence"])).min(1).max(2),
      users: users.nullable().optional().describe("Whose presence; absent: everybody's"),
    }),
    webhookId: z.object({ id: z.string().describe("Name of the webhook") }),
  };
}

/** What `gatewaySchemas` makes. */
export type GatewaySchemas = ReturnType<typeof gatewaySchemas>;

const presenceView = z.looseObject({
  user: z.string(),
  show: z.enum(["online", "chat", "away", "xa", "dnd", "offline"]),
  status: z.string().optional(),
  priority: z.int().optional(),
  device: z.string().optional(),
  lastSeen: z.int().optional(),
});
const outcome = z.looseObject({
  cursor: z.string(),
  at: z.int(),
  to: z.string(),
  state: z.enum(["accepted", "undelivered", "delivered", "read"]),
  num: z.int().optional().describe("accepted, undelivered: the message's number to this user"),
  key: z.string().optional()
    .describe("accepted, undelivered: its idempotency key; empty for several messages"),
  from: z.int().optional().describe("undelivered: the first of several, where `num` is the last"),
  waits: z.literal(true).optional()
    .describe("accepted: it waits until the user and the service have a subscription"),
  reason: z.string().optional(),
  upTo: z.int().optional().describe("delivered, read: holds for every message up to this number"),
});
const result = z.object({
  user: z.string(),
  ok: z.boolean(),
  code: z.string().optional(),
  retryAfterMs: z.int().optional(),
});
const failed = {
  ok: z.boolean(),
  code: z.string().optional(),
  message: z.string().optional(),
  retryAfterMs: z.int().optional(),
};
const webhook = z.object({
  id: z.string(),
  url: z.string(),
  topics: z.array(z.string()),
  users: z.array(z.string()).nullable(),
  secret: z.string().optional().describe("Told when it is made"),
  waiting: z.int().optional(),
  dead: z.int().optional(),
  failures: z.int().optional(),
  trouble: z.string().optional(),
});

/** The answers by name. */
export const GATEWAY_ANSWERS = {
  Service: z.object({
    service: z.string(),
    account: z.string(),
    scopes: z.array(z.string()),
    expiresAt: z.int().nullable(),
  }),
  Accepted: z.object({ num: z.int(), at: z.int() }),
  Outcomes: z.object({ outcomes: z.array(outcome), cursor: z.string(), more: z.boolean() }),
  Presence: z.object({ presence: z.array(presenceView) }),
  Results: z.object({ results: z.array(result) }),
  UserResults: z.object({
    results: z.array(z.object({
      user: z.string(),
      ...failed,
      created: z.boolean().optional().describe("False: it existed"),
    })),
  }),
  UserToken: z.object({
    user: z.string(),
    device: z.string(),
    token: z.string().describe("Told once"),
    expiresAt: z.int(),
    created: z.boolean().describe("The account was made"),
  }),
  SignedOut: z.object({
    user: z.string(),
    devices: z.int().describe("How many there were"),
  }),
  Removed: z.object({
    user: z.string(),
    removed: z.boolean().describe("False: there was no such account"),
  }),
  PairResults: z.object({
    results: z.array(z.object({ users: z.array(z.string()), ...failed })),
  }),
  RosterResults: z.object({
    user: z.string(),
    results: z.array(z.object({
      user: z.string(),
      change: z.enum(["add", "label", "remove"]),
      ...failed,
    })).describe("What had to be changed; the rest was so before"),
  }),
  SentAs: z.object({
    seq: z.int().describe("Its position in the user's mailbox"),
    num: z.int(),
    at: z.int(),
    waits: z.literal(true).optional().describe("It waits for a subscription"),
  }),
  Webhook: webhook,
  Webhooks: z.object({ webhooks: z.array(webhook) }),
} as const;
