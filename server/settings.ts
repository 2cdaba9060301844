/** From the configuration to what each part of a node is made with. */
import type { Config } from "./config/config.ts";
import type { ConnectionLimits } from "./v1/connection.ts";
import type { IssuerOptions } from "./auth/jwt.ts";
import type { JwtAlgorithm, KeySource } from "./auth/jwt_keys.ts";
import type { ProtocolLimits } from "./v1/limits.ts";
import type { Rates } from "./v1/rates.ts";
import type { ScramMechanism } from "../shard/ops.ts";
import type { ShardLimits } from "../shard/limits.ts";
import type { SignInOptions } from "./auth/sign_in_options.ts";
import { THROTTLE_KEYS_MAX } from "./auth/throttle.ts";
import type { AdmissionControlOptions } from "./http/admission_control.ts";
import type { EdgeLimits } from "./edge/types.ts";
import { ADMISSION_DEFAULTS } from "./http/admission.ts";
import { DEFAULT_CONNECTION_LIMITS } from "./v1/connection.ts";
import { DEFAULT_PROTOCOL_LIMITS } from "./v1/limits.ts";
import { DEFAULT_WS_LIMITS, type WsLimits } from "./v1/ws.ts";
import { DEFAULT_SHARD_LIMITS } from "../shard/limits.ts";
import { Retries } from "../shard/retry.ts";
import { SCRAM_ITERATIONS_MIN } from "./auth/credentials.ts";
import { SIGN_IN_DEFAULTS } from "./auth/sign_in_options.ts";

const DAY_MS = 86_400_000;

/** Bounds of what is tried again. */
export function retries({ gateway }: Config): Retries {
  const { webhookRetryMinMs: baseMs, webhookRetryMaxMs: capMs } = gateway;
  return new Retries({ leastMs: 0, baseMs, capMs, askedMaxMs: capMs });
}

/** Bounds of the shards. */
export function shardLimits({ limits, storage }: Config): ShardLimits {
  return {
    ...DEFAULT_SHARD_LIMITS,
    sessionsPerAccountMax: limits.sessionsPerAccountMax,
    devicesPerAccountMax: limits.devicesPerAccountMax,
    rosterMax: limits.rosterMax,
    pendingRequestsMax: limits.pendingRequestsMax,
    blockedMax: limits.blockedMax,
    conversationsMax: limits.conversationsMax,
    subscriptionRequestMs: 3_600_000 / limits.subscriptionRequestsPerHour,
    subscriptionRequestBurst: limits.subscriptionRequestsBurst,
    waitingMessagesMax: limits.waitingMessagesMax,
    waitingCharsMax: limits.waitingCharsMax,
    waitingTotalCharsMax: limits.waitingTotalCharsMax,
    waitingMs: limits.waitingDays * DAY_MS,
    inboundMessageMs: 1000 / limits.receivedPerSecond,
    inboundMessageBurst: limits.receivedBurst,
    mailboxEventsMax: storage.mailboxEventsMax,
    retentionMs: storage.retentionDays * DAY_MS,
    dedupeWindowMs: storage.dedupeDays * DAY_MS,
    dedupeEntriesMax: storage.dedupeEntriesMax,
    cacheIdleMs: storage.cacheIdleMs,
    cacheAccountsMax: storage.cacheUsersMax,
    checkpointMs: storage.checkpointIntervalMs,
  };
}

/** Bounds of what clients may send. */
export function protocolLimits({ limits }: Config): ProtocolLimits {
  return {
    ...DEFAULT_PROTOCOL_LIMITS,
    frameBytesMax: limits.frameBytesMax,
    messageBytesMax: limits.messageBytesMax,
    extBytesMax: limits.extBytesMax,
    statusBytesMax: limits.statusBytesMax,
    signalBytesMax: limits.signalBytesMax,
  };
}

/** Rates of one session. */
export function rates({ limits }: Config): Rates {
  return {
    frames: { perSecond: limits.framesPerSecond, burst: limits.framesBurst },
    sends: { perSecond: limits.sendsPerSecond, burst: limits.sendsBurst },
    presence: { perSecond: limits.presencePerSecond, burst: limits.presenceBurst },
    signals: { perSecond: limits.signalsPerSecond, burst: limits.signalsBurst },
  };
}

/** Bounds of a WebSocket connection's protocol. */
export function connectionLimits(config: Config): ConnectionLimits {
  return {
    ...DEFAULT_CONNECTION_LIMITS,
    helloTimeoutMs: config.timeouts.helloTimeoutMs,
    unreadBytesMax: config.limits.outboxBytesMax,
    rates: rates(config),
  };
}

