/** The parts of a node that its other parts are made with. */
import type { NodeId } from "../../shard/name/ids.ts";
import type { Abroad } from "./abroad.ts";
import type { ArrivalRate } from "./arrival_rate.ts";
import type { Asks } from "./asks.ts";
import type { Bugs } from "./bugs.ts";
import type { Callers } from "./callers.ts";
import type { Cell } from "./cell.ts";
import type { ClusterControl } from "./control.ts";
import type { Dispatch } from "./dispatch.ts";
import type { EdgePacket } from "../../shard/edge_packet.ts";
import type { GossipHints } from "../gossip/message.ts";
import type { EvenResolves } from "./even_resolves.ts";
import type { Loader } from "./loader.ts";
import type { Ownership } from "./ownership.ts";
import type { PeerCells } from "./peer_cells.ts";
import type { PeerLinks } from "./peers.ts";
import type { Ports } from "./ports.ts";
import type { ShardLimits } from "../../shard/limits.ts";
import type { ShardMap } from "./shard_map.ts";
import type { Traces, TraceStep } from "./trace.ts";
import type { MoveOutcome, PushEffect, SilentCause } from "../../shard/effects.ts";
import type { ShardPacket } from "../../shard/message/packets.ts";

/** What a node is made with. */
export interface NodeOptions {
  readonly id: NodeId;
  readonly limits: ShardLimits;
  /** Accounts kept in memory, over all shards; those in use stay whatever it says. */
  readonly cacheUsersMax: number;
  /** Shards of a new store; an old one keeps those it has. */
  readonly shards: number;
  /** Takes packets for this node's edge. */
  readonly deliver: (packet: EdgePacket) => void;
  /** Called with the duration (ms), rows and bytes of every commit. */
  readonly observeCommit: (ms: number, rows: number, bytes: number) => void;
  /** Called when messages were refused without telling their sender; once for each of them, or more. */
  readonly observeRefused?: (cause: SilentCause, count: number) => void;
  /** Called when an account has left this cell or arrived in it, or its move was given up. */
  readonly observeMoved?: (outcome: MoveOutcome) => void;
  /** Sends a push message; absent: none is sent. */
  readonly push?: (push: PushEffect) => void;
  /**
   * Carries a packet from one shard to another; at once where it is not given. All but rewatches may get
   * lost, and all but signals come twice: what must not is sent again, and known when it was there.
   */
  readonly carry?: (packet: ShardPacket, arrive: () => void) => void;
  /** Effects that are withheld while the node may not serve; 10,000 where it is not given. */
  readonly withheldMax?: number;
  /** Processes of this machine that write into its store together; 1 where it is not given. */
  readonly writers?: number;
  /** Steps of messages that are kept; 1,000 where it is not given. */
  readonly traceStepsMax?: number;
  /** Called with each step of a message. */
  readonly observeStep?: ((step: TraceStep) => void) | undefined;
  /** What this node says of itself to the others of its cell; it may change. */
  readonly about?: Pick<GossipHints, "version" | "addresses" | "busy">;
  /** A random text that no other process has, to find a node's id that is used twice. */
  readonly process?: string;
  /** Another process of this node lives, which began earlier: this one must end. */
  readonly usedTwice?: (why: string) => void;
  /** How long the other nodes of its cell may vouch for it while it has no store (ms). */
  readonly withoutStoreMs?: number;
  /** The links with the other nodes of its cell; absent where the cell is this node. */
  readonly links?: PeerLinks;
  /**
   * Whether it may reply from its rows now; absent where nobody else may have them. `withheld`: another
   * process has them, and clients are about to be sent to it.
   */
  readonly mayServe?: () => boolean | "withheld";
  /**
   * Incarnations up to this one may have been of former processes of this node, although the table of
   * its store says nothing of them; absent where it does.
   */
  readonly incarnation?: number;
  /** The other cells of its name space; absent in a lone cell. */
  readonly cells?: PeerCells;
  /** How long another cell may be away before the presence of its users counts as unknown (ms). */
  readonly presenceUnknownMs?: number;
  /** How many accounts of other cells may move here; absent: any number. */
  readonly arrivals?: ArrivalRate;
  /** Why no accounts are made here, in words for the caller; absent where they are. */
  readonly noAccounts?: string;
}

/** See the head of this file. */
export interface NodeParts {
  readonly ports: Ports;
  readonly options: NodeOptions;
  readonly bugs: Bugs;
  readonly callers: Callers;
  readonly dispatch: Dispatch;
  readonly loader: Loader;
  readonly map: ShardMap;
  readonly ownership: Ownership;
  readonly resolves: EvenResolves;
  /** What operators want of the cell. */
  readonly control: ClusterControl;
  /** The other nodes of the cell; null where the cell is this node. */
  readonly cell: Cell | null;
  /** The other cells of the name space; null in a lone cell. */
  readonly abroad: Abroad | null;
  /** What nodes ask each other about themselves. */
  readonly asks: Asks;
  /** The steps of messages on their way. */
  readonly traces: Traces;
  /** Whether the node has stopped. */
  stopped(): boolean;
}
