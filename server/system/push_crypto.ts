/** Keys, encryption (RFC 8291) and signatures (RFC 8292) of push messages. */
import { encryptNotification } from "@block65/webcrypto-web-push";
import { importJWK, SignJWT } from "jose";
import { base64url, fromBase64url } from "../push/p256.ts";
import type { EncodePush } from "../push/push_sender.ts";
import type { PushTarget } from "../../shard/account/push_targets.ts";
import { type PushServiceAddress, serviceRequest } from "../push/service_request.ts";
import type { VapidKeys } from "../push/vapid.ts";

/** A signature is good for this long (s), and used for half of it: at most 24 h are allowed. */
const SIGNED_SECONDS = 43_200;
/** Push services of which signatures are kept. */
const SIGNED_MAX = 1000;

const utf8 = new TextEncoder();

/** Makes a pair of keys. */
export async function newVapidKeys(): Promise<VapidKeys> {
  const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, [
    "sign",
    "verify",
  ]);
  const point = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
  const { d } = await crypto.subtle.exportKey("jwk", pair.privateKey);
  return { publicKey: base64url(point), privateKey: d! };
}

/** Makes the port; `wallMs` is the clock of the signatures. */
export async function systemEncodePush(
  { publicKey, privateKey: d }: VapidKeys,
  contact: string,
  wallMs: () => number,
): Promise<EncodePush> {
  const point = fromBase64url(publicKey)!;
  const [x, y] = [base64url(point.subarray(1, 33)), base64url(point.subarray(33))];
  const key = await importJWK({ kty: "EC", crv: "P-256", x, y, d }, "ES256");
  const signed = new Map<string, { readonly text: string; readonly untilMs: number }>();

  async function signatureFor(origin: string): Promise<string> {
    const known = signed.get(origin);
    if (known !== undefined && known.untilMs > wallMs()) return known.text;
    const seconds = Math.floor(wallMs() / 1000);
    const jwt = await new SignJWT({}).setProtectedHeader({ typ: "JWT", alg: "ES256" })
      .setAudience(origin).setSubject(contact).setExpirationTime(seconds + SIGNED_SECONDS)
      .sign(key);
    const text = `vapid t=${jwt}, k=${publicKey}`;
    if (signed.size >= SIGNED_MAX) signed.clear();
    signed.set(origin, { text, untilMs: wallMs() + SIGNED_SECONDS * 500 });
    return text;
  }

  return (target, push, done) => {
    encode(target, push.payload)
      .then(async (body) => ({
        headers: {
          authorization: await signatureFor(new URL(target.endpoint).origin),
          ttl: String(push.ttlSeconds),
          urgency: "normal",
          topic: await topicOf(target.auth, push.topic),
          "content-type": "application/octet-stream",
          "content-encoding": "aes128gcm",
        },
        body,
      }))
      .then(done, () => done(null));
  };
}

/** Makes the port of services that pass push messages on. */
export function serviceEncodePush(address: PushServiceAddress): EncodePush {
  return (target, push, done) => {
    topicOf(utf8.encode(target.endpoint), push.topic)
      .then((topic) => done(serviceRequest(address, target, { ...push, topic })));
  };
}

async function encode({ endpoint, p256dh, auth }: PushTarget, text: string): Promise<Uint8Array> {
  const keys = { p256dh: base64url(p256dh), auth: base64url(auth) };
  return await encryptNotification({ endpoint, expirationTime: null, keys }, utf8.encode(text));
}

/** A name for the conversation that tells the push service nothing: only the device knows `auth`. */
async function topicOf(auth: Uint8Array, conversation: string): Promise<string> {
  const bytes = new Uint8Array([...auth, ...utf8.encode(conversation)]);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return base64url(hash.subarray(0, 24));
}
