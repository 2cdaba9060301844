/**
 * What goes to other nodes and comes from them: requests and registrations of interest for shards
 * that they own, and those of their edges for shards of this node. An input takes one hop at most:
 * where the recipient is not the owner it says so, and the sender looks and asks again.
 */
import { type AskedOf, type PeerRefusal, PeerRequests, TRIAL_MS } from "./peer_requests.ts";
import type { Cancel } from "./ports.ts";
import type { Interest, Request } from "./callers.ts";
import type { AskedId, Peer, PeerFrame } from "./peers.ts";
import type { EdgePacket } from "../../shard/edge_packet.ts";
import type { Elsewhere } from "./dispatch.ts";
import type { NodeId } from "../../shard/name/ids.ts";
import type { NodeParts } from "./parts.ts";
import type { Effect, RequestId, ShardInput } from "../../shard/effects.ts";
import type { Shard } from "../../shard/step/shard.ts";
import type { ShardRow } from "../../shard/table/table.ts";
import { type Asked, askedFrame, carriedFrame, uninterestFrame } from "./asked_frames.ts";
import { fromAfar } from "./from_afar.ts";
import { fail } from "../../shard/errors.ts";
import { isTooLate, mayUndo, unknownAfterMs } from "./too_late.ts";
import { Parked, waits } from "./parked.ts";
import { peerKey } from "./peers.ts";
import { REPEATABLE, WRITES } from "../../shard/handlers/handlers.ts";
import type { RemoteHost } from "./remote_host.ts";
import { SentGrants } from "./sent_grants.ts";
import { type Served, ServedRequests } from "./served_requests.ts";
import { Withheld } from "./withheld.ts";

/** When a client may try again what a broken link has interrupted (ms). */
const RETRY_MS = 100;
const BUSY = "Too many requests wait for this user's data";
const UNKNOWN = "The outcome is not known: look before you repeat it";
const SILENT = "This user's data is not available for a moment";

type RequestFrame = PeerFrame & { readonly kind: "request" };
type ReplyFrame = PeerFrame & { readonly kind: "reply" | "interest_answer" };
type InterestFrame = PeerFrame & { readonly kind: "interest" };

