/**
 * The texts that SCRAM exchanges (RFC 5802 section 7), for server and client alike. Imports
 * nothing, so that a browser's client can use it as it is.
 */

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const PRINTABLE_NO_COMMA = /^[\x21-\x2b\x2d-\x7e]+$/;

/** Base64 with padding (RFC 4648 section 4). */
export function encodeBase64(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** The inverse of `encodeBase64`; null for every text that it cannot have made. */
export function decodeBase64(text: string): Uint8Array | null {
  if (!BASE64.test(text)) return null;
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  // Unused low bits of the last digit must be zero, else two texts would mean the same bytes.
  return btoa(binary) === text ? bytes : null;
}

/** Writes a name as `saslname`: `,` and `=` are escaped. */
export function escapeSaslName(name: string): string {
  return name.replaceAll("=", "=3D").replaceAll(",", "=2C");
}

/** The inverse of `escapeSaslName`; null where the text is empty or another `=` is in it. */
export function unescapeSaslName(text: string): string | null {
  if (text === "" || /=(?!2C|3D)|\0/.test(text)) return null;
  return text.replaceAll("=2C", ",").replaceAll("=3D", "=");
}

/** Whether a text can be a nonce: 1 to 256 printable ASCII characters but no comma. */
export function isNonce(text: string): boolean {
  return text.length <= 256 && PRINTABLE_NO_COMMA.test(text);
}

/** One `name=value` of a message. */
export interface ScramAttribute {
  readonly name: string;
  readonly value: string;
}

/** Splits a message at its commas; null where a part is not a letter, `=` and a value. */
export function parseAttributes(text: string): readonly ScramAttribute[] | null {
  const attributes: ScramAttribute[] = [];
  for (const part of text.split(",")) {
    if (!/^[A-Za-z]=[^\0]+$/u.test(part)) return null;
    attributes.push({ name: part[0]!, value: part.slice(2) });
  }
  return attributes;
}
