import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import fc from "fast-check";
import { PING, plainFrames, PONG, TEXT } from "../../server/v1/ws_plain.ts";
import { masked } from "../scenario/raw_socket.ts";

const BYTES_MAX = 5000;
const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 300 }),
  fc.constantFrom("", "x".repeat(125), "x".repeat(126), "é".repeat(400), "x".repeat(BYTES_MAX)),
);
const control = fc.uint8Array({ maxLength: 125 }).map((bytes) => Buffer.from(bytes));
const frame = fc.oneof(
  text.map((t) => ({ first: TEXT, payload: Buffer.from(t) } as const)),
  control.map((payload) => ({ first: PING, payload } as const)),
  control.map((payload) => ({ first: PONG, payload } as const)),
).filter(({ payload }) => payload.length <= BYTES_MAX);

Deno.test("9 C3: plainFrames reads whole plain frames, and nothing where one is cut", () => {
  fc.assert(
    fc.property(fc.array(frame, { minLength: 1, maxLength: 6 }), fc.nat(), (frames, cut) => {
      const parts = frames.map(({ first, payload }) => masked(first & 15, payload));
      const bytes = Buffer.concat(parts);
      const before = bytes.toString("hex");
      assert.deepEqual(plainFrames(bytes, BYTES_MAX), frames);
      const ends = parts.map((_, i) => Buffer.concat(parts.slice(0, i + 1)).length);
      const at = cut % bytes.length;
      const whole = at === 0 || ends.includes(at);
      const found = plainFrames(bytes.subarray(0, at), BYTES_MAX);
      assert.equal(found !== null, whole, `${at} of ${bytes.length}`);
      assert.equal(bytes.toString("hex"), before, "the bytes are as they were");
    }),
  );
});

const hello = Buffer.from("hello");
const OTHERS: readonly (readonly [string, Buffer])[] = [
  ["binary", masked(2, hello)],
  ["a fragment", masked(1, hello, 0x01)],
  ["a continuation", masked(0, hello)],
  ["a close frame", masked(8, Buffer.from([3, 232]))],
  ["a reserved bit", masked(1, hello, 0xc1)],
  ["not masked", Buffer.from([TEXT, 5, ...hello])],
  ["no UTF-8", masked(1, Buffer.from([0xc3, 0x28]))],
  ["half a character", masked(1, Buffer.from([0xe2, 0x82]))],
  ["a long ping", masked(9, Buffer.alloc(126))],
  ["a text of 65,536 bytes", masked(1, Buffer.alloc(65_536, 0x61))],
  ["a text over the limit", masked(1, Buffer.alloc(BYTES_MAX + 1, 0x61))],
  [
    "a length in more bytes than it needs",
    Buffer.from([TEXT, 0xfe, 0, 5, 0, 0, 0, 0, ...hello]),
  ],
];

for (const [what, bytes] of OTHERS) {
  Deno.test(`9 C3: plainFrames leaves ${what} to ws, with what comes before and behind`, () => {
    const plain = masked(1, hello);
    assert.equal(plainFrames(bytes, BYTES_MAX), null);
    assert.equal(plainFrames(Buffer.concat([plain, bytes, plain]), BYTES_MAX), null);
  });
}
