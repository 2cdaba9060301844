/**
 * How two nodes of a cell make sure of each other before the first frame: each says who it is, with
 * a fresh random number, and proves that it knows the cell's secret over what both have said. Nobody
 * learns the secret by it, and nothing of it can be used again.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { ByteReader, ByteWriter, CorruptBytes } from "../../shard/record/bytes.ts";
import { nodeRef } from "../../shard/record/fields.ts";
import type { NodeRef } from "../../shard/name/ids.ts";
import { bytes, text, uint } from "../../shard/record/schema.ts";
import { PEER_VERSION } from "./frames.ts";
import { struct } from "../../shard/record/struct.ts";

/** First byte of what a node says of itself. */
const MAGIC = 0x52;
const NONCE_BYTES = 32;
/** Longest `Hello`; more is no node. */
export const HELLO_BYTES_MAX = 1024;
/** Bytes of a proof. */
export const PROOF_BYTES = 32;

/** What a node says of itself. */
export interface Hello {
  readonly version: number;
  /** The domain of its accounts, which is that of its cell. */
  readonly cell: string;
  readonly node: NodeRef;
  /** Where it listens. */
  readonly address: string;
  readonly nonce: Uint8Array;
}

const HELLO = struct({ version: uint, cell: text, node: nodeRef, address: text, nonce: bytes });

/** Who has connected, and who was connected to. */
export type Role = "dialler" | "listener";

/** What a node says at the beginning. `nonce`: 32 random bytes. */
export function encodeHello(hello: Omit<Hello, "version">): Uint8Array {
  const w = new ByteWriter().u8(MAGIC);
  HELLO.write(w, { version: PEER_VERSION, ...hello });
  return w.take();
}

/** Reads a `Hello`. Throws `CorruptBytes`. */
export function decodeHello(said: Uint8Array): Hello {
  const r = new ByteReader(said);
  if (r.u8() !== MAGIC) throw new CorruptBytes("it is no node of a cell");
  const hello = HELLO.read(r);
  if (hello.nonce.length !== NONCE_BYTES) throw new CorruptBytes("a random number is too short");
  return hello;
}

/** Why the other side of a link is refused, in words for the log; null where it is not. */
export function helloFault(hello: Hello, cell: string, self: NodeRef): string | null {
  if (hello.version !== PEER_VERSION) {
    return `it speaks version ${hello.version} of the links between nodes, this one ${PEER_VERSION}`;
  }
  if (hello.cell !== cell) return `it is of the cell ${hello.cell}, this one of ${cell}`;
  if (hello.node.id === self.id) return "it is this node, or another one with its data directory";
  return null;
}

/** The proof of one side; `said`: what the dialler has said, then what the listener has. */
export function proofOf(
  secret: Uint8Array,
  role: Role,
  said: readonly [dialler: Uint8Array, listener: Uint8Array],
): Uint8Array {
  const hmac = createHmac("sha256", secret).update(`roost peer 1 ${role}`);
  for (const each of said) {
    const length = new DataView(new ArrayBuffer(4));
    length.setUint32(0, each.length);
    hmac.update(new Uint8Array(length.buffer)).update(each);
  }
  return new Uint8Array(hmac.digest());
}

/** Whether a proof is the one that is wanted, in a time that does not tell where it differs. */
export function isProof(given: Uint8Array, wanted: Uint8Array): boolean {
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}
