/** What clients send of passkeys: texts of base64url, bounded. */
import { z } from "zod";
import { PASSKEY_CHARS_MAX } from "../auth/passkey_seal.ts";

/** Credential ids have at most 1,023 bytes (WebAuthn section 4). */
const ID_CHARS_MAX = 1364;
const BASE64URL = /^[A-Za-z0-9_-]*$/;

function base64url(charsMax: number) {
  return z.string().max(charsMax).regex(BASE64URL, { error: "must be base64url" });
}

const id = base64url(ID_CHARS_MAX).min(1);
const credential = { id, rawId: id, type: z.literal("public-key") };

/** The address of the page, or its origin. */
export const passkeyPage = z.string().max(1024).describe("The origin of the page that asks");
/** A credential id. */
export const passkeyId = id.describe("Its `passkey` in the list");
/** As the server made it. */
export const passkeyExchange = z.string().min(1).max(PASSKEY_CHARS_MAX)
  .describe("As the request for the signature returned it");

/** `PublicKeyCredential.toJSON()` of a signature; other fields are ignored. */
export const signedResponse = z.object({
  ...credential,
  response: z.object({
    clientDataJSON: base64url(4096),
    authenticatorData: base64url(4096),
    signature: base64url(2048),
    userHandle: base64url(128).nullable().optional(),
  }),
}).describe("What the authenticator has signed: `PublicKeyCredential.toJSON()`");

/** The same of a new passkey. */
export const createdResponse = z.object({
  ...credential,
  response: z.object({
    clientDataJSON: base64url(4096),
    attestationObject: base64url(8192),
    transports: z.array(z.string().max(32)).max(16).optional(),
  }),
}).describe("The new passkey: `PublicKeyCredential.toJSON()`");

/** A signature with what it was asked for by. */
export const passkeyAnswer = z.object({ exchange: passkeyExchange, response: signedResponse })
  .describe("A signature of a passkey in place of `code`");