/** See the head of this file. */
export class Remote implements Elsewhere {
  /** What shards say to edges while this node may not serve them. */
  readonly withheld: Withheld;
  readonly #parts: () => NodeParts;
  readonly #host: RemoteHost;
  /** What was asked of other nodes. */
  readonly #asked = new PeerRequests((node, silent) => {
    const { ports: { log } } = this.#parts();
    if (silent) log.warn("node does not reply", { node });
    else log.info("node replies again", { node });
  });
  /** Requests that were not sent to their owner because of what it has already. */
  readonly refused: Record<PeerRefusal, number> = { full: 0, silent: 0 };
  /** Requests and registrations of other nodes that shards of this one have not replied to. */
  readonly #served = new ServedRequests();
  readonly #parked = new Parked();
  readonly #grants = new SentGrants(() => this.#parts().ports.clock.monoMs());
  /** How often owners have not served what they were asked. */
  readonly #tries = new Map<AskedId, number>();
  #retry: { readonly atMs: number; readonly cancel: Cancel } | null = null;
  constructor(parts: () => NodeParts, host: RemoteHost) {
    this.#parts = parts;
    this.#host = host;
    this.withheld = new Withheld(parts, host);
  }

  get mayServe(): boolean {
    return this.#host.mayServe;
  }

  withhold(shard: Shard, effect: Effect): boolean {
    return this.withheld.withhold(shard, effect);
  }

  watches(interest: Pick<Interest, "node" | "items">): void {
    this.#parked.watches(interest);
  }

  send(row: ShardRow, input: ShardInput): void {
    switch (input.kind) {
      case "request":
      case "interest":
        return this.#ask(row, input);
      case "uninterest":
        // Behind the interest that may wait as well.
        if (!this.#post(row, uninterestFrame(row, input.watched))) this.#park(input);
        return;
      case "packet":
        // All others are sent again by who has sent them.
        if (this.#post(row, carriedFrame(input))) this.#grants.sent(peerKey(row.owner!), input);
        else if (waits(input.packet)) this.#park(input);
    }
  }

  deliver(edge: NodeId, row: ShardRow, packet: EdgePacket): void {
    this.#host.links.send(edge, { kind: "edge", shard: row.id, epoch: row.epoch, packet });
  }

  /** Sends a frame to the owner of a shard, unless that is nobody who can be reached. */
  #post({ owner }: Pick<ShardRow, "owner">, frame: PeerFrame): boolean {
    const key = owner === null ? null : peerKey(owner);
    if (key === null || !this.#host.isLinked(key)) return false;
    this.#host.links.send(key, frame);
    return true;
  }

  #ask(row: ShardRow, input: Asked): void {
    // One hop: who has sent it here looks for the owner.
    if (input.node !== this.#parts().options.id) return this.#giveBack(input);
    // Requests of one account keep their order.
    if (input.kind === "request" && this.#parked.has(input.name)) return this.#park(input);
    const { id: shard, epoch, owner } = row;
    const asked = input.request;
    const commits = input.kind === "request" && WRITES.has(input.op);
    if (input.kind === "request" && this.#refuse(input, owner, commits)) return;
    if (!this.#post(row, askedFrame(row, input))) return this.#park(input);
    const nowMs = this.#parts().ports.clock.monoMs();
    this.#asked.add(asked, { peer: peerKey(owner!), shard, epoch }, nowMs, commits);
    if (input.kind === "request") this.#parts().traces.routed(input, owner!.id);
  }

  /** Replies to a request whose owner may not be asked now; returns whether it did. */
  #refuse(input: Request, owner: ShardRow["owner"], commits: boolean): boolean {
    const { callers, ports: { clock } } = this.#parts();
    const { op, request: asked } = input;
    const nowMs = clock.monoMs();
    const key = owner === null ? null : peerKey(owner);
    // What waits for its owner may still become this node's own.
    const late = key !== null && this.#host.isLinked(key) &&
      isTooLate(op, callers.leftMs(asked, nowMs));
    const why = late || key === null ? null : this.#asked.refusal(key, nowMs, commits);
    if (why === null && !late) return false;
    if (why !== null) this.refused[why]++;
    const result = why === "full"
      ? fail("busy", BUSY, RETRY_MS)
      : fail("unavailable", SILENT, late ? RETRY_MS : TRIAL_MS);
    this.#giveUp(input, result);
    return true;
  }

  /** Refuses a request; where a copy of it may yet be done, its caller's time is to end first. */
  #giveUp({ op, request }: Request, result: ReturnType<typeof fail>): void {
    this.#tries.delete(request);
    if (mayUndo(op) && this.#asked.isUnderWay(request)) return;
    this.#parts().callers.reply(request, result);
  }

  #giveBack(input: Asked): void {
    const { callers } = this.#parts();
    const { request, kind } = input;
    if (kind === "request") callers.forget(request);
    else callers.takeInterest(request);
    for (const served of this.#served.take(request)) this.#notServing(served, input);
  }

  /** Sends a node to the next owner of a shard, with what it has asked of this one. */
  #notServing(served: Served, asked: Asked | RequestFrame | InterestFrame): void {
    const nowMs = this.#parts().ports.clock.monoMs();
    if (asked.kind === "request") this.#served.refused(served, asked.name, nowMs);
    this.#host.links.send(served.peer, { kind: "moved", asked: served.asked });
  }

  #park(input: ShardInput, refused: AskedOf | null = null, againMs = 0): void {
    const owner = input.kind === "request" ? this.#parts().map.rowOf(input.name).owner : null;
    const key = owner === null ? null : peerKey(owner);
    const nowMs = this.#parts().ports.clock.monoMs();
    if (this.#parked.add({ input, refused, againMs }, key, nowMs)) return;
    this.#giveUp(input as Request, fail("busy", BUSY, RETRY_MS));
  }

  forgetWaiting(shard: Shard): void {
    // As `retry` does: what is not wanted any more is not repeated either.
    for (const request of this.#parked.takeRequests((name) => shard.owns(name))) {
      this.#tries.delete(request);
      this.#parts().callers.refuseWithdrawn(request);
    }
  }

  isAsked(request: RequestId): boolean {
    return this.#asked.has(request);
  }

  /**
   * Shards have other owners, or this node claims them: what former ones were asked is asked of the
   * next, before what follows it. To be called before any input is routed to those.
   */
  ownersChanged(): void {
    const { callers, map } = this.#parts();
    const rows = new Map(map.table.shards.map((row) => [row.id, row]));
    const again = this.#asked.takeThose((asked, { shard, epoch }) => {
      const request = callers.requestOf(asked);
      if (request !== undefined && !REPEATABLE.has(request.op)) return false;
      if (map.byId(shard) !== undefined) return true;
      const row = rows.get(shard);
      return row?.owner != null && row.epoch > epoch;
    });
    for (const asked of again) this.#again(asked);
    this.retry();
  }

  /** Routes again what waits; to be called when something has changed, and now and then. */
  retry(): void {
    const { callers, dispatch, map, ports: { clock } } = this.#parts();
    const nowMs = clock.monoMs();
    const refuses = ({ peer, shard, epoch }: AskedOf) => {
      if (map.byId(shard) !== undefined) return false;
      const row = map.table.shards.find(({ id }) => id === shard);
      return row?.epoch === epoch && row.owner !== null && peerKey(row.owner) === peer;
    };
    for (const { input: waited, refused, againMs } of this.#parked.takeAll(nowMs)) {
      const input = this.#parked.left(waited);
      if (input === null) continue;
      const over = input.kind === "request"
        ? callers.refuseWithdrawn(input.request) || callers.requestOf(input.request) === undefined
        : input.kind === "interest" && callers.interestOf(input.request) === undefined;
      if (over) this.#tries.delete((input as Asked).request);
      else if (refused !== null && againMs > nowMs && refuses(refused)) {
        this.#park(input, refused, againMs);
      } else dispatch.route(input);
    }
    this.#parked.routed();
    this.#wait();
  }

  /** An owner has not served what it was asked: the next is asked at once, the same after a while. */
  #notServed(asked: AskedId, of: AskedOf): void {
    const { callers, ports: { clock, random, retries } } = this.#parts();
    const input = callers.requestOf(asked) ?? callers.interestOf(asked);
    if (input === undefined) return void this.#tries.delete(asked);
    const tries = (this.#tries.get(asked) ?? 0) + 1;
    this.#tries.set(asked, tries);
    const waitMs = retries.againMs("owner", tries, random.number());
    this.#park(input, of, clock.monoMs() + waitMs);
    this.#wait();
  }

  /** Makes sure that what waits for the same owner is routed when it is due. */
  #wait(): void {
    const { ports: { clock, timers } } = this.#parts();
    const atMs = this.#parked.dueMs;
    if (atMs >= (this.#retry?.atMs ?? Infinity)) return;
    this.#retry?.cancel();
    const cancel = timers.after(Math.max(0, atMs - clock.monoMs()), () => {
      this.#retry = null;
      this.retry();
    });
    this.#retry = { atMs, cancel };
  }

  /** The link with a peer is broken: what it was asked may be done. `gone`: its process has ended. */
  unlinked(peer: NodeId, gone: boolean): void {
    const { callers, ports: { clock, timers } } = this.#parts();
    const result = fail("unavailable", UNKNOWN, RETRY_MS);
    for (const { asked, sinceMs } of this.#asked.takeAll(peer)) {
      const request = callers.requestOf(asked);
      if (request === undefined || REPEATABLE.has(request.op)) {
        this.#again(asked);
        continue;
      }
      // Its caller is to look when it cannot arrive any more.
      const waitMs = gone ? 0 : unknownAfterMs(request.op, clock.monoMs() - sinceMs);
      if (waitMs === 0) callers.reply(asked, result);
      else timers.after(waitMs, () => callers.reply(asked, result));
    }
    for (const input of this.#grants.lost(peer)) this.#park(input);
    this.#served.unlinked(peer);
  }

  /** Asks the next owner what a former one may have done. */
  #again(asked: AskedId): void {
    const { callers } = this.#parts();
    callers.repeats(asked);
    const input = callers.requestOf(asked) ?? callers.interestOf(asked);
    if (input !== undefined) this.#park(input);
  }

  // ---- from other nodes

  /** Takes a frame that concerns shards; returns whether it was one. */
  take(from: Peer, frame: PeerFrame): boolean {
    const { callers, dispatch, map, options, ports, traces } = this.#parts();
    switch (frame.kind) {
      case "request":
        this.#request(from, frame);
        return true;
      case "interest":
        this.#interest(from, frame);
        return true;
      case "reply":
      case "interest_answer":
        this.#replied(from, frame);
        return true;
      case "moved": {
        const of = this.#asked.replied(frame.asked, from.key, ports.clock.monoMs(), false);
        // It may have begun it before it lost the shard.
        callers.repeats(frame.asked);
        if (of !== undefined) this.#notServed(frame.asked, of);
        this.#host.look();
        return true;
      }
      case "uninterest":
        // A change of the shards may have ended that one: its successors know whom the edge watches.
        dispatch.route({ kind: "uninterest", node: from.key, watched: frame.watched });
        return true;
      case "packet":
      case "carried":
        if (map.shardOf(frame.packet.to) === undefined) return true;
        if (!this.mayServe && !waits(frame.packet)) return true;
        traces.packet(frame.packet, from.id);
        dispatch.route(frame.kind === "packet" ? frame : { ...frame, kind: "packet" });
        return true;
      case "edge": {
        const row = map.table.shards.find(({ id }) => id === frame.shard);
        const packet = fromAfar(from, frame, row);
        if (packet === null) return true;
        traces.events(packet, "pushed", from.id);
        options.deliver(packet);
        return true;
      }
      case "announced": {
        const { lo, hi, epoch } = frame;
        for (const shard of map.shards) {
          if (shard.lo >= hi || shard.hi <= lo) continue;
          dispatch.submit(shard, { kind: "announced", node: from.key, epoch });
        }
        return true;
      }
      default:
        return false;
    }
  }

  /** Takes a reply. That of a former owner is not used where the next one can be asked. */
  #replied({ key }: Peer, frame: ReplyFrame): void {
    const { callers, map, ports: { clock } } = this.#parts();
    const { asked, kind } = frame;
    const settled = kind === "interest_answer" || callers.settles(asked, frame.op, frame.result);
    const of = this.#asked.replied(asked, key, clock.monoMs(), settled);
    if (of === undefined) return;
    this.#tries.delete(asked);
    const row = map.table.shards.find(({ id }) => id === of.shard);
    const repeatable = kind === "interest_answer" || REPEATABLE.has(frame.op);
    if (repeatable && row?.epoch !== of.epoch) {
      this.#again(asked);
      return this.retry();
    }
    if (kind === "reply") callers.reply(asked, frame.result);
    else callers.answer(asked, frame.answers);
  }

  /** The shard where this node has it and may serve it; null: the sender is to look again. */
  #servedShard(from: Peer, frame: RequestFrame | InterestFrame): Shard | null {
    const { asked, shard: id, epoch } = frame;
    const { map, ports } = this.#parts();
    const served = { peer: from.key, asked };
    const shard = this.mayServe ? map.byId(id) : undefined;
    // One who knows a later epoch knows that another node has it.
    const isOwner = shard !== undefined && shard.row.epoch >= epoch;
    const waits = isOwner && frame.kind === "request" &&
      this.#served.isBehind(served, frame.name, ports.clock.monoMs());
    if (isOwner && !waits) return shard;
    if (shard !== undefined && !isOwner) this.#host.look();
    this.#notServing(served, frame);
    return null;
  }

  #request(from: Peer, frame: RequestFrame): void {
    const shard = this.#servedShard(from, frame);
    if (shard === null || this.#served.joins({ peer: from.key, asked: frame.asked })) return;
    const { callers, dispatch, ports, traces } = this.#parts();
    const { asked, kind, name, op, input, seed, accountId } = frame;
    const request = callers.next();
    const begun = accountId === null ? {} : { accountId };
    const mine = { kind, request, node: from.key, name, op, input, seed, ...begun } as const;
    this.#served.add(request, from.key, asked);
    const reply = traces.request(frame, from.id, () => true, (result) => {
      for (const { peer } of this.#served.take(request)) {
        this.#host.links.send(peer, { kind: "reply", asked, op, result });
      }
    });
    callers.request(mine, reply, ports.clock.monoMs());
    dispatch.submit(shard, mine);
  }

  #interest(from: Peer, frame: InterestFrame): void {
    const shard = this.#servedShard(from, frame);
    if (shard === null) return;
    const { callers, dispatch } = this.#parts();
    const { asked, items } = frame;
    const request = callers.next();
    const mine = { kind: "interest", request, node: from.key, items } as const;
    this.#served.add(request, from.key, asked);
    callers.interest(mine, (answers) => {
      for (const { peer } of this.#served.take(request)) {
        this.#host.links.send(peer, { kind: "interest_answer", asked, answers });
      }
    });
    dispatch.submit(shard, mine);
  }
}
