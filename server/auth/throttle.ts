/**
 * Rate limits by key (an account, an address, a session). Pure: the monotonic time comes in with
 * every call.
 */

import { THROTTLE_KEYS_MAX } from "../config/fixed.ts";
import { type BucketRate, takeTokens, waitForTokens } from "../../shard/token_bucket.ts";

/** A token bucket for each key. */
export interface ThrottleOptions {
  /** Units that a key has which was not seen for long. */
  readonly burst: number;
  /** Milliseconds after which a key gets one unit back. */
  readonly refillMs: number;
  /** Keys remembered; the least recently used is forgotten first, and has its burst again. */
  readonly keysMax: number;
  /** Units that `charge` may overdraw; bounds how long a key waits. 0 where absent. */
  readonly debtMax?: number;
}

/** A bucket for each key that holds `burst` units and gets `perSecond` of them back. */
export function throttleOptions(
  rate: { readonly perSecond: number; readonly burst: number },
): ThrottleOptions {
  return { burst: rate.burst, refillMs: 1000 / rate.perSecond, keysMax: THROTTLE_KEYS_MAX };
}

/**
 * Lets a rate hold over all nodes of a cell; its name is the same at all. `toldFrom`: others do not
 * learn of who has taken less in half a second.
 */
export type ShareRate = (name: string, throttle: Throttle, toldFrom?: number) => void;

/** Allowances by key, in bounded memory: about 100 bytes and the key's text for each key. */
export class Throttle {
  /** Called with what was taken from a key's bucket, or (below 0) given back. */
  taken: ((key: string, units: number) => void) | null = null;
  readonly #options: ThrottleOptions;
  readonly #rate: BucketRate;
  /** When the bucket of a key is full again. */
  readonly #buckets = new Map<string, number>();
  /** The latest time that was given: one that steps back neither gives nor takes. */
  #latestMs = 0;

  constructor(options: ThrottleOptions) {
    const { burst, refillMs, keysMax, debtMax = 0 } = options;
    if (!(burst >= 1 && refillMs > 0 && keysMax >= 1 && debtMax >= 0)) {
      throw new Error(`Throttle: bad options ${JSON.stringify(options)}`);
    }
    this.#options = options;
    this.#rate = { tokenMs: refillMs, burst };
  }

  /** Keys remembered now; those with a full bucket are forgotten when they are next looked at. */
  get size(): number {
    return this.#buckets.size;
  }

