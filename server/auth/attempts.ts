/**
 * How often a client may guess. Three allowances stop guessing without locking anybody out for long:
 * - an address has an allowance of failures, no matter which account they were about (one guesser,
 *   many accounts);
 * - an account has one, wherever they come from (many guessers, one account);
 * - a place that an account has signed in from (see `KnownPlace`) has an allowance of its own
 *   instead of the account's: strangers who exhaust the account's do not lock out its user at home.
 * An attempt takes from the account's (or the place's) allowance when it begins, so that parallel
 * guesses cannot overtake the count, and gets it back unless it was a wrong guess. The address is
 * charged only for failures, so that a thousand users behind one NAT can return at once.
 */
import type { AccountName } from "../../shard/name/ids.ts";
import { fail, type Failure } from "../../shard/errors.ts";
import type { Random } from "../node/ports.ts";
import { addressKey, NetworkThrottle, Throttle, type ThrottleOptions } from "./throttle.ts";

/** The allowances. */
export interface AttemptsOptions {
  readonly perAccount: ThrottleOptions;
  readonly perAddress: ThrottleOptions;
}

/** Which account a client claims to be, and from where. */
export interface AttemptFrom {
  readonly name: AccountName;
  readonly address: string;
  /** The place, where the account has signed in from it; null from everywhere else. */
  readonly knownPlace: number | null;
}

/** One attempt to prove who somebody is. End it exactly once; a second end does nothing. */
export interface Attempt {
  /** It was right. */
  succeeded(): void;
  /** It was a wrong guess. */
  failed(): void;
  /** It ended without a verdict. */
  abandoned(): void;
}

/** The attempts seen by one node. In memory only: a restart forgets what was used up. */
export class Attempts {
  readonly #accounts: Throttle;
  readonly #places: Throttle;
  readonly #addresses: Throttle;
  readonly #random: Random;
  readonly #limited: () => void;

  /** `limited` is called with each refusal. */
  constructor(options: AttemptsOptions, random: Random, limited: () => void) {
    this.#accounts = new Throttle(options.perAccount);
    this.#places = new Throttle(options.perAccount);
    this.#addresses = new NetworkThrottle(options.perAddress);
    this.#random = random;
    this.#limited = limited;
  }

  /** The allowances by their names, which are to hold over all nodes. */
  get throttles(): Readonly<Record<string, Throttle>> {
    return {
      "failures of accounts": this.#accounts,
      "failures at known places": this.#places,
      "failures of addresses": this.#addresses,
    };
  }

  /** Refuses an address that has failed too often; takes nothing. */
  checkAddress(nowMs: number, address: string): Failure | null {
    const waitMs = this.#addresses.waitMs(nowMs, addressKey(address));
    return waitMs === 0 ? null : this.#refusal(waitMs);
  }

  /** Whether `begin` would refuse; takes nothing. */
  check(nowMs: number, from: AttemptFrom): Failure | null {
    const { throttle, key } = this.#allowance(from);
    const waitMs = throttle.waitMs(nowMs, key);
    return this.checkAddress(nowMs, from.address) ?? (waitMs === 0 ? null : this.#refusal(waitMs));
  }

  /** Notes a failure of an address that is about no known account: a bad token. */
  noteFailure(nowMs: number, address: string): void {
    this.#addresses.charge(nowMs, addressKey(address));
  }

  /** Begins an attempt, or refuses it with `rate_limited`. `nowMs` gives monotonic time. */
  begin(nowMs: () => number, from: AttemptFrom): Attempt | Failure {
    const { throttle, key } = this.#allowance(from);
    const refused = this.checkAddress(nowMs(), from.address);
    if (refused !== null) return refused;
    const waitMs = throttle.take(nowMs(), key);
    if (waitMs > 0) return this.#refusal(waitMs);
    let open = true;
    const end = (then: () => void) => {
      if (open) then();
      open = false;
    };
    return {
      succeeded: () =>
        end(() => {
          if (from.knownPlace === null) throttle.refund(nowMs(), key);
          else throttle.clear(nowMs(), key);
        }),
      failed: () => end(() => this.#addresses.charge(nowMs(), addressKey(from.address))),
      abandoned: () => end(() => throttle.refund(nowMs(), key)),
    };
  }

  #allowance({ name, knownPlace }: AttemptFrom): { throttle: Throttle; key: string } {
    return knownPlace === null
      ? { throttle: this.#accounts, key: name }
      : { throttle: this.#places, key: `${knownPlace} ${name}` };
  }

  #refusal(waitMs: number): Failure {
    this.#limited();
    // Jitter: those behind one address must not all return for the one available unit.
    const retryAfterMs = Math.ceil(waitMs * (1 + this.#random.number()));
    return fail("rate_limited", "Too many failed sign-ins; wait before the next.", retryAfterMs);
  }
}
