/**
 * Shards that this node gives to other nodes. The new owner rehearses the takeover, while the shard
 * still serves here. Where that takes longer than usual, the new owner or the store is busy, and users
 * would wait as long: it rehearses once more a little later. Then what comes for the shard is held
 * until nothing of it is under way; its new owner gets it, and what was held follows. One shard is held
 * at a time, while new owners of others read their logs. Moves that were asked for come before those
 * that the placement wants.
 */
import { fail, ok, type Result } from "../../shard/errors.ts";
import type { NodeId, NodeRef } from "../../shard/name/ids.ts";
import type { NodeParts } from "./parts.ts";
import type { PeerFrame } from "./peers.ts";
import type { Shard } from "../../shard/step/shard.ts";
import { peerKey } from "./peers.ts";
import { sameNode } from "../../shard/table/placement.ts";
import { withEpochs } from "../../shard/table/table.ts";

/** How long a node that was given a shard has to claim it (ms). */
const GIVEN_MS = 2000;
/** How long a shard may take to quiesce before the move is given up (ms). */
const REST_MAX_MS = 1000;
/** Shards that may be on their way from one node, as the placement wants it. */
const GIVEN_MAX = 2;
/** Moves that may wait at one node. */
const WANTED_MAX = 1024;
/** After a shard that did not quiesce, so that its users are served between two tries (ms). */
const PAUSE_MS = 2000;
/** When a move that was given up may be asked for again (ms). */
const AGAIN_MS = 250;
/** A rehearsal that takes no longer is quick, whatever others took (ms). */
const QUICK_MS = 40;
/** Of how many rehearsals the usual time is about the mean. */
const USUAL_OF = 8;
/** How long a move is put off after a slow rehearsal (ms), and how many rehearsals it may have. */
const SLOW_WAIT_MS = 200;
const REHEARSALS_MAX = 4;

/** How a shard was moved. */
export interface Moved {
  /** How long it did not serve (ms). */
  readonly pauseMs: number;
}

type Done = (result: Result<Moved>) => void;

interface Move {
  readonly shard: number;
  readonly to: NodeRef;
  readonly done: Done;
}

interface Given {
  readonly epoch: number;
  readonly untilMs: number;
  readonly sinceMs: number;
  readonly heldMs: number;
  readonly to: NodeRef;
  readonly done: Done;
}

/** A shard that is being given away. */
interface Leaving {
  readonly shard: Shard;
  readonly to: NodeRef;
  readonly done: Done;
  /** Whether its new owner has rehearsed, or cannot. */
  rehearsed: boolean;
  /** Since when what comes for it is held (monotonic ms); null: it still serves. */
  heldFromMs: number | null;
}

/** What it needs of its cell. */
export interface GivingHost {
  /** Has the new owner of a shard rehearse the takeover; calls back in a second or less. */
  rehearse(shard: Shard, to: NodeRef, done: () => void): void;
  isLinked(peer: NodeId): boolean;
  send(peer: NodeId, frame: PeerFrame): void;
  /** Whether the shard is this node's and may be given away now. */
  mayGive(shard: Shard): boolean;
  /** Commits soon what is open. */
  hurry(): void;
  /** Drops a shard that was given away; what waits for other shards goes to its new owner. */
  given(shard: Shard): void;
}

/** See the head of this file. */
export class Giving {
  readonly #parts: () => NodeParts;
  readonly #host: GivingHost;
  #now: Leaving | null = null;
  #wanted: Move[] = [];
  /** Where shards should be, as far as this node may give them away by itself. */
  #placed: ReadonlyMap<number, NodeRef> = new Map();
  /** Until then nothing is given away by itself. */
  #restsUntilMs = 0;
  /** How long a rehearsal takes usually (ms). */
  #usualMs = 0;
  /** Shards that were given away and are still to be claimed. */
  readonly #given = new Map<number, Given>();

  constructor(parts: () => NodeParts, host: GivingHost) {
    this.#parts = parts;
    this.#host = host;
  }

