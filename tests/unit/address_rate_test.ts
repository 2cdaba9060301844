import { deepEqual, equal } from "node:assert/strict";
import { createCounters } from "../../server/http/counters.ts";
import { createAddressRate } from "../../server/http/address_rate.ts";
import { configOf } from "../../server/config/config.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

function rate() {
  const time = new VirtualTime();
  const counters = createCounters();
  const config = configOf("/data", {
    "limits.requestsPerAddressPerSecond": "10",
    "limits.requestsPerAddressBurst": "10",
  });
  const addresses = createAddressRate(config, time.global.clock, counters);
  return { time, addresses, limited: counters.rateLimited };
}

Deno.test("AddressRate: connections take from the bucket that requests take from", () => {
  const { addresses, time, limited } = rate();
  for (let i = 0; i < 9; i++) equal(addresses.connect("192.0.2.1"), null);
  equal(addresses.throttle.take(time.global.clock.monoMs(), "192.0.2.1", 1), 0);
  const refused = addresses.connect("192.0.2.1");
  deepEqual([refused?.code, refused?.retryAfterMs], ["rate_limited", 100]);
  equal(addresses.look("192.0.2.1")?.code, "rate_limited");
  equal(addresses.connect("192.0.2.2"), null);
  deepEqual([limited.address_connections, limited.address_requests], [1, 1]);
});

Deno.test("AddressRate.look takes nothing", () => {
  const { addresses } = rate();
  for (let i = 0; i < 100; i++) equal(addresses.look("192.0.2.1"), null);
});

Deno.test("AddressRate.penalize shuts an address out, for 20 s at most", () => {
  const { addresses, time } = rate();
  addresses.penalize("192.0.2.1", 1_000_000);
  equal(addresses.look("192.0.2.1")?.retryAfterMs, 20_100);
  time.runFor(20_000);
  equal(addresses.look("192.0.2.1")?.retryAfterMs, 100);
  time.runFor(100);
  equal(addresses.look("192.0.2.1"), null);
});
