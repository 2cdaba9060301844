/** The files that settings name: keys and certificates, read at the start and whenever they change. */
import { createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";

function reason(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

/** The text of the file that `setting` names; rejects with a message that says which it is. */
export async function readConfigFile(setting: string, path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (cause) {
    throw new Error(`Cannot read ${setting} ${path}: ${reason(cause)}`, { cause });
  }
}

/** What a TLS listener needs, as PEM texts. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  /** From when until when the certificate is valid (ms since 1970). */
  readonly startsAtMs: number;
  readonly expiresAtMs: number;
}

/** Why a certificate is of no use now, to follow its name; null where it is. */
export function validityFault(
  { startsAtMs, expiresAtMs }: Pick<TlsFiles, "startsAtMs" | "expiresAtMs">,
  wallMs: number,
): string | null {
  const day = (ms: number) => new Date(ms).toISOString();
  if (wallMs >= expiresAtMs) return `expired on ${day(expiresAtMs)}`;
  return wallMs < startsAtMs ? `is not valid before ${day(startsAtMs)}` : null;
}

/** The certificate and its key, from their PEM texts; throws where they are none. */
export function tlsOf(cert: string, key: string): TlsFiles & { readonly own: boolean } {
  const exported = { type: "spki", format: "der" } as const;
  const leaf = new X509Certificate(cert);
  const certified = leaf.publicKey.export(exported);
  const own = createPublicKey(createPrivateKey(key)).export(exported).equals(certified);
  const { validFrom, validTo } = leaf;
  return { cert, key, own, startsAtMs: Date.parse(validFrom), expiresAtMs: Date.parse(validTo) };
}

/**
 * Reads a certificate and its key, and rejects where they are none or do not belong together: the
 * listener would find out with the first client, and tell only that one.
 */
export async function readTlsFiles(certPath: string, keyPath: string): Promise<TlsFiles> {
  const cert = await readConfigFile("server.tlsCert", certPath);
  const key = await readConfigFile("server.tlsKey", keyPath);
  const where = `Cannot use server.tlsCert ${certPath} and server.tlsKey ${keyPath}`;
  let read: ReturnType<typeof tlsOf>;
  try {
    read = tlsOf(cert, key);
  } catch (cause) {
    throw new Error(
      `${where}: ${reason(cause)}. Give a PEM certificate with its chain, and its PEM private key.`,
      { cause },
    );
  }
  const { own, ...tls } = read;
  if (!own) throw new Error(`${where}: the key is not the certificate's. Give the one it has.`);
  return tls;
}
