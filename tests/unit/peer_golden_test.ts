/**
 * What nodes of version 1 of the links say, recorded with their program: later programs speak with
 * them as long as that is the version before.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { decodeFrame, encodeFrame } from "../../server/peer/frames.ts";
import { decodeHello } from "../../server/peer/handshake.ts";
import { LinkSide, NOW_MS, sized } from "./link_side.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import type { PeerFrame } from "../../server/node/peers.ts";
import { PEER_SAMPLES } from "./peer_samples.ts";

interface Recorded {
  readonly secret: string;
  /** A hello of version 1, and the one of version 2 that it was recorded with. */
  readonly hello: string;
  readonly helloOfVersion2: string;
  /** The proofs of version 1 over both, as dialler and as listener. */
  readonly proofs: { readonly dialler: string; readonly listener: string };
  readonly frames: readonly { readonly bytes: string; readonly frame: unknown }[];
}

const FILE = new URL("../golden/peer_1.json", import.meta.url);
const RECORDED: Recorded = JSON.parse(Deno.readTextFileSync(FILE));

const bytesOf = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"));
const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

/** A recorded value: bytes are `{hex}` there. */
function valueOf(recorded: unknown): unknown {
  if (Array.isArray(recorded)) return recorded.map(valueOf);
  if (recorded === null || typeof recorded !== "object") return recorded;
  const fields = Object.entries(recorded);
  if (fields.length === 1 && fields[0]![0] === "hex") return bytesOf(fields[0]![1]);
  return Object.fromEntries(fields.map(([name, value]) => [name, valueOf(value)]));
}

/** This program's side, as it was when the proofs were recorded. */
function side(role: "dialler" | "listener"): LinkSide {
  return new LinkSide(role, {
    secret: new TextEncoder().encode(RECORDED.secret),
    self: { id: "node00000000000b" as NodeId, incarnation: 1 },
    address: "10.0.0.2:8422",
    random: { bytes: (count) => new Uint8Array(count).fill(2), number: () => 0.5 },
  });
}

for (const role of ["dialler", "listener"] as const) {
  const other = role === "dialler" ? "listener" : "dialler";
  Deno.test(`11: a node of version 1 that was recorded as ${other} is linked, and speaks version 1`, () => {
    const own = side(role);
    assert.deepEqual(own.said().map(hexOf), [hexOf(sized(bytesOf(RECORDED.helloOfVersion2)))]);
    own.take(sized(bytesOf(RECORDED.hello)));
    own.take(sized(bytesOf(RECORDED.proofs[other])));
    assert.deepEqual([own.open, own.refusal], [true, null]);
    own.said();
    own.link.send({ kind: "clock", wallMs: NOW_MS });
    own.link.send({ kind: "call", asked: 4, call: { kind: "ask", what: "online", input: {} } });
    own.link.send({ kind: "table", version: 3 });
    // It would take a call that it does not know for another one.
    assert.deepEqual(own.said().map(hexOf), [
      hexOf(sized(encodeFrame({ kind: "table", version: 3 }, 0))),
    ]);
    const [called, ...rest] = own.frames;
    assert.ok(called?.kind === "called" && called.asked === 4 && !called.result.ok);
    assert.deepEqual([called.result.code, rest], ["unsupported", []]);
    for (const { bytes } of RECORDED.frames) own.take(sized(bytesOf(bytes)));
    assert.deepEqual(own.frames.slice(1), RECORDED.frames.map(({ frame }) => valueOf(frame)));
    assert.equal(own.refusal, null);
  });
}

Deno.test("11: a call of a later version is replied to, and the link goes on", () => {
  const own = side("listener");
  own.take(sized(bytesOf(RECORDED.hello)));
  own.take(sized(bytesOf(RECORDED.proofs.dialler)));
  own.said();
  const later = {
    kind: "call",
    asked: 7,
    call: { kind: "divine", shard: 1 },
  } as unknown as PeerFrame;
  own.take(sized(encodeFrame(later, NOW_MS)));
  const [said] = own.said();
  const reply = decodeFrame(said!.slice(4), NOW_MS);
  assert.ok(reply?.kind === "called" && reply.asked === 7 && !reply.result.ok);
  assert.equal(reply.result.code, "unsupported");
  assert.deepEqual([own.frames, own.refusal], [[], null]);
});

Deno.test("11: a proof of version 1 of another handshake is refused", () => {
  const own = side("listener");
  own.take(sized(bytesOf(RECORDED.hello)));
  own.take(sized(bytesOf(RECORDED.proofs.listener)));
  assert.equal(own.refusal?.cause, "secret");
});

Deno.test("11: frames of version 1 are written as version 1 has recorded them", () => {
  assert.deepEqual(decodeHello(bytesOf(RECORDED.hello)).versions, { oldest: 1, newest: 1 });
  const kinds = new Set<string>();
  for (const { bytes, frame } of RECORDED.frames) {
    const value = valueOf(frame) as PeerFrame;
    kinds.add(value.kind);
    assert.deepEqual(decodeFrame(bytesOf(bytes), NOW_MS, 1), value);
    assert.equal(hexOf(encodeFrame(value, NOW_MS)), bytes, value.kind);
  }
  assert.equal(kinds.size, 21);
});

/** What a recipient has to know: the kind of a frame, and of the packet in it. */
const kindOf = (frame: PeerFrame) =>
  "packet" in frame ? `${frame.kind} ${frame.packet.kind}` : frame.kind;

Deno.test("11: nothing is sent to a node of version 1 that its program did not know", () => {
  const own = side("listener");
  own.take(sized(bytesOf(RECORDED.hello)));
  own.take(sized(bytesOf(RECORDED.proofs.dialler)));
  own.said();
  for (const frame of PEER_SAMPLES) own.link.send(frame);
  const recorded = new Set(RECORDED.frames.map(({ frame }) => kindOf(frame as PeerFrame)));
  const sent = new Set<string>();
  for (let said = Buffer.concat(own.said()); said.length > 0;) {
    const end = 4 + said.readUInt32BE(0);
    sent.add(kindOf(decodeFrame(new Uint8Array(said.subarray(4, end)), NOW_MS)!));
    said = said.subarray(end);
  }
  // All that it knew is among the samples.
  assert.deepEqual([...sent].sort(), [...recorded].sort());
});
