/** The bounds: what a connection, a session, an account, an address and the store may take. */
import { bool, group, int } from "./knob.ts";

function count(value: number, unit: string, doc: string, min = 1, max = 1_000_000) {
  return int({ default: value, min, max, unit, doc });
}

const limits = {
  connectionsMax: count(
    0,
    "connections",
    "Connections open at once at a node, or worker; 0: as many as a process may open files, less some.",
    0,
    10_000_000,
  ),
  connectionsPerAddressMax: count(500, "connections", "Connections open at once from one address."),
  sessionsPerAccountMax: count(10, "sessions", "Live sessions of one account.", 1, 1000),
  devicesPerAccountMax: count(50, "devices", "Devices with a token of one account.", 1, 1000),
  outboxBytesMax: count(
    262_144,
    "bytes",
    "What a session may have unsent before it has to read from its mailbox.",
    16_384,
    67_108_864,
  ),
  frameBytesMax: count(65_536, "bytes", "Largest frame or request body.", 4096, 1_048_576),
  messageBytesMax: count(16_384, "bytes", "Largest message body, as UTF-8.", 64, 24_576),
  extBytesMax: count(2048, "bytes", "Largest opaque extension of a message or presence.", 0, 6144),
  statusBytesMax: count(512, "bytes", "Largest presence status text, as UTF-8.", 0, 8192),
  signalBytesMax: count(8192, "bytes", "Largest signal body, as UTF-8.", 64, 24_576),
  rosterMax: count(1000, "contacts", "Contacts in one roster.", 1, 10_000),
  blockedMax: count(1000, "names", "Names one account may block.", 1, 10_000),
  pendingRequestsMax: count(
    100,
    "requests",
    "Unanswered requests of strangers to an account; further ones arrive once there is room.",
    1,
    10_000,
  ),
  conversationsMax: count(
    10_000,
    "conversations",
    "Conversations that others may begin with an account; it may itself begin as many more.",
    10,
    100_000,
  ),
  subscriptionRequestsPerHour: count(
    360,
    "requests an hour",
    "Subscription requests one account may send.",
  ),
  subscriptionRequestsBurst: count(
    60,
    "requests",
    "Subscription requests that may come at once before the rate limits them.",
  ),
  waitingMessagesMax: count(
    10,
    "messages",
    "Messages to one account that may wait for the answer to a subscription request.",
    1,
    100,
  ),
  waitingCharsMax: count(
    20_000,
    "characters",
    "Characters of the messages that may wait for one answer.",
    1000,
    65_536,
  ),
  waitingTotalCharsMax: count(
    32_768,
    "characters",
    "Characters of all messages of one account that may wait for answers.",
    1000,
    65_536,
  ),
  waitingDays: count(
    30,
    "days",
    "For how long a message waits for the answer to a subscription request.",
    1,
    365,
  ),
  framesPerSecond: count(
    50,
    "frames a second",
    "Commands of one device, and sessions that one account opens.",
  ),
  framesBurst: count(
    200,
    "frames",
    "Frames that may come at once before the rate limits them.",
  ),
  sendsPerSecond: count(10, "messages a second", "Messages one device may send."),
  sendsBurst: count(50, "messages", "Messages that may come at once before the rate applies."),
  sendingCharsMax: count(
    65_536,
    "characters",
    "Characters of messages that an account has on their way; each counts for 250 ms at least.",
    32_768,
    131_072,
  ),
  receivedPerSecond: count(
    250,
    "messages a second",
    "Messages one account takes from all others, of one contact half as many.",
  ),
  receivedBurst: count(
    2000,
    "messages",
    "Messages an account takes at once before the rate applies.",
  ),
  presencePerSecond: count(2, "changes a second", "Presence changes of one device."),
  presenceBurst: count(10, "changes", "Presence changes that may come at once."),
  signalsPerSecond: count(10, "signals a second", "Signals one device may send."),
  signalsBurst: count(30, "signals", "Signals that may come at once before the rate applies."),
  searchedKibPerSecond: count(
    1024,
    "KiB a second",
    "What searches of one account read of its mailbox.",
  ),
  searchedKibBurst: count(
    16_384,
    "KiB",
    "What searches of one account read at once before the rate applies.",
  ),
  requestsPerAddressPerSecond: count(
    100,
    "requests a second",
    "HTTP requests and new connections from one address.",
  ),
  requestsPerAddressBurst: count(
    500,
    "requests",
    "HTTP requests and connections that may come at once from one address.",
  ),
} as const;

const storage = {
  shards: int({
    default: 16,
    min: 1,
    max: 1024,
    unit: "shards",
    doc: "Into how many shards a new data directory is divided; an existing one keeps its number.",
  }),
  shardsFollowLoad: bool({
    default: false,
    doc:
      "Whether hot shards are cut and cold ones merged by the server itself, never below shards.",
  }),
  retentionDays: int({
    default: 365,
    min: 1,
    max: 36_500,
    unit: "days",
    doc: "How long mailbox events are kept, unread messages included.",
  }),
  mailboxEventsMax: int({
    default: 20_000,
    min: 100,
    max: 10_000_000,
    unit: "events",
    doc:
      "How many events a mailbox keeps, the oldest go first; and how many unread messages besides.",
  }),
  dedupeDays: int({
    default: 7,
    min: 1,
    max: 90,
    unit: "days",
    doc: "For how long a repeated send gets the first result.",
  }),
  dedupeEntriesMax: int({
    default: 2_000_000,
    min: 1000,
    max: 20_000_000,
    unit: "messages",
    doc:
      "How many messages an account sends within dedupeDays; each takes up to 24 bytes of memory.",
  }),
  checkAtStartMb: int({
    default: 512,
    min: 0,
    max: 1_000_000,
    unit: "MB",
    doc: "Largest own store that a start looks through for damage, at 60 to 380 MB a second.",
  }),
  accountBytesMax: int({
    default: 16_000_000,
    min: 50_000,
    max: 256_000_000,
    unit: "bytes",
    doc:
      "What contacts, conversations and other state of one account take; others fill 3/4 at most.",
  }),
  checkpointIntervalMs: int({
    default: 2000,
    min: 100,
    max: 5000,
    unit: "ms",
    doc: "How often changed users are written behind the log, which bounds the replay at start.",
  }),
  cacheUsersMax: int({
    default: 20_000,
    min: 100,
    max: 10_000_000,
    unit: "users",
    doc: "Users kept in memory; those in use stay whatever it says.",
  }),
  cacheIdleMs: int({
    default: 20_000,
    min: 1000,
    max: 86_400_000,
    unit: "ms",
    doc: "After how long an unused user leaves memory.",
  }),
} as const;

/** Groups of bounds. */
export const LIMIT_KNOBS = { limits: group(limits), storage: group(storage) } as const;
