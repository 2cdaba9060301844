// @ts-check
/** Bytes as text and the other way. */

/**
 * @param {string} text
 */
export const utf8 = (text) => Uint8Array.from(new TextEncoder().encode(text));

/** @param {Uint8Array} bytes */
export const toBase64 = (bytes) => btoa(String.fromCharCode(...bytes));

/** @param {string} text */
export const fromBase64 = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

/** Returns 24 random letters and digits. */
export function newKey() {
  return toBase64(crypto.getRandomValues(new Uint8Array(18))).replace(/[+/]/g, "0");
}