/** How users sign in. */
export function signInOptions(config: Config, fakeSaltSecret: Uint8Array): SignInOptions {
  const { auth, registration } = config;
  const sha256 = Math.max(auth.scramIterations, SCRAM_ITERATIONS_MIN);
  return {
    domain: config.server.domain,
    registration: registration.mode,
    iterations: { sha256, sha1: auth.scramSha1 ? sha256 : null },
    formerIterations: auth.formerScramIterations,
    fakeSaltSecret,
    passwordLengthMin: registration.passwordCharsMin,
    tokenLifetimeMs: auth.tokenTtlDays * DAY_MS,
    queue: {
      ...SIGN_IN_DEFAULTS.queue,
      concurrency: auth.passwordConcurrency,
      waitingMax: auth.passwordQueueMax,
      perAddressMax: auth.passwordQueuePerAddressMax,
    },
    failures: {
      ...SIGN_IN_DEFAULTS.failures,
      perAccount: {
        burst: auth.accountFailuresBurst,
        refillMs: 60_000 / auth.accountFailuresPerMinute,
        keysMax: THROTTLE_KEYS_MAX,
      },
      perAddress: {
        ...SIGN_IN_DEFAULTS.failures.perAddress,
        burst: auth.addressFailuresBurst,
        refillMs: 60_000 / auth.addressFailuresPerMinute,
      },
    },
    registrations: {
      ...SIGN_IN_DEFAULTS.registrations,
      burst: registration.perAddressBurst,
      refillMs: 3_600_000 / registration.perAddressPerHour,
    },
  };
}

/** SCRAM mechanisms on offer, the stronger one first. */
export function mechanisms({ auth }: Config): readonly ScramMechanism[] {
  return auth.scramSha1 ? ["SCRAM-SHA-256", "SCRAM-SHA-1"] : ["SCRAM-SHA-256"];
}

/** The outside issuer, with its keys read by `read`; none where none is configured. */
export async function issuers(
  { jwt }: Config,
  read: (path: string) => Promise<string>,
): Promise<readonly IssuerOptions[]> {
  if (jwt.issuer === null) return [];
  const keys: KeySource[] = [];
  for (const path of jwt.keyFiles) {
    const text = await read(path);
    keys.push({ kind: text.trimStart().startsWith("{") ? "jwk" : "pem", text });
  }
  if (jwt.jwksFile !== null) keys.push({ kind: "jwks", text: await read(jwt.jwksFile) });
  const subject = jwt.subjectClaim !== null && jwt.subjectPattern !== null
    ? { kind: "pattern", claim: jwt.subjectClaim, pattern: jwt.subjectPattern } as const
    : { kind: "template", template: jwt.subject } as const;
  return [{
    issuer: jwt.issuer,
    audience: jwt.audience,
    algorithms: jwt.algorithms as readonly JwtAlgorithm[],
    keys,
    leewayMs: jwt.leewaySeconds * 1000,
    subject,
    createAccounts: jwt.createAccounts,
  }];
}

/** When the node refuses work. */
export function admissionOptions({ admission, limits }: Config): AdmissionControlOptions {
  const { refuseAt } = ADMISSION_DEFAULTS;
  return {
    ...ADMISSION_DEFAULTS,
    connectionsMax: limits.connectionsMax,
    refuseAt: {
      signIn: { ...refuseAt.signIn, loopLagMs: admission.signInLagMs },
      connection: { ...refuseAt.connection, loopLagMs: admission.connectionLagMs },
      write: { ...refuseAt.write, loopLagMs: admission.writeLagMs },
    },
  };
}

/** Bounds of the edge. */
export function edgeLimits({ limits, presence, timeouts }: Config): EdgeLimits {
  return {
    // Sessions in their grace have no connection.
    sessionsMax: limits.connectionsMax * 2,
    sessionsPerAccountMax: limits.sessionsPerAccountMax,
    graceMs: presence.graceMs,
    outboxBytesMax: limits.outboxBytesMax,
    stalledMs: timeouts.stalledMs,
    flushIntervalMaxMs: presence.flushIntervalMaxMs,
  };
}

/** Time that the protocol's own deadline has before the transport's, ms. */
const HELLO_MARGIN_MS = 2000;

/** Bounds of the WebSocket transport. */
export function wsLimits({ limits, timeouts }: Config): WsLimits {
  return {
    ...DEFAULT_WS_LIMITS,
    frameBytesMax: limits.frameBytesMax,
    connectionsMax: limits.connectionsMax,
    connectionsPerAddressMax: limits.connectionsPerAddressMax,
    helloTimeoutMs: timeouts.helloTimeoutMs + HELLO_MARGIN_MS,
    pingIntervalMs: timeouts.pingIntervalMs,
    // The transport withholds what the protocol's own rates have not answered.
    framesPerSecond: limits.framesPerSecond * 2,
    framesBurst: limits.framesBurst * 2,
  };
}
