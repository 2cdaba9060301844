/** Rate limits of those who are signed in: of all commands, and of the kinds that others feel. */
import { type BucketRate, takeTokens, waitForTokens } from "../../shard/token_bucket.ts";
import { type ShareRate, Throttle, throttleOptions } from "../auth/throttle.ts";

/** A rate: `perSecond` tokens return each second, at most `burst` are saved up. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/** `frames` holds for every command; each of the others for one kind besides. */
export type RateClass = "frames" | "sends" | "presence" | "signals";
/** A rate for each class. */
export type Rates = Readonly<Record<RateClass, Rate>>;

/** What a refusal for each class says. */
export const TOO_FAST: Readonly<Record<RateClass, string>> = {
  frames: "Too many commands: wait retryAfterMs",
  sends: "Too many messages: wait retryAfterMs",
  presence: "Too many presence changes: wait retryAfterMs",
  signals: "Too many signals: wait retryAfterMs",
};

/** What a command or route takes: its cost of `frames`, and one of its own class. */
export interface Taker {
  readonly cost: number;
  readonly rate: RateClass;
}

/** Called with the class whose rate applied. */
type Limited = (rate: RateClass) => void;

/** How often nodes tell each other what was taken (s). */
const SHARE_S = 0.5;

/** A throttle for each class. */
export type RateThrottles = Readonly<Record<RateClass, Throttle>>;

/**
 * Makes throttles by device, so that a client has no other budget after it has connected again. A
 * cost that was not known before may leave a debt of another burst.
 */
export function rateThrottles({ frames, sends, presence, signals }: Rates): RateThrottles {
  return {
    frames: new Throttle({ ...throttleOptions(frames), debtMax: frames.burst }),
    sends: new Throttle(throttleOptions(sends)),
    presence: new Throttle(throttleOptions(presence)),
    signals: new Throttle(throttleOptions(signals)),
  };
}

/**
 * Makes throttles for WebSockets. Over `share` they hold over the cell: a client that connects to one
 * node after another has no budget at each. Other nodes do not learn of a device that takes less than
 * half of what it may in that time, as almost all do.
 */
export function socketThrottles(rates: Rates, share: ShareRate = () => {}): RateThrottles {
  const throttles = rateThrottles(rates);
  for (const [name, throttle] of Object.entries(throttles)) {
    const { perSecond } = rates[name as RateClass];
    share(`${name} of sockets`, throttle, Math.max(1, perSecond * SHARE_S / 2));
  }
  return throttles;
}

/**
 * The key of a device's rates: its account and itself, or the account alone where the client names
 * its device itself, as with an issuer's token. Otherwise another name would have another budget.
 */
export function rateKey(
  { user, device, auth }: {
    readonly user: string;
    readonly device: string;
    readonly auth: { readonly kind: "token" | "issuer" };
  },
): string {
  return auth.kind === "issuer" ? user : `${user}/${device}`;
}

/** Takes from throttles by class; returns 0, or the ms to wait. */
export function takeFrom(
  throttles: RateThrottles,
  taker: Taker,
  key: string,
  nowMs: number,
  limited: Limited,
): number {
  const waitMs = throttles.frames.take(nowMs, key, taker.cost);
  if (waitMs > 0) limited("frames");
  if (waitMs > 0 || taker.rate === "frames") return waitMs;
  const ownMs = throttles[taker.rate].take(nowMs, key);
  if (ownMs > 0) limited(taker.rate);
  return ownMs;
}

/** A bucket of one connection: it starts full. */
export class TokenBucket {
  readonly #rate: BucketRate;
  #fullAtMs: number;

  constructor({ perSecond, burst }: Rate, nowMs: number) {
    this.#rate = { tokenMs: 1000 / perSecond, burst };
    this.#fullAtMs = nowMs;
  }

  /**
   * Takes `cost` tokens and returns 0, or takes none and returns the ms until there are enough.
   * A cost over the burst is taken as the burst. Times are monotonic ms.
   */
  take(cost: number, nowMs: number): number {
    const tokens = Math.min(cost, this.#rate.burst);
    const waitMs = waitForTokens(this.#rate, this.#fullAtMs, nowMs, tokens);
    if (waitMs === 0) this.#fullAtMs = takeTokens(this.#rate, this.#fullAtMs, nowMs, tokens);
    return waitMs;
  }
}
