/**
 * How nodes of two cells make sure of each other: as nodes of one cell do (`../handshake.ts`), but
 * with the secret of the federation, and with what says which cell it is.
 */
import { createHmac } from "node:crypto";
import { agreedVersion, type PeerVersions } from "../versions.ts";
import { ByteReader, ByteWriter, CorruptBytes } from "../../../shard/record/bytes.ts";
import type { CellName, NodeRef } from "../../../shard/name/ids.ts";
import { branded, bytes, text, uint } from "../../../shard/record/schema.ts";
import type { LinkRefusal } from "../handshake.ts";
import { nodeRef } from "../../../shard/record/fields.ts";
import { struct } from "../../../shard/record/struct.ts";

/** Versions of what cells say to each other that this program speaks. */
export const CELL_VERSIONS: PeerVersions = { oldest: 1, newest: 1 };

/** First byte of what a node says of itself to other cells; a cell's own nodes say another one. */
const MAGIC = 0x46;
const NONCE_BYTES = 32;

/** A node of a cell. */
export interface CellNode {
  /** The domain of all accounts of the federation. */
  readonly domain: string;
  readonly cell: CellName;
  /** The mark of the cell's store: two cells with one name have two. */
  readonly mark: string;
  readonly node: NodeRef;
}

/** What a node says of itself. */
export interface CellHello extends CellNode {
  readonly versions: PeerVersions;
  /** Where nodes of other cells reach it. */
  readonly address: string;
  /** Version of its program. */
  readonly program: string;
}

const HELLO = struct({
  version: uint,
  newest: uint,
  domain: text,
  cell: branded<CellName>(),
  mark: text,
  node: nodeRef,
  address: text,
  program: text,
  nonce: bytes,
});

/** The key of proofs and certificate: a cell whose own secret is the same derives others from it. */
export function federationKey(secret: Uint8Array): Uint8Array {
  return new Uint8Array(createHmac("sha256", secret).update("roost federation 1").digest());
}

/** What a node says at the beginning. `nonce`: 32 random bytes. */
export function encodeCellHello({ versions, ...rest }: CellHello, nonce: Uint8Array): Uint8Array {
  const w = new ByteWriter().u8(MAGIC);
  HELLO.write(w, { version: versions.oldest, newest: versions.newest, ...rest, nonce });
  return w.take();
}

/** Reads it, of later versions too, which may say more. Throws `CorruptBytes`. */
export function decodeCellHello(said: Uint8Array): CellHello {
  const r = new ByteReader(said);
  if (r.u8() !== MAGIC) throw new CorruptBytes("it is no node of another cell (cells.listen)");
  const { version: oldest, newest, nonce, ...rest } = HELLO.read(r);
  if (nonce.length !== NONCE_BYTES) throw new CorruptBytes("a random number is too short");
  return { versions: { oldest, newest }, ...rest };
}

/** Why a node of another cell is refused; null where it is not. */
export function cellFault(
  theirs: CellHello,
  own: CellNode,
  ours: PeerVersions = CELL_VERSIONS,
): LinkRefusal | null {
  const { domain, cell, mark, versions } = theirs;
  if (agreedVersion(versions, ours) === null) {
    const why =
      `it speaks versions ${versions.oldest} to ${versions.newest} of the links between cells, ` +
      `this one ${ours.oldest} to ${ours.newest}: upgrade the older one first`;
    return { cause: "version", why };
  }
  if (domain !== own.domain) {
    return { cause: "domain", why: `its domain is ${domain}, not ${own.domain}` };
  }
  if (cell !== own.cell) return null;
  return mark === own.mark
    ? { cause: "own", why: "it is a node of this cell" }
    : { cause: "name", why: `it is another cell with the name ${cell}` };
}

/** Why a node is refused whose cell has the name of another cell that is linked; null: none has. */
export function markFault(
  { cell, mark }: CellHello,
  linked: readonly CellNode[],
): LinkRefusal | null {
  if (linked.every((node) => node.mark === mark)) return null;
  return { cause: "name", why: `another cell with the name ${cell} is linked already` };
}
