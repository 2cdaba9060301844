/**
 * What the nodes of a cell tell each other, and the port that carries it. A frame may be lost, but
 * of those that arrive over one link none overtakes another.
 */
import type {
  AccountId,
  AccountName,
  Cursor,
  DeviceId,
  NodeId,
  NodeRef,
  SessionId,
} from "../../shard/name/ids.ts";
import type { EdgePacket, InterestAnswer, InterestItem } from "../../shard/edge_packet.ts";
import type { DevicePresence, OpName, Ops } from "../../shard/ops.ts";
import type { GossipMessage } from "../gossip/message.ts";
import type { Claim, Holder } from "./ports.ts";
import type { Result } from "../../shard/errors.ts";
import type { ShardPacket } from "../../shard/message/packets.ts";

/** Number of something that a node has asked another one, unique at the asking node. */
export type AskedId = number;

/** A frame. `shard` and `epoch`: what the sender believes; an owner at another epoch does nothing. */
export type PeerFrame =
  /** A request about one account, for the owner of its shard. */
  | {
    readonly kind: "request";
    readonly asked: AskedId;
    readonly shard: number;
    readonly epoch: number;
    readonly name: AccountName;
    readonly op: OpName;
    readonly input: Ops[OpName]["in"];
    /** 24 fresh random bytes where the operation makes ids, else null. */
    readonly seed: Uint8Array | null;
    /** The account that a former owner has begun it for; null where none has. */
    readonly accountId: AccountId | "" | null;
  }
  | {
    readonly kind: "reply";
    readonly asked: AskedId;
    readonly op: OpName;
    readonly result: Result<Ops[OpName]["out"]>;
  }
  /** A registration of interest of the sender's edge, for the owner of one shard. */
  | {
    readonly kind: "interest";
    readonly asked: AskedId;
    readonly shard: number;
    readonly epoch: number;
    readonly items: readonly InterestItem[];
  }
  | {
    readonly kind: "interest_answer";
    readonly asked: AskedId;
    readonly answers: readonly InterestAnswer[];
  }
  /** The sender does not own the shard at that epoch, and has done nothing: look and ask again. */
  | { readonly kind: "moved"; readonly asked: AskedId }
  /** Nobody at the sender watches these users of one shard any more. */
  | {
    readonly kind: "uninterest";
    readonly shard: number;
    readonly epoch: number;
    readonly watched: readonly AccountName[];
  }
  /** What one account's shard tells another's. */
  | { readonly kind: "packet"; readonly packet: ShardPacket }
  /** The same of a packet that came from another cell; `hops`: how many have passed it on. */
  | { readonly kind: "carried"; readonly packet: ShardPacket; readonly hops: number }
  /** What a shard tells the recipient's edge. */
  | {
    readonly kind: "edge";
    readonly shard: number;
    readonly epoch: number;
    readonly packet: EdgePacket;
  }
  /** The sender has announced all its sessions with points in `[lo, hi)`, as it was asked to. */
  | {
    readonly kind: "announced";
    readonly lo: number;
    readonly hi: number;
    readonly epoch: number;
  }
  /** A hint: who owns shards by now, as the store has decided. */
  | { readonly kind: "owners"; readonly owners: readonly Holder[] }
  /** A hint: the shard table has this version in the store. */
  | { readonly kind: "table"; readonly version: number }
  /**
   * To a shard that the sender gives up next may return clients of processes that have ended, of which
   * the recipient may know nothing.
   */
  | { readonly kind: "returning"; readonly shard: number; readonly epoch: number }
  /** The sender gives up a shard, which it has held up so long, and the recipient may claim. */
  | {
    readonly kind: "give";
    readonly shard: number;
    readonly epoch: number;
    readonly heldMs: number;
  }
  /**
   * A shard that was given at this epoch: its new owner serves it, and it was held up so long; null:
   * the sender does not take it.
   */
  | {
    readonly kind: "taken";
    readonly shard: number;
    readonly epoch: number;
    readonly pauseMs: number | null;
  }
  /** Something that the recipient is asked to do, and the reply. */
  | { readonly kind: "call"; readonly asked: AskedId; readonly call: CellCall }
  | { readonly kind: "called"; readonly asked: AskedId; readonly result: Result<unknown> }
  /** A client's request about a session of the recipient's edge; `called` is the reply. */
  | { readonly kind: "session"; readonly asked: AskedId; readonly call: SessionCall }
  /** The sender does not wait for the reply any more. */
  | { readonly kind: "cancel"; readonly asked: AskedId }
  /** A hint: the register `cluster` has changed. */
  | { readonly kind: "cluster" }
  /** The wall time of the sender (ms since 1970), to find clocks that are far apart. */
  | { readonly kind: "clock"; readonly wallMs: number }
  /** Signs of life, and what nodes say of each other: hints. */
  | { readonly kind: "gossip"; readonly message: GossipMessage }
  /** The sender has no lease, and asks for a vote: may it serve the shards that it owns? */
  | { readonly kind: "vouch"; readonly asked: AskedId; readonly claims: readonly Claim[] }
  /** The vote: the sender has no lease either, and knows no other owner. */
  | { readonly kind: "vouched"; readonly asked: AskedId }
  /** The sender wants to take over from a process whose row has this beat, and is silent. */
  | { readonly kind: "consent"; readonly of: NodeRef; readonly beat: number }
  /** The sender votes for it no more; `waitMs`: how long its last vote may still count. */
  | {
    readonly kind: "consented";
    readonly of: NodeRef;
    readonly beat: number;
    readonly waitMs: number;
  };

