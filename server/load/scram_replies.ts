/**
 * SCRAM for thousands of users: the slow part of a reply depends on password and salt only, and is
 * kept, as real clients keep it. Users that were provisioned together share both.
 */
import { createScramClient, type ScramClient, type ScramReply } from "../auth/scram_client.ts";
import { hmacOf, sha256 } from "../auth/hash.ts";
import type { Kdf, Random } from "../node/ports.ts";

/** Salted passwords that are kept. */
const KEPT_MAX = 20_000;

/** A server-first message to answer. */
export interface ScramChallenge {
  readonly user: string;
  readonly password: string;
  readonly serverFirst: string;
}

/** The client's side of SCRAM-SHA-256 for many users. */
export class ScramReplies {
  readonly #kdf: Kdf;
  readonly #random: Random;
  readonly #begun = new Map<string, string>();
  readonly #salted = new Map<string, Uint8Array | ((key: Uint8Array) => void)[]>();

  constructor(kdf: Kdf, random: Random) {
    this.#kdf = kdf;
    this.#random = random;
  }

  /** Begins an exchange; a user has one at a time. */
  first(user: string): string {
    const nonce = Array.from(this.#random.bytes(18), (b) => b.toString(16).padStart(2, "0")).join(
      "",
    );
    this.#begun.set(user, nonce);
    return this.#client(user, "", nonce).first;
  }

  /** Answers the server's challenge; null where it is not one to answer. */
  reply(
    { user, password, serverFirst }: ScramChallenge,
    done: (reply: ScramReply | null) => void,
  ): void {
    const nonce = this.#begun.get(user);
    this.#begun.delete(user);
    if (nonce === undefined) return done(null);
    this.#client(user, password, nonce).reply(serverFirst, done);
  }

  #client(user: string, password: string, nonce: string): ScramClient {
    return createScramClient({ user, password, nonce }, {
      hash: (data, done) => done(sha256(data)),
      hmac: (key, data, done) => done(hmacOf("SHA-256", key, data)),
      pbkdf2: (bytes, salt, iterations, done) => this.#salt(bytes, salt, iterations, done),
    });
  }

  #salt(
    password: Uint8Array,
    salt: Uint8Array,
    iterations: number,
    done: (key: Uint8Array) => void,
  ): void {
    const id = `${iterations}:${salt.join(",")}:${password.join(",")}`;
    const known = this.#salted.get(id);
    if (known instanceof Uint8Array) return done(known);
    if (known !== undefined) return void known.push(done);
    const waiting = [done];
    if (this.#salted.size >= KEPT_MAX) this.#salted.clear();
    this.#salted.set(id, waiting);
    this.#kdf.pbkdf2("SHA-256", password, salt, iterations, (key) => {
      this.#salted.set(id, key);
      for (const run of waiting) run(key);
    });
  }
}
