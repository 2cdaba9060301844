import assert from "node:assert/strict";
import { isPublicIp, parseTarget } from "../../server/config/target.ts";
import { mintSecret, signatureHeaders, verifySignature } from "../../server/gateway/sign.ts";
import { Prng, simRandom } from "../sim/prng.ts";

Deno.test("isPublicIp knows private, shared, local, documentation and mapped addresses", () => {
  for (
    const address of [
      "127.0.0.1",
      "10.1.2.3",
      "172.31.0.1",
      "192.168.1.1",
      "169.254.169.254",
      "100.64.0.1",
      "0.0.0.0",
      "224.0.0.1",
      "255.255.255.255",
      "::1",
      "::",
      "fe80::1",
      "fd00::1",
      "ff02::1",
      "::ffff:127.0.0.1",
      "::ffff:10.0.0.1",
      "64:ff9b::7f00:1",
      "2001:db8::1",
      "2002:7f00:1::",
      "not an address",
    ]
  ) assert.equal(isPublicIp(address), false, address);
  for (const address of ["8.8.8.8", "::ffff:8.8.8.8", "2606:4700::1111", "172.32.0.1"]) {
    assert.equal(isPublicIp(address), true, address);
  }
});

const PUBLIC = { privateToo: false, ports: [] };

Deno.test("parseTarget takes http and https alone, without credentials, fragment or private host", () => {
  for (
    const url of [
      "ftp://example.org/",
      "file:///etc/passwd",
      "https://user:secret@example.org/",
      "https://example.org/#part",
      "http://localhost/",
      "http://printer.local/",
      "http://db.internal/",
      "http://intranet/",
      "http://127.0.0.1/",
      "http://2130706433/",
      "http://0x7f.1/",
      "http://[::1]/",
      "http://[::ffff:127.0.0.1]/",
      "not a url",
      `https://example.org/${"x".repeat(3000)}`,
    ]
  ) assert.equal(parseTarget(url, PUBLIC).ok, false, url);
  const target = parseTarget("https://example.org/hook?a=1", PUBLIC);
  assert.deepEqual(target.ok && target.value, {
    url: "https://example.org/hook?a=1",
    tls: true,
    host: "example.org",
    port: 443,
    path: "/hook?a=1",
  });
  const local = parseTarget("http://[::1]:8080/hook", { privateToo: true, ports: [] });
  assert.deepEqual(local.ok && [local.value.host, local.value.port], ["::1", 8080]);
});

Deno.test("10.12: parseTarget refuses ports of other protocols than HTTP unless they are allowed", () => {
  const at = (port: number, ports: readonly number[] = []) =>
    parseTarget(`http://example.org:${port}/`, { privateToo: false, ports });
  for (const port of [0, 1, 22, 25, 53, 110, 587, 993, 1023, 2049, 5060, 6379, 6667, 10_080]) {
    const refused = at(port);
    assert.match(refused.ok ? "" : refused.message, /gateway\.webhookPorts/, String(port));
  }
  for (const port of [80, 443, 1024, 3000, 8080, 8443, 49_152]) {
    assert.ok(at(port).ok, String(port));
  }
  assert.ok(at(25, [587, 25]).ok);
});

Deno.test("signatureHeaders are those of Standard Webhooks' own example", () => {
  const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  const signed = {
    id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
    timestamp: 1_614_265_330,
    body: '{"test": 2432232314}',
  };
  const headers = signatureHeaders(secret, signed);
  const signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
  assert.equal(headers["webhook-signature"], signature);
  assert.ok(verifySignature(secret, signed, `v1,AAAA ${signature}`));
  assert.ok(!verifySignature(secret, { ...signed, body: "{}" }, signature));
  assert.ok(!verifySignature(secret, { ...signed, timestamp: 1 }, signature));
  assert.ok(!verifySignature(mintSecret(simRandom(new Prng(1))), signed, signature));
});
