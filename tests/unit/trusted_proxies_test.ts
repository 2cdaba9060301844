import assert from "node:assert/strict";
import { parseCidr } from "../../server/config/address.ts";
import { TrustedProxies } from "../../server/http/trusted_proxies.ts";

const proxies = new TrustedProxies(["10.0.0.0/8", "2001:db8::/32"].map((t) => parseCidr(t)!));

const CASES: readonly [peer: string, forwarded: string | undefined, client: string][] = [
  // Nobody forwards.
  ["192.0.2.1", undefined, "192.0.2.1"],
  ["10.0.0.1", undefined, "10.0.0.1"],
  ["10.0.0.1", "", "10.0.0.1"],
  // Who is not trusted says nothing about others.
  ["192.0.2.1", "198.51.100.7", "192.0.2.1"],
  ["11.0.0.1", "198.51.100.7", "11.0.0.1"],
  // The last address that is no trusted proxy's: what stands before it is only claimed.
  ["10.0.0.1", "198.51.100.7", "198.51.100.7"],
  ["10.0.0.1", "203.0.113.9, 198.51.100.7", "198.51.100.7"],
  ["10.0.0.1", "203.0.113.9,198.51.100.7 , 10.9.9.9", "198.51.100.7"],
  ["10.0.0.1", "10.0.0.2, 10.0.0.3", "10.0.0.2"],
  // What is no address ends the chain.
  ["10.0.0.1", "unknown", "10.0.0.1"],
  ["10.0.0.1", "198.51.100.7, unknown, 10.0.0.2", "10.0.0.2"],
  ["10.0.0.1", "198.51.100.7:4711", "10.0.0.1"],
  // IPv6, and IPv4 in it.
  ["2001:db8::1", "2001:db9::2", "2001:db9::2"],
  ["::ffff:10.0.0.1", "::ffff:198.51.100.7", "198.51.100.7"],
  ["::ffff:192.0.2.1", "198.51.100.7", "192.0.2.1"],
];

for (const [peer, forwarded, client] of CASES) {
  Deno.test(`TrustedProxies takes ${client} for the client of ${peer} for ${forwarded}`, () => {
    assert.equal(proxies.clientOf(peer, forwarded), client);
  });
}

Deno.test("TrustedProxies without ranges trusts nobody", () => {
  const none = new TrustedProxies([]);
  assert.equal(none.clientOf("127.0.0.1", "198.51.100.7"), "127.0.0.1");
  assert.equal(none.trusts("127.0.0.1"), false);
});