/** What one node asks another one to do with a shard that it has. */
export type ShardCall =
  /** To give a shard that it has to another node. Returns a `Moved`. */
  | { readonly kind: "move"; readonly shard: number; readonly to: NodeRef }
  /** To make a change of shards that it has. Returns a `Reshaping`. */
  | { readonly kind: "reshape"; readonly of: readonly number[]; readonly at: readonly number[] };

/**
 * A request of a client about its session, which the recipient's edge has. The sender has checked
 * that the client acts as this device. Refused with `not_found` where the session is not a live one
 * of this device.
 */
export type SessionCall =
  & { readonly session: SessionId; readonly user: AccountName; readonly device: DeviceId }
  & (
    /** Returns a `PollBatch`; `provedUntil` as for `Session.proved`. */
    | {
      readonly kind: "poll";
      readonly provedUntil: number | null;
      readonly cursor: Cursor | null;
      readonly soft: number;
      readonly waitMs: number;
    }
    /** Sets its presence; null: invisible. Returns null. */
    | { readonly kind: "present"; readonly presence: DevicePresence | null }
    /** Returns its presence as a `{ presence }`. */
    | { readonly kind: "presence" }
    /** Signs it out. Returns null. */
    | { readonly kind: "end" }
  );

/** What one node asks another one to do. */
export type CellCall =
  | ShardCall
  /** To reply to a question about itself; see `Asks`. */
  | { readonly kind: "ask"; readonly what: string; readonly input: unknown };

/** A node that is linked with this one. */
export interface Peer extends NodeRef {
  /**
   * Names this process of the node: another incarnation has another key. Shards know edges of other
   * nodes by it.
   */
  readonly key: NodeId;
}

/** What links tell a node. */
export interface PeerEvents {
  /** A link exists, perhaps again: what was sent before may be lost. */
  linked(peer: Peer): void;
  /**
   * It is broken. `gone`: the process is known to have ended, as only its own machine can know: what
   * refuses a connection to another machine may be a firewall.
   */
  unlinked(peer: Peer, gone: boolean): void;
  frame(from: Peer, frame: PeerFrame): void;
}

/** What is known of a link, for operators. */
export interface LinkAbout {
  /** How far the wall clock of the peer is ahead of this one's (ms); null where that is not known. */
  readonly clockOffsetMs: number | null;
  /** Why there is no link, where this node has tried last; null where there is one, or not known. */
  readonly fault: string | null;
}

/** The links of one process. */
export interface PeerLinks {
  /** Begins to link with the cell's other nodes. */
  start(self: NodeRef, events: PeerEvents): void;
  /** The nodes of the cell that should be linked, with where they are (as their rows say). */
  expect(nodes: readonly (NodeRef & { readonly address: string })[]): void;
  /** Where others reach this process; "" where nobody can. */
  readonly address: string;
  /** Whether this process itself listens there: then no other process of any machine does. */
  readonly exclusive: boolean;
  /** Whether a process that listened there is known to have ended: see `PeerEvents.unlinked`. */
  hasEnded(address: string, done: (ended: boolean) => void): void;
  /** What is known of the link with a process. */
  about(node: NodeRef): LinkAbout;
  /** Sends a frame; it is lost where the peer is not linked. */
  send(peer: NodeId, frame: PeerFrame): void;
  stop(done: () => void): void;
}

/** The key of a process of a node. */
export function peerKey({ id, incarnation }: NodeRef): NodeId {
  return `${id}.${incarnation}` as NodeId;
}
