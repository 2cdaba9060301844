/** Processes of a simulated network that exchange frames about copies of stores. */
import type { CellName } from "../../shard/name/ids.ts";
import type { StandbyFrame } from "../../server/standby/link_frames.ts";
import type { StandbyPeer } from "../../server/standby/peer.ts";
import type { VirtualProcess } from "./virtual_time.ts";

/** What takes frames: a member, or a station. */
export interface Taker {
  linked(): void;
  closed(peer: StandbyPeer): void;
  take(peer: StandbyPeer, frame: StandbyFrame): void;
}

/** A process on the network. */
export interface Host {
  /** As it is linked: the name of a cell, or a channel's. */
  readonly name: CellName;
  readonly place: CellName;
  readonly process: VirtualProcess;
  readonly peers: Map<Host, StandbyPeer>;
  taker: Taker | null;
}
