/**
 * Session ids name their node: a polled session is in the memory of one node only, and a request
 * that reaches another node of the cell has to find it. Clients see 16 characters without meaning.
 */
import { newId, type NodeId, pointOf, type SessionId } from "../../shard/name/ids.ts";
import type { Random } from "../node/ports.ts";

/** Bytes of an id that are the node's; the other nine are random: 72 bits. */
const TAG_BYTES = 3;
const ID_BYTES = 12;
/** Characters of base64url that hold the tag. */
const TAG_CHARS = 4;

function tagBytes(node: NodeId): readonly number[] {
  const point = pointOf(node);
  return [point >>> 24, (point >>> 16) & 255, (point >>> 8) & 255];
}

/** A new id of a session of this node. */
export function newSessionId(node: NodeId, random: Pick<Random, "bytes">): SessionId {
  const bytes = new Uint8Array(ID_BYTES);
  bytes.set(tagBytes(node));
  bytes.set(random.bytes(ID_BYTES - TAG_BYTES), TAG_BYTES);
  return newId<SessionId>(bytes);
}

/**
 * Whether a session of this id can be at a node. True for the node that made the id; for another
 * one with the chance of 2⁻²⁴, so that a router asks every node for which it is true.
 */
export function isOfNode(session: SessionId, node: NodeId): boolean {
  const bytes = new Uint8Array(ID_BYTES);
  bytes.set(tagBytes(node));
  return session.startsWith(newId<SessionId>(bytes).slice(0, TAG_CHARS));
}
