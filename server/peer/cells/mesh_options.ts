/** What the links with other cells are made with, and what they need of their node. */
import type { CellName, NodeRef } from "../../../shard/name/ids.ts";
import type { Linked } from "./sayings.ts";
import type { MembershipDeps } from "./membership.ts";
import type { NameSource } from "./name_check.ts";
import type { Retries } from "../../../shard/retry.ts";
import type { Runtime } from "../../node/ports.ts";
import type { ShareSource, SharingDeps } from "./sharing.ts";
import type { ShardTable } from "../../../shard/table/table.ts";
import type { Wires } from "./wires.ts";

/** What else uses the links, besides the name space: for copies of stores. */
export interface LinkUser {
  /** A link is in use, and one is over. */
  opened(linked: Linked): void;
  closed(linked: Linked): void;
  /** A frame of kind `standby`; what it throws ends the link. */
  frame(from: Linked, frame: Uint8Array): void;
}

/** What a mesh is made with. */
export interface MeshOptions extends Runtime {
  readonly retries: Retries;
  readonly wires: Wires;
  readonly domain: string;
  readonly cell: CellName;
  /** The mark of the cell's store. */
  readonly mark: string;
  /** Version of the program. */
  readonly program: string;
  /** Addresses of nodes of other cells. */
  readonly join: readonly string[];
  /** Where clients reach this node. */
  readonly publicUrls: readonly string[];
  /** Bytes that may wait for a node of another cell. */
  readonly queueBytesMax: number;
  /** How long a node may take nothing of them (ms). */
  readonly stalledMs: number;
  /** Where the cell keeps who the members are. */
  readonly members: MembershipDeps["value"];
  /** Where it keeps which members know its names. */
  readonly shared: SharingDeps["value"];
  /** Whether the cell votes on names but has no users. */
  readonly witness: boolean;
  readonly user?: LinkUser | undefined;
}

/** What a mesh needs of its node, which has started. */
export interface MeshHost {
  readonly self: NodeRef;
  table(): ShardTable;
  /** Online users of this node's shards. */
  users(): number;
  /** Whether it wants no clients. */
  busy(): boolean;
  readonly names: NameSource & ShareSource;
  /** Whether the cell has one node, and that has no names in memory. */
  isFresh(): boolean;
  /** Whether no node of the cell has names in memory; false where one does not reply. */
  isEmpty(done: (empty: boolean) => void): void;
  /** Whether this node does what one node of the cell does for all. */
  isFirst(): boolean;
}
