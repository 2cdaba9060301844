/**
 * The certificate of a cell, for TLS between its nodes. Every node derives the same Ed25519 key from
 * the cell's secret, and signs the same certificate with it: such signatures are deterministic (RFC
 * 8032), so that nodes compare whole certificates. Operators have no files to make or to renew. A
 * node that shows the certificate and completes the handshake of TLS knows the secret.
 */
import { createHash, createHmac, createPrivateKey, createPublicKey, sign } from "node:crypto";
import { Buffer } from "node:buffer";

/** The name in it. No public authority certifies names under `.invalid` (RFC 2606). */
export const CELL_SERVER_NAME = "cell.roost.invalid";

/** The certificate of a cell. */
export interface CellCert {
  /** PEM texts. */
  readonly cert: string;
  readonly key: string;
  /** The certificate as it is sent (DER). */
  readonly raw: Uint8Array;
  /** SHA-256 of `raw`: proofs over TLS are bound to it. */
  readonly fingerprint: Uint8Array;
}

/** When it is valid; all nodes of a cell have the same bytes, so that it cannot depend on a clock. */
const FROM = "20200101000000Z";
const UNTIL = "99991231235959Z";

const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const OID = 0x06;
const UTF8_STRING = 0x0c;
const TIME = 0x18;
const SEQUENCE = 0x30;
const SET = 0x31;
/** Tags of a certificate's own: its version, its extensions, and a DNS name among them. */
const VERSION = 0xa0;
const EXTENSIONS = 0xa3;
const DNS_NAME = 0x82;

/** Object identifiers: Ed25519, common name, alternative name. */
const ED25519 = [0x2b, 0x65, 0x70];
const COMMON_NAME = [0x55, 0x04, 0x03];
const ALTERNATIVE_NAME = [0x55, 0x1d, 0x11];

/** What is before the 32 bytes of an Ed25519 key in PKCS 8 (RFC 8410). */
const PKCS8_HEAD = [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, ...ED25519];
const PKCS8_KEY = [0x04, 0x22, 0x04, 0x20];

/** One value in DER (X.690): its tag, its length, then its parts. */
function der(tag: number, ...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array {
  const body = Buffer.concat(parts.map((part) => Uint8Array.from(part)));
  const { length } = body;
  const long = length < 256 ? [0x81, length] : [0x82, length >>> 8, length & 255];
  return Buffer.concat([Uint8Array.from([tag, ...(length < 128 ? [length] : long)]), body]);
}

function pem(label: string, bytes: Uint8Array): string {
  const lines = Buffer.from(bytes).toString("base64").match(/.{1,64}/g)!;
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}

/** What is signed (RFC 5280, section 4.1): version 3, serial number 1, its own issuer. */
function toBeSigned(spki: Uint8Array, from: string, until: string): Uint8Array {
  const utf8 = new TextEncoder();
  const algorithm = der(SEQUENCE, der(OID, ED25519));
  const common = der(OID, COMMON_NAME);
  const name = der(
    SEQUENCE,
    der(SET, der(SEQUENCE, common, der(UTF8_STRING, utf8.encode(CELL_SERVER_NAME)))),
  );
  const validity = der(SEQUENCE, der(TIME, utf8.encode(from)), der(TIME, utf8.encode(until)));
  const alternative = der(SEQUENCE, der(DNS_NAME, utf8.encode(CELL_SERVER_NAME)));
  const extension = der(SEQUENCE, der(OID, ALTERNATIVE_NAME), der(OCTET_STRING, alternative));
  return der(
    SEQUENCE,
    der(VERSION, der(INTEGER, [2])),
    der(INTEGER, [1]),
    algorithm,
    name,
    validity,
    name,
    spki,
    der(EXTENSIONS, der(SEQUENCE, extension)),
  );
}

/**
 * Derives the certificate of the cell with this secret. `from` and `until` (GeneralizedTime) are
 * those of every cell, except in tests.
 */
export function cellCert(secret: Uint8Array, from = FROM, until = UNTIL): CellCert {
  const seed = createHmac("sha256", secret).update("roost cell certificate 1").digest();
  const pkcs8 = Buffer.from([...PKCS8_HEAD, ...PKCS8_KEY, ...seed]);
  const key = createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" });
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  const signed = toBeSigned(spki, from, until);
  const algorithm = der(SEQUENCE, der(OID, ED25519));
  const raw = der(SEQUENCE, signed, algorithm, der(BIT_STRING, [0], sign(null, signed, key)));
  return {
    cert: pem("CERTIFICATE", raw),
    key: pem("PRIVATE KEY", pkcs8),
    raw,
    fingerprint: new Uint8Array(createHash("sha256").update(raw).digest()),
  };
}
