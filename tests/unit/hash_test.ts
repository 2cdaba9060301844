import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import fc from "fast-check";
import { equalBytes, hashOf, hmacOf, sha256 } from "../../server/auth/hash.ts";

Deno.test("equalBytes: only the same bytes of the same length", () => {
  const bytes = (...values: number[]) => Uint8Array.from(values);
  assert.ok(equalBytes(bytes(), bytes()));
  assert.ok(equalBytes(bytes(1, 2), bytes(1, 2)));
  assert.ok(!equalBytes(bytes(1, 2), bytes(1, 3)));
  assert.ok(!equalBytes(bytes(1, 2), bytes(0, 2)));
  assert.ok(!equalBytes(bytes(1), bytes(1, 0)));
  assert.ok(!equalBytes(bytes(1, 0), bytes(1)));
  assert.ok(!equalBytes(bytes(), bytes(0)));
});

Deno.test("hashOf, hmacOf: agree with node:crypto", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), fc.uint8Array(), (key, data) => {
    for (const [name, node] of [["SHA-256", "sha256"], ["SHA-1", "sha1"]] as const) {
      assert.deepEqual([...hashOf(name, data)], [...createHash(node).update(data).digest()]);
      const mac = createHmac(node, key).update(data).digest();
      assert.deepEqual([...hmacOf(name, key, data)], [...mac]);
    }
    assert.deepEqual(sha256(data), hashOf("SHA-256", data));
  }));
});
