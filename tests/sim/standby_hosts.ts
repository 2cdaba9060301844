/** Processes of a simulated network that exchange frames about copies of stores. */
import type { CellName } from "../../shard/name/ids.ts";
import type { MemoryDisk } from "./memory_store.ts";
import type { RolesFile, StoredRoles } from "../../server/standby/voter.ts";
import type { StandbyFrame } from "../../server/standby/link_frames.ts";
import type { StandbyPeer } from "../../server/standby/peer.ts";
import type { UnreplicatedFile } from "../../server/standby/unreplicated_delivery.ts";
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

/** What a place keeps. */
export interface Place {
  readonly name: CellName;
  readonly disk: MemoryDisk;
  roles: StoredRoles | null;
  readonly messages: UnreplicatedFile;
  /** Whether the file of its votes takes nothing. */
  full: boolean;
}

/** Where a place keeps its votes. */
export function rolesFileOf(place: Place): RolesFile {
  return {
    load: () => place.roles,
    save(stored) {
      if (place.full) throw new Error("No space left on device");
      place.roles = stored;
    },
  };
}
