/**
 * From the configuration to what each part of a node is made with: the only place that fills the
 * limits of a part, from settings and from the fixed bounds. Tests and the simulator take their
 * limits from here too, with overrides by name.
 */
import type { AuditOptions } from "./audit/audit.ts";
import type { Config } from "./config/config.ts";
import type { ConnectionLimits } from "./v1/connection_limits.ts";
import type { HttpOptions } from "./http/http_server.ts";
import type { IssuerOptions } from "./auth/jwt.ts";
import type { JwtAlgorithm, KeySource } from "./auth/jwt_keys.ts";
import type { OidcIssuerOptions } from "./auth/oidc_issuer.ts";
import type { LinkOptions } from "./ops/accounts.ts";
import type { ProtocolLimits } from "./v1/limits.ts";
import type { PushLimits } from "./push/push_sender.ts";
import type { Rates } from "./v1/rates.ts";
import type { ScramMechanism } from "../shard/ops.ts";
import type { ShardLimits } from "../shard/limits.ts";
import type { SignInOptions } from "./auth/sign_in_options.ts";
import type { AdmissionControlOptions } from "./http/admission_control.ts";
import type { DirectoryOptions } from "./auth/directory.ts";
import type { EdgeLimits } from "./edge/types.ts";
import type { ExchangeLimits } from "./v1/exchanges.ts";
import type { GatewayLimits } from "./gateway/gateway.ts";
import type { TargetRules } from "./config/target.ts";
import type { WsLimits } from "./v1/ws.ts";
import { hstsOf } from "./http/response.ts";
import { DEDUPE_SHAPE } from "../shard/message/dedupe.ts";
import { HEAD_SHAPE } from "../shard/account/head_pages.ts";
import {
  FIXED_ADMISSION,
  FIXED_CONNECTION,
  FIXED_PROTOCOL,
  FIXED_SHARD,
  FIXED_SIGN_IN,
  FIXED_WS,
  THROTTLE_KEYS_MAX,
  WEBHOOK_BATCH_CHARS_MAX,
} from "./config/fixed.ts";
import { Retries } from "../shard/retry.ts";
import { SCRAM_ITERATIONS_MIN } from "./auth/credentials.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Bounds of what is tried again. */
export function retries({ gateway }: Config): Retries {
  const { webhookRetryMinMs: baseMs, webhookRetryMaxMs: capMs } = gateway;
  return new Retries({ leastMs: 0, baseMs, capMs, askedMaxMs: capMs });
}

/** Bounds of the shards; `restoreTag` as in `ShardLimits`. */
export function shardLimits({ limits, push, storage }: Config, restoreTag = ""): ShardLimits {
  return {
    ...FIXED_SHARD,
    restoreTag,
    dedupeShape: DEDUPE_SHAPE,
    headShape: HEAD_SHAPE,
    sessionsPerAccountMax: limits.sessionsPerAccountMax,
    devicesPerAccountMax: limits.devicesPerAccountMax,
    rosterMax: limits.rosterMax,
    pendingRequestsMax: limits.pendingRequestsMax,
    blockedMax: limits.blockedMax,
    conversationsMax: limits.conversationsMax,
    outboxCharsMax: limits.sendingCharsMax,
    headBytesMax: storage.accountBytesMax,
    subscriptionRequestMs: HOUR_MS / limits.subscriptionRequestsPerHour,
    subscriptionRequestBurst: limits.subscriptionRequestsBurst,
    waitingMessagesMax: limits.waitingMessagesMax,
    waitingCharsMax: limits.waitingCharsMax,
    waitingTotalCharsMax: limits.waitingTotalCharsMax,
    waitingMs: limits.waitingDays * DAY_MS,
    inboundMessageMs: 1000 / limits.receivedPerSecond,
    inboundMessageBurst: limits.receivedBurst,
    searchedKibMs: 1000 / limits.searchedKibPerSecond,
    searchedKibBurst: limits.searchedKibBurst,
    mailboxEventsMax: storage.mailboxEventsMax,
    retentionMs: storage.retentionDays * DAY_MS,
    dedupeWindowMs: storage.dedupeDays * DAY_MS,
    dedupeEntriesMax: storage.dedupeEntriesMax,
    pushGraceMs: push.graceMs,
    pushAgeMaxMs: push.ageMaxHours * HOUR_MS,
    cacheIdleMs: storage.cacheIdleMs,
    cacheAccountsMax: storage.cacheUsersMax,
    checkpointMs: storage.checkpointIntervalMs,
  };
}

