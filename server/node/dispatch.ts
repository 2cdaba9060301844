/**
 * The way of inputs to the shards that they are for. What is for a shard that is about to end is
 * held, and routed to its successors when they exist.
 */
import type { AccountName, NodeId } from "../../shard/name/ids.ts";
import type { Answered, Callers, Interest } from "./callers.ts";
import type { Inbox } from "./inbox.ts";
import type { InterestItem } from "../../shard/ops.ts";
import type { Shard } from "../../shard/step/shard.ts";
import type { ShardInput } from "../../shard/effects.ts";
import type { ShardMap } from "./shard_map.ts";

/** What is held while the shard that it is for is replaced; the rest concludes what was begun. */
const HELD: ReadonlySet<ShardInput["kind"]> = new Set(
  ["request", "packet", "interest", "uninterest", "owing", "sweep", "tick"] as const,
);

/** See the head of this file. */
export class Dispatch {
  readonly #id: NodeId;
  readonly #map: ShardMap;
  readonly #callers: Callers;
  readonly #inbox: Inbox;
  /** Inputs for shards that are about to end, and those shards. */
  #held: ShardInput[] = [];
  #ending: readonly Shard[] = [];
  #stopped = false;

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
    if (shard.ending && HELD.has(input.kind)) {
      if (input.kind !== "tick") this.#held.push(input);
      return;
    }
    this.#inbox.put(shard, input);
  }

  /** Submits an input to the shards that have its users; drops what concludes something begun. */
  route(input: ShardInput): void {
    switch (input.kind) {
      case "request":
      case "sweep":
        return this.submit(this.#map.shardOf(input.name), input);
      case "packet":
        return this.submit(this.#map.shardOf(input.packet.to), input);
      case "interest":
        return this.#routeInterest(input);
      case "uninterest":
        return this.uninterest(input.watched);
      case "owing":
        for (const [shard, names] of this.#map.byShard(input.names, (name) => name)) {
          this.submit(shard, { ...input, names });
        }
    }
  }

  /** One shard may have become several by now: each part is replied to by itself. */
  #routeInterest(input: Interest): void {
    const done = this.#callers.takeInterest(input.request);
    if (done !== undefined) this.interest(input.items, done);
  }

  /** Registers interest at the shards of the watched users: `done` is called once for each. */
  interest(items: readonly InterestItem[], done: Answered): void {
    for (const [shard, mine] of this.#map.byShard(items, (item) => item.watched)) {
      const request = this.#callers.next();
      const input = { kind: "interest", request, node: this.#id, items: mine } as const;
      this.#callers.interest(input, done);
      this.submit(shard, input);
    }
  }

  uninterest(watched: readonly AccountName[]): void {
    for (const [shard, names] of this.#map.byShard(watched, (name) => name)) {
      this.submit(shard, { kind: "uninterest", node: this.#id, watched: names });
    }
  }

  /** From now on holds what is for these shards: they are about to end. */
  hold(shards: readonly Shard[]): void {
    this.#ending = shards;
    for (const shard of shards) shard.ending = true;
  }

  /** Routes what was held. */
  release(): void {
    for (const shard of this.#ending) shard.ending = false;
    this.#ending = [];
    const held = this.#held;
    this.#held = [];
    for (const input of held) this.route(input);
  }

  /** Forgets the held inputs of a shard's callers: they are repeated from `Callers`. */
  forgetHeld(shard: Shard): void {
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
