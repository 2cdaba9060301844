import type { Kdf } from "../node/ports.ts";
import { runCallback } from "./callback.ts";

/** Bytes that each hash gives. */
const HASH_BYTES = { "SHA-256": 32, "SHA-1": 20 } as const;

async function derive(
  hash: keyof typeof HASH_BYTES,
  password: Uint8Array,
  salt: Uint8Array,
  iterations: number,
): Promise<Uint8Array> {
  const key = await crypto.subtle.importKey("raw", new Uint8Array(password), "PBKDF2", false, [
    "deriveBits",
  ]);
  const bits = await crypto.subtle.deriveBits(
    { name: "PBKDF2", hash, salt: new Uint8Array(salt), iterations },
    key,
    HASH_BYTES[hash] * 8,
  );
  return new Uint8Array(bits);
}

/**
 * PBKDF2 on the platform's worker threads: about 14 ms of CPU for 100,000 iterations of SHA-256.
 * Nothing here bounds how many run at once: the caller does.
 */
export function systemKdf(): Kdf {
  return {
    pbkdf2(hash, password, salt, iterations, done) {
      // Copies at once, so that the caller may wipe its buffers.
      derive(hash, password.slice(), salt.slice(), iterations).then(
        (key) => runCallback(() => done(key)),
        reportError,
      );
    },
  };
}
