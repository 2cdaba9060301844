/**
 * Both ends of the chains of an audit log. Each node keeps the head of its own chain in a register;
 * what retention has removed from the other end is in one register for all nodes.
 */
import { cellJson, CellValue, type Registers } from "../node/cell_value.ts";
import type { AuditStream } from "./entry.ts";
import type { NodeId } from "../../shard/name/ids.ts";

/** A place in a chain: the last row up to there. */
export interface ChainHead {
  /** When it was written: ms since 1970. */
  readonly at: number;
  /** Its number; 0 where there is none. */
  readonly n: number;
  /** Its hash. */
  readonly hash: string;
  /** Bytes of all rows up to it. */
  readonly bytes: number;
}

/** Before the first row. */
export const NO_HEAD: ChainHead = { at: 0, n: 0, hash: "", bytes: 0 };

/** Up to where the chains of all nodes have been removed. */
export type Removed = Readonly<Record<NodeId, ChainHead>>;

/** Name of the register with the head of a node's chain. */
export function headName(stream: AuditStream, node: NodeId): string {
  return `audit.${stream}.${node}`;
}

/** Name of the register with what was removed. */
export function baseName(stream: AuditStream): string {
  return `audit.${stream}`;
}

/** Reads a head. Throws where it is none. */
export function parseHead(bytes: Uint8Array): ChainHead {
  return JSON.parse(new TextDecoder().decode(bytes)) as ChainHead;
}

/** The register with what was removed. */
export function baseValue(store: Registers, stream: AuditStream): CellValue<Removed> {
  return new CellValue(store, cellJson<Removed>(baseName(stream), (done) => done(null, {})));
}
