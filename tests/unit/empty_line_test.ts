import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { emptyLine } from "../../server/http/empty_line.ts";

Deno.test("emptyLine finds what indexOf finds", () => {
  const text = fc.array(fc.constantFrom("\r", "\n", "a", "\r\n", "\r\n\r\n"), { maxLength: 40 });
  fc.assert(fc.property(text, fc.nat(20), (parts, from) => {
    const bytes = Buffer.from(parts.join(""));
    assert.equal(emptyLine(bytes, from), bytes.indexOf("\r\n\r\n", from));
  }));
});
