/** What can be configured about signing in, with units; and the numbers it starts from. */
import type { AttemptsOptions } from "./attempts.ts";
import type { ScramIterations } from "./credentials.ts";
import type { PasswordQueueOptions } from "./password_queue.ts";
import type { ThrottleOptions } from "./throttle.ts";

/** Who may make an account: everybody, holders of an invite, or only operators. */
export type Registration = "open" | "invite" | "closed";

/** The knobs of sign-in. All limits are each node's own. */
export interface SignInOptions {
  /** The domain of every account here: `bob@domain` is `bob`. */
  readonly domain: string;
  readonly registration: Registration;
  /** For passwords that are set from now on. Existing keys keep the counts they were made with. */
  readonly iterations: ScramIterations;
  /**
   * Counts that older keys may have. Names without an account seem to have one of these or the
   * current one, so that no count tells who exists.
   */
  readonly formerIterations: readonly number[];
  /** At least 16 random bytes that no client knows and that stay the same over restarts. */
  readonly fakeSaltSecret: Uint8Array;
  /** Least length of a new password, in code points; sign-in takes what there is. */
  readonly passwordLengthMin: number;
  /** How long a device's token is good for, in milliseconds. */
  readonly tokenLifetimeMs: number;
  readonly queue: PasswordQueueOptions;
  readonly failures: AttemptsOptions;
  /** Registrations that an address may try: each can tell whether a name is taken. */
  readonly registrations: ThrottleOptions;
}

/**
 * The numbers to start from:
 * - password queue: two at a time, 64 waiting: the last waits about half a second at 100,000
 *   iterations (14 ms of CPU each);
 * - failures of an account: 10, then one every 30 s: 2,880 guesses a day at most;
 * - failures of an address: 100, then one a second; it may overdraw by 30, so that an address with
 *   many users behind it never waits longer than about half a minute (a minute with jitter);
 * - registrations of an address: 20, then one a minute.
 */
export const SIGN_IN_DEFAULTS = {
  iterations: { sha256: 100_000, sha1: 100_000 },
  formerIterations: [],
  passwordLengthMin: 8,
  tokenLifetimeMs: 90 * 86_400_000,
  queue: { concurrency: 2, waitingMax: 64, perAddressMax: 16, busyRetryMs: 2000 },
  failures: {
    perAccount: { burst: 10, refillMs: 30_000, keysMax: 100_000 },
    perAddress: { burst: 100, refillMs: 1000, keysMax: 100_000, debtMax: 30 },
    knownPairsMax: 100_000,
  },
  registrations: { burst: 20, refillMs: 60_000, keysMax: 100_000 },
} as const satisfies Partial<SignInOptions>;
