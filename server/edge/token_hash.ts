/** The hash of a session's token while nothing needs it: as an array it would take 232 bytes. */
import type { AttachAuth } from "../../shard/ops.ts";

/** The hash as a text of a character for each byte; null where there is none. */
export function hashText(auth: AttachAuth): string | null {
  return auth.kind === "token" ? String.fromCharCode(...auth.tokenHash) : null;
}

/** The bytes of such a text. */
export function hashBytes(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}
