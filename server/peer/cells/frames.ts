/**
 * What nodes of two cells say to each other, as bytes. A frame begins with the number of its kind; a
 * recipient skips a kind that it does not know.
 */
import {
  bool,
  branded,
  bytes,
  list,
  type Schema,
  text,
  uint,
} from "../../../shard/record/schema.ts";
import { ByteReader, ByteWriter, CorruptBytes } from "../../../shard/record/bytes.ts";
import type { Ask } from "../../../shard/federation/caspaxos.ts";
import { askSchema, voteSchema } from "../../../shard/federation/caspaxos_schema.ts";
import type { CellFrame } from "../../node/peer_cells.ts";
import type { AccountName, CellName, NodeRef } from "../../../shard/name/ids.ts";
import type { MemberReply, Members } from "../../../shard/federation/members.ts";
import { accountName, nodeRef } from "../../../shard/record/fields.ts";
import type { ShardTable } from "../../../shard/table/table.ts";
import { setFrameClock, SHARD_PACKET } from "../packet_frames.ts";
import { struct, union, variant } from "../../../shard/record/struct.ts";

/** What a node says of itself to nodes of all cells, which pass it on. A hint. */
export interface NodeSaying {
  readonly cell: CellName;
  readonly mark: string;
  readonly node: NodeRef;
  /** Rises with every saying of the process. */
  readonly stamp: number;
  /** Where nodes of other cells reach it. */
  readonly address: string;
  /** Where clients reach it. */
  readonly publicUrls: readonly string[];
  /** Version of its program. */
  readonly program: string;
  /** It stops, and is not to be connected to. */
  readonly left: boolean;
}

/** Who has which part of the hash space in the sender's cell. A hint. */
export interface CellTable {
  readonly version: number;
  /** Ascending by `lo`; the first begins at 0. */
  readonly shards: readonly {
    readonly lo: number;
    readonly epoch: number;
    /** Empty where nobody has claimed it. */
    readonly owner: readonly NodeRef[];
  }[];
}

/** What a node says of itself with every ping. */
export interface NodeLoad {
  readonly users: number;
  /** Whether it wants no clients. */
  readonly busy: boolean;
  /** The version of the members all of which know what was decided about names of its cell. */
  readonly settled: number;
}

/** A frame. */
export type LinkFrame =
  /** The recipient replies with a `pong` of the same number. `users`: online, of the sender's shards. */
  | { readonly kind: "ping"; readonly n: number } & NodeLoad
  | { readonly kind: "pong"; readonly n: number }
  /** `ageMs`: how long ago the node itself has said it. */
  | {
    readonly kind: "sayings";
    readonly sayings: readonly { readonly ageMs: number; readonly saying: NodeSaying }[];
  }
  | { readonly kind: "table"; readonly table: CellTable }
  /** For the shard of the recipient's cell with this point; null: of a kind that is not known. */
  | { readonly kind: "cell"; readonly point: number; readonly frame: CellFrame | null }
  /** The newest members that the sender knows. */
  | { readonly kind: "members"; readonly members: Members }
  /** A question about a version of the members, and the reply. */
  | { readonly kind: "ask"; readonly version: number; readonly ask: Ask<Members> }
  | { readonly kind: "vote"; readonly version: number; readonly reply: MemberReply }
  /** Which of these names are taken in the recipient's cell? */
  | { readonly kind: "names"; readonly n: number; readonly names: readonly AccountName[] }
  /** The same; the members decide that those which nobody has are the sender's cell's. */
  | { readonly kind: "reserve"; readonly n: number; readonly names: readonly AccountName[] }
  /** A question to the cell, and the reply; see `CellQueries`. */
  | {
    readonly kind: "query";
    readonly n: number;
    readonly what: string;
    readonly input: string;
  }
  | { readonly kind: "queried"; readonly n: number; readonly reply: string }
  /** Those that are; `whole`: it knows that of all of them. */
  | {
    readonly kind: "named";
    readonly n: number;
    readonly taken: readonly AccountName[];
    readonly whole: boolean;
  }
  /** About copies of a cell's store: see `server/standby/link_frames.ts`. */
  | { readonly kind: "standby"; readonly frame: Uint8Array };

