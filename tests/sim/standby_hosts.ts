/** Processes of a simulated network that exchange frames about copies of stores. */
import type { CellName } from "../../shard/name/ids.ts";
import { compareBallots, NO_BALLOT } from "../../shard/federation/caspaxos.ts";
import type { MemoryDisk } from "./memory_store.ts";
import { NO_VOTE, type RolesFile, type StoredRoles } from "../../server/standby/voter.ts";
import type { RowStore } from "../../server/store/row_store.ts";
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
  /** What it did that no place may do; null: nothing. */
  fault: string | null;
}

/** Opens the copy of a place. That another part of the process has it is a fault: two would follow. */
export function copyOf(place: Place, { process }: Host): RowStore {
  try {
    return place.disk.openStored(process);
  } catch (error) {
    place.fault = `opens its copy twice: ${error}`;
    throw error;
  }
}

/** Where a place keeps its votes. */
export function rolesFileOf(place: Place): RolesFile {
  return {
    load: () => place.roles,
    save(stored) {
      if (place.full) throw new Error("No space left on device");
      const before = place.roles?.vote ?? NO_VOTE;
      const { accepted, promised } = stored.vote;
      const kept = compareBallots(promised, before.promised) >= 0 &&
        compareBallots(accepted?.ballot ?? NO_BALLOT, before.accepted?.ballot ?? NO_BALLOT) >= 0;
      if (!kept) place.fault = `forgets a vote: ${JSON.stringify([before, stored.vote])}`;
      place.roles = stored;
    },
  };
}