  get #nowMs(): number {
    return this.#parts().ports.clock.monoMs();
  }

  /** Whether a shard was given away and may still be claimed. */
  isGiven(shard: number): boolean {
    return (this.#given.get(shard)?.untilMs ?? 0) > this.#nowMs;
  }

  /** The new owner of a shard that was given at this epoch serves it. */
  taken(shard: number, epoch: number, pauseMs: number): void {
    const given = this.#given.get(shard);
    if (given?.epoch !== epoch) return;
    this.#given.delete(shard);
    const { heldMs, sinceMs, to, done } = given;
    const knownMs = this.#nowMs - sinceMs;
    const times = { pauseMs, heldMs, knownMs };
    this.#parts().ports.log.info("shard moved", { shard, epoch, to: to.id, ...times });
    done(ok({ pauseMs }));
  }

  /** The node that was given the shard cannot take it: this one takes it back. */
  refused(shard: number, epoch: number): void {
    if (this.#given.get(shard)?.epoch === epoch) this.#fail(shard, "its new owner cannot take it");
  }

  /** Forgets the given shards that nobody has claimed in time. */
  expire(): void {
    for (const [shard, { untilMs }] of this.#given) {
      if (untilMs <= this.#nowMs) this.#fail(shard, "its new owner has not said that it serves it");
    }
  }

  #fail(shard: number, why: string): void {
    const { done } = this.#given.get(shard)!;
    this.#given.delete(shard);
    done(fail("unavailable", `Shard ${shard} is not moved: ${why}`, AGAIN_MS));
  }

  /**
   * Moves a shard of this node, after those that were asked for before. Refused as `conflict` where
   * this node does not have it, `unavailable` where it cannot be moved now.
   */
  move(id: number, to: NodeRef, done: Done): void {
    if (this.#wanted.length >= WANTED_MAX) {
      return done(fail("busy", "Too many shards are being moved", AGAIN_MS));
    }
    this.#wanted.push({ shard: id, to, done });
    this.#pump();
  }

  /** Gives shards away from now on that another node should have; none where `placed` is empty. */
  follow(placed: ReadonlyMap<number, NodeRef>): void {
    this.#placed = placed;
    this.#next();
  }

  /** Begins with the first shard that another node should have, unless enough are on their way. */
  #next(): void {
    const { map, ownership } = this.#parts();
    if (this.#now !== null || this.#given.size >= GIVEN_MAX || !map.ready) return;
    if (this.#nowMs < this.#restsUntilMs) return;
    for (const shard of map.shards) {
      const to = this.#placed.get(shard.id);
      if (to === undefined || sameNode(to, ownership.self)) continue;
      if (!this.#host.isLinked(peerKey(to)) || !this.#host.mayGive(shard)) continue;
      return this.#begin(shard, { shard: shard.id, to, done: () => {} });
    }
  }

  /** Begins with the next move that was asked for. */
  #pump(): void {
    const { map, ownership } = this.#parts();
    while (this.#now === null) {
      const move = this.#wanted.shift();
      if (move === undefined) return;
      const shard = map.byId(move.shard);
      const cannot = (why: string) =>
        move.done(fail("unavailable", `Cannot move shard ${move.shard} now: ${why}`, AGAIN_MS));
      if (shard === undefined) {
        move.done(fail("conflict", `Shard ${move.shard} is not at this node`));
      } else if (sameNode(move.to, ownership.self)) move.done(ok({ pauseMs: 0 }));
      else if (!this.#host.isLinked(peerKey(move.to))) cannot(`there is no link to ${move.to.id}`);
      else if (!this.#host.mayGive(shard)) cannot("it is being changed");
      else this.#begin(shard, move);
    }
  }

  #begin(shard: Shard, { to, done }: Move): void {
    const now: Leaving = { shard, to, done, rehearsed: false, heldFromMs: null };
    this.#now = now;
    this.#rehearse(now, 1);
  }

  #rehearse(now: Leaving, tries: number): void {
    const { timers } = this.#parts().ports;
    const sinceMs = this.#nowMs;
    this.#host.rehearse(now.shard, now.to, () => {
      if (this.#now !== now) return;
      const tookMs = this.#nowMs - sinceMs;
      const slow = tookMs > Math.max(QUICK_MS, 2 * this.#usualMs);
      this.#usualMs += (tookMs - this.#usualMs) / USUAL_OF;
      if (!slow || tries === REHEARSALS_MAX) return this.#rehearsed(now);
      timers.after(SLOW_WAIT_MS, () => this.#now === now && this.#rehearse(now, tries + 1));
    });
  }

  #rehearsed(now: Leaving): void {
    now.rehearsed = true;
    // What is open, and a checkpoint that is being written, are waited for while it still serves.
    now.shard.leaving = true;
    this.#host.hurry();
    this.#parts().ports.timers.after(REST_MAX_MS, () => {
      if (this.#now === now) this.#giveUp("it did not quiesce");
    });
    this.turnEnded();
  }

  #giveUp(why: string): void {
    const { shard, heldFromMs, done } = this.#now!;
    this.#now = null;
    this.#restsUntilMs = this.#nowMs + PAUSE_MS;
    shard.leaving = false;
    if (heldFromMs !== null) this.#parts().dispatch.release([shard]);
    done(fail("unavailable", `Shard ${shard.id} is not moved: ${why}`, AGAIN_MS));
    this.#pump();
  }

  /** After a turn: goes on when nothing of the shard is under way. */
  turnEnded(): void {
    const now = this.#now;
    if (now === null || !now.rehearsed) return;
    const { shard, to } = now;
    if (shard.ended) return this.#giveUp("it has ended");
    if (!this.#host.isLinked(peerKey(to))) return this.#giveUp(`there is no link to ${to.id}`);
    if (now.heldFromMs === null) {
      if (!this.#host.mayGive(shard)) return this.#giveUp("it is being changed");
      if (shard.writing) return;
      now.heldFromMs = this.#nowMs;
      this.#parts().dispatch.hold([shard]);
      this.#host.hurry();
    }
    if (this.#now === now && shard.quiescent) this.#give(now, now.heldFromMs);
  }

  #give({ shard, to, done }: Leaving, sinceMs: number): void {
    const { cell, dispatch, map, ports: { log } } = this.#parts();
    this.#now = null;
    const { id, row: { epoch } } = shard;
    const heldMs = this.#nowMs - sinceMs;
    this.#given.set(id, { epoch, untilMs: this.#nowMs + GIVEN_MS, sinceMs, heldMs, to, done });
    // Sessions of lost nodes count here; its new owner may have begun since, and know of no such node.
    if (cell!.lost.keys().length > 0) {
      this.#host.send(peerKey(to), { kind: "returning", shard: id, epoch });
    }
    this.#host.send(peerKey(to), { kind: "give", shard: id, epoch, heldMs });
    map.table = withEpochs(map.table, [{ shard: id, epoch, owner: to }]);
    log.info("shard given away", { shard: id, to: to.id });
    // What was begun, then what is held goes to the new owner behind the frame that makes it one.
    this.#host.given(shard);
    dispatch.release([shard]);
    this.#pump();
    this.#next();
  }
}
