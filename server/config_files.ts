/** The files that a configuration names: certificates and keys, read and checked. */
import type { Config } from "./config/config.ts";
import { type JwtVerifier, openJwtVerifier } from "./auth/jwt.ts";
import { JwtConfigError } from "./auth/jwt_error.ts";
import { issuers, oidcIssuers } from "./settings.ts";
import type { PushServiceAddress } from "./push/service_request.ts";
import type { LdapOptions } from "./system/ldap_bind.ts";
import { parseVapidKeys, type VapidKeys } from "./push/vapid.ts";
import type { OidcIssuerOptions } from "./auth/oidc_issuer.ts";
import { readConfigFile, readTlsFiles, type TlsFiles } from "./system/config_files.ts";

/** What is in them. */
export interface ConfigFiles {
  /** null: plain HTTP. */
  readonly tls: TlsFiles | null;
  /** null: no outside issuer is configured. */
  readonly verifier: JwtVerifier | null;
  /** Issuers by discovery, with the secrets of their clients. */
  readonly oidc: readonly OidcIssuerOptions[];
  /** The directory that checks passwords; null: none does. */
  readonly ldap: LdapOptions | null;
}

/** Reads certificate and key; null: plain HTTP. Rejects as `openConfigFiles`. */
export async function openTls(config: Config): Promise<TlsFiles | null> {
  const { tlsCert, tlsKey } = config.server;
  if (tlsCert === null || tlsKey === null) return null;
  return await readTlsFiles(tlsCert, tlsKey);
}

/** Reads the issuer's keys; null: there is no issuer. Rejects as `openConfigFiles`. */
export async function openVerifier(config: Config): Promise<JwtVerifier | null> {
  if (config.jwt.issuer === null) return null;
  const read = (file: string) => readConfigFile("the key file", file);
  const options = await issuers(config, read);
  try {
    return await openJwtVerifier(options);
  } catch (cause) {
    if (!(cause instanceof JwtConfigError)) throw cause;
    throw new Error(`Cannot use the jwt settings and keys: ${cause.message}`, { cause });
  }
}

async function openOidc(config: Config): Promise<readonly OidcIssuerOptions[]> {
  return await oidcIssuers(config, (file) => readConfigFile("the secret of an issuer", file));
}

async function openLdap({ ldap }: Config): Promise<LdapOptions | null> {
  const { url, startTls, caFile, userDn, baseDn, filter, bindDn, bindPasswordFile } = ldap;
  const { nameAttribute, idAttribute, timeoutMs } = ldap;
  if (url === null) return null;
  const read = async (setting: string, file: string | null) =>
    file === null ? null : await readConfigFile(setting, file);
  const ca = await read("ldap.caFile", caFile);
  const password = await read("ldap.bindPasswordFile", bindPasswordFile);
  const reader = bindDn === null || password === null
    ? null
    : { dn: bindDn, password: password.replace(/\r?\n$/, "") };
  const how = { userDn, baseDn, filter, reader, nameAttribute, idAttribute };
  return { url, startTls, ca, timeoutMs, ...how };
}

/** Reads the file of keys; null: there is none. Rejects where it cannot be used. */
export async function openVapidFile(config: Config): Promise<VapidKeys | null> {
  const { keyFile } = config.push;
  if (keyFile === null) return null;
  const keys = parseVapidKeys(await readConfigFile("push.keyFile", keyFile));
  if (keys !== null) return keys;
  throw new Error(
    `Cannot use ${keyFile} (push.keyFile): it must be JSON with publicKey and privateKey, ` +
      "as `npx web-push generate-vapid-keys --json` writes it",
  );
}

/** Reads the secrets of services that pass push messages on. Rejects as `openConfigFiles`. */
export async function openPushServices(
  { push }: Config,
): Promise<readonly PushServiceAddress[]> {
  return await Promise.all(push.services.map(async ({ id, url, secretFile }) => {
    const secret = (await readConfigFile(`the secret of push service ${id}`, secretFile)).trim();
    if (/^[\x21-\x7e]{8,1024}$/.test(secret)) return { id, url, secret };
    throw new Error(
      `Cannot use ${secretFile} (push.services, ${id}): the secret must be 8 to 1,024 printable ` +
        "ASCII characters without spaces",
    );
  }));
}

/** Reads all of them; rejects with a message that says which cannot be used, and why. */
export async function openConfigFiles(config: Config): Promise<ConfigFiles> {
  const [tls, verifier] = [await openTls(config), await openVerifier(config)];
  return { tls, verifier, oidc: await openOidc(config), ldap: await openLdap(config) };
}

/** Every reason for which `openConfigFiles` would reject. */
export async function configFileFaults(config: Config): Promise<readonly string[]> {
  const tried = await Promise.allSettled([
    openTls(config),
    openVerifier(config),
    openOidc(config),
    openLdap(config),
    openVapidFile(config),
    openPushServices(config),
  ]);
  return tried.flatMap((result) =>
    result.status === "fulfilled"
      ? []
      : [result.reason instanceof Error ? result.reason.message : String(result.reason)]
  );
}