const CELL_FRAME = union("cell frame", {
  packet: variant(0, { packet: SHARD_PACKET, hops: uint }),
  announce: variant(1, { lo: uint, hi: uint }),
}) satisfies Schema<CellFrame>;

/** The highest numbers of kinds that this program knows. */
const CELL_KIND_MAX = 1;
const KIND_MAX = 13;

const saying: Schema<NodeSaying> = struct({
  cell: branded<CellName>(),
  mark: text,
  node: nodeRef,
  stamp: uint,
  address: text,
  publicUrls: list(text),
  program: text,
  left: bool,
});

const members: Schema<Members> = struct({
  version: uint,
  federation: text,
  cells: list(struct({ cell: branded<CellName>(), mark: text, witness: bool })),
});
const ASK = askSchema(members);
const VOTE = voteSchema("accepted members", members);

const REPLY = union("reply", {
  vote: variant(0, { vote: VOTE }),
  decided: variant(1, { members }),
  behind: variant(2, {}),
}) satisfies Schema<MemberReply>;

const FRAME = union("frame", {
  ping: variant(0, { n: uint, users: uint, busy: bool, settled: uint }),
  pong: variant(1, { n: uint }),
  sayings: variant(2, { sayings: list(struct({ ageMs: uint, saying })) }),
  table: variant(3, {
    table: struct({
      version: uint,
      shards: list(struct({ lo: uint, epoch: uint, owner: list(nodeRef) })),
    }),
  }),
  cell: variant(4, { point: uint, frame: bytes }),
  members: variant(5, { members }),
  ask: variant(6, { version: uint, ask: ASK }),
  vote: variant(7, { version: uint, reply: REPLY }),
  names: variant(8, { n: uint, names: list(accountName) }),
  named: variant(9, { n: uint, taken: list(accountName), whole: bool }),
  reserve: variant(10, { n: uint, names: list(accountName) }),
  standby: variant(11, { frame: bytes }),
  query: variant(12, { n: uint, what: text, input: text }),
  queried: variant(13, { n: uint, reply: text }),
});

/** The bytes of a frame; `monoMs`: the clock of the sender. */
export function encodeLinkFrame(frame: LinkFrame, monoMs: number): Uint8Array {
  setFrameClock(monoMs);
  const w = new ByteWriter();
  if (frame.kind !== "cell") FRAME.write(w, frame);
  else {
    const inner = new ByteWriter();
    if (frame.frame !== null) CELL_FRAME.write(inner, frame.frame);
    FRAME.write(w, { ...frame, frame: inner.take() });
  }
  return w.take();
}

/**
 * Reads what `encodeLinkFrame` wrote; null where it is of a kind that this program does not know.
 * Throws `CorruptBytes` for anything else. `monoMs`: the clock of the recipient.
 */
export function decodeLinkFrame(bytes: Uint8Array, monoMs: number): LinkFrame | null {
  setFrameClock(monoMs);
  if (bytes[0] !== undefined && bytes[0] > KIND_MAX) return null;
  const frame = whole(FRAME, bytes);
  if (frame.kind !== "cell") return frame;
  const first = frame.frame[0];
  const known = first !== undefined && first <= CELL_KIND_MAX;
  return { ...frame, frame: known ? whole(CELL_FRAME, frame.frame) : null };
}

function whole<T>(schema: Schema<T>, bytes: Uint8Array): T {
  const r = new ByteReader(bytes);
  const read = schema.read(r);
  if (!r.done) throw new CorruptBytes("a frame goes on behind its end");
  return read;
}

/** A shard table as nodes of other cells get it. */
export function cellTable({ shards, version }: ShardTable): CellTable {
  return {
    version,
    shards: shards.map(({ lo, epoch, owner }) => ({
      lo,
      epoch,
      owner: owner === null ? [] : [owner],
    })),
  };
}
