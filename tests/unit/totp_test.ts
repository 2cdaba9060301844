import assert from "node:assert/strict";
import type { AccountId } from "../../shard/name/ids.ts";
import { appCode, fromBase32, hotp } from "./totp_code.ts";
import { countingRandom } from "./sign_in_fixture.ts";
import {
  isTotpCode,
  newTotpSecret,
  totpSecret,
  totpSetup,
  totpStep,
} from "../../server/auth/totp.ts";
import {
  newRecoveryCodes,
  RECOVERY_CODES,
  recoveryHash,
} from "../../server/auth/recovery_codes.ts";

const utf8 = new TextEncoder();

Deno.test("totpStep: takes the codes of RFC 6238, appendix B, and of RFC 4226, appendix D", () => {
  const secret = utf8.encode("12345678901234567890");
  const counts = ["755224", "287082", "359152", "969429", "338314"];
  assert.deepEqual(counts.map((_, i) => hotp(secret, i)), counts);
  const times = { 59: "287082", 1111111109: "081804", 1234567890: "005924", 2000000000: "279037" };
  for (const [seconds, code] of Object.entries(times)) {
    const nowMs = Number(seconds) * 1000;
    assert.equal(totpStep(secret, code, nowMs), Math.floor(Number(seconds) / 30), code);
  }
});

Deno.test("totpStep: takes the codes of three steps, and says of which one it is", () => {
  const secret = newTotpSecret((count) => countingRandom().bytes(count));
  const { secret: text } = totpSetup(secret, { domain: "example.com", user: "ann" });
  assert.deepEqual(fromBase32(text), secret);
  assert.deepEqual(totpSecret(text), secret);
  const nowMs = 1_700_000_012_000;
  const step = Math.floor(nowMs / 30_000);
  const steps = [-2, -1, 0, 1, 2].map((off) => totpStep(secret, appCode(text, nowMs, off), nowMs));
  assert.deepEqual(steps, [null, step - 1, step, step + 1, null]);
  for (const text of ["", "12345", "1234567", "abcdef", "１２３４５６"]) {
    assert.equal(isTotpCode(text), false, text);
  }
});

Deno.test("totpSetup: names server and user in the address that apps read", () => {
  const { secret, uri } = totpSetup(new Uint8Array(20), { domain: "example.com", user: "ünï" });
  const url = new URL(uri);
  assert.equal(url.protocol, "otpauth:");
  assert.equal(decodeURIComponent(url.pathname.split("/").at(-1)!), "example.com:ünï");
  assert.equal(url.searchParams.get("secret"), secret);
  assert.equal(url.searchParams.get("issuer"), "example.com");
});

Deno.test("recovery codes differ, are of one account, and are read however they are written", () => {
  const id = "account-number-1" as AccountId;
  const codes = newRecoveryCodes(countingRandom());
  assert.equal(new Set(codes).size, RECOVERY_CODES);
  for (const code of codes) assert.match(code, /^[a-km-np-z2-9]{4}(-[a-km-np-z2-9]{4}){3}$/);
  const [code = ""] = codes;
  const hash = recoveryHash(id, code);
  assert.deepEqual(recoveryHash(id, ` ${code.toUpperCase().replaceAll("-", " ")}\n`), hash);
  assert.notDeepEqual(recoveryHash("account-number-2" as AccountId, code), hash);
  assert.notDeepEqual(recoveryHash(id, codes[1]!), hash);
  for (const text of ["", "123456", code.slice(1), `${code}a`, code.replace(/^./, "l")]) {
    assert.equal(recoveryHash(id, text), null, text);
  }
});
