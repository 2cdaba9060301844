/** What can be configured about signing in, with units. */
import type { AttemptsOptions } from "./attempts.ts";
import type { ScramIterations } from "./credentials.ts";
import type { PasswordQueueOptions } from "./password_queue.ts";
import type { RestrictionLevel } from "../../shard/name/scripts.ts";
import type { ThrottleOptions } from "./throttle.ts";

/** Who may make an account: everybody, holders of an invite, or only operators. */
export type Registration = "open" | "invite" | "closed";

/** The knobs of sign-in. All limits are each node's own. */
export interface SignInOptions {
  /** The domain of every account here: `bob@domain` is `bob`. */
  readonly domain: string;
  readonly registration: Registration;
  /** Which scripts a name that is registered may mix; names that exist stay good. */
  readonly nameScripts: RestrictionLevel;
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
