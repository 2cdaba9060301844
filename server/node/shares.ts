/**
 * The shards of this node among those of its cell: it claims what is nobody's and should be its own,
 * drops what others have claimed, and gives away what others should have. The store decides.
 */
import type { Holder, StoreError } from "./ports.ts";
import type { NodeId, NodeRef } from "../../shard/name/ids.ts";
import type { MemberRow } from "./members.ts";
import type { NodeParts } from "./parts.ts";
import type { Peer, PeerFrame } from "./peers.ts";
import type { Shard } from "../../shard/step/shard.ts";
import type { ShardRow } from "../../shard/table/table.ts";
import type { Result } from "../../shard/errors.ts";
import type { Takeovers } from "./takeovers.ts";
import { Giving, type Moved } from "./giving.ts";
import { peerKey } from "./peers.ts";
import { Rehearsals } from "./rehearsals.ts";
import { placement, sameNode } from "../../shard/table/placement.ts";
import { withEpochs } from "../../shard/table/table.ts";

/** How long the live nodes must have been the same before shards move between them (ms). */
const STABLE_MS = 2000;
/**
 * How long a process that has just begun leaves shards alone of owners that it has not met (ms): when
 * all nodes start, each takes those that it had.
 */
const SPREAD_MS = 1000;

/** What it needs of its cell. */
export interface SharesHost {
  readonly takeovers: () => Takeovers;
  /** Whether this node may serve, and claim. */
  readonly leased: boolean;
  /** The nodes that live, this one among them. */
  live(): readonly NodeRef[];
  isLive(node: NodeRef): boolean;
  /** Whether nobody can vouch for a process that does not live; see `Consents`. */
  mayTake(node: NodeRef): boolean;
  /** The row of a process; null where it has ended. */
  rowOf(node: NodeRef): MemberRow | null;
  /** Reads the rows of all nodes. */
  readRows(done: (error: StoreError | null) => void): void;
  isLinked(peer: NodeId): boolean;
  send(peer: NodeId, frame: PeerFrame): void;
  /** Sends a frame to all linked nodes. */
  tell(frame: PeerFrame): void;
  /** Asks the store who owns what. */
  look(): void;
  /** Routes again what waits for an owner, or was asked of a former one. */
  ownersChanged(): void;
  /** Whether a change of the shard table is under way. */
  reshaping(): boolean;
  /** Commits soon what is open. */
  hurry(): void;
}

interface Unconfirmed {
  readonly former: NodeRef;
  readonly epoch: number;
  /** The beat of its former owner's row that was read after the claim; null: none was yet. */
  readonly beat: number | null;
}

type GiveFrame = PeerFrame & { readonly kind: "give" };
type ReturningFrame = PeerFrame & { readonly kind: "returning" };

interface Received {
  readonly from: NodeId;
  readonly give: GiveFrame;
  readonly sinceMs: number;
  /** Whether clients of processes that have ended may return to it. */
  readonly returning: boolean;
  /** When the store had granted the claim; null: it has not yet. */
  claimedMs: number | null;
}

/** See the head of this file. */
export class Shares {
  readonly #parts: () => NodeParts;
  readonly #host: SharesHost;
  readonly #giving: Giving;
  readonly #rehearsals: Rehearsals;
  readonly #claiming = new Set<number>();
  /** Shards that this node owns but does not serve: their former owners may still live. */
  readonly #unconfirmed = new Map<Shard, Unconfirmed>();
  /** Shards that other nodes have given to this one and that do not serve yet. */
  readonly #received = new Map<Shard, Received>();
  /** What nodes have said last of shards that they give next. */
  readonly #returning = new Map<NodeId, ReturningFrame>();
  #liveKeys = "";
  /** When this process has placed shards first. */
  #beganMs: number | null = null;
  /** Processes that it has had a link with in its first second. */
  readonly #met = new Set<NodeId>();
  #stableSinceMs = 0;
  #stopped = false;

