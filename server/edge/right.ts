/** What gives a session its right: a token or an outside issuer's, and when it ends. */
import type { AttachAuth } from "../../shard/ops.ts";
import { hashBytes, hashText } from "./token_hash.ts";

/** The right of one session. */
export class Right {
  /** Milliseconds since 1970. */
  expiresAt = Infinity;
  /** The hash of the token that was last proved; null where it was an outside issuer's. */
  #tokenHash: string | null;

  constructor(auth: AttachAuth) {
    this.#tokenHash = hashText(auth);
  }

  /** The client has proved by this whose session it is. */
  prove(auth: AttachAuth): void {
    this.#tokenHash = hashText(auth);
  }

  /** Proves it to a shard again. */
  auth(): AttachAuth {
    const hash = this.#tokenHash;
    if (hash === null) return { kind: "issuer", expiresAt: this.expiresAt };
    return { kind: "token", tokenHash: hashBytes(hash) };
  }
}
