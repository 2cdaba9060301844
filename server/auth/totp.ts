/** Codes of authenticator apps (RFC 6238): six digits of HMAC-SHA-1, a new one each 30 s. */
import { Secret, TOTP } from "otpauth";

const SECRET_BYTES = 20;
const PERIOD_S = 30;
const DIGITS = 6;
/** Steps that the clock of a device may be off, either way. */
const SKEW_STEPS = 1;

function totpOf(secret: Uint8Array, issuer = "", label = ""): TOTP {
  const buffer = new Uint8Array(secret).buffer;
  const names = { issuer, label };
  return new TOTP({ ...names, secret: new Secret({ buffer }), digits: DIGITS, period: PERIOD_S });
}

/** A new secret; 160 bits, as RFC 4226 recommends. `random` makes bytes. */
export function newTotpSecret(random: (count: number) => Uint8Array): Uint8Array {
  return random(SECRET_BYTES);
}

/** Whether a text has the form of such a code. */
export function isTotpCode(code: string): boolean {
  return /^\d{6}$/.test(code);
}

/** The step that `code` is of, if that is the present one or one beside it; else null. */
export function totpStep(secret: Uint8Array, code: string, nowMs: number): number | null {
  const delta = totpOf(secret).validate({ token: code, timestamp: nowMs, window: SKEW_STEPS });
  return delta === null ? null : Math.floor(nowMs / 1000 / PERIOD_S) + delta;
}

/** What an app is set up with: the secret in base32, and the address that its QR code has. */
export function totpSetup(
  secret: Uint8Array,
  { domain, user }: { readonly domain: string; readonly user: string },
): { readonly secret: string; readonly uri: string } {
  const totp = totpOf(secret, domain, user);
  return { secret: totp.secret.base32, uri: totp.toString() };
}

/** The bytes of a secret in base32. */
export function totpSecret(base32: string): Uint8Array {
  return Secret.fromBase32(base32).bytes;
}
