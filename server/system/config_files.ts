/** The files that settings name: keys and certificates, read once at the start. */
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
}

/**
 * Reads a certificate and its key, and rejects where they are none or do not belong together: the
 * listener would find out with the first client, and tell only that one.
 */
export async function readTlsFiles(certPath: string, keyPath: string): Promise<TlsFiles> {
  const cert = await readConfigFile("server.tlsCert", certPath);
  const key = await readConfigFile("server.tlsKey", keyPath);
  const where = `Cannot use server.tlsCert ${certPath} and server.tlsKey ${keyPath}`;
  let own: boolean;
  try {
    const exported = { type: "spki", format: "der" } as const;
    const certified = new X509Certificate(cert).publicKey.export(exported);
    own = createPublicKey(createPrivateKey(key)).export(exported).equals(certified);
  } catch (cause) {
    throw new Error(
      `${where}: ${reason(cause)}. Give a PEM certificate with its chain, and its PEM private key.`,
      { cause },
    );
  }
  if (!own) throw new Error(`${where}: the key is not the certificate's. Give the one it has.`);
  return { cert, key };
}
