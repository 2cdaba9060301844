/** What the settings of sign-in by issuers and by a directory owe each other. */
import { isLoopback } from "./address.ts";
import type { Config } from "./config.ts";

function oidcFaults({ oidc }: Config): string[] {
  const faults: string[] = [];
  for (const field of ["id", "issuer"] as const) {
    const values = oidc.issuers.map((issuer) => issuer[field]);
    const twice = values.find((value, i) => values.indexOf(value) !== i);
    if (twice !== undefined) faults.push(`oidc.issuers has ${field} ${twice} twice: keep one`);
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

/** What keeps users from signing in at issuers, or at the directory. */
export function signInFaults(config: Config): string[] {
  return [...oidcFaults(config), ...ldapFaults(config)];
}

/** What is probably not meant. */
export function signInWarnings({ ldap: { url, startTls } }: Config): string[] {
  if (url?.startsWith("ldap:") !== true || startTls) return [];
  const host = new URL(url).hostname.replace(/^\[|\]$/g, "");
  if (isLoopback(host)) return [];
  return ["ldap.url is ldap: and ldap.startTls is off, so passwords travel readable: write ldaps:"];
}