  constructor(parts: () => NodeParts, host: SharesHost) {
    this.#parts = parts;
    this.#host = host;
    this.#rehearsals = new Rehearsals(parts);
    this.#giving = new Giving(parts, {
      rehearse: (...move) => this.#rehearsals.ask(...move),
      isLinked: (peer) => host.isLinked(peer),
      send: (peer, frame) => host.send(peer, frame),
      mayGive: ({ id, presence }) =>
        !this.#claiming.has(id) && !presence.settling.active && !presence.returning.active &&
        !host.reshaping(),
      hurry: () => host.hurry(),
      given: (shard) => host.takeovers().given(shard),
    });
  }

  /** The shards that this node has claimed, and not only asked for. */
  get served(): readonly Shard[] {
    return this.#parts().map.shards.filter(({ id }) => !this.#claiming.has(id));
  }

  /** Whether this node is asking the store for a shard. */
  isClaiming(shard: number): boolean {
    return this.#claiming.has(shard);
  }

  /** Begins: replies to other nodes, and places shards. */
  start(done: (error: StoreError | null) => void): void {
    this.#rehearsals.start();
    this.place(done);
  }

  /** Claims nothing any more. */
  stop(): void {
    this.#stopped = true;
  }

  /** After a turn: goes on giving a shard away, and says which given ones serve. */
  turnEnded(): void {
    this.#giving.turnEnded();
    if (this.#received.size === 0) return;
    const { clock, log } = this.#parts().ports;
    for (const [shard, { from, give: { epoch, heldMs }, sinceMs, claimedMs }] of this.#received) {
      if (!shard.ended && !shard.ready) continue;
      this.#received.delete(shard);
      const nowMs = clock.monoMs();
      const pauseMs = shard.ended ? null : heldMs + nowMs - sinceMs;
      this.#host.send(from, { kind: "taken", shard: shard.id, epoch, pauseMs });
      if (pauseMs === null || claimedMs === null) continue;
      const phases = { claimMs: claimedMs - sinceMs, readMs: nowMs - claimedMs };
      log.info("shard taken", { shard: shard.id, epoch, from, ...phases });
    }
  }

  /** Moves a shard of this node to another one; see `Giving.move`. */
  move(shard: number, to: NodeRef, done: (result: Result<Moved>) => void): void {
    this.#giving.move(shard, to, done);
  }

  /**
   * A node is linked, perhaps again. What was sent over a former link may be lost: its edge says again
   * which sessions it has, and whom it watches.
   */
  introduce(peer: NodeId): void {
    const { dispatch, map, ownership: { self }, ports: { clock } } = this.#parts();
    if (!this.#hasSpread(clock.monoMs())) this.#met.add(peer);
    for (const shard of map.shards) {
      const { watched } = shard.ofEdge(peer);
      if (watched.length > 0) {
        dispatch.submit(shard, { kind: "uninterest", node: peer, watched });
      }
    }
    const { served } = this;
    const owners = served.map(({ id, row: { epoch } }) => ({ shard: id, epoch, owner: self }));
    if (owners.length > 0) this.#host.send(peer, { kind: "owners", owners });
    for (const { id: shard, lo, hi, row: { epoch } } of served) {
      const packet = { kind: "announce", lo, hi, epoch } as const;
      this.#host.send(peer, { kind: "edge", shard, epoch, packet });
    }
  }

  // ---- what others have

  /** Takes the newest owners over; drops the shards that others have claimed. */
  learn(holders: readonly Holder[]): void {
    const { map, ownership } = this.#parts();
    map.table = withEpochs(map.table, holders);
    for (const row of map.table.shards) {
      const shard = map.byId(row.id);
      if (shard === undefined || this.#claiming.has(row.id)) continue;
      if (!sameNode(row.owner, ownership.self)) this.#host.takeovers().drop(shard);
    }
    this.#host.ownersChanged();
  }

  /**
   * What the store has decided, from a node that has asked it. A shard that another node has at a
   * later epoch is dropped at once: this node's edge announces its sessions to the new owner next.
   */
  told(owners: readonly Holder[]): void {
    const { map, ownership } = this.#parts();
    const others = owners.filter(({ shard, owner }) =>
      !sameNode(owner, ownership.self) && !this.#claiming.has(shard)
    );
    if (others.length < owners.length) this.#host.look();
    const lost = others.flatMap(({ shard, epoch }) => {
      const mine = map.byId(shard);
      return mine !== undefined && mine.row.epoch < epoch ? mine : [];
    });
    map.table = withEpochs(map.table, others);
    for (const shard of lost) this.#host.takeovers().drop(shard);
    this.#host.ownersChanged();
  }

  /** Another node has claimed a shard of this one. */
  fenced(shard: Shard): void {
    this.#host.takeovers().drop(shard);
    this.#host.look();
  }

  // ---- what this node should have

  /** Takes what is nobody's and should be this node's; begins to give away what others should have. */
  place(done: (error: StoreError | null) => void): void {
    if (!this.#host.leased || this.#stopped) return done(null);
    const { control, map, ownership: { self }, ports: { clock } } = this.#parts();
    // Its shards are for others, where it has any.
    if (control.hasLeft(self) || control.goes) return done(null);
    const nowMs = clock.monoMs();
    this.#giving.expire();
    const live = this.#host.live();
    const keys = live.map(peerKey).sort().join(" ");
    if (keys !== this.#liveKeys) {
      this.#liveKeys = keys;
      this.#stableSinceMs = nowMs;
    }
    this.#confirm();
    const placed = this.placed(live);
    this.#beganMs ??= nowMs;
    const spread = this.#hasSpread(nowMs);
    const free = map.table.shards.filter((row) => {
      if (map.byId(row.id) !== undefined) return false;
      // Own ones that this process does not serve: it was to give them away, and nobody came.
      if (sameNode(row.owner, self)) return !this.#giving.isGiven(row.id);
      const former = row.owner?.id === self.id && !control.isDrained(self);
      // All others expect that it takes at once what is placed at it.
      const may = spread || (row.owner !== null && this.#met.has(peerKey(row.owner)));
      if (!former && !(may && sameNode(placed.get(row.id)!, self))) return false;
      return row.owner === null || this.#mayTake(row.owner);
    });
    const stable = nowMs - this.#stableSinceMs >= STABLE_MS;
    // While the number of shards is being changed, they are moved for that.
    const still = control.state.work?.state === "running" && !control.isDrained(self);
    this.#giving.follow(stable && !still ? placed : new Map());
    this.#claim(free, done);
  }

  /**
   * Which node should have which shard: one that lives and is not drained, or any that lives where
   * all are drained.
   */
  placed(live = this.#host.live()): ReadonlyMap<number, NodeRef> {
    const { control, map } = this.#parts();
    const wanted = live.filter((node) => !control.isDrained(node));
    const places = new Map(control.state.places.map(({ shard, node }) => [shard, node]));
    return placement(map.table.shards, wanted.length > 0 ? wanted : live, places);
  }

  #hasSpread(nowMs: number): boolean {
    return this.#beganMs !== null && nowMs - this.#beganMs >= SPREAD_MS;
  }

  #mayTake(owner: NodeRef): boolean {
    return !this.#host.isLive(owner) && this.#host.mayTake(owner);
  }

  /** Claims shards; those that somebody else has claimed meanwhile are dropped again. */
  #claim(rows: readonly ShardRow[], done: (error: StoreError | null) => void): void {
    if (rows.length === 0) return done(null);
    const { map, ownership, ports: { log, store } } = this.#parts();
    const takeovers = this.#host.takeovers();
    const fresh = rows.map((row) => map.makeShard(row));
    for (const shard of fresh) {
      this.#claiming.add(shard.id);
      map.put(shard);
    }
    // Before what follows it: from now on that is put into these shards.
    this.#host.ownersChanged();
    const claims = rows.map(({ id, epoch }) => ({ shard: id, epoch }));
    store.claim(claims, ownership.self, (error, owned) => {
      for (const { id } of rows) this.#claiming.delete(id);
      const granted: Holder[] = [];
      fresh.forEach((shard, i) => {
        const mine = error === null ? owned[i] : null;
        if (mine == null || this.#stopped) return takeovers.drop(shard);
        map.claimed(mine, ownership.self);
        granted.push({ shard: shard.id, epoch: mine.epoch, owner: ownership.self });
      });
      log.info("shards claimed", { shards: granted.map(({ shard }) => shard) });
      // Before they are asked to announce: what edges say goes to the owner that they know.
      this.#host.tell({ kind: "owners", owners: granted });
      const formers = new Map(rows.map(({ id, owner }) => [id, owner]));
      for (const { shard, epoch } of granted) {
        this.#granted(map.byId(shard)!, epoch, formers.get(shard)!);
      }
      if (granted.length < rows.length) this.#host.look();
      done(error);
    });
  }

  /** A shard is this node's. It serves once its former owner cannot any more. */
  #granted(shard: Shard, epoch: number, former: NodeRef | null): void {
    const { ownership: { self }, ports: { clock } } = this.#parts();
    const received = this.#received.get(shard);
    if (received !== undefined) received.claimedMs = clock.monoMs();
    const ended = former !== null && !sameNode(former, self);
    if (!ended || former.id === self.id || this.#host.rowOf(former) === null) {
      return this.#host.takeovers().granted(shard, epoch, ended || received?.returning === true);
    }
    this.#unconfirmed.set(shard, { former, epoch, beat: null });
    this.#readFormer(shard);
  }

  #readFormer(shard: Shard): void {
    this.#host.readRows((error) => {
      const found = this.#unconfirmed.get(shard);
      // After an error the next look reads again.
      if (error !== null || found === undefined || found.beat !== null) return;
      const beat = this.#host.rowOf(found.former)?.beat ?? 0;
      this.#unconfirmed.set(shard, { ...found, beat });
      this.#confirm();
    });
  }

  /**
   * Between the judgement that the former owner is silent and the claim it may have returned: then it
   * must be silent anew, or have read who owns its shards.
   */
  #confirm(): void {
    for (const [shard, { former, epoch, beat }] of this.#unconfirmed) {
      if (shard.ended || shard.row.epoch !== epoch) {
        this.#unconfirmed.delete(shard);
        continue;
      }
      if (beat === null) {
        this.#readFormer(shard);
        continue;
      }
      const row = this.#host.rowOf(former);
      if (row !== null && row.looked <= beat && !this.#mayTake(former)) continue;
      this.#unconfirmed.delete(shard);
      this.#host.takeovers().granted(shard, epoch, true);
    }
  }

  // ---- what other nodes give

  /** Clients may return to a shard that another node gives next. */
  returning(from: Peer, frame: ReturningFrame): void {
    this.#returning.set(from.key, frame);
  }

  /** Another node gives this one a shard. */
  receive(from: Peer, give: GiveFrame): void {
    const sinceMs = this.#parts().ports.clock.monoMs();
    const said = this.#returning.get(from.key);
    this.#returning.delete(from.key);
    const returning = said?.shard === give.shard && said.epoch === give.epoch;
    const received: Received = { from: from.key, give, sinceMs, returning, claimedMs: null };
    if (this.#take(received)) return;
    const { shard, epoch } = give;
    this.#host.send(from.key, { kind: "taken", shard, epoch, pauseMs: null });
  }

  #take(received: Received): boolean {
    const { control, map, ownership: { self } } = this.#parts();
    const { shard, epoch } = received.give;
    const row = map.table.shards.find(({ id }) => id === shard);
    if (row === undefined || map.byId(shard) !== undefined || !this.#host.leased) return false;
    // The frame is late: somebody has claimed the shard since, perhaps its former owner again.
    if (row.epoch > epoch) return false;
    // It ends once it has no shard: who gives it one does not know yet.
    if (control.hasLeft(self) || control.state.leaving.includes(self.id)) return false;
    // Its former owner has dropped it.
    this.#claim([{ ...row, epoch, owner: null }], () => {});
    this.#received.set(map.byId(shard)!, received);
    return true;
  }

  /** The new owner of a shard that this node has given away serves it, or does not take it. */
  taken({ shard, epoch, pauseMs }: PeerFrame & { readonly kind: "taken" }): void {
    if (pauseMs === null) this.#giving.refused(shard, epoch);
    else this.#giving.taken(shard, epoch, pauseMs);
    this.place(() => {});
  }
}
