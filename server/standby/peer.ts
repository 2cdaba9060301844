/** The links with other processes as what keeps copies of stores sees them. */
import type { CellName } from "../../shard/name/ids.ts";
import type { StandbyFrame } from "./link_frames.ts";

/** A process that is linked. Frames arrive in their order, or the link ends. */
export interface StandbyPeer {
  /** The name under which it is linked; see `channel_name.ts`. */
  readonly cell: CellName;
  /** Sends a frame; false where too much waits for it already, and the frame is lost. */
  send(frame: StandbyFrame): boolean;
}
