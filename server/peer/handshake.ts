/**
 * How two nodes of a cell make sure of each other before the first frame: each says who it is, with
 * a fresh random number, and proves that it knows the cell's secret over what both have said. Nobody
 * learns the secret by it, and nothing of it can be used again.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { ByteReader, ByteWriter, CorruptBytes } from "../../shard/record/bytes.ts";
import { nodeRef } from "../../shard/record/fields.ts";
import type { NodeRef } from "../../shard/name/ids.ts";
import { bytes, later, text, uint } from "../../shard/record/schema.ts";
import { agreedVersion, PEER_VERSIONS, type PeerVersions } from "./versions.ts";
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
  /** Versions of the frames that it speaks. */
  readonly versions: PeerVersions;
  /** The domain of its accounts, which is that of its cell. */
  readonly cell: string;
  readonly node: NodeRef;
  /** Where it listens. */
  readonly address: string;
  readonly nonce: Uint8Array;
}

/** `version`: the oldest that it speaks. */
const FIELDS = { version: uint, cell: text, node: nodeRef, address: text, nonce: bytes };
/** Of programs that speak one version only, such as the first that had cells. */
const HELLO_OF_ONE = struct(FIELDS);
const HELLO = struct({ ...FIELDS, newest: later(uint, 0) });

/** Why the other side of a connection is no peer. */
export interface LinkRefusal {
  /**
   * `stranger`: it is no node; `version`: no common version; `cell`: of another cell; `identity`: it
   * has this node's id; `secret`: it does not know the secret; `plain`: it does not encrypt; `tls`:
   * TLS fails; `ended`: the connection ended before the handshake did; `unreached`: there is none.
   * Between cells also `domain`: it has another one; `name`: another cell has this name; `own`: it is
   * of this cell; `linked`: this node has ended the link.
   */
  readonly cause:
    | "stranger"
    | "version"
    | "cell"
    | "identity"
    | "secret"
    | "plain"
    | "tls"
    | "ended"
    | "unreached"
    | "domain"
    | "name"
    | "own"
    | "linked";
  /** In words for the log. */
  readonly why: string;
}

/** Who has connected, and who was connected to. */
export type Role = "dialler" | "listener";

/** What a node says at the beginning. `nonce`: 32 random bytes. */
export function encodeHello({ versions: { oldest, newest }, ...rest }: Hello): Uint8Array {
  const w = new ByteWriter().u8(MAGIC);
  if (newest === oldest) HELLO_OF_ONE.write(w, { version: oldest, ...rest });
  else HELLO.write(w, { version: oldest, ...rest, newest });
  return w.take();
}

/** Reads a `Hello`, of later versions too, which may say more. Throws `CorruptBytes`. */
export function decodeHello(said: Uint8Array): Hello {
  const r = new ByteReader(said);
  if (r.u8() !== MAGIC) throw new CorruptBytes("it is no node of a cell");
  const { version: oldest, newest, ...rest } = HELLO.read(r);
  if (rest.nonce.length !== NONCE_BYTES) throw new CorruptBytes("a random number is too short");
  return { versions: { oldest, newest: Math.max(oldest, newest) }, ...rest };
}

/** Why the other side of a link is refused; null where it is not. */
export function helloFault(
  { cell: theirs, node, versions }: Hello,
  cell: string,
  self: NodeRef,
  own = PEER_VERSIONS,
): LinkRefusal | null {
  if (agreedVersion(versions, own) === null) {
    const why =
      `it speaks versions ${versions.oldest} to ${versions.newest} of the links between ` +
      `nodes, this one ${own.oldest} to ${own.newest}: upgrade the older one first`;
    return { cause: "version", why };
  }
  if (theirs !== cell) return { cause: "cell", why: `it is of the cell ${theirs}, not of ${cell}` };
  if (node.id !== self.id) return null;
  const why = "it has this node's id: it is this node, or one with a copy of its data directory";
  return { cause: "identity", why };
}

/**
 * The proof of one side; `said`: what the dialler has said, then what the listener has; `binding`: of
 * the channel that carries it, so that it is worth nothing on another one.
 */
export function proofOf(
  secret: Uint8Array,
  role: Role,
  said: readonly [dialler: Uint8Array, listener: Uint8Array],
  binding: Uint8Array = new Uint8Array(),
): Uint8Array {
  const hmac = createHmac("sha256", secret).update(`roost peer 1 ${role}`);
  for (const each of binding.length === 0 ? said : [...said, binding]) {
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
