/** The settings of sign-in by OpenID Connect, by a directory, and by links of the operator. */
import { z } from "zod";
import { isLoopback, secureUrl } from "./address.ts";
import type { Config } from "./config.ts";
import { bool, group, int, optional, optionalPath, tables, text } from "./knob.ts";

/** How the name of a new account follows from a claim; see `oidc/names.ts`. */
export const NAME_RULES = ["exact", "adapt"] as const;

const TEXT_CHARS_MAX = 1024;

function nonEmpty(value: string): string | null {
  return value === "" ? null : value;
}

/** A directory's address: ldaps, or ldap, which StartTLS then secures. */
function ldapUrl(value: string): string | null {
  if (!URL.canParse(value)) return null;
  const { protocol, hostname, pathname, search, hash } = new URL(value);
  const bare = pathname.replace(/^\//, "") + search + hash === "" && hostname !== "";
  return bare && /^ldaps?:$/.test(protocol) ? value.replace(/\/$/, "") : null;
}

const words = z.string().min(1).max(TEXT_CHARS_MAX);

/** One table of `oidc.issuers`. */
const issuer = z.strictObject({
  id: z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/),
  issuer: words.refine((value) => secureUrl(value) !== null),
  clientId: words,
  clientSecretFile: z.string().default(""),
  name: z.string().max(64).default(""),
  scopes: z.array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/)).default(["openid", "profile"]),
  audiences: z.array(words).default([]),
  nameClaim: words.default("preferred_username"),
  names: z.enum(NAME_RULES).default("exact"),
  createAccounts: z.boolean().default(false),
  linkAccounts: z.boolean().default(false),
});

const oidc = {
  issuers: tables({
    schema: issuer,
    pathFields: ["clientSecretFile"],
    wants: "a list of tables with id (a-z, 0-9, -), issuer (an https URL) and clientId, and " +
      "clientSecretFile, name, scopes, audiences, nameClaim, names (exact or adapt), " +
      "createAccounts and linkAccounts where they differ from the defaults",
    doc: "OpenID Connect issuers whose users sign in here.",
  }),
  leewaySeconds: int({
    default: 30,
    min: 0,
    max: 300,
    unit: "seconds",
    doc: "By how much the clocks of issuers may differ.",
  }),
  staleKeysHours: int({
    default: 24,
    min: 0,
    max: 720,
    unit: "hours",
    doc: "How long the keys of an issuer that cannot be reached are used after they were read.",
  }),
} as const;

const ldap = {
  url: optional({
    wants: "the address of a directory such as ldaps://ldap.example.org",
    doc: "The directory whose users sign in with their passwords; empty for none.",
    read: ldapUrl,
  }),
  startTls: bool({
    default: true,
    doc: "With an ldap: address: whether the connection is encrypted by StartTLS.",
  }),
  caFile: optionalPath({
    doc: "PEM file of the authorities that the directory's certificate is checked against.",
  }),
  userDn: optional({
    wants: "a distinguished name with {user} in it, such as uid={user},ou=people,dc=example",
    doc: "The name to bind as, in place of a search.",
    read: (value) => value.split("{user}").length === 2 ? value : null,
  }),
  baseDn: optional({
    wants: "a distinguished name such as ou=people,dc=example,dc=org",
    doc: "Where users are searched for.",
    read: nonEmpty,
  }),
  filter: text({
    default: "(uid={user})",
    wants: "an LDAP filter in parentheses with {user} in it",
    doc: "Which entry is the user's.",
    read: (value) => /^\(.*\{user\}.*\)$/.test(value) ? value : null,
  }),
  bindDn: optional({
    wants: "a distinguished name",
    doc: "The name to search as; empty to search without one.",
    read: nonEmpty,
  }),
  bindPasswordFile: optionalPath({ doc: "File of the password of bindDn." }),
  nameAttribute: text({
    default: "uid",
    wants: "the name of an attribute",
    doc: "The attribute that is the account name.",
    read: (value) => /^[A-Za-z][A-Za-z0-9-]*$/.test(value) ? value : null,
  }),
  idAttribute: text({
    default: "entryUUID",
    wants: "the name of an attribute",
    doc:
      "The attribute that stays the same when a user is renamed; what an account is linked with.",
    read: (value) => /^[A-Za-z][A-Za-z0-9-]*$/.test(value) ? value : null,
  }),
  createAccounts: bool({
    default: true,
    doc: "Whether the first sign-in of a user of the directory creates the account.",
  }),
  linkAccounts: bool({
    default: false,
    doc: "Whether a user of the directory gets the existing account of the same name.",
  }),
  timeoutMs: int({
    default: 5000,
    min: 100,
    max: 60_000,
    unit: "ms",
    doc: "Longest time for one sign-in at the directory.",
  }),
  concurrency: int({
    default: 8,
    min: 1,
    max: 256,
    unit: "connections",
    doc:
      "Sign-ins at the directory at the same time; as many again wait, more are refused as busy.",
  }),
} as const;

const reset = {
  linkHours: int({
    default: 24,
    min: 1,
    max: 8760,
    unit: "hours",
    doc: "How long a link of roost user reset-link is valid.",
  }),
} as const;

/** These groups. */
export const SIGN_IN_KNOBS = {
  oidc: group(oidc),
  ldap: group(ldap),
  reset: group(reset),
} as const;

/** One issuer of `oidc.issuers` as it was read. */
export type OidcIssuerSetting = z.infer<typeof issuer>;

function oidcFaults({ jwt, oidc }: Config): string[] {
  const faults: string[] = [];
  for (const field of ["id", "issuer"] as const) {
    const values = oidc.issuers.map((issuer) => issuer[field]);
    const twice = values.find((value, i) => values.indexOf(value) !== i);
    if (twice !== undefined) faults.push(`oidc.issuers has ${field} ${twice} twice: keep one`);
  }
  if (oidc.issuers.some(({ issuer }) => issuer === jwt.issuer)) {
    faults.push(`oidc.issuers and jwt.issuer are both ${jwt.issuer}: keep one`);
  }
  const closed = oidc.issuers.find(({ scopes }) => !scopes.includes("openid"));
  if (closed !== undefined) {
    faults.push(`oidc.issuers ${closed.id}: scopes lacks openid, without which no ID token comes`);
  }
  return faults;
}

function ldapFaults({ ldap }: Config): string[] {
  if (ldap.url === null) return [];
  const faults: string[] = [];
  if ((ldap.userDn === null) === (ldap.baseDn === null)) {
    faults.push("ldap.url needs exactly one of ldap.userDn and ldap.baseDn");
  }
  if ((ldap.bindDn === null) !== (ldap.bindPasswordFile === null)) {
    faults.push("ldap.bindDn and ldap.bindPasswordFile go together: set both or neither");
  }
  return faults;
}

/** What `oidc` and `ldap` settings owe each other. */
export function outsideFaults(config: Config): readonly string[] {
  return [...oidcFaults(config), ...ldapFaults(config)];
}

/** What of them works but is probably not meant. */
export function outsideWarnings({ ldap: { startTls, url } }: Config): readonly string[] {
  if (url === null || startTls || !url.startsWith("ldap:")) return [];
  const host = new URL(url).hostname.replace(/^\[|\]$/g, "");
  if (isLoopback(host)) return [];
  return ["ldap.url is ldap: and ldap.startTls is off, so passwords travel readable: write ldaps:"];
}