/** Bounds of what clients may send. */
export function protocolLimits(config: Config): ProtocolLimits {
  const { limits, push } = config;
  return {
    ...FIXED_PROTOCOL,
    frameBytesMax: limits.frameBytesMax,
    messageBytesMax: limits.messageBytesMax,
    extBytesMax: limits.extBytesMax,
    statusBytesMax: limits.statusBytesMax,
    signalBytesMax: limits.signalBytesMax,
    push: push.enabled ? pushRules(config) : null,
    pushServices: push.services.map(({ id }) => id),
  };
}

/** Rates of one session. */
export function rates({ limits }: Pick<Config, "limits">): Rates {
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
    ...FIXED_CONNECTION,
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
    nameScripts: registration.nameScripts,
    iterations: { sha256, sha1: auth.scramSha1 ? sha256 : null },
    formerIterations: auth.formerScramIterations,
    fakeSaltSecret,
    passwordLengthMin: registration.passwordCharsMin,
    tokenLifetimeMs: auth.tokenTtlDays * DAY_MS,
    queue: {
      waitMaxMs: FIXED_SIGN_IN.passwordWaitMaxMs,
      busyRetryMs: FIXED_SIGN_IN.busyRetryMs,
      concurrency: auth.passwordConcurrency,
      waitingMax: auth.passwordQueueMax,
      perAddressMax: auth.passwordQueuePerAddressMax,
    },
    failures: {
      perAccount: {
        burst: auth.accountFailuresBurst,
        refillMs: 60_000 / auth.accountFailuresPerMinute,
        keysMax: THROTTLE_KEYS_MAX,
      },
      perAddress: {
        burst: auth.addressFailuresBurst,
        refillMs: 60_000 / auth.addressFailuresPerMinute,
        keysMax: THROTTLE_KEYS_MAX,
        debtMax: FIXED_SIGN_IN.addressDebtMax,
      },
    },
    registrations: {
      burst: registration.perAddressBurst,
      refillMs: HOUR_MS / registration.perAddressPerHour,
      keysMax: THROTTLE_KEYS_MAX,
    },
  };
}

