/**
 * Bounds that are no settings: nobody who runs a server has a reason to change one, and other
 * bounds rely on them. With the settings they fill the limits of every part, see `settings.ts`.
 * What only one file uses stands in that file as a named constant.
 */
/** Keys (accounts, addresses, devices) that one throttle remembers: about 15 MB of memory. */
export const THROTTLE_KEYS_MAX = 100_000;

/** Bounds of shards. */
export const FIXED_SHARD = {
  /** Unacked packets to one peer before sends to it are refused. */
  outboxPerPeerMax: 1000,
  /** Bytes beyond `storage.accountBytesMax` that only blocks may take: an account without room can still block. */
  blockBytesMax: 4_000_000,
  /** Packets to one peer that wait for their acks at once. */
  outboxWindow: 64,
  /** Events of one peer's requests (ms each, burst): a peer that asks again and again gains nothing. */
  requestEventMs: 600_000,
  requestEventBurst: 5,
  /** Delay (ms) within which receipts of a conversation are merged: people do not see less. */
  receiptDelayMs: 500,
} as const;

/** Bounds of what clients send: clients of protocol v1 rely on them, so they only ever grow. */
export const FIXED_PROTOCOL = {
  /** Nesting of arrays and objects; the protocol itself needs 5. */
  jsonDepthMax: 16,
  labelBytesMax: 256,
  groupsMax: 16,
  groupBytesMax: 128,
  /** User names before normalisation, which shortens them. */
  userBytesMax: 1024,
  /** SCRAM hashes a password whole. */
  passwordBytesMax: 1024,
  /** Tokens of outside issuers take some kilobytes. */
  tokenBytesMax: 8192,
  scramBytesMax: 4096,
  signalTypeBytesMax: 64,
  /** Events in one page. */
  searchBytesMax: 256,
  searchFoundMax: 100,
  pageEventsMax: 500,
  /** Bytes of events after which a page ends early. */
  pageBytesMax: 262_144,
  /** Seconds that a long-poll may wait: proxies commonly cut requests after 60 to 100 s. */
  waitSecondsMax: 60,
} as const;

/** Bounds of one connection of protocol v1. */
export const FIXED_CONNECTION = {
  /** Commands that wait for their answer; over it `busy`. */
  inFlightMax: 64,
  /** Refusals before the connection is closed: one each, a malformed frame an eighth of the burst. */
  refusalAllowance: { perSecond: 50, burst: 1000 },
} as const;

/** Bounds of the WebSocket transport. */
export const FIXED_WS = {
  /** Time that the protocol's own deadline for the first frame has before the transport's (ms). */
  helloMarginMs: 2000,
  /** Time for the other side to answer a close (ms). */
  closeTimeoutMs: 2000,
  /** Compression takes tens of kilobytes of memory for each connection, and gains little. */
  compress: false,
  /** A connection that sends too fast for this long (ms) is cut. */
  floodMs: 10_000,
  /** Bytes that a connection may leave unread before it is cut. */
  unreadBytesMax: 8_388_608,
  /** The transport withholds frames at this multiple of the rates by which the protocol refuses. */
  rateFactor: 2,
} as const;

/** Bounds of signing in. All are each node's own. */
export const FIXED_SIGN_IN = {
  /** Time to finish a SCRAM exchange over REST (ms). */
  exchangeTtlMs: 60_000,
  /** Longest wait in the password queue (ms). */
  passwordWaitMaxMs: 10_000,
  /**
   * Least wait of a client that the password queue refused (ms); more where those before it need
   * more, and jitter adds as much again.
   */
  busyRetryMs: 1000,
  /**
   * Failures that an address may overdraw, so that one with many users behind it waits half a
   * minute at most (a minute with jitter).
   */
  addressDebtMax: 30,
} as const;

/** Bounds of the queue in which sign-ins wait when more arrive than a node takes at once. */
export const FIXED_SIGN_IN_QUEUE = {
  /** Sign-ins under way at once: enough for full reads of the store. */
  inFlightMax: 64,
  /** When one gives its place to the next though it has no reply (ms): it may wait for seconds. */
  turnMaxMs: 1000,
  /** Sign-ins that wait, of each kind. */
  waitingMax: 20_000,
  /** When the first in line has waited for this long (ms), no other may wait. */
  waitMaxMs: 15_000,
  /** Least wait (ms) of a client that was refused for it. */
  retryAfterMs: 2000,
} as const;

/**
 * Characters of responses over plain HTTP that clients of one account, and of one network, may leave
 * unread before they get no further large one: the last one of each may be as large as an account.
 */
export const FIXED_UNREAD = { perAccount: 8_388_608, perNetwork: 67_108_864 } as const;

/** Exports of one account: so many at once, then one in so many ms. Each reads a whole mailbox. */
export const FIXED_EXPORTS = { burst: 3, refillMs: 60_000, keysMax: THROTTLE_KEYS_MAX } as const;

/** Wrong admin tokens of one address: 256 random bits need no less, but a log stays readable. */
export const FIXED_ADMIN_FAILURES = { burst: 10, refillMs: 6000, keysMax: 10_000 } as const;

/** Characters of events in one webhook request, about. */
export const WEBHOOK_BATCH_CHARS_MAX = 65_536;

/**
 * What makes a node sick, not what makes it busy: a spike of sign-ins waits in the sign-in queue,
 * for a client that is sent away returns and costs more. 4,000 waiting requests are about 100 ms of
 * commits (44,000 events/s), 16,000 are 0.4 s.
 */
export const FIXED_ADMISSION = {
  /** Waiting requests, and the time of a commit (ms), at which each kind is refused. */
  refuseAt: {
    signIn: { commitQueue: 8000, commitLatencyMs: 2000 },
    connection: { commitQueue: 8000, commitLatencyMs: 2000 },
    write: { commitQueue: 16_000, commitLatencyMs: 4000 },
  },
  /** Part of a threshold below which a kind is admitted again. */
  resume: 0.5,
  /** Least wait that is asked for, per reason (ms). */
  retryAfterMs: { overload: 1000, full: 5000, draining: 1000, storeFailing: 5000 },
  /** Bound of every wait that is asked for (ms). */
  retryAfterMaxMs: 60_000,
} as const;
