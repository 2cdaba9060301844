/**
 * How often sessions of one account are opened and taken up. What that costs grows with the account:
 * a client could have a large snapshot made a hundred times a second by connecting again, for each
 * connection has rates of its own.
 */
import { type ShareRate, Throttle, throttleOptions } from "../auth/throttle.ts";
import type { Clock } from "../node/ports.ts";
import { fail, type Failure } from "../../shard/errors.ts";
import type { Snapshot } from "../../shard/ops.ts";

/** What an account may have opened: a session costs 1, and 1 for each hundred items of its snapshot. */
export interface OpenRateLimits {
  readonly perSecond: number;
  readonly burst: number;
}

const ITEMS_PER_UNIT = 100;
/** What others do not learn of: one session that an account opens at a time, as in a storm of returns. */
const TOLD_FROM = 2;

/** See the head of this file. */
export class OpenRate {
  readonly #clock: Clock;
  readonly #accounts: Throttle;

  constructor(clock: Clock, limits: OpenRateLimits, share?: ShareRate) {
    this.#clock = clock;
    this.#accounts = new Throttle({ ...throttleOptions(limits), debtMax: limits.burst });
    share?.("sessions of accounts", this.#accounts, TOLD_FROM);
  }

  /** A refusal where the account has to wait; takes nothing. */
  refusal(user: string): Failure | null {
    const waitMs = this.#accounts.waitMs(this.#clock.monoMs(), user);
    if (waitMs === 0) return null;
    return fail("rate_limited", "Too many sessions of this account were opened lately", waitMs);
  }

  /** Takes for a session that its owner has opened; up to another burst in debt. */
  charge(user: string, snapshot: Snapshot | null): void {
    const items = snapshot === null
      ? 0
      : snapshot.roster.length + snapshot.conversations.length + snapshot.blocked.length;
    this.#accounts.charge(this.#clock.monoMs(), user, 1 + items / ITEMS_PER_UNIT);
  }
}
