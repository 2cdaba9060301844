/** A SCRAM client of its own (RFC 5802), independent of the server's code. */
import { createHash, createHmac, pbkdf2Sync } from "node:crypto";

/** What the client proves with, and what the server must prove in turn. */
export interface ScramProof {
  /** The client-final message. */
  readonly message: string;
  /** The server's signature, base64. */
  readonly signature: string;
}

/** Answers a challenge to `clientFirst`. */
export function proveScram(
  mechanism: string,
  clientFirst: string,
  serverFirst: string,
  password: string,
): ScramProof {
  const hash = mechanism === "SCRAM-SHA-256" ? "sha256" : "sha1";
  const m = /^r=([^,]+),s=([^,]+),i=(\d+)$/.exec(serverFirst);
  if (m === null) throw new Error(`not a server-first message: ${serverFirst}`);
  const [, nonce, salt, iterations] = m as unknown as [string, string, string, string];
  const bytes = hash === "sha256" ? 32 : 20;
  const salted = pbkdf2Sync(
    password,
    new Uint8Array(Uint8Array.fromBase64(salt)),
    Number(iterations),
    bytes,
    hash,
  );
  const hmac = (key: Uint8Array, text: string) => createHmac(hash, key).update(text).digest();
  const withoutProof = `c=biws,r=${nonce}`;
  const auth = `${clientFirst.slice("n,,".length)},${serverFirst},${withoutProof}`;
  const clientKey = hmac(salted, "Client Key");
  const signed = hmac(createHash(hash).update(clientKey).digest(), auth);
  const proof = new Uint8Array(clientKey.map((byte, i) => byte ^ signed[i]!));
  return {
    message: `${withoutProof},p=${proof.toBase64()}`,
    signature: new Uint8Array(hmac(hmac(salted, "Server Key"), auth)).toBase64(),
  };
}
