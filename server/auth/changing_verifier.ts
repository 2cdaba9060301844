/** A verifier whose issuers and keys change while it is used. */
import type { JwtCheck, JwtVerifier } from "./jwt.ts";

/** See the head of this file. */
export class ChangingVerifier implements JwtVerifier {
  #now: JwtVerifier;

  constructor(first: JwtVerifier) {
    this.#now = first;
  }

  /** Tokens are checked with this one from now on. */
  change(next: JwtVerifier): void {
    this.#now = next;
  }

  verify(jwt: string, wallMs: number, done: (check: JwtCheck) => void): void {
    this.#now.verify(jwt, wallMs, done);
  }
}
