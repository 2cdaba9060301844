/** Every setting there is, by group. The order is that of `roost config show`. */
import {
  formatBind,
  parseBind,
  parseCidr,
  parseDomain,
  parseOrigin,
  parsePublicUrl,
} from "./address.ts";
import {
  bool,
  choice,
  group,
  int,
  ints,
  list,
  optional,
  optionalPath,
  paths,
  text,
} from "./knob.ts";

import { RESTRICTION_LEVELS } from "../../shard/name/scripts.ts";

const DAY_MAX = 36_500;

/** A text as it is, null where it is empty. */
function nonEmpty(value: string): string | null {
  return value === "" ? null : value;
}

/** A regular expression's text with exactly one capture group, or null. */
function parsePattern(value: string): string | null {
  try {
    // Matches the empty text, so that the groups can be counted.
    return new RegExp(`${value}|`, "u").exec("")?.length === 2 ? value : null;
  } catch {
    // Not a regular expression: `wants` says what one looks like.
    return null;
  }
}

/** A burst: how many may come at once before the rate applies. */
function burst(value: number, what: string) {
  return int({
    default: value,
    min: 1,
    max: 1_000_000,
    unit: what,
    doc: `How many ${what} may come at once before the rate limits them.`,
  });
}

const server = {
  domain: text({
    default: "localhost",
    wants: "a DNS name in lower case, international labels in their xn-- form",
    doc: "The one domain of all accounts: alice@domain; decide it before the first account.",
    read: parseDomain,
  }),
  bind: text({
    default: formatBind({ host: "127.0.0.1", port: 8420 }),
    wants: "host:port or [IPv6]:port, for example 0.0.0.0:8420",
    doc: "Where to listen; port 0 takes any free one.",
    read: parseBind,
  }),
  publicUrl: optional({
    wants: "an http or https URL such as https://chat.example.org or https://example.org/roost",
    doc: "The address clients use, with its path, where it differs from the one listened on.",
    read: parsePublicUrl,
  }),
  allowedOrigins: list({
    wants: "origins such as https://app.example.org",
    doc: "Origins of web pages from elsewhere that may use this server; its own always may.",
    read: parseOrigin,
  }),
  tlsCert: optionalPath({
    doc: "PEM file of the TLS certificate and its chain; with it, clients speak https and wss.",
  }),
  tlsKey: optionalPath({
    doc: "PEM file of the certificate's private key.",
  }),
  hstsDays: int({
    default: 365,
    min: 0,
    max: DAY_MAX,
    unit: "days",
    doc:
      "With tlsCert: for how long browsers use nothing but https for this host name; 0 says none.",
  }),
  trustedProxies: list({
    wants: "IP addresses or ranges such as 10.0.0.0/8",
    doc: "Proxies whose X-Forwarded-For and X-Forwarded-Prefix are believed, and no one else's.",
    read: parseCidr,
  }),
} as const;

const registration = {
  mode: choice({
    default: "auto",
    of: ["auto", "open", "invite", "closed"],
    doc:
      "Who may create an account; auto is open where only this machine can connect, else invite.",
  }),
  passwordCharsMin: int({
    default: 8,
    min: 1,
    max: 128,
    unit: "characters",
    doc: "Shortest password for new accounts and password changes.",
  }),
  nameScripts: choice({
    default: "high",
    of: RESTRICTION_LEVELS,
    doc: "Which scripts a new name may mix (UTS #39): high is Latin with East Asian ones.",
  }),
  inviteDays: int({
    default: 7,
    min: 1,
    max: DAY_MAX,
    unit: "days",
    doc: "How long a new invite is valid.",
  }),
  perAddressPerHour: int({
    default: 60,
    min: 1,
    max: 1_000_000,
    unit: "attempts an hour",
    doc: "Attempts to register from one address, successful or not.",
  }),
  perAddressBurst: burst(20, "attempts"),
} as const;

const auth = {
  scramIterations: int({
    default: 100_000,
    min: 100_000,
    max: 10_000_000,
    unit: "PBKDF2 iterations",
    doc: "Cost of a password check, for passwords set from now on.",
  }),
  formerScramIterations: ints({
    min: 100_000,
    max: 10_000_000,
    unit: "PBKDF2 iterations",
    doc: "Earlier values of scramIterations that accounts still have, so that none stands out.",
  }),
  scramSha1: bool({
    default: true,
    doc: "Whether to keep SCRAM-SHA-1 keys too, for clients that know no SHA-256.",
  }),
  tokenTtlDays: int({
    default: 90,
    min: 1,
    max: DAY_MAX,
    unit: "days",
    doc: "How long a device's token is valid.",
  }),
  passwordConcurrency: int({
    default: 2,
    min: 1,
    max: 64,
    unit: "computations",
    doc: "Password computations at the same time; each uses one core.",
  }),
  passwordQueueMax: int({
    default: 256,
    min: 1,
    max: 10_000,
    unit: "computations",
    doc:
      "Password computations that may wait, for addresses known to the account and for others each.",
  }),
  passwordQueuePerAddressMax: int({
    default: 16,
    min: 1,
    max: 10_000,
    unit: "computations",
    doc: "Password computations, under way or waiting, for one address; more are answered busy.",
  }),
  exchangesMax: int({
    default: 65_536,
    min: 10,
    max: 1_000_000,
    unit: "exchanges",
    doc:
      "SCRAM exchanges over REST that are remembered for a minute, so that none is finished twice.",
  }),
  accountFailuresPerMinute: int({
    default: 2,
    min: 1,
    max: 1_000_000,
    unit: "failures a minute",
    doc: "Failed sign-ins for one account name before further ones wait.",
  }),
  accountFailuresBurst: burst(10, "failures"),
  addressFailuresPerMinute: int({
    default: 60,
    min: 1,
    max: 1_000_000,
    unit: "failures a minute",
    doc: "Failed sign-ins from one address before further ones wait.",
  }),
  addressFailuresBurst: burst(100, "failures"),
} as const;

