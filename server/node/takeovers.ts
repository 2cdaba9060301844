/**
 * Takeovers of single shards: what the former owner has in memory is dropped, its epoch is raised, and
 * a fresh shard reads the log. The callers of the former one are served by the fresh one.
 */
import type { AccountId, AccountName, NodeRef } from "../../shard/name/ids.ts";
import type { NodeParts } from "./parts.ts";
import type { Request } from "./callers.ts";
import type { RequestId, ShardInput } from "../../shard/effects.ts";
import type { Shard } from "../../shard/step/shard.ts";
import type { ShardMap } from "./shard_map.ts";
import { fail, ok, type Result } from "../../shard/errors.ts";
import { GRACE_MS } from "../../shard/presence/returning.ts";
import { REPEATABLE } from "../../shard/handlers/handlers.ts";
import { sameNode } from "../../shard/table/placement.ts";

/** When a client may try again what a takeover has interrupted (ms). */
const RETRY_MS = 100;

/** Takes the shard that serves; null where this node has lost it meanwhile. */
type Served = (fresh: Shard | null) => void;

type TakenOver = ShardInput & { readonly kind: "taken_over" };

/** How a shard was reloaded. */
export interface Reloaded {
  /** How long it did not serve (ms). */
  readonly pauseMs: number;
  readonly epoch: number;
}

/** See the head of this file. */
export class Takeovers {
  readonly #parts: NodeParts;
  /** Shards that are being taken over, and what is called when they serve. */
  readonly #underWay = new Map<Shard, Served[]>();

  constructor(parts: NodeParts) {
    this.#parts = parts;
  }

  /**
   * Drops what a shard has in memory, as if its owner had died, and takes it over. Requests that can
   * be done twice wait for that; the outcome of others is unknown. Refused as `conflict` where there
   * is no such shard, `busy` while it is being changed, `unavailable` where another node takes it.
   */
  reload(id: number, done: (result: Result<Reloaded>) => void): void {
    const { map, ports, stopped } = this.#parts;
    const shard = map.byId(id);
    if (shard === undefined) return done(fail("conflict", `There is no shard ${id}`));
    if (stopped() || shard.ending || !shard.ready) {
      return done(fail("busy", `Shard ${id} is being changed`, RETRY_MS));
    }
    const sinceMs = ports.clock.monoMs();
    this.takeOver(shard, (fresh) => {
      if (fresh === null) {
        return done(fail("unavailable", `Another node has shard ${id}`, RETRY_MS));
      }
      done(ok({ pauseMs: ports.clock.monoMs() - sinceMs, epoch: fresh.row.epoch }));
    });
  }

  /** Whether the shard is being taken over. */
  isUnderWay(shard: Shard): boolean {
    return this.#underWay.has(shard);
  }

  /** Somebody else has claimed the shard: this node drops it, or takes it back where it is alone. */
  fenced(shard: Shard): void {
    if (shard.ended) return;
    this.#parts.ports.log.warn("shard fenced", { shard: shard.id, epoch: shard.row.epoch });
    if (this.#parts.cell === null) this.takeOver(shard, () => {});
    else this.#parts.cell.fenced(shard);
  }

  /**
   * Puts a fresh shard in the place of `old`; `serves` is called when it serves. In a cell the shard
   * is claimed only from this process: what another node has claimed is its own.
   */
  takeOver(old: Shard, serves: Served): void {
    const { cell, dispatch, map, ownership, stopped } = this.#parts;
    const fresh = map.makeShard(old.row);
    old.ended = true;
    map.put(fresh);
    const before = this.#underWay.get(old) ?? [];
    this.#underWay.delete(old);
    this.#underWay.set(fresh, [...before, serves]);
    // All that is held for it is repeated below.
    dispatch.forgetHeld(fresh);
    const { writable } = old;
    if (!writable) dispatch.submit(fresh, { kind: "writable", writable, retryAfterMs: RETRY_MS });
    const wanted = (owner: NodeRef | null = ownership.self) =>
      !fresh.ended && !stopped() && (cell === null || sameNode(owner, ownership.self));
    ownership.takeOver(fresh.id, wanted, (owned) => {
      // Clients that the former shard waited for may still return.
      const { active } = old.presence.returning;
      if (owned !== null) this.granted(fresh, owned.epoch, active);
      else if (cell !== null && !stopped()) this.fenced(fresh);
    });
    this.#repeat(fresh, old.takeBegun());
  }

  /**
   * This node owns the shard, of which it knows nothing yet: reads its log, asks for sessions. `ended`:
   * the process that had it has ended, a moment ago, or one that had sessions there.
   */
  granted(fresh: Shard, epoch: number, ended: boolean): void {
    const { bugs, cell, loader, options } = this.#parts;
    const { lo, hi } = fresh;
    const lost = cell?.lost.keys() ?? [];
    const nodes = [options.id, ...cell?.edges() ?? []];
    const returning = ended || lost.length > 0;
    this.#takenOver(fresh, { nodes, lost, returning, epoch });
    loader.log(fresh);
    loader.owing([fresh]);
    bugs.guard("announce", () => options.deliver({ kind: "announce", lo, hi, epoch }));
    cell?.announce(fresh.row, { kind: "announce", lo, hi, epoch });
    this.#parts.abroad?.announce(fresh.row);
  }

  /**
   * This process is the only node and has just begun: no session is to be announced, but clients of
   * the process before it may return to shards that it had.
   */
  began(shard: Shard, former: NodeRef | null): void {
    const returning = former !== null && !sameNode(former, this.#parts.ownership.self);
    if (!returning) return;
    this.#takenOver(shard, { nodes: [], lost: [], returning, epoch: shard.row.epoch });
  }

  #takenOver(
    shard: Shard,
    how: Pick<TakenOver, "nodes" | "lost" | "returning" | "epoch">,
  ): void {
    this.#parts.dispatch.submit(shard, { kind: "taken_over", ...how, graceMs: GRACE_MS });
  }

  /**
   * The shard, which is quiescent, was given to another node. What waits for other shards goes on
   * waiting there. All else was held and not begun: its holder sends it there, once.
   */
  given(shard: Shard): void {
    const { callers, dispatch } = this.#parts;
    const begun = this.#ended(shard);
    for (const input of callers.requestsOf((name) => shard.owns(name))) {
      const id = begun.get(input.request);
      if (id !== undefined) dispatch.route(callers.begun(input, id));
    }
  }

  /** This node does not have the shard any more; returns what of it waits for other shards. */
  #ended(shard: Shard): ReadonlyMap<RequestId, AccountId | ""> {
    shard.ended = true;
    this.#parts.map.remove(shard);
    this.#call(shard, null);
    return shard.takeBegun();
  }

