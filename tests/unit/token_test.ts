import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeBase64Url } from "byte-encodings/base64url";
import { parseName } from "../../shard/name/name.ts";
import {
  hashToken,
  inviteName,
  looksLikeToken,
  mintInvite,
  mintToken,
  parseToken,
} from "../../server/auth/token.ts";
import { countingRandom, nameOf } from "./sign_in_fixture.ts";

const tail = "A".repeat(43);
const tokenFor = (name: string) => `rt1_${encodeBase64Url(new TextEncoder().encode(name))}_${tail}`;

Deno.test("mintToken: has the documented form and 256 fresh random bits", () => {
  const random = countingRandom();
  const token = mintToken(nameOf("bob"), random);
  assert.match(token, /^rt1_Ym9i_[A-Za-z0-9_-]{43}$/);
  assert.notEqual(mintToken(nameOf("bob"), random), token);
});

Deno.test("parseToken: finds the name in whatever mintToken made", () => {
  const random = countingRandom();
  for (const name of ["bob", "a", "b\u00fccher", "\u05d0\u05d1", "?".repeat(256), "a_b-c"]) {
    const token = mintToken(nameOf(name), random);
    assert.ok(looksLikeToken(token));
    assert.equal(parseToken(token), name);
  }
});

Deno.test("parseToken: refuses what mintToken cannot have made", () => {
  assert.equal(parseToken(tokenFor("bob")), "bob");
  const bad = [
    "",
    "rt1_",
    tokenFor("Bob"),
    tokenFor("foo bar"),
    tokenFor("\ufeffbob"),
    tokenFor("/invite/x"),
    tokenFor("a".repeat(257)),
    `rt1_Ym9_${tail}`, // "bo" with unused bits set
    `rt1_gICA_${tail}`, // no UTF-8
    `rt1_A_${tail}`, // no base64
    `rt2_Ym9i_${tail}`,
    `rt1_Ym9i_${tail}A`.replace("_Ym9i", "_Ym9i="),
    `rt1_Ym9i_${tail.slice(1)}`,
    ` ${tokenFor("bob")}`,
    `${tokenFor("bob")}\n`,
  ];
  for (const text of bad) assert.equal(parseToken(text), null, JSON.stringify(text));
});

Deno.test("parseToken: never throws, and its names are normalised", () => {
  const parts = fc.string({ unit: fc.constantFrom(..."Ym9i_-AZz"), maxLength: 20 });
  fc.assert(fc.property(parts, (part) => {
    const name = parseToken(`rt1_${part}_${tail}`);
    if (name !== null) assert.equal(parseName(name), name);
  }));
});

Deno.test("hashToken: is SHA-256 of the whole text", () => {
  const hex = [...hashToken("abc")].map((b) => b.toString(16).padStart(2, "0")).join("");
  assert.equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  assert.notDeepEqual(hashToken(tokenFor("bob")), hashToken(tokenFor("bo")));
});

Deno.test("inviteName: keeps a code under a reserved name that tells nothing about it", () => {
  const random = countingRandom();
  const code = mintInvite(random);
  assert.match(code, /^ri1_[A-Za-z0-9_-]{22}$/);
  const name = inviteName(code)!;
  assert.match(name, /^\/invite\/[A-Za-z0-9_-]{43}$/);
  assert.equal(inviteName(code), name);
  assert.notEqual(inviteName(mintInvite(random)), name);
  assert.equal(parseName(name), null, "no user can have it");
  for (const bad of ["", "ri1_", code + "A", code.slice(0, -1), code.replace("ri1", "ri2")]) {
    assert.equal(inviteName(bad), null, bad);
  }
});
