import assert from "node:assert/strict";
import fc from "fast-check";
import {
  closeFrame,
  type FrameHandler,
  FrameParser,
  PAYLOAD_BYTES_MAX,
  pongFrame,
  textFrame,
} from "../../server/load/frame.ts";
import { serverFrame } from "./load_fake.ts";

class Heard implements FrameHandler {
  readonly all: string[] = [];
  text(bytes: Uint8Array, from: number, to: number): void {
    this.all.push(new TextDecoder().decode(bytes.subarray(from, to)));
  }
  ping(payload: Uint8Array): void {
    this.all.push(`ping ${payload.join()}`);
  }
  close(code: number): void {
    this.all.push(`close ${code}`);
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

Deno.test("FrameParser finds the same messages however the bytes are cut", () => {
  const texts = fc.array(fc.string({ maxLength: 300 }), { minLength: 1, maxLength: 6 });
  const cuts = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 40 });
  fc.assert(fc.property(texts, cuts, (all, sizes) => {
    const bytes = joined(all.map((text) => serverFrame(text)));
    const parser = new FrameParser();
    const heard = new Heard();
    for (let at = 0, i = 0; at < bytes.length; i++) {
      const size = sizes[i % sizes.length]!;
      // A copy that is overwritten afterwards, as a socket's buffer is.
      const chunk = bytes.slice(at, at + size);
      assert.equal(parser.feed(chunk, heard), null);
      chunk.fill(0xff);
      at += size;
    }
    assert.deepEqual(
      heard.all,
      all.map((text) => new TextDecoder().decode(new TextEncoder().encode(text))),
    );
  }));
});

Deno.test("FrameParser takes messages of every length of length", () => {
  for (const length of [0, 125, 126, 65_535, 65_536, 200_000]) {
    const heard = new Heard();
    const text = "a".repeat(length);
    assert.equal(new FrameParser().feed(serverFrame(text), heard), null);
    assert.deepEqual(heard.all, [text]);
  }
});

Deno.test("FrameParser joins fragments, lets control frames come between, and tells closes", () => {
  const heard = new Heard();
  const parser = new FrameParser();
  const bytes = joined([
    serverFrame("one ", 0x01),
    new Uint8Array([0x89, 2, 7, 8]),
    serverFrame("two ", 0x00),
    serverFrame("three", 0x80),
    new Uint8Array([0x88, 2, 0x03, 0xe9]),
    new Uint8Array([0x88, 0]),
  ]);
  assert.equal(parser.feed(bytes, heard), null);
  assert.deepEqual(heard.all, ["ping 7,8", "one two three", "close 1001", "close 1005"]);
});

Deno.test("FrameParser refuses what no server may send", () => {
  const bad: readonly (readonly number[])[] = [
    [0xc1, 0],
    [0x81, 0x80, 0, 0, 0, 0],
    [0x83, 0],
    [0x80, 0],
    [0x81, 127, 0, 0, 0, 1, 0, 0, 0, 0],
    [0x01, 1, 97, 0x01, 1, 97],
  ];
  for (const bytes of bad) {
    const fault = new FrameParser().feed(new Uint8Array(bytes), new Heard());
    assert.equal(typeof fault, "string", bytes.join());
  }
  assert.ok(PAYLOAD_BYTES_MAX < 2 ** 32);
});

/** A client frame as a server reads it: opcode and unmasked payload. */
function unmask(frame: string): { readonly opcode: number; readonly payload: string } {
  const byte = (i: number) => frame.charCodeAt(i);
  assert.equal(byte(1) & 0x80, 0x80, "client frames are masked");
  let length = byte(1) & 0x7f;
  let at = 2;
  if (length >= 126) {
    const bytes = length === 126 ? 2 : 8;
    length = 0;
    for (let i = 0; i < bytes; i++) length = length * 256 + byte(at++);
  }
  const mask = frame.slice(at, at + 4);
  const payload = frame.slice(at + 4);
  assert.equal(payload.length, length);
  const text = [...payload].map((c, i) =>
    String.fromCharCode(c.charCodeAt(0) ^ mask.charCodeAt(i % 4))
  );
  return { opcode: byte(0), payload: text.join("") };
}

Deno.test("textFrame writes masked frames of bytes that carry any JSON", () => {
  const body = fc.oneof(fc.string({ unit: "grapheme" }), fc.string({ unit: "binary" }));
  fc.assert(fc.property(body, (text) => {
    const { opcode, payload } = unmask(textFrame(JSON.stringify({ text })));
    assert.equal(opcode, 0x81);
    assert.ok([...payload].every((c) => c.charCodeAt(0) < 0x80));
    assert.deepEqual(JSON.parse(payload), { text: JSON.parse(JSON.stringify(text)) });
  }));
  for (const length of [125, 126, 65_535, 65_536]) {
    assert.equal(unmask(textFrame("x".repeat(length))).payload.length, length);
  }
  assert.deepEqual(unmask(pongFrame(new Uint8Array([1, 255]))), {
    opcode: 0x8a,
    payload: "\x01\xff",
  });
  assert.deepEqual(unmask(closeFrame()), { opcode: 0x88, payload: "\x03\xe8" });
});
