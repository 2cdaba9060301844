import assert from "node:assert/strict";
import fc from "fast-check";
import {
  cidrContains,
  formatBind,
  isLoopback,
  parseBind,
  parseCidr,
  parseIp,
} from "../../server/config/address.ts";
import { editDistance, nearest } from "../../server/config/nearest.ts";

Deno.test("parseIp reads the same address from all its spellings", () => {
  const same = [
    ["2001:db8::1", "2001:0DB8:0:0:0:0:0:1", "2001:db8:0::0:1", "2001:db8::0.0.0.1"],
    ["10.1.2.3", "::ffff:10.1.2.3", "::ffff:a01:203"],
    ["fe80::1", "fe80::1%eth0"],
    ["::", "0:0:0:0:0:0:0:0"],
  ];
  for (const [first, ...others] of same) {
    for (const other of others) assert.deepEqual(parseIp(other), parseIp(first!), other);
    assert.ok(parseIp(first!) !== null, first!);
  }
});

Deno.test("parseIp refuses what is no address", () => {
  const bad = ["", "1.2.3", "1.2.3.4.5", "01.2.3.4", "256.1.1.1", "1::2::3", "1:2:3:4:5:6:7"];
  const worse = [
    "1:2:3:4:5:6:7:8:9",
    "::12345",
    "::g",
    ":::",
    "::1.2.3",
    "1:2:3:4:5:6:7::8",
    "a.b",
  ];
  for (const text of [...bad, ...worse]) assert.equal(parseIp(text), null, text);
});

Deno.test("parseIp reads every IPv6 address that a URL does, and to the same bytes", () => {
  fc.assert(fc.property(fc.ipV6(), (text) => {
    const bytes = parseIp(text);
    assert.ok(bytes !== null, text);
    const groups = Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! << 8 | bytes[2 * i + 1]!));
    const written = groups.map((value) => value.toString(16)).join(":");
    assert.equal(new URL(`http://[${written}]`).hostname, new URL(`http://[${text}]`).hostname);
  }));
});

Deno.test("cidrContains compares as many bits as the range fixes", () => {
  const contains = (range: string, address: string) => cidrContains(parseCidr(range)!, address);
  assert.ok(contains("10.0.0.0/8", "10.255.0.1"));
  assert.ok(contains("10.0.0.0/8", "::ffff:10.0.0.1"));
  assert.ok(!contains("10.0.0.0/8", "11.0.0.1"));
  assert.ok(contains("192.168.4.0/22", "192.168.7.255"));
  assert.ok(!contains("192.168.4.0/22", "192.168.8.0"));
  assert.ok(contains("fd00::/9", "fd7f::1"));
  assert.ok(!contains("fd00::/9", "fd80::1"));
  assert.ok(contains("127.0.0.1", "127.0.0.1"));
  assert.ok(!contains("127.0.0.1", "127.0.0.2"));
  assert.ok(contains("0.0.0.0/0", "8.8.8.8"));
  assert.ok(!contains("0.0.0.0/0", "2001:db8::1"));
  assert.ok(contains("::/0", "8.8.8.8"));
  assert.ok(!contains("10.0.0.0/8", "unknown"));
});

Deno.test("parseCidr refuses lengths beyond the address", () => {
  for (const text of ["10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/8/8", "10.0.0.0/-1", "/8"]) {
    assert.equal(parseCidr(text), null, text);
  }
});

Deno.test("parseBind and formatBind are inverse", () => {
  for (const text of ["127.0.0.1:0", "[::1]:8420", "[::]:65535", "localhost:1", "chat.example:1"]) {
    const bind = parseBind(text);
    assert.ok(bind !== null, text);
    assert.equal(formatBind(bind), text);
  }
  for (const text of [":80", "::1:80", "[::1]", "host:", "host:65536", "a b:1", "[1.2.3.4]:1"]) {
    assert.equal(parseBind(text), null, text);
  }
});

Deno.test("parseBind refuses what looks like an address and is none, and names that none can have", () => {
  for (
    const host of ["300.1.1.1", "1.2.3", "1.2.3.4.5", "0127.0.0.1", "80", "host.1", "1.2.3.4."]
  ) {
    assert.equal(parseBind(`${host}:99`), null, host);
  }
  for (
    const host of ["-a", "a..b", "a-.b", "*", "x".repeat(64), "a".repeat(63).concat(".a").repeat(4)]
  ) {
    assert.equal(parseBind(`${host}:99`), null, host);
  }
  for (const host of ["1.example", "a_b", "LocalHost", "chat.example.org.", "0.0.0.0"]) {
    assert.equal(parseBind(`${host}:99`)?.host, host);
  }
});

Deno.test("isLoopback knows loopback addresses however they are written", () => {
  for (const host of ["127.0.0.1", "127.255.0.1", "::1", "::ffff:127.0.0.1", "LocalHost"]) {
    assert.ok(isLoopback(host), host);
  }
  for (const host of ["0.0.0.0", "::", "128.0.0.1", "10.0.0.1", "localhost.example", ""]) {
    assert.ok(!isLoopback(host), host);
  }
});

Deno.test("editDistance counts insertions, deletions, changes and swaps", () => {
  const rows: readonly (readonly [string, string, number])[] = [
    ["", "", 0],
    ["", "abc", 3],
    ["max", "mxa", 1],
    ["kitten", "sitting", 3],
    ["graceMs", "graceMs", 0],
  ];
  for (const [a, b, distance] of rows) {
    assert.equal(editDistance(a, b), distance, `${a} ${b}`);
    assert.equal(editDistance(b, a), distance, `${b} ${a}`);
  }
});

Deno.test("nearest suggests what is close and nothing else", () => {
  const keys = ["limits.rosterMax", "presence.graceMs", "log.level"];
  assert.equal(nearest("limits.rooster_max", keys), "limits.rosterMax");
  assert.equal(nearest("graceMs", keys), "presence.graceMs");
  assert.equal(nearest("limits.graceMs", keys), "presence.graceMs");
  assert.equal(nearest("log.levle", keys), "log.level");
  assert.equal(nearest("log.colour", keys), null);
  assert.equal(nearest("x", keys), null);
});
