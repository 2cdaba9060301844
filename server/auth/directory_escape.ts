/** User names in LDAP filters and distinguished names, where they must stay values. */

const utf8 = new TextEncoder();

function hex(text: string): string {
  return [...utf8.encode(text)].map((byte) => `\\${byte.toString(16).padStart(2, "0")}`).join("");
}

/** A value in a filter (RFC 4515, section 3): what has a meaning there, and all but ASCII, as hex. */
export function escapeFilter(value: string): string {
  return value.replaceAll(/[^\x20-\x7e]|[()*\\]/gu, hex);
}

/** A value in a distinguished name (RFC 4514, section 2.4), escaped more than it has to be. */
export function escapeDn(value: string): string {
  return value.replaceAll(/[^A-Za-z0-9._-]/gu, hex);
}
