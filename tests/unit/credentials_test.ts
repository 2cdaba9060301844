import assert from "node:assert/strict";
import type { Credentials } from "../../shard/ops.ts";
import { deriveCredentials, fakeKey, keyOf, passwordFits } from "../../server/auth/credentials.ts";
import { countingRandom, nameOf, syncKdf } from "./sign_in_fixture.ts";

const ports = { kdf: syncKdf, random: countingRandom() };
const secret = new Uint8Array(32).fill(7);

function derive(password: string, sha1: number | null): Credentials {
  let made: Credentials | undefined;
  deriveCredentials(ports, password, { sha256: 3, sha1 }, (credentials) => made = credentials);
  return made!;
}

Deno.test("deriveCredentials: each mechanism has its own salt, count and key length", () => {
  const { sha256, sha1 } = derive("pencil", 2);
  assert.equal(sha256.iterations, 3);
  assert.equal(sha1!.iterations, 2);
  assert.equal(sha256.salt.length, 16);
  assert.equal(sha1!.salt.length, 16);
  assert.notDeepEqual(sha256.salt, sha1!.salt);
  assert.deepEqual([sha256.storedKey.length, sha256.serverKey.length], [32, 32]);
  assert.deepEqual([sha1!.storedKey.length, sha1!.serverKey.length], [20, 20]);
  assert.notDeepEqual(derive("pencil", 2).sha256.storedKey, sha256.storedKey);
});

Deno.test("deriveCredentials: makes no SHA-1 key where it is disabled", () => {
  const credentials = derive("pencil", null);
  assert.equal(credentials.sha1, null);
  assert.equal(keyOf(credentials, "SCRAM-SHA-1"), null);
  assert.equal(keyOf(credentials, "SCRAM-SHA-256"), credentials.sha256);
});

Deno.test("passwordFits: only the password that the key was made of", () => {
  const { sha256 } = derive("pencil", null);
  const fits = (password: string) => {
    let answer: boolean | undefined;
    passwordFits(syncKdf, password, sha256, (f) => answer = f);
    return answer;
  };
  assert.equal(fits("pencil"), true);
  assert.equal(fits("Pencil"), false);
  assert.equal(fits("pencil "), false);
});

Deno.test("fakeKey: is stable per name, mechanism and secret, and shaped like a real key", () => {
  const real = derive("pencil", 2);
  const fake = fakeKey(secret, "SCRAM-SHA-256", nameOf("bob"), [3]);
  assert.deepEqual(fakeKey(secret, "SCRAM-SHA-256", nameOf("bob"), [3]), fake);
  assert.equal(fake.iterations, 3);
  assert.equal(fake.salt.length, real.sha256.salt.length);
  assert.equal(fake.storedKey.length, real.sha256.storedKey.length);
  assert.equal(fakeKey(secret, "SCRAM-SHA-1", nameOf("bob"), [3]).storedKey.length, 20);
  const others = [
    fakeKey(secret, "SCRAM-SHA-256", nameOf("bo"), [3]),
    fakeKey(secret, "SCRAM-SHA-1", nameOf("bob"), [3]),
    fakeKey(new Uint8Array(32), "SCRAM-SHA-256", nameOf("bob"), [3]),
  ];
  for (const other of others) assert.notDeepEqual(other.salt, fake.salt);
});

Deno.test("fakeKey: a new count changes only the names that take it, in a fair share", () => {
  const names = Array.from({ length: 600 }, (_, i) => nameOf(`user${i}`));
  const count = (name: string, counts: readonly number[]) =>
    fakeKey(secret, "SCRAM-SHA-256", nameOf(name), counts).iterations;
  let moved = 0;
  for (const name of names) {
    const before = count(name, [100_000, 4096]);
    const after = count(name, [200_000, 100_000, 4096]);
    if (after !== before) {
      assert.equal(after, 200_000);
      moved++;
    }
  }
  assert.ok(moved > 140 && moved < 260, `a third of 600 expected, got ${moved}`);
});
