/**
 * The way of inputs to the shards that they are for. What is for a shard that is about to end is
 * held, and routed to its successors when they exist.
 */
import type { AccountName, NodeId } from "../../shard/name/ids.ts";
import type { Answered, Callers, Interest } from "./callers.ts";
import type { Inbox } from "./inbox.ts";
import type { EdgePacket, InterestItem } from "../../shard/edge_packet.ts";
import type { Shard } from "../../shard/step/shard.ts";
import type { Effect, RequestId, ShardInput } from "../../shard/effects.ts";
import type { ShardPacket } from "../../shard/message/packets.ts";
import type { ShardMap } from "./shard_map.ts";
import { Rewatched } from "./rewatched.ts";
import type { ShardRow } from "../../shard/table/table.ts";

/** What is held while the shard that it is for is replaced; the rest concludes what was begun. */
const HELD: ReadonlySet<ShardInput["kind"]> = new Set(
  [
    "request",
    "packet",
    "interest",
    "uninterest",
    "session_lost",
    "owing",
    "sweep",
  ] as const,
);

/** Inputs that a shard that ends does without: both come again. */
const DROPPED: ReadonlySet<ShardInput["kind"]> = new Set(["tick", "rows_loaded"] as const);

/** The way to shards that other nodes own. */
export interface Elsewhere {
  /** Sends an input to the owner of the row; it returns by `route` where that is another by then. */
  send(row: ShardRow, input: ShardInput): void;
  /** Sends a packet of one of this node's shards to an edge of another node. */
  deliver(edge: NodeId, row: ShardRow, packet: EdgePacket): void;
  /** Keeps what a shard says to edges while this node may not serve it; returns whether it does. */
  withhold(shard: Shard, effect: Effect): boolean;
  /** The edge of this node watches users from now on: see `Rewatched`. */
  watches(interest: Pick<Interest, "node" | "items">): void;
  /** Whether a request was sent to another node that has not replied: it need not be repeated. */
  isAsked(request: RequestId): boolean;
  /** Forgets the requests of a shard's accounts that wait for its owner. */
  forgetWaiting(shard: Shard): void;
  /** Whether this node may serve its own shards now. */
  readonly mayServe: boolean;
}

/** See the head of this file. */
export class Dispatch {
  readonly #id: NodeId;
  readonly #map: ShardMap;
  readonly #callers: Callers;
  readonly #inbox: Inbox;
  /** Inputs for shards that are about to end. */
  #held: ShardInput[] = [];
  readonly #rewatched = new Rewatched();
  #stopped = false;
  /** Null where the cell is this node. */
  elsewhere: Elsewhere | null = null;
  /** Called when a question which account has a name arrives at a shard of this node. */
  onResolve: (packet: ShardPacket & { readonly kind: "resolve" }) => void = () => {};

  constructor(id: NodeId, map: ShardMap, callers: Callers, inbox: Inbox) {
    this.#id = id;
    this.#map = map;
    this.#callers = callers;
    this.#inbox = inbox;
  }

  /** Gives an input to a shard; where that has ended, to whichever has its users by now. */
  submit(shard: Shard, input: ShardInput): void {
    if (this.#stopped && input.kind === "request") return;
    if (shard.ended) return this.route(input);
    if (shard.ending && DROPPED.has(input.kind)) return;
    if (shard.ending && HELD.has(input.kind)) return this.#hold(input);
    this.#inbox.put(shard, input);
  }

  #hold(input: ShardInput): void {
    if (input.kind === "interest") this.#rewatched.watches(input);
    this.#held.push(this.#rewatched.waits(input));
  }

