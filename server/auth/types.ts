/** Sign-in as every codec (JSON, XMPP) uses it. Callbacks answer exactly once. */
import type { AccountId, AccountName, DeviceId } from "../../shard/name/ids.ts";
import type { PasswordProof, ScramMechanism } from "../../shard/ops.ts";
import type { Outsider } from "./identity.ts";
import type { PasskeyAnswer, PasskeyService } from "./passkey_types.ts";
import type { Failure, Result } from "../../shard/errors.ts";

/** A user who has proved who they are, by password. */
export interface Verified {
  readonly user: AccountName;
  readonly id: AccountId;
  /** What the password was checked against; null where none was asked for. */
  readonly proof: PasswordProof;
  /** From where, see `KnownPlace`; null where no password was proved or set. */
  readonly place: number | null;
  /** An issuer vouches for the user, whose business second factors then are. */
  readonly exempt?: true;
  /** Who has checked the password, where that was not this server. */
  readonly by?: "ldap";
}

/** A SCRAM exchange (RFC 5802) that waits for the client's final message. */
export interface ScramExchange {
  /** Whom the client wants to be, whether such an account exists or not. */
  readonly user: AccountName;
  /** The server-first message; its nonce is of this exchange only. */
  readonly message: string;
  /** The exchange as a text that `reopenScram` takes for `forMs` on any node of the cell. */
  seal(forMs: number): string;
  /** Checks the client-final message; single use. `serverFinal` is `v=…`. */
  finish(
    message: string,
    done: (result: Result<Verified & { readonly serverFinal: string }>) => void,
  ): void;
}

/** Who changes second factors, and what is proved for it: `code` where the account has any. */
export interface FactorCaller {
  readonly user: AccountName;
  /** The device that asks: one that signed in some minutes ago needs no password. */
  readonly device: DeviceId;
  readonly address: string;
  readonly password?: string | undefined;
  /** Of the authenticator app, or a recovery code. */
  readonly code?: string | undefined;
  /** A signature of a passkey in its place, see `PasskeyService.ask`. */
  readonly proof?: PasskeyAnswer | undefined;
}

/** An account's second factors, without secrets. */
export interface FactorView {
  /** Whether an authenticator app is set up. */
  readonly totp: boolean;
  /** Recovery codes that are left. */
  readonly recoveryCodes: number;
  /** Whether the account has a password here. */
  readonly password: boolean;
}

/** How an authenticator app is set up. */
export interface TotpSetup {
  /** To be sent back with a code. */
  readonly setup: string;
  /** In base32. */
  readonly secret: string;
  /** `otpauth:` address, for apps. */
  readonly uri: string;
  /** The same as a QR code: an SVG path of squares of 1, in a square of `size`. */
  readonly qr: { readonly size: number; readonly path: string };
}

/** Recovery codes; shown once. */
export interface RecoveryCodes {
  readonly recoveryCodes: readonly string[];
}

/**
 * Changes of second factors. `forbidden`: the password or the code is not right, or neither was
 * given and the device has not just signed in; `second_factor_required`: a code is needed.
 */
export interface FactorSettings {
  view(user: AccountName, done: (result: Result<FactorView>) => void): void;
  /** Begins to set an authenticator app up; nothing is stored. `conflict`: there is one. */
  beginTotp(caller: FactorCaller, done: (result: Result<TotpSetup>) => void): void;
  /** Sets it up, once a code shows that the app has the secret. `code`: of the app. */
  confirmTotp(
    caller: Omit<FactorCaller, "password" | "code"> & {
      readonly setup: string;
      readonly code: string;
    },
    done: (result: Result<RecoveryCodes>) => void,
  ): void;
  /** Removes it, with the recovery codes. */
  removeTotp(caller: FactorCaller, done: (result: Result<null>) => void): void;
  /** Makes new recovery codes in place of those that are left. */
  renewRecovery(caller: FactorCaller, done: (result: Result<RecoveryCodes>) => void): void;
}

/** A new token for a device; the text is shown once and kept only as its hash. */
export interface MintedToken {
  readonly token: string;
  readonly device: DeviceId;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** Failures by address, for codecs that refuse what never reaches `SignIn`: tokens of devices. */
export interface FailureLimits {
  /** `rate_limited` where the address has failed too often; to be asked before a token lookup. */
  allowed(address: string): Failure | null;
  /** Notes that the address gave a token, or another proof, that is not accepted. */
  noteFailure(address: string, method?: string): void;
}

/** All ways in. `address` is the client's IP address (after trusted proxies), for rate limits. */
export interface SignIn {
  /** Creates an account: registration mode, invite, name rules, password rules, rate limits. */
  register(
    input: {
      readonly user: string;
      readonly password: string;
      readonly invite: string | null;
      readonly address: string;
    },
    done: (result: Result<Verified>) => void,
  ): void;
  /** Checks a password through the small bounded queue. */
  password(
    input: { readonly user: string; readonly password: string; readonly address: string },
    done: (result: Result<Verified>) => void,
  ): void;
  /** Begins SCRAM; the user name is in the client-first message. */
  scram(
    input: {
      readonly mechanism: ScramMechanism;
      readonly message: string;
      readonly address: string;
    },
    done: (result: Result<ScramExchange>) => void,
  ): void;
  /**
   * The exchange that was sealed; null where the text is no seal of this cell or has expired. A text
   * can be opened many times: the caller must remember which exchanges it has finished.
   */
  reopenScram(sealed: string, address: string): ScramExchange | null;
  /** Verifies a token of a configured outside issuer. */
  issuer(
    input: { readonly jwt: string; readonly address: string },
    done: (result: Result<Verified & { readonly expiresAt: number }>) => void,
  ): void;
  /** The account of somebody whom an issuer vouches for, made or linked where that is allowed. */
  outside(outsider: Outsider, address: string, done: (result: Result<Verified>) => void): void;
  /**
   * Makes and stores a token for a device of a verified user. device null: a new random one.
   * `second_factor_required`, with what to go on with, where the account has second factors.
   */
  mint(
    input: Verified & { readonly device: DeviceId | null; readonly label: string },
    done: (result: Result<MintedToken>) => void,
  ): void;
  /** Ends a sign-in that `mint` has refused so: checks the second factor, and makes the token. */
  second(
    input: {
      readonly exchange: string;
      /** One of both. */
      readonly code?: string | undefined;
      readonly passkey?: PasskeyAnswer | undefined;
      readonly device: DeviceId | null;
      readonly label: string;
      readonly address: string;
    },
    done: (result: Result<MintedToken & { readonly user: AccountName }>) => void,
  ): void;
  /** What a signed-in user changes about second factors. */
  readonly factors: FactorSettings;
  /** Sign-in with passkeys, and what a signed-in user changes about them. */
  readonly passkeys: PasskeyService;
  /** Sets the password of the account that the code of an operator's link is for, once. */
  resetPassword(
    input: { readonly code: string; readonly password: string; readonly address: string },
    done: (result: Result<null>) => void,
  ): void;
  /** Changes a password after checking the old one; ends every device but `keepDevice`. */
  changePassword(
    input: {
      readonly user: AccountName;
      readonly oldPassword: string;
      readonly newPassword: string;
      readonly keepDevice: DeviceId | null;
      readonly address: string;
    },
    done: (result: Result<null>) => void,
  ): void;
}
