/** Hostile bytes for the links between nodes: their frames, their handshake, and what splits them. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { decodeFrame, encodeFrame } from "../../server/peer/frames.ts";
import { decodeHello, encodeHello } from "../../server/peer/handshake.ts";
import { hostile, readOrCorrupt, runs } from "./hostile_bytes.ts";
import { LinkSide, NOW_MS, sized } from "../unit/link_side.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import { PEER_VERSIONS } from "../../server/peer/versions.ts";
import { PEER_SAMPLES } from "../unit/peer_samples.ts";

/** Two sides that have opened their link. */
function opened(newest = PEER_VERSIONS.newest): readonly [LinkSide, LinkSide] {
  const versions = { oldest: 1, newest };
  const [a, b] = [new LinkSide("dialler"), new LinkSide("listener", { versions })];
  for (let turns = 0; turns < 4; turns++) {
    for (const [from, to] of [[a, b], [b, a]] as const) {
      for (const bytes of from.said()) to.take(bytes);
    }
  }
  ok(a.open && b.open);
  return [a, b];
}

const samples = PEER_SAMPLES.map((frame) => encodeFrame(frame, NOW_MS));
const valid = fc.constantFrom(...samples);
const hello = encodeHello({
  versions: PEER_VERSIONS,
  cell: "example.org",
  node: { id: "node00000000000a" as NodeId, incarnation: 3 },
  address: "10.0.0.1:8422",
  nonce: new Uint8Array(32),
});

Deno.test("11: hostile frames between nodes are refused, or read as frames that can be written", () => {
  fc.assert(
    fc.property(hostile(valid), (bytes) => {
      const frame = readOrCorrupt(() => decodeFrame(bytes, NOW_MS));
      if (frame !== null) ok(frame.kind.length > 0);
    }),
    runs(4000),
  );
});

Deno.test("11: hostile hellos are refused, or say what a node can say", () => {
  fc.assert(
    fc.property(hostile(fc.constant(hello)), (bytes) => {
      const read = readOrCorrupt(() => decodeHello(bytes));
      if (read === null) return;
      equal(read.nonce.length, 32);
      ok(read.versions.newest >= read.versions.oldest);
    }),
    runs(2000),
  );
});

Deno.test("11: bytes before a handshake never open a link, however they are split", () => {
  const before = hostile(fc.constant(Buffer.concat([sized(hello), sized(new Uint8Array(32))])));
  fc.assert(
    fc.property(before, fc.nat(40), (bytes, at) => {
      const side = new LinkSide("listener");
      side.take(bytes.subarray(0, at));
      side.take(bytes.subarray(at));
      ok(!side.open);
      deepEqual(side.frames, []);
      if (side.refusal !== null) ok(side.socket.destroyed);
    }),
    runs(1000),
  );
});

Deno.test("11: hostile bytes behind a handshake end the link, or are frames; others before them count", () => {
  const [, b] = opened();
  let side = b;
  fc.assert(
    fc.property(hostile(valid), fc.array(fc.nat(60), { maxLength: 4 }), (bytes, cuts) => {
      if (side.refusal !== null) side = opened()[1];
      const before = side.frames.length;
      const all = Buffer.concat([sized(samples[0]!), sized(bytes)]);
      let from = 0;
      for (const cut of [...cuts.sort((x, y) => x - y), all.length]) {
        side.take(all.subarray(from, cut));
        from = Math.max(from, cut);
      }
      deepEqual(side.frames[before], PEER_SAMPLES[0]);
      if (side.refusal !== null) equal(side.refusal.cause, "stranger");
    }),
    runs(2000),
  );
});

Deno.test("11: a length beyond the limit ends the link at once, and no memory is kept for it", () => {
  for (const [version, limit] of [[1, 4], [2, 64]] as const) {
    const [, b] = opened(version);
    const head = Buffer.alloc(4);
    head.writeUInt32BE(limit * 1024 * 1024 + 1);
    b.take(head);
    deepEqual(
      b.refusal?.why,
      `a frame of ${limit * 1024 * 1024 + 1} bytes, limit is ${limit * 1024 * 1024}`,
    );
    ok(b.socket.destroyed);
  }
});

Deno.test("11: a reply that is too long for a link becomes an error, and other frames are not sent", () => {
  const [a, b] = opened(1);
  const long = { roster: Array.from({ length: 70_000 }, (_, i) => `contact ${i} `.repeat(6)) };
  const result = { ok: true, value: long } as never;
  a.link.send({ kind: "reply", asked: 9, op: "mailbox.snapshot", result });
  a.link.send({ kind: "call", asked: 9, call: { kind: "move", shard: 1, to: long as never } });
  a.link.send({ kind: "table", version: 3 });
  for (const bytes of a.said()) b.take(bytes);
  equal(b.refusal, null);
  const [reply, table, ...rest] = b.frames;
  ok(reply?.kind === "reply" && !reply.result.ok && reply.result.code === "too_large");
  deepEqual([table, rest], [{ kind: "table", version: 3 }, []]);
  deepEqual(a.lines.lines.map(({ event }) => event), Array(2).fill("frame too long for a link"));
  // Of version 2 on, there is room for the snapshots of large accounts.
  const [c, d] = opened();
  c.link.send({ kind: "reply", asked: 9, op: "mailbox.snapshot", result });
  const whole = Buffer.concat(c.said());
  for (let at = 0; at < whole.length; at += 65_536) d.take(whole.subarray(at, at + 65_536));
  deepEqual(d.frames, [{ kind: "reply", asked: 9, op: "mailbox.snapshot", result }]);
});

Deno.test("11: frames that a peer of the version before does not know are not sent to it, nor read", () => {
  const [a, b] = opened(1);
  a.link.send({ kind: "clock", wallMs: NOW_MS });
  a.link.send({ kind: "table", version: 3 });
  for (const bytes of a.said()) b.take(bytes);
  deepEqual(b.frames, [{ kind: "table", version: 3 }]);
  b.take(sized(encodeFrame({ kind: "clock", wallMs: NOW_MS }, NOW_MS)));
  equal(b.refusal, null);
  equal(b.frames.length, 1);
});
