/** What a member of a store is made with, and what it shows of itself. */
import type { AckMode, LagLimits } from "./ack_gate.ts";
import type { CellName } from "../../shard/name/ids.ts";
import type { CopyView } from "./copy_side.ts";
import type { PlaceView } from "./known_place.ts";
import type { MemberId } from "./role_types.ts";
import type { RoleVoter } from "./voter.ts";
import type { RowStore } from "../store/row_store.ts";
import type { Runtime } from "../node/ports.ts";
import type { SenderLimits } from "./standby_sender.ts";
import type { StandbyPeer } from "./peer.ts";
import type { StandbyView } from "./primary_side.ts";
import type { UnreplicatedFile } from "./unreplicated_delivery.ts";

/** What it is made with. */
export interface MemberOptions extends Runtime {
  readonly cell: CellName;
  /** The place of this process. */
  readonly place: CellName;
  readonly member: MemberId;
  /** The votes of this place; `votes`: whether this process is what casts them. */
  readonly voter: RoleVoter;
  readonly votes: boolean;
  readonly founds: boolean;
  readonly servedEpoch: number;
  readonly mode: AckMode;
  readonly lag: LagLimits;
  readonly limits: SenderLimits;
  /** All processes that are linked, and those at which standbys of this one are to be. */
  linked(): readonly StandbyPeer[];
  standbys(): readonly StandbyPeer[];
  /** Opens the rows of the copy; null: this member does not become a standby. */
  readonly openCopy: (() => Promise<RowStore>) | null;
  /** Where what this place has acknowledged alone is kept until the primary has taken it. */
  readonly unreplicated: UnreplicatedFile;
  /** The cell that is to keep another copy, as configured; absent: that is not this process's to say. */
  readonly wanted?: () => PlaceView;
  /** The copy can be opened: it may be needed soon. */
  ready(): void;
  /** It is the primary, and the copy is closed. */
  serves(epoch: number): void;
  /** It is the primary no more; `handedOver`: as it was ordered to. */
  lost(handedOver: boolean): void;
}

/** What a member shows of itself. */
export interface MemberView {
  readonly cell: CellName;
  readonly member: MemberId;
  readonly role: "primary" | "standby" | "waiting";
  readonly epoch: number;
  readonly mode: AckMode;
  /** Places that vote, and whether the register could be read. */
  readonly voters: readonly CellName[];
  readonly registered: boolean;
  /** Whether this copy may take over by itself. */
  readonly inSync: boolean;
  readonly copy: CopyView | null;
  readonly standbys: readonly StandbyView[];
  /** The cell that is to keep a copy; null where that is configured elsewhere. */
  readonly wanted: PlaceView | null;
}