  /**
   * Milliseconds until `units` are available; 0 where they are. Takes nothing. More units than the
   * burst count as the burst.
   */
  waitMs(nowMs: number, key: string, units = 1): number {
    const wanted = Math.min(units, this.#options.burst);
    return waitForTokens(this.#rate, this.#buckets.get(key) ?? 0, this.#now(nowMs), wanted);
  }

  /** Takes `units` as `waitMs` and returns 0, or takes nothing and returns the ms to wait. */
  take(nowMs: number, key: string, units = 1): number {
    const waitMs = this.waitMs(nowMs, key, units);
    if (waitMs === 0) this.#changeHere(nowMs, key, Math.min(units, this.#options.burst));
    return waitMs;
  }

  /**
   * Takes `units` whether they are available or not, but not beyond `debtMax` below nothing.
   * Returns how many were taken.
   */
  charge(nowMs: number, key: string, units = 1): number {
    return this.#changeHere(nowMs, key, units);
  }

  /** Gives back units that were taken for something that did not count after all. */
  refund(nowMs: number, key: string, units = 1): void {
    if (this.#buckets.has(key)) this.#changeHere(nowMs, key, -units);
  }

  /**
   * Takes what another node of the cell has given to the same key: it may have been there twice, so
   * that the bucket is up to another burst in debt after that.
   */
  takenElsewhere(nowMs: number, key: string, units: number): void {
    const { burst, debtMax = 0 } = this.#options;
    this.#change(nowMs, key, units, Math.max(burst, debtMax));
  }

  /** Makes the bucket of a key full, at all nodes: what was taken is given back. */
  clear(nowMs: number, key: string): void {
    const missing = ((this.#buckets.get(key) ?? 0) - this.#now(nowMs)) / this.#options.refillMs;
    if (missing > 0) this.refund(nowMs, key, missing);
  }

  #now(nowMs: number): number {
    return this.#latestMs = Math.max(this.#latestMs, nowMs);
  }

  #changeHere(nowMs: number, key: string, units: number): number {
    const taken = this.#change(nowMs, key, units, this.#options.debtMax ?? 0);
    this.taken?.(key, taken);
    return taken;
  }

  #change(atMs: number, key: string, units: number, debtMax: number): number {
    const nowMs = this.#now(atMs);
    const { burst, refillMs, keysMax } = this.#options;
    const beforeMs = this.#buckets.get(key) ?? 0;
    // A debt that another node has made stays.
    const mostMs = Math.max(beforeMs, nowMs + (burst + debtMax) * refillMs);
    const fullAtMs = Math.min(takeTokens(this.#rate, beforeMs, nowMs, units), mostMs);
    const taken = (fullAtMs - Math.max(beforeMs, nowMs)) / refillMs;
    // Deleting and setting keeps the map in order of use.
    this.#buckets.delete(key);
    if (fullAtMs <= nowMs) return taken;
    if (this.#buckets.size >= keysMax) this.#buckets.delete(this.#buckets.keys().next().value!);
    this.#buckets.set(key, fullAtMs);
    return taken;
  }
}

/**
 * The networks that an IPv6 address counts for besides its /64: providers give a customer a /56 or
 * a /48, which is 256 or 65,536 networks of 64 bits. Each may have `share` times as much as a /64,
 * so that no single /64 exhausts it for its neighbours.
 */
export const WIDER_NETWORKS = [{ bits: 56, share: 4 }, { bits: 48, share: 16 }] as const;

/** The key of the wider network of so many bits, or null where `key` is not of an IPv6 /64. */
export function widerKey(key: string, bits: 48 | 56): string | null {
  if (!key.endsWith("::/64")) return null;
  const groups = key.slice(0, -5).split(":");
  if (bits === 56) groups[3] = (parseInt(groups[3]!, 16) & 0xff00).toString(16);
  return `${groups.slice(0, bits === 56 ? 4 : 3).join(":")}::/${bits}`;
}

/** What stands for all that one customer has: an IPv4 address, of an IPv6 address its /48. */
export function customerKey(address: string): string {
  const key = addressKey(address);
  return widerKey(key, 48) ?? key;
}

/**
 * Allowances by address, for keys of `addressKey`: an IPv6 address takes from its /64 and from
 * `WIDER_NETWORKS`, and waits for all of them. Wider networks are charged no more than the /64.
 */
export class NetworkThrottle extends Throttle {
  readonly #wider: readonly { readonly bits: 48 | 56; readonly throttle: Throttle }[];

  constructor(options: ThrottleOptions) {
    super(options);
    const { burst, refillMs, debtMax = 0 } = options;
    this.#wider = WIDER_NETWORKS.map(({ bits, share }) => ({
      bits,
      throttle: new Throttle({
        ...options,
        burst: burst * share,
        refillMs: refillMs / share,
        debtMax: debtMax * share,
      }),
    }));
  }

  override waitMs(nowMs: number, key: string, units = 1): number {
    let waitMs = super.waitMs(nowMs, key, units);
    this.#each(key, (throttle, wider) => {
      waitMs = Math.max(waitMs, throttle.waitMs(nowMs, wider, units));
    });
    return waitMs;
  }

  override take(nowMs: number, key: string, units = 1): number {
    const waitMs = this.waitMs(nowMs, key, units);
    if (waitMs === 0) this.charge(nowMs, key, units);
    return waitMs;
  }

  override charge(nowMs: number, key: string, units = 1): number {
    const taken = super.charge(nowMs, key, units);
    this.#each(key, (throttle, wider) => throttle.charge(nowMs, wider, taken));
    return taken;
  }

  override refund(nowMs: number, key: string, units = 1): void {
    super.refund(nowMs, key, units);
    this.#each(key, (throttle, wider) => throttle.refund(nowMs, wider, units));
  }

  override takenElsewhere(nowMs: number, key: string, units: number): void {
    super.takenElsewhere(nowMs, key, units);
    this.#each(key, (throttle, wider) => throttle.takenElsewhere(nowMs, wider, units));
  }

  #each(key: string, act: (throttle: Throttle, wider: string) => void): void {
    for (const { bits, throttle } of this.#wider) {
      const wider = widerKey(key, bits);
      if (wider !== null) act(throttle, wider);
    }
  }
}

/**
 * What stands for a client's IP address in rate limits: an IPv4 address itself, of an IPv6 address
 * its /64 network, because one customer has at least that. Anything else stands for itself.
 */
export function addressKey(address: string): string {
  const text = address.slice(0, 64).toLowerCase();
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (mapped !== null) return mapped[1]!;
  if (!text.includes(":")) return text;
  const [head = "", tail] = text.split("%")[0]!.split("::", 2);
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  const groups = [...left, ...Array<string>(zeros).fill("0"), ...right];
  return groups.slice(0, 4).map((g) => (parseInt(g, 16) || 0).toString(16)).join(":") + "::/64";
}
