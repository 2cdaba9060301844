/**
 * Checks of what authenticators return, by the npm package @simplewebauthn/server, which is loaded
 * with the first one. What is cheap to check is checked before, so that each fault has its reason.
 */
import { decodeBase64Url, encodeBase64Url } from "byte-encodings/base64url";
import type { CreatedResponse, SignedResponse } from "./passkey_types.ts";
import { equalBytes, sha256 } from "./hash.ts";
import type { Passkey } from "../../shard/account/passkeys.ts";

/** Why a response is refused: clients find it in parentheses in the message. */
export const PASSKEY_REASONS = {
  challenge: "it is not the one that was asked for, was used, or is too old: begin again",
  origin: "it was made by a page of another origin",
  rp: "it was made for another domain",
  user: "the authenticator has not verified the user, by PIN, fingerprint or the like",
  signature: "the signature is not right",
  passkey: "it is none of the account",
  response: "it is not a response of an authenticator that is understood here",
} as const;

/** One of them. */
export type PasskeyReason = keyof typeof PASSKEY_REASONS;

/** A response that is refused. */
export class PasskeyRefusal extends Error {
  readonly reason: PasskeyReason;

  constructor(reason: PasskeyReason, cause?: unknown) {
    super(PASSKEY_REASONS[reason], { cause });
    this.reason = reason;
  }
}

/** What a response has to be of. */
export interface PasskeyExpected {
  readonly challenge: string;
  readonly origin: string;
  readonly rpId: string;
}

/** What an authenticator says of a signature. */
export interface CheckedSignature {
  readonly counter: number;
  readonly synced: boolean;
}

/** Offset of the flags in authenticator data, behind the hash of the domain. */
const FLAGS_AT = 32;
const AUTH_DATA_BYTES_MIN = 37;
const USER_VERIFIED = 0x04;
/** ES256, EdDSA, RS256 (RFC 9053). */
export const ALGORITHMS = [-7, -8, -257] as const;
const TRANSPORTS_MAX = 8;

const utf8 = new TextEncoder();
const strictUtf8 = new TextDecoder("utf-8", { fatal: true });

function bytesOf(text: string): Uint8Array {
  try {
    return decodeBase64Url(text);
  } catch (error) {
    throw new PasskeyRefusal("response", error);
  }
}

function checkClientData(text: string, type: string, expected: PasskeyExpected): void {
  let data: Readonly<Record<string, unknown>> | null;
  try {
    data = JSON.parse(strictUtf8.decode(bytesOf(text)));
  } catch (error) {
    throw new PasskeyRefusal("response", error);
  }
  if (data?.["type"] !== type) throw new PasskeyRefusal("response");
  if (data["challenge"] !== expected.challenge) throw new PasskeyRefusal("challenge");
  const embedded = data["crossOrigin"] === true || data["topOrigin"] !== undefined;
  if (data["origin"] !== expected.origin || embedded) throw new PasskeyRefusal("origin");
}

function checkAuthData(data: Uint8Array, rpId: string): void {
  if (data.length < AUTH_DATA_BYTES_MIN) throw new PasskeyRefusal("response");
  if (!equalBytes(data.subarray(0, FLAGS_AT), sha256(utf8.encode(rpId)))) {
    throw new PasskeyRefusal("rp");
  }
  if ((data[FLAGS_AT]! & USER_VERIFIED) === 0) throw new PasskeyRefusal("user");
}

/** Checks a signature of a passkey. The account decides on its counter. Rejects with `PasskeyRefusal`. */
export async function checkSigned(
  { id, rawId, response, type }: SignedResponse,
  { publicKey, transports: _, ...passkey }: Passkey,
  expected: PasskeyExpected,
): Promise<CheckedSignature> {
  const { authenticatorData, clientDataJSON, signature } = response;
  checkClientData(clientDataJSON, "webauthn.get", expected);
  if (passkey.rpId !== expected.rpId) throw new PasskeyRefusal("rp");
  checkAuthData(bytesOf(authenticatorData), expected.rpId);
  const { verifyAuthenticationResponse } = await import("@simplewebauthn/server");
  const checked = await verifyAuthenticationResponse({
    response: {
      id,
      rawId,
      type,
      response: { authenticatorData, clientDataJSON, signature },
      clientExtensionResults: {},
    },
    expectedChallenge: expected.challenge,
    expectedOrigin: expected.origin,
    expectedRPID: expected.rpId,
    requireUserVerification: true,
    credential: { id, publicKey: new Uint8Array(publicKey), counter: 0 },
  }).catch((error) => {
    throw new PasskeyRefusal("response", error);
  });
  if (!checked.verified) throw new PasskeyRefusal("signature");
  const { credentialBackedUp: synced, newCounter: counter } = checked.authenticationInfo;
  return { counter, synced };
}

/**
 * Checks a new passkey. Certificates of its maker were not asked for and are refused: checking one
 * would fetch from addresses that it names. Rejects with `PasskeyRefusal`.
 */
export async function checkCreated(
  { id, rawId, response, type }: CreatedResponse,
  expected: PasskeyExpected,
): Promise<Pick<Passkey, "id" | "publicKey" | "counter" | "synced" | "transports">> {
  const { attestationObject, clientDataJSON, transports = [] } = response;
  checkClientData(clientDataJSON, "webauthn.create", expected);
  const attestation = bytesOf(attestationObject);
  const { verifyRegistrationResponse } = await import("@simplewebauthn/server");
  const { decodeAttestationObject } = await import("@simplewebauthn/server/helpers");
  let isPlain: boolean;
  let authData: Uint8Array;
  try {
    const decoded = decodeAttestationObject(new Uint8Array(attestation));
    authData = decoded.get("authData");
    const format = decoded.get("fmt");
    const self = format === "packed" && decoded.get("attStmt").get("x5c") === undefined;
    isPlain = format === "none" || self;
  } catch (error) {
    throw new PasskeyRefusal("response", error);
  }
  if (!isPlain || !(authData instanceof Uint8Array)) throw new PasskeyRefusal("response");
  checkAuthData(authData, expected.rpId);
  const checked = await verifyRegistrationResponse({
    response: {
      id,
      rawId,
      type,
      response: { attestationObject, clientDataJSON },
      clientExtensionResults: {},
    },
    expectedChallenge: expected.challenge,
    expectedOrigin: expected.origin,
    expectedRPID: expected.rpId,
    requireUserVerification: true,
    supportedAlgorithmIDs: [...ALGORITHMS],
  }).catch((error) => {
    throw new PasskeyRefusal("response", error);
  });
  const info = checked.registrationInfo;
  if (!checked.verified || info === undefined) throw new PasskeyRefusal("signature");
  const { credential, credentialBackedUp: synced } = info;
  if (credential.id !== encodeBase64Url(bytesOf(id))) throw new PasskeyRefusal("response");
  const { counter, publicKey } = credential;
  const kept = transports.slice(0, TRANSPORTS_MAX);
  return { id: bytesOf(id), publicKey, counter, synced, transports: kept };
}
