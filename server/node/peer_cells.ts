/**
 * What the nodes of different cells tell each other, and the port that carries it. Frames between
 * two nodes arrive in their order, or their link breaks: then some are lost, and `unlinked` and
 * `linked` follow before anything of the next link arrives. Frames that go by different nodes may
 * overtake each other.
 */
import type { CellName } from "../../shard/name/ids.ts";
import type { Cells } from "../../shard/federation/cells.ts";
import type { ShardPacket } from "../../shard/message/packets.ts";

/** A frame between nodes of two cells. A recipient drops a kind that it does not know. */
export type CellFrame =
  /** For the shard of `packet.to`; `hops`: how many cells have passed it on, 0 at first. */
  | { readonly kind: "packet"; readonly packet: ShardPacket; readonly hops: number }
  /** The sender's shards of the points `[lo, hi)` know no interests of the recipient's cell. */
  | { readonly kind: "announce"; readonly lo: number; readonly hi: number };

/** What links with other cells report, each in a later turn. */
export interface PeerCellEvents {
  /** Some node of the cell can be reached. */
  linked(cell: CellName): void;
  /** A node of the cell can be reached that could not, whether or not others can: `send` reaches it. */
  opened(cell: CellName, send: (frame: CellFrame) => void): void;
  /**
   * A link with a node of the cell is broken: what was sent may be lost. Where other nodes can be
   * reached, `linked` follows at once.
   */
  unlinked(cell: CellName): void;
  /** A frame of a node of `from`, for the shard that has this point in this cell. */
  frame(from: CellName, point: number, frame: CellFrame): void;
}

/** A node's links with the other cells, and what it knows of them. A lone cell has none. */
export interface PeerCells extends Cells {
  /** Public addresses where clients reach a cell, empty where it has none; null: it is not known yet. */
  addressesOf(cell: CellName): readonly string[] | null;
  /**
   * Sends a frame to the node of the cell that has the shard of this point, or to another one of it,
   * which passes it on within its cell. The frame is lost where no node can be reached.
   */
  send(cell: CellName, point: number, frame: CellFrame): void;
  /** Sends a frame to all nodes of the cell that can be reached. */
  tell(cell: CellName, frame: CellFrame): void;
  /** Begins to link, and to report. */
  start(events: PeerCellEvents): void;
  /** Ends all links; `done` when nothing is reported any more. */
  stop(done: () => void): void;
}
