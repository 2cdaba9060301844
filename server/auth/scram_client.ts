/**
 * The client's side of SCRAM (RFC 5802), for tests, load generators and browsers. It imports no
 * cryptography: the functions come in as callbacks, so that WebCrypto serves as well as a library.
 */
import { decodeBase64, encodeBase64, escapeSaslName, parseAttributes } from "./scram_text.ts";

/** Functions of the mechanism's hash; `done` may be called before they return. */
export interface ScramCrypto {
  hash(data: Uint8Array, done: (digest: Uint8Array) => void): void;
  hmac(key: Uint8Array, data: Uint8Array, done: (mac: Uint8Array) => void): void;
  pbkdf2(
    password: Uint8Array,
    salt: Uint8Array,
    iterations: number,
    done: (key: Uint8Array) => void,
  ): void;
}

/** Iteration counts that a client takes from a server: RFC 7677's least, and what is not abuse. */
export const CLIENT_ITERATIONS = { min: 4096, max: 10_000_000 } as const;

/** What the client says next, and how it knows the server. */
export interface ScramReply {
  /** The client-final message. */
  readonly message: string;
  /** Whether a server-final message (`v=…`) proves that the server knows the password's keys. */
  proves(serverFinal: string): boolean;
}

/** An exchange that the client has begun. */
export interface ScramClient {
  /** The client-first message. */
  readonly first: string;
  /** Answers the server-first message; null where it is not one to answer. */
  reply(serverFirst: string, done: (reply: ScramReply | null) => void): void;
}

interface ServerFirst {
  readonly nonce: string;
  readonly salt: Uint8Array;
  readonly iterations: number;
}

function parseServerFirst(text: string, clientNonce: string): ServerFirst | null {
  const [nonce, salt, count] = parseAttributes(text) ?? [];
  if (nonce?.name !== "r" || salt?.name !== "s" || count?.name !== "i") return null;
  const bytes = decodeBase64(salt.value);
  const iterations = /^[1-9][0-9]{0,8}$/.test(count.value) ? Number(count.value) : 0;
  if (!nonce.value.startsWith(clientNonce) || nonce.value === clientNonce) return null;
  return bytes === null || bytes.length === 0
    ? null
    : { nonce: nonce.value, salt: bytes, iterations };
}

/**
 * Begins an exchange. `password` is already prepared (`preparePassword`), `nonce` printable ASCII
 * without commas and fresh. Servers that ask for fewer iterations than `iterationsMin` or more than
 * `CLIENT_ITERATIONS.max` are not answered.
 */
export function createScramClient(
  input: {
    readonly user: string;
    readonly password: string;
    readonly nonce: string;
    readonly iterationsMin?: number;
  },
  crypto: ScramCrypto,
): ScramClient {
  const bare = `n=${escapeSaslName(input.user)},r=${input.nonce}`;
  const iterationsMin = input.iterationsMin ?? CLIENT_ITERATIONS.min;
  return {
    first: `n,,${bare}`,
    reply(serverFirst, done) {
      const server = parseServerFirst(serverFirst, input.nonce);
      if (
        server === null || server.iterations < iterationsMin ||
        server.iterations > CLIENT_ITERATIONS.max
      ) return done(null);
      const withoutProof = `c=biws,r=${server.nonce}`;
      const auth = new TextEncoder().encode(`${bare},${serverFirst},${withoutProof}`);
      const password = new TextEncoder().encode(input.password);
      crypto.pbkdf2(
        password,
        server.salt,
        server.iterations,
        (salted) =>
          sign(crypto, salted, auth, (proof, serverSignature) =>
            done({
              message: `${withoutProof},p=${encodeBase64(proof)}`,
              proves: (serverFinal) =>
                serverFinal.split(",")[0] === `v=${encodeBase64(serverSignature)}`,
            })),
      );
    },
  };
}

/** ClientProof and ServerSignature of RFC 5802 section 3. */
function sign(
  crypto: ScramCrypto,
  salted: Uint8Array,
  auth: Uint8Array,
  done: (proof: Uint8Array, serverSignature: Uint8Array) => void,
): void {
  const text = new TextEncoder();
  crypto.hmac(
    salted,
    text.encode("Client Key"),
    (clientKey) =>
      crypto.hash(
        clientKey,
        (storedKey) =>
          crypto.hmac(storedKey, auth, (clientSignature) =>
            crypto.hmac(salted, text.encode("Server Key"), (serverKey) =>
              crypto.hmac(serverKey, auth, (serverSignature) =>
                done(
                  clientKey.map((byte, i) =>
                    byte ^ clientSignature[i]!
                  ),
                  serverSignature,
                )))),
      ),
  );
}
