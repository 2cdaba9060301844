/**
 * How often who may guess. Three allowances stop guessing without locking anybody out for long:
 * - an address has an allowance of failures, no matter which account they were about (one guesser,
 *   many accounts);
 * - an account has one, wherever they come from (many guessers, one account);
 * - where an account has signed in from an address before, that pair has an allowance of its own
 *   instead of the account's: strangers who exhaust the account's do not lock out its user at home.
 * An attempt takes from the account's (or the pair's) allowance when it begins, so that parallel
 * guesses cannot overtake the count, and gets it back unless it was a wrong guess. The address is
 * charged only for failures, so that a thousand users behind one NAT can return at once.
 */
import type { AccountName } from "../../shard/name/ids.ts";
import { fail, type Failure } from "../../shard/errors.ts";
import type { Random } from "../node/ports.ts";
import { addressKey, Throttle, type ThrottleOptions } from "./throttle.ts";

/** The allowances. */
export interface AttemptsOptions {
  readonly perAccount: ThrottleOptions;
  readonly perAddress: ThrottleOptions;
  /** Pairs of account and address with a successful sign-in that are remembered. */
  readonly knownPairsMax: number;
}

/** One attempt to prove who somebody is. End it exactly once; a second end does nothing. */
export interface Attempt {
  /** It was right: the pair of account and address is known from now on. */
  succeeded(): void;
  /** It was a wrong guess. */
  failed(): void;
  /** It came to no verdict. */
  abandoned(): void;
}

/** The attempts seen by one node. In memory only: a restart forgets. */
export class Attempts {
  readonly #accounts: Throttle;
  readonly #pairs: Throttle;
  readonly #addresses: Throttle;
  readonly #known = new Set<string>();
  readonly #knownMax: number;
  readonly #random: Random;
  readonly #limited: () => void;

  /** `limited` is called with each refusal. */
  constructor(options: AttemptsOptions, random: Random, limited: () => void) {
    this.#accounts = new Throttle(options.perAccount);
    this.#pairs = new Throttle(options.perAccount);
    this.#addresses = new Throttle(options.perAddress);
    this.#knownMax = options.knownPairsMax;
    this.#random = random;
    this.#limited = limited;
  }

  /** Refuses an address that has failed too often; takes nothing. */
  checkAddress(nowMs: number, address: string): Failure | null {
    const waitMs = this.#addresses.waitMs(nowMs, addressKey(address));
    return waitMs === 0 ? null : this.#refusal(waitMs);
  }

  /** Whether `begin` would refuse; takes nothing. */
  check(nowMs: number, name: AccountName, address: string): Failure | null {
    const { throttle, key } = this.#allowance(name, addressKey(address));
    const waitMs = throttle.waitMs(nowMs, key);
    return this.checkAddress(nowMs, address) ?? (waitMs === 0 ? null : this.#refusal(waitMs));
  }

  /** Notes a failure of an address that is about no known account: a bad token. */
  noteFailure(nowMs: number, address: string): void {
    this.#addresses.charge(nowMs, addressKey(address));
  }

  /** Begins an attempt, or refuses it with `rate_limited`. `nowMs` gives monotonic time. */
  begin(nowMs: () => number, name: AccountName, address: string): Attempt | Failure {
    const place = addressKey(address);
    const { throttle, key } = this.#allowance(name, place);
    const refused = this.checkAddress(nowMs(), address);
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
          throttle.refund(nowMs(), key);
          this.#remember(`${place} ${name}`);
        }),
      failed: () => end(() => this.#addresses.charge(nowMs(), place)),
      abandoned: () => end(() => throttle.refund(nowMs(), key)),
    };
  }

  #allowance(name: AccountName, place: string): { throttle: Throttle; key: string } {
    const pair = `${place} ${name}`;
    return this.#known.has(pair)
      ? { throttle: this.#pairs, key: pair }
      : { throttle: this.#accounts, key: name };
  }

  #remember(pair: string): void {
    this.#pairs.clear(pair);
    this.#known.delete(pair);
    if (this.#known.size >= this.#knownMax) {
      this.#known.delete(this.#known.values().next().value!);
    }
    this.#known.add(pair);
  }

  #refusal(waitMs: number): Failure {
    this.#limited();
    // Jitter: those behind one address must not all return for the one available unit.
    const retryAfterMs = Math.ceil(waitMs * (1 + this.#random.number()));
    return fail("rate_limited", "Too many failed sign-ins; wait before the next.", retryAfterMs);
  }
}
