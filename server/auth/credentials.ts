/** What is kept of a password, how one is checked, and what stands in where there is none. */
import type { AccountName } from "../../shard/name/ids.ts";
import type { Credentials, ScramKey, ScramMechanism } from "../../shard/ops.ts";
import type { Kdf, Random } from "../node/ports.ts";
import { equalBytes, type HashName, hmacOf } from "./hash.ts";
import { hashNameOf, keysOf } from "./scram.ts";

/** The least that production may configure for SCRAM-SHA-256 (and SHA-1, which guards the same). */
export const SCRAM_ITERATIONS_MIN = 100_000;
/** Bytes of a salt. */
export const SALT_BYTES = 16;

/** How much work a guess shall cost a thief of the keys: PBKDF2 iterations. */
export interface ScramIterations {
  readonly sha256: number;
  /** null: no keys for SCRAM-SHA-1 are made and the mechanism is not offered. */
  readonly sha1: number | null;
}

/** Keys that are derived of a new password. */
export function hashesOf({ sha1 }: ScramIterations): 1 | 2 {
  return sha1 === null ? 1 : 2;
}

const utf8 = new TextEncoder();

function deriveKey(
  ports: { readonly kdf: Kdf; readonly random: Random },
  hash: HashName,
  password: Uint8Array,
  iterations: number,
  done: (key: ScramKey) => void,
): void {
  const salt = ports.random.bytes(SALT_BYTES);
  ports.kdf.pbkdf2(
    hash,
    password,
    salt,
    iterations,
    (salted) => done({ salt, iterations, ...keysOf(hash, salted) }),
  );
}

/** Makes all keys of a prepared password, each mechanism with a salt of its own. */
export function deriveCredentials(
  ports: { readonly kdf: Kdf; readonly random: Random },
  password: string,
  iterations: ScramIterations,
  done: (credentials: Credentials) => void,
): void {
  const bytes = utf8.encode(password);
  deriveKey(ports, "SHA-256", bytes, iterations.sha256, (sha256) => {
    if (iterations.sha1 === null) return done({ sha256, sha1: null });
    deriveKey(ports, "SHA-1", bytes, iterations.sha1, (sha1) => done({ sha256, sha1 }));
  });
}

/** Whether the SHA-256 key was made of this prepared password; the same work either way. */
export function passwordFits(
  kdf: Kdf,
  password: string,
  key: ScramKey,
  done: (fits: boolean) => void,
): void {
  kdf.pbkdf2(
    "SHA-256",
    utf8.encode(password),
    key.salt,
    key.iterations,
    (salted) => done(equalBytes(keysOf("SHA-256", salted).storedKey, key.storedKey)),
  );
}

/** The key of a mechanism, or null where the account has none for it. */
export function keyOf(credentials: Credentials, mechanism: ScramMechanism): ScramKey | null {
  return mechanism === "SCRAM-SHA-256" ? credentials.sha256 : credentials.sha1;
}

/**
 * The key that an account without one seems to have: stable per name, mechanism and `secret`, and
 * not to be distinguished from a real one without the secret. `iterations` are the counts that real
 * keys
 * have: the configured one and those that were configured before; each name has a favourite among
 * them, so that configuring a new count changes only the names which then favour it. The caller
 * must refuse whatever proof is given for it.
 */
export function fakeKey(
  secret: Uint8Array,
  mechanism: ScramMechanism,
  name: AccountName,
  iterations: readonly number[],
): ScramKey {
  const mac = (what: string) =>
    hmacOf("SHA-256", secret, utf8.encode(`${what}\0${mechanism}\0${name}`));
  let chosen = iterations[0]!;
  if (iterations.length > 1) {
    const weight = (count: number) => {
      const [a, b, c] = mac(`i${count}`);
      return a! << 16 | b! << 8 | c!;
    };
    for (const count of iterations) if (weight(count) > weight(chosen)) chosen = count;
  }
  const length = hashNameOf(mechanism) === "SHA-256" ? 32 : 20;
  return {
    salt: mac("salt").slice(0, SALT_BYTES),
    iterations: chosen,
    storedKey: mac("stored").slice(0, length),
    serverKey: mac("server").slice(0, length),
  };
}