/** SCRAM exchanges over REST. */
export function exchangeLimits({ auth }: Config): ExchangeLimits {
  return { exchangesMax: auth.exchangesMax, exchangeTtlMs: FIXED_SIGN_IN.exchangeTtlMs };
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

/** The listener for clients; `shared` as in `HttpOptions`. */
export function httpOptions(
  { limits, server, timeouts }: Config,
  tls: HttpOptions["tls"],
  shared: boolean,
): HttpOptions {
  return {
    ...server.bind,
    shared,
    tls,
    hsts: hstsOf(tls, server.hstsDays),
    trustedProxies: server.trustedProxies,
    connectionsMax: limits.connectionsMax,
    connectionsPerAddressMax: limits.connectionsPerAddressMax,
    requestTimeoutMs: timeouts.requestTimeoutMs,
  };
}

/** When the node refuses work. */
export function admissionOptions({ admission, limits }: Config): AdmissionControlOptions {
  const { refuseAt } = FIXED_ADMISSION;
  return {
    ...FIXED_ADMISSION,
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
    opens: rates({ limits }).frames,
    graceMs: presence.graceMs,
    outboxBytesMax: limits.outboxBytesMax,
    stalledMs: timeouts.stalledMs,
    flushIntervalMaxMs: presence.flushIntervalMaxMs,
  };
}

/** Bounds of the WebSocket transport. */
export function wsLimits({ limits, timeouts }: Config): WsLimits {
  const { helloMarginMs, rateFactor, ...fixed } = FIXED_WS;
  return {
    ...fixed,
    frameBytesMax: limits.frameBytesMax,
    connectionsMax: limits.connectionsMax,
    connectionsPerAddressMax: limits.connectionsPerAddressMax,
    helloTimeoutMs: timeouts.helloTimeoutMs + helloMarginMs,
    pingIntervalMs: timeouts.pingIntervalMs,
    framesPerSecond: limits.framesPerSecond * rateFactor,
    framesBurst: limits.framesBurst * rateFactor,
  };
}

/** Where webhooks may go. */
export function targetRules({ gateway }: Config): TargetRules {
  return { privateToo: gateway.privateTargets, ports: gateway.webhookPorts };
}

/** Where push services may be. */
export function pushRules({ push }: Config): TargetRules {
  return { privateToo: push.privateTargets, ports: push.ports, of: "push" };
}

/** Bounds of sending push messages. */
export function pushLimits({ push, server: { domain } }: Config): PushLimits {
  const { timeoutMs, requestsMax, waitingMax } = push;
  const ttlSeconds = push.ageMaxHours * 3600;
  const contact = push.contact ?? `https://${domain}`;
  return { timeoutMs, requestsMax, waitingMax, ttlSeconds, contact };
}

/** Bounds of the gateway and of webhooks. */
export function gatewayLimits({ auth, gateway }: Config): GatewayLimits {
  return {
    tokenLifetimeMs: auth.tokenTtlDays * DAY_MS,
    presencesMax: gateway.presencesMax,
    perServiceMax: gateway.webhooksMax,
    eventsMax: gateway.webhookEventsMax,
    deadMax: gateway.webhookDeadMax,
    ageMaxMs: gateway.webhookAgeHours * HOUR_MS,
    timeoutMs: gateway.webhookTimeoutMs,
    batchCharsMax: WEBHOOK_BATCH_CHARS_MAX,
  };
}

/** Issuers by discovery, with the secrets of their clients read by `read`. */
export async function oidcIssuers(
  { oidc }: Config,
  read: (path: string) => Promise<string>,
): Promise<readonly OidcIssuerOptions[]> {
  return await Promise.all(oidc.issuers.map(async ({ clientSecretFile, ...issuer }) => ({
    ...issuer,
    name: issuer.name === "" ? issuer.id : issuer.name,
    clientSecret: clientSecretFile === "" ? null : (await read(clientSecretFile)).trim(),
    leewayMs: oidc.leewaySeconds * 1000,
    staleMs: oidc.staleKeysHours * HOUR_MS,
  })));
}

/** What is decided about users of the directory. */
export function directoryOptions({ ldap }: Config): DirectoryOptions {
  const { baseDn, concurrency, createAccounts, linkAccounts, userDn } = ldap;
  return { realm: baseDn ?? userDn ?? "", concurrency, createAccounts, linkAccounts };
}

/** Links that operators make. */
export function linkOptions({ registration, reset, server }: Config): LinkOptions {
  return {
    inviteMs: registration.inviteDays * DAY_MS,
    resetMs: reset.linkHours * HOUR_MS,
    publicUrl: server.publicUrl,
  };
}

/** What the audit log keeps. */
export function auditOptions({ audit }: Config): AuditOptions {
  const keep = (days: number, mb: number) => ({ ms: days * DAY_MS, bytes: mb * 1_000_000 });
  return {
    keep: {
      admin: keep(audit.adminDays, audit.adminMb),
      services: keep(audit.servicesDays, audit.servicesMb),
      signIns: keep(audit.signInsDays, audit.signInsMb),
    },
    logged: audit.log,
    sessions: audit.sessions,
  };
}
