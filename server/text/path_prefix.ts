/**
 * A server below a path of a web address that it shares with others. A proxy in front either hands
 * requests on with that path, which is `server.publicUrl`'s, or without it; then it may name the
 * path in `X-Forwarded-Prefix`.
 */

/** Returns the path of a public URL, without a slash at its end; "" for none. */
export function prefixOf(publicUrl: string | null): string {
  return publicUrl === null ? "" : new URL(publicUrl).pathname.replace(/\/$/, "");
}

/**
 * Returns `target` (a path, which a query may follow) without the prefix. A target elsewhere, and
 * the prefix itself without a slash, are returned as they are.
 */
export function withoutPrefix(prefix: string, target: string): string {
  return prefix !== "" && target.startsWith(`${prefix}/`) ? target.slice(prefix.length) : target;
}
