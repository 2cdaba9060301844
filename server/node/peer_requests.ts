/**
 * What was asked of other nodes and has no reply yet, with a budget and a circuit breaker for each of
 * them: a node that is slow or silent costs neither memory nor the time of what others have asked.
 * What is asked again has several copies under way: see `replied`.
 */
import type { AskedId } from "./peers.ts";
import type { NodeId } from "../../shard/name/ids.ts";

/** Requests that one node may have from this one without a reply: some seconds of full load. */
export const EACH_MAX = 10_000;
/**
 * A node that has so many requests, and has replied to none for so long (ms), is asked no more: each
 * would wait for all of its time. One that is linked says that it lives, not that it does anything.
 * Requests that are committed are no sign: while the store is away they wait, and all else goes on.
 */
export const SILENT_AT = 16;
export const SILENT_MS = 5000;
/** It then gets one request in so long (ms), and all others once it has replied to one in time. */
export const TRIAL_MS = 500;

/** Of which node something was asked, and of the owner at which epoch. */
export interface AskedOf {
  readonly peer: NodeId;
  readonly shard: number;
  readonly epoch: number;
}

/** A request that was sent, and when (monotonic, ms). */
export interface Sent {
  readonly asked: AskedId;
  readonly sinceMs: number;
}

/** Why a node is asked no more: it has all that it may have, or it does not reply. */
export type PeerRefusal = "full" | "silent";

/** A request that has no reply yet. */
interface Asked extends AskedOf {
  readonly sinceMs: number;
  readonly commits: boolean;
}

interface PeerState {
  /** Requests without a reply, and those of them that are not committed. */
  count: number;
  prompt: number;
  /** When it has last replied in time, or was asked first after it had replied to all of those. */
  repliedMs: number;
  /** When it was last asked for a trial; null: it replies. */
  triedMs: number | null;
}

/** See the head of this file. All times are monotonic, in ms. */
export class PeerRequests {
  readonly #of = new Map<AskedId, Asked>();
  /** The nodes that have yet to reply to earlier copies of a request, each as often as it has one. */
  readonly #earlier = new Map<AskedId, readonly NodeId[]>();
  readonly #peers = new Map<NodeId, PeerState>();
  readonly #changed: (peer: NodeId, silent: boolean) => void;

  /** `changed`: a node is asked no more because it is silent, or is asked again. */
  constructor(changed: (peer: NodeId, silent: boolean) => void) {
    this.#changed = changed;
  }

  /**
   * Why a node may not be asked now; null where it may, which is a trial where it was silent.
   * `commits`: what is asked waits for a commit.
   */
  refusal(peer: NodeId, nowMs: number, commits: boolean): PeerRefusal | null {
    const state = this.#peers.get(peer);
    if (state === undefined) return null;
    if (state.count >= EACH_MAX) return "full";
    if (state.triedMs === null) {
      if (state.prompt < SILENT_AT || nowMs - state.repliedMs < SILENT_MS) return null;
      this.#changed(peer, true);
    } else if (commits || nowMs - state.triedMs < TRIAL_MS) return "silent";
    state.triedMs = nowMs;
    return null;
  }

  add(asked: AskedId, of: AskedOf, nowMs: number, commits: boolean): void {
    this.#supersede(asked);
    this.#of.set(asked, { ...of, sinceMs: nowMs, commits });
    const state = this.#peers.get(of.peer) ??
      { count: 0, prompt: 0, repliedMs: nowMs, triedMs: null };
    this.#peers.set(of.peer, state);
    state.count++;
    if (commits) return;
    if (state.prompt === 0 && state.triedMs === null) state.repliedMs = nowMs;
    state.prompt++;
  }

  /**
   * Takes out what the node has replied to, unless it was before, or another node was asked since; a
   * late reply shows no life. A node that was asked again, because it owns the shard at a later epoch,
   * may have both copies: where this reply is not the one for all of them (`settled`), the request is
   * taken out once the node has replied to all. Replies do not say to which copy they are.
   */
  replied(asked: AskedId, by: NodeId, nowMs: number, settled: boolean): AskedOf | undefined {
    const of = this.#of.get(asked);
    const earlier = this.#earlier.get(asked);
    // Of what is settled the other copies are earlier ones from now on: there are as many of those.
    if (earlier?.includes(by) && (!settled || of?.peer !== by)) {
      this.#setEarlier(asked, earlier.toSpliced(earlier.indexOf(by), 1));
      return undefined;
    }
    if (of === undefined || of.peer !== by) return undefined;
    const state = this.#peers.get(of.peer)!;
    if (nowMs - of.sinceMs < SILENT_MS) {
      state.repliedMs = nowMs;
      if (state.triedMs !== null) this.#changed(of.peer, false);
      state.triedMs = null;
    }
    this.#take(asked);
    return of;
  }

  #setEarlier(asked: AskedId, peers: readonly NodeId[]): void {
    if (peers.length === 0) this.#earlier.delete(asked);
    else this.#earlier.set(asked, peers);
  }

  /** Takes out what is asked again, though the node may reply to it yet. */
  #supersede(asked: AskedId): void {
    const of = this.#of.get(asked);
    if (of === undefined) return;
    this.#setEarlier(asked, [...this.#earlier.get(asked) ?? [], of.peer]);
    this.#take(asked);
  }

  #take(asked: AskedId): void {
    const of = this.#of.get(asked);
    if (of === undefined) return;
    this.#of.delete(asked);
    const state = this.#peers.get(of.peer)!;
    state.count--;
    if (!of.commits) state.prompt--;
    if (state.count === 0 && state.triedMs === null) this.#peers.delete(of.peer);
  }

  /** Whether a node has yet to reply to an earlier copy of a request. */
  isUnderWay(asked: AskedId): boolean {
    return this.#earlier.has(asked);
  }

  /** Whether something was asked of a node that has not replied. */
  has(asked: AskedId): boolean {
    return this.#of.has(asked);
  }

  /** Takes out what `which` picks, to be asked again, in the order in which it was asked. */
  takeThose(which: (asked: AskedId, of: AskedOf) => boolean): readonly AskedId[] {
    const taken = [...this.#of].filter(([asked, of]) => which(asked, of)).map(([asked]) => asked);
    for (const asked of taken) this.#supersede(asked);
    return taken;
  }

  /** Takes out all that was asked of a node whose link is broken, in the order in which it was. */
  takeAll(peer: NodeId): readonly Sent[] {
    const all = [...this.#of].filter(([, of]) => of.peer === peer)
      .map(([asked, { sinceMs }]) => ({ asked, sinceMs }));
    for (const { asked } of all) this.#of.delete(asked);
    for (const [asked, peers] of this.#earlier) {
      this.#setEarlier(asked, peers.filter((p) => p !== peer));
    }
    this.#peers.delete(peer);
    return all;
  }
}