  /** Submits an input to the shards that have its users; drops what concludes something begun. */
  route(input: ShardInput): void {
    switch (input.kind) {
      case "request":
      case "sweep":
        return this.#to(input.name, input);
      case "packet": {
        const { packet } = input;
        if (packet.kind === "resolve" && this.#map.shardOf(packet.to) !== undefined) {
          this.onResolve(packet);
        }
        return this.#to(packet.to, input);
      }
      case "interest":
        return this.#routeInterest(input);
      case "uninterest":
        return input.node === this.#id ? this.#uninterest(input) : this.#uninterestOf(input);
      case "session_lost": {
        const shard = this.#map.shardOf(input.name);
        if (shard !== undefined) this.submit(shard, input);
        return;
      }
      case "owing":
        for (const [row, names] of this.#map.byRow(input.names, (name) => name)) {
          this.#toRow(row, { ...input, names });
        }
    }
  }

  #to(name: AccountName, input: ShardInput): void {
    const shard = this.#map.shardOf(name);
    if (shard !== undefined && this.elsewhere === null) return this.submit(shard, input);
    this.#toRow(this.#map.rowOf(name), input);
  }

  /** To the shard of this node, while it may serve; else to the node that owns it. */
  #toRow(row: ShardRow, input: ShardInput): void {
    const shard = this.#map.byId(row.id);
    if (shard === undefined || this.elsewhere?.mayServe === false) {
      return this.elsewhere?.send(row, input);
    }
    this.submit(shard, input);
  }

  /** One shard may have become several by now: each part is replied to by itself. */
  #routeInterest(input: Interest): void {
    if (input.node !== this.#id) {
      // Of another node's edge, which asks again.
      return this.elsewhere?.send(this.#map.rowOf(input.items[0]!.watched), input);
    }
    const done = this.#callers.takeInterest(input.request);
    if (done !== undefined) this.interest(input.items, done);
  }

  /** Registers interest at the shards of the watched users: `done` is called once for each. */
  interest(items: readonly InterestItem[], done: Answered): void {
    this.#rewatched.watches({ node: this.#id, items });
    this.elsewhere?.watches({ node: this.#id, items });
    for (const [row, mine] of this.#map.byRow(items, (item) => item.watched)) {
      const request = this.#callers.next();
      const input = { kind: "interest", request, node: this.#id, items: mine } as const;
      this.#callers.interest(input, done);
      this.#toRow(row, input);
    }
  }

  uninterest(watched: readonly AccountName[]): void {
    this.#uninterest({ kind: "uninterest", node: this.#id, watched });
  }

  #uninterest(input: ShardInput & { readonly kind: "uninterest" }): void {
    for (const [row, watched] of this.#map.byRow(input.watched, (name) => name)) {
      this.#toRow(row, { ...input, watched });
    }
  }

  /** Of another node's edge: a new owner at another node learns by itself whom that edge watches. */
  #uninterestOf(input: ShardInput & { readonly kind: "uninterest" }): void {
    for (const [row, watched] of this.#map.byRow(input.watched, (name) => name)) {
      const shard = this.#map.byId(row.id);
      if (shard !== undefined) this.submit(shard, { ...input, watched });
    }
  }

  /** From now on holds what is for these shards: they are about to end. */
  hold(shards: readonly Shard[]): void {
    for (const shard of shards) shard.ending = true;
  }

  /** Routes what was held for these shards. */
  release(shards: readonly Shard[]): void {
    for (const shard of shards) shard.ending = false;
    // What is for others is held again.
    const held = this.#held;
    this.#held = [];
    for (const waited of held) {
      const input = this.#rewatched.left(waited);
      if (input !== null) this.route(input);
    }
    this.#rewatched.routed(() => this.#held.some(({ kind }) => kind === "uninterest"));
  }

  /** Forgets the inputs of a shard's callers that are held or wait: they are repeated from `Callers`. */
  forgetHeld(shard: Shard): void {
    this.elsewhere?.forgetWaiting(shard);
    this.#held = this.#held.filter((input) => {
      if (input.kind === "request") return !shard.owns(input.name);
      return input.kind !== "interest" || !shard.owns(input.items[0]!.watched);
    });
  }

  /** From now on no shard gets a request. */
  stop(): void {
    this.#stopped = true;
  }
}
