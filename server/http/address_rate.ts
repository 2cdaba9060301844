/**
 * What clients of one address may ask for together: requests, connections, and what they cost in
 * vain. One bucket for all of it: nobody evades it by changing from one to the other. The networks
 * of an IPv6 address (/64, /56, /48) have one each.
 */
import type { Config } from "../config/config.ts";
import type { Counters } from "./counters.ts";
import type { Clock } from "../node/ports.ts";
import { addressKey, NetworkThrottle, type Throttle, throttleOptions } from "../auth/throttle.ts";
import { fail, type Failure } from "../../shard/errors.ts";

/** For how long an address can be shut out that goes on asking too much (s). */
const DEBT_SECONDS = 20;

/** See the head of this file. */
export interface AddressRate {
  /** The bucket, where each request over HTTP takes its own cost. */
  readonly throttle: Throttle;
  /** Whether anything is taken from the address now; takes nothing. */
  look(address: string): Failure | null;
  /** Whether a connection is taken from the address now; takes 1. */
  connect(address: string): Failure | null;
  /** Makes the address pay for as much as so many requests, up to 20 s of its rate in debt. */
  penalize(address: string, requests: number): void;
}

/** Makes the one bucket of a node. */
export function createAddressRate(
  { limits }: Pick<Config, "limits">,
  clock: Clock,
  { rateLimited }: Pick<Counters, "rateLimited">,
): AddressRate {
  const perSecond = limits.requestsPerAddressPerSecond;
  const throttle = new NetworkThrottle({
    ...throttleOptions({ perSecond, burst: limits.requestsPerAddressBurst }),
    debtMax: perSecond * DEBT_SECONDS,
  });
  const refusal = (waitMs: number, what: "address_requests" | "address_connections") => {
    if (waitMs === 0) return null;
    rateLimited[what]++;
    return fail("rate_limited", "Too many requests from this address", waitMs);
  };
  return {
    throttle,
    look: (address) =>
      refusal(throttle.waitMs(clock.monoMs(), addressKey(address)), "address_requests"),
    connect: (address) =>
      refusal(throttle.take(clock.monoMs(), addressKey(address)), "address_connections"),
    penalize(address, requests) {
      throttle.charge(clock.monoMs(), addressKey(address), requests);
    },
  };
}
