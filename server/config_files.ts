/** The files that a configuration names: certificates and keys, read and checked. */
import type { Config } from "./config/config.ts";
import { type JwtVerifier, openJwtVerifier } from "./auth/jwt.ts";
import { JwtConfigError } from "./auth/jwt_error.ts";
import { issuers } from "./settings.ts";
import { readConfigFile, readTlsFiles, type TlsFiles } from "./system/config_files.ts";

/** What is in them. */
export interface ConfigFiles {
  /** null: plain HTTP. */
  readonly tls: TlsFiles | null;
  /** null: no outside issuer is configured. */
  readonly verifier: JwtVerifier | null;
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

/** Reads all of them; rejects with a message that says which cannot be used, and why. */
export async function openConfigFiles(config: Config): Promise<ConfigFiles> {
  return { tls: await openTls(config), verifier: await openVerifier(config) };
}

/** Every reason for which `openConfigFiles` would reject. */
export async function configFileFaults(config: Config): Promise<readonly string[]> {
  const tried = await Promise.allSettled([openTls(config), openVerifier(config)]);
  return tried.flatMap((result) =>
    result.status === "fulfilled"
      ? []
      : [result.reason instanceof Error ? result.reason.message : String(result.reason)]
  );
}