const ALGORITHMS = /^(RS|PS|ES|HS)(256|384|512)$|^EdDSA$|^Ed25519$/;

const jwt = {
  issuer: optional({
    wants: "the issuer's name exactly as in the iss claim",
    doc: "The outside issuer whose tokens sign users in; empty for none.",
    read: nonEmpty,
  }),
  audience: list({
    wants: "names of this server exactly as in the aud claim",
    doc: "One of these must be in the aud claim.",
    read: nonEmpty,
  }),
  algorithms: list({
    wants: "RS, PS or ES with 256, 384 or 512, EdDSA, or HS256, HS384, HS512",
    doc: "The only signature algorithms that are accepted.",
    read: (value) => ALGORITHMS.test(value) ? value : null,
  }),
  keyFiles: paths({
    doc: "Files of the issuer's keys: PEM public keys or certificates, or single JSON Web Keys.",
  }),
  jwksFile: optionalPath({
    doc: "File of the issuer's keys as one JSON Web Key Set, in place of keyFiles.",
  }),
  subject: text({
    default: "{sub}",
    wants: "a text with exactly one claim in braces, for example {email}@corp.example",
    doc: "How the user is named: what stands in the place of the braces is the account name.",
    read: (value) => /^[^{}]*\{[^{}]+\}[^{}]*$/.test(value) ? value : null,
  }),
  subjectClaim: optional({
    wants: "the name of a claim",
    doc: "With subjectPattern, in place of subject: the claim that names the user.",
    read: nonEmpty,
  }),
  subjectPattern: optional({
    wants: "a regular expression with one pair of parentheses around the account name",
    doc: "What that claim must match as a whole; the account name is what the parentheses hold.",
    read: parsePattern,
  }),
  createAccounts: bool({
    default: false,
    doc: "Whether a valid token of an unknown user creates the account.",
  }),
  leewaySeconds: int({
    default: 30,
    min: 0,
    max: 300,
    unit: "seconds",
    doc: "By how much the issuer's clock may differ.",
  }),
} as const;

const presence = {
  graceMs: int({
    default: 15_000,
    min: 0,
    max: 300_000,
    unit: "ms",
    doc: "How long a lost connection still counts as online, so that a reconnect goes unnoticed.",
  }),
  flushIntervalMaxMs: int({
    default: 40,
    min: 0,
    max: 1000,
    unit: "ms",
    doc: "Longest time that events of a busy session are collected into one frame.",
  }),
} as const;

const timeouts = {
  helloTimeoutMs: int({
    default: 10_000,
    min: 100,
    max: 120_000,
    unit: "ms",
    doc: "Time for a new connection to sign in.",
  }),
  pingIntervalMs: int({
    default: 30_000,
    min: 1000,
    max: 600_000,
    unit: "ms",
    doc: "How often an idle connection is checked; one that misses two checks is lost.",
  }),
  stalledMs: int({
    default: 20_000,
    min: 100,
    max: 600_000,
    unit: "ms",
    doc: "How long a client may take nothing of what is sent to it before it is cut off.",
  }),
  requestTimeoutMs: int({
    default: 10_000,
    min: 100,
    max: 120_000,
    unit: "ms",
    doc: "Time for the head of an HTTP request, and half of the time for all of it.",
  }),
  drainMs: int({
    default: 15_000,
    min: 100,
    max: 600_000,
    unit: "ms",
    doc: "Longest time to finish accepted work after SIGTERM.",
  }),
} as const;

const admission = {
  signInLagMs: int({
    default: 400,
    min: 5,
    max: 60_000,
    unit: "ms",
    doc: "Mean lateness of the event loop at which new sign-ins are refused as busy.",
  }),
  connectionLagMs: int({
    default: 800,
    min: 5,
    max: 60_000,
    unit: "ms",
    doc: "Mean lateness of the event loop at which new connections are refused too.",
  }),
  writeLagMs: int({
    default: 1500,
    min: 5,
    max: 60_000,
    unit: "ms",
    doc: "Mean lateness of the event loop at which writes of signed-in users are refused too.",
  }),
  sendAwayPerSecond: int({
    default: 5000,
    min: 1,
    max: 1_000_000,
    unit: "clients a second",
    doc:
      "Clients that a node sends away when it stops; more where half of drainMs would not suffice.",
  }),
  shedPerSecond: int({
    default: 20,
    min: 0,
    max: 100_000,
    unit: "clients a second",
    doc: "Clients that an overloaded node sends to other nodes of its cell; 0 for none.",
  }),
} as const;

const log = {
  level: choice({
    default: "info",
    of: ["debug", "info", "warn", "error"],
    doc: "The least important lines that are written.",
  }),
  format: choice({
    default: "text",
    of: ["text", "json"],
    doc: "Lines for people, or one JSON object each.",
  }),
  traceStepsMax: int({
    default: 10_000,
    min: 0,
    max: 1_000_000,
    unit: "steps",
    doc: "Latest steps of messages that each node keeps for roost trace; about 150 bytes each.",
  }),
  otelPercent: int({
    default: 1,
    min: 0,
    max: 100,
    unit: "%",
    doc: "Share of the messages whose steps become spans where OTEL_DENO is set.",
  }),
} as const;

/** These groups; the bounds are in `limits.ts`. */
export const GENERAL_KNOBS = {
  server: group(server),
  registration: group(registration),
  auth: group(auth),
  jwt: group(jwt),
  presence: group(presence),
  timeouts: group(timeouts),
  admission: group(admission),
  log: group(log),
} as const;
