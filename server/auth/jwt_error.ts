/** Issuer options that cannot work; the message says what to change. Thrown at start only. */
export class JwtConfigError extends Error {
  override readonly name = "JwtConfigError";
}