  /**
   * Adopts a table; see `ShardMap.adopt`. What others of this node's shards were asked, which another
   * node has ended meanwhile, goes to their successors.
   */
  adopt(...adopted: Parameters<ShardMap["adopt"]>): ReturnType<ShardMap["adopt"]> {
    const { map } = this.#parts;
    const before = map.shards;
    const failed = map.adopt(...adopted);
    for (const shard of before) if (map.byId(shard.id) !== shard) this.drop(shard);
    return failed;
  }

  /**
   * Another node has the shard from now on, or is about to. What was asked here goes there where it
   * can be done twice; the outcome of the rest is unknown.
   */
  drop(shard: Shard): void {
    if (shard.ended) return;
    const { callers, dispatch } = this.#parts;
    const begun = this.#ended(shard);
    dispatch.forgetHeld(shard);
    const owns = (name: AccountName) => shard.owns(name);
    const unknown = "The outcome is not known: look before you repeat it";
    for (const input of this.#requestsOf(shard)) {
      const id = begun.get(input.request);
      if (REPEATABLE.has(input.op)) {
        callers.repeats(input.request);
        dispatch.route(id === undefined ? input : callers.begun(input, id));
      } else callers.reply(input.request, fail("unavailable", unknown, RETRY_MS));
    }
    for (const input of callers.interestsOf(owns)) dispatch.route(input);
  }

  /** What this shard was asked, and not another node that had it before. */
  #requestsOf(shard: Shard): readonly Request[] {
    const { callers, dispatch: { elsewhere } } = this.#parts;
    const requests = callers.requestsOf((name) => shard.owns(name));
    return requests.filter(({ request }) => elsewhere?.isAsked(request) !== true);
  }

  /** What the former owner of the shard was asked and has not replied to. */
  #repeat(shard: Shard, begun: ReadonlyMap<RequestId, AccountId | "">): void {
    const { callers, dispatch } = this.#parts;
    const owns = (name: AccountName) => shard.owns(name);
    const unknown = "The outcome is not known: look before you repeat it";
    for (const input of this.#requestsOf(shard)) {
      const { request, op } = input;
      const id = begun.get(request);
      if (!REPEATABLE.has(op)) callers.reply(request, fail("unavailable", unknown, RETRY_MS));
      else {
        callers.repeats(input.request);
        dispatch.submit(shard, id === undefined ? input : callers.begun(input, id));
      }
    }
    for (const input of callers.interestsOf(owns)) dispatch.submit(shard, input);
  }

  /** After a turn: tells of the shards that serve by now. */
  turnEnded(): void {
    for (const shard of this.#underWay.keys()) {
      if (shard.ready) this.#call(shard, shard);
    }
  }

  /** Tells those that wait for a shard that it serves, or that this node has lost it. */
  #call(shard: Shard, fresh: Shard | null): void {
    const callbacks = this.#underWay.get(shard) ?? [];
    this.#underWay.delete(shard);
    for (const serves of callbacks) this.#parts.bugs.guard("reload", () => serves(fresh));
  }
}
