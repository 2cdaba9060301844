import assert from "node:assert/strict";
import fc from "fast-check";
import { ByteReader, ByteWriter, CorruptBytes } from "../../shard/record/bytes.ts";
import { decodeFrame, encodeFrame } from "../../server/peer/frames.ts";
import { DEPTH_MAX, value } from "../../server/peer/value.ts";
import { PEER_SAMPLES } from "./peer_samples.ts";

const NOW_MS = 1_000_000;

Deno.test("every kind of frame is read as it was written", () => {
  for (const frame of PEER_SAMPLES) {
    assert.deepEqual(decodeFrame(encodeFrame(frame, NOW_MS), NOW_MS), frame);
  }
});

Deno.test("what began so long ago at the sender began as long ago at the recipient", () => {
  const packet = PEER_SAMPLES.find((f) => f.kind === "edge" && f.packet.kind === "events")!;
  assert.ok(packet.kind === "edge" && packet.packet.kind === "events");
  const sent = { ...packet, packet: { ...packet.packet, sinceMs: NOW_MS - 40 } };
  const read = decodeFrame(encodeFrame(sent, NOW_MS), 5000);
  assert.ok(read?.kind === "edge" && read.packet.kind === "events");
  assert.equal(read.packet.sinceMs, 5000 - 40);
});

Deno.test("a kind that is not known is skipped", () => {
  assert.equal(decodeFrame(new Uint8Array([200, 1, 2, 3]), NOW_MS), null);
});

Deno.test("bytes that are no frame are refused, and nothing else is thrown", () => {
  const refused = (bytes: Uint8Array) => {
    try {
      decodeFrame(bytes, NOW_MS);
    } catch (error) {
      assert.ok(error instanceof CorruptBytes, String(error));
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), refused), { numRuns: 2000 });
  for (const frame of PEER_SAMPLES) {
    const bytes = encodeFrame(frame, NOW_MS);
    for (let cut = 0; cut < bytes.length; cut++) {
      assert.throws(() => decodeFrame(bytes.subarray(0, cut), NOW_MS), CorruptBytes);
      refused(bytes.with(cut, bytes[cut]! ^ 0x15));
    }
    assert.throws(() => decodeFrame(new Uint8Array([...bytes, 0]), NOW_MS), CorruptBytes);
  }
});

const plain: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  any: fc.oneof(
    { depthSize: "small", maxDepth: 6 },
    fc.constant(null),
    fc.boolean(),
    fc.integer(),
    fc.double({ noNaN: true }),
    fc.string({ unit: "binary" }).map((s) => s.toWellFormed()),
    fc.uint8Array(),
    fc.array(tie("any"), { maxLength: 4 }),
    fc.dictionary(
      fc.string({ minLength: 1, maxLength: 5 }).filter((k) => k !== "__proto__"),
      tie("any"),
      {
        maxKeys: 4,
        noNullPrototype: true,
      },
    ),
  ),
})).any;

Deno.test("plain values of any shape are read as they were written", () => {
  const schema = value<unknown>();
  fc.assert(fc.property(plain, (given) => {
    const w = new ByteWriter();
    schema.write(w, given);
    const r = new ByteReader(w.take());
    assert.deepEqual(schema.read(r), given);
    assert.ok(r.done);
  }));
});

Deno.test("a value that is too deep is neither written nor read", () => {
  let deep: unknown = 1;
  for (let i = 0; i < DEPTH_MAX + 2; i++) deep = [deep];
  assert.throws(() => value<unknown>().write(new ByteWriter(), deep), RangeError);
  const bytes = new Uint8Array(2 * DEPTH_MAX + 10).map((_, i) => i % 2 === 0 ? 7 : 1);
  assert.throws(() => value<unknown>().read(new ByteReader(bytes)), CorruptBytes);
});
