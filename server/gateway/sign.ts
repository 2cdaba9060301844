/**
 * Signatures of webhooks, as Standard Webhooks 1.0 has them: HMAC-SHA-256 with the secret over
 * `id.timestamp.body`, so that a receiver can tell who sent it, and that it is not an old one.
 */
import { decodeBase64, encodeBase64 } from "byte-encodings/base64";
import { equalBytes, hmacOf } from "../auth/hash.ts";
import type { Random } from "../node/ports.ts";

const SECRET = /^whsec_([A-Za-z0-9+/]{32,88}={0,2})$/;
const SECRET_BYTES = 32;
const utf8 = new TextEncoder();

/** Makes a secret of 256 random bits, as `whsec_` and base64. */
export function mintSecret(random: Random): string {
  return `whsec_${encodeBase64(random.bytes(SECRET_BYTES))}`;
}

/** What is signed. */
export interface Signed {
  readonly id: string;
  /** Seconds since 1970. */
  readonly timestamp: number;
  readonly body: string;
}

function mac(secret: string, { id, timestamp, body }: Signed): Uint8Array {
  const key = SECRET.exec(secret)?.[1];
  if (key === undefined) throw new Error("sign: the secret is not one that mintSecret makes");
  return hmacOf("SHA-256", decodeBase64(key), utf8.encode(`${id}.${timestamp}.${body}`));
}

/** The three headers of a webhook. */
export function signatureHeaders(secret: string, signed: Signed): Readonly<Record<string, string>> {
  return {
    "webhook-id": signed.id,
    "webhook-timestamp": String(signed.timestamp),
    "webhook-signature": `v1,${encodeBase64(mac(secret, signed))}`,
  };
}

/** Whether one of the space-separated signatures of the header is right. */
export function verifySignature(secret: string, signed: Signed, header: string): boolean {
  const wanted = utf8.encode(`v1,${encodeBase64(mac(secret, signed))}`);
  return header.split(" ").some((one) => equalBytes(utf8.encode(one), wanted));
}
