/**
 * This node among the other nodes of its cell: which of them live, which shards it should own, how it
 * takes those of the dead and gives away those that others should have. The store decides: what links
 * say only makes it quicker.
 */
import type { NodeId } from "../../shard/name/ids.ts";
import type { Cancel, StoreError } from "./ports.ts";
import type { Effect } from "../../shard/effects.ts";
import type { EdgePacket } from "../../shard/edge_packet.ts";
import type { NodeParts } from "./parts.ts";
import { ALONE, type Derived, type NodeView, otherView } from "./node_view.ts";
import { type Peer, type PeerFrame, peerKey, type PeerLinks } from "./peers.ts";
import type { Shard } from "../../shard/step/shard.ts";
import type { Reshape, ShardRow, ShardTable } from "../../shard/table/table.ts";
import type { Reshaping } from "./resharder.ts";
import type { Result } from "../../shard/errors.ts";
import type { Takeovers } from "./takeovers.ts";
import { CellCalls } from "./cell_calls.ts";
import { FormerProcess } from "./former_process.ts";
import { Consents } from "./consents.ts";
import { Gossip } from "./gossip.ts";
import { Liveness } from "./liveness.ts";
import { LostEdges } from "./lost_edges.ts";
import { MEMBER_BEAT_MS, type Members } from "./members.ts";
import { OwnerLook } from "./owner_look.ts";
import { Remote } from "./remote.ts";
import { Shares } from "./shares.ts";
import { Vouching } from "./vouching.ts";

/** What the cell needs of its node. */
export interface CellHost {
  readonly takeovers: () => Takeovers;
  /** Whether a change of the shard table is under way. */
  reshaping(): boolean;
  /** Whether this node is writing a shard table. */
  writing(): boolean;
  /** Does an effect of a shard. */
  execute(shard: Shard, effect: Effect): void;
  /** Commits soon what is open. */
  hurry(): void;
  /** Makes a change of shards that this node has, as another node asks. */
  reshape(change: Reshape, done: (result: Result<Reshaping>) => void): void;
  /** The shard table has another version in the store. */
  tableChanged(table: ShardTable, version: number): void;
}

/** See the head of this file. */
export class Cell {
  readonly remote: Remote;
  readonly calls: CellCalls;
  readonly lost: LostEdges;
  readonly liveness: Liveness;
  readonly #parts: () => NodeParts;
  readonly #links: PeerLinks;
  readonly #host: CellHost;
  readonly #members: Members;
  readonly #former: FormerProcess;
  readonly #vouching: Vouching;
  readonly #consents: Consents;
  readonly #shares: Shares;
  readonly #gossip: Gossip;
  readonly #look: OwnerLook;
  #next: Cancel | null = null;
  #stopped = false;

  constructor(parts: () => NodeParts, members: Members, links: PeerLinks, host: CellHost) {
    this.#parts = parts;
    this.#links = links;
    this.#host = host;
    this.lost = new LostEdges(parts);
    this.#members = members;
    this.#former = new FormerProcess(members);
    this.#gossip = this.#makeGossip(members);
    const liveness = new Liveness(parts, members, this.#gossip);
    this.liveness = liveness;
    this.#shares = new Shares(parts, {
      takeovers: host.takeovers,
      get leased() {
        return members.leased;
      },
      live: () => liveness.live(),
      isLive: (node) => liveness.isLive(node),
      mayTake: (node) => this.#consents.mayTake(node),
      rowOf: (node) => liveness.isGone(node) ? null : members.rowOf(node),
      readRows: (done) => members.read((error) => done(error)),
      isLinked: (peer) => liveness.linked.has(peer),
      send: (peer, frame) => links.send(peer, frame),
      tell: (frame) => this.#tell(frame),
      look: () => this.look(),
      ownersChanged: () => this.remote.ownersChanged(),
      reshaping: host.reshaping,
      hurry: host.hurry,
    });
    const linked = () => liveness.linked.values();
    const send = (peer: NodeId, frame: PeerFrame) => links.send(peer, frame);
    const vouching = new Vouching(parts, members, {
      linked,
      send,
      claims: () => this.#shares.served.map(({ id, row: { epoch } }) => ({ shard: id, epoch })),
      isClaiming: (shard) => this.#shares.isClaiming(shard),
      vouched: () => this.#release(),
    });
    this.#vouching = vouching;
    this.#consents = new Consents(parts, members, vouching, {
      linked,
      send,
      goneMs: (node) => liveness.goneMs(node),
      changed: () => this.look(),
    });
    this.#look = this.#makeLook();
    this.calls = this.#makeCalls();
    this.remote = new Remote(parts, {
      links,
      isLinked: (peer) => liveness.linked.has(peer),
      get mayServe() {
        return members.leased || vouching.serves;
      },
      look: () => this.look(),
      execute: (shard, effect) => this.#host.execute(shard, effect),
      drop: (shard) => this.#host.takeovers().drop(shard),
    });
  }

  #makeGossip(members: Members): Gossip {
    return new Gossip(this.#parts, {
      get leased() {
        return members.leased;
      },
      send: (peer, frame) => this.#links.send(peer, frame),
      newerTable: () => this.look(),
    });
  }

  #makeLook(): OwnerLook {
    return new OwnerLook(this.#parts, this.#members, {
      writing: () => this.#host.writing(),
      tableChanged: (...changed) => this.#host.tableChanged(...changed),
      learn: (holders) => this.#shares.learn(holders),
      renewed: () => this.#release(),
      over: (error) => {
        if (error === null && !this.#stopped) this.#shares.place(() => {});
      },
    });
  }

  #makeCalls(): CellCalls {
    return new CellCalls({
      timers: () => this.#parts().ports.timers,
      linked: () => this.liveness.linked,
      send: (peer, frame) => this.#links.send(peer, frame),
      ask: (...asked) => this.#parts().asks.reply(...asked),
      move: (...move) => this.#shares.move(...move),
      reshape: this.#host.reshape,
    });
  }

  /** Where other nodes reach this one. */
  get address(): string {
    return this.#links.address;
  }

  /** The other nodes that have a row, by their ids. */
  get others(): readonly Omit<NodeView, Derived>[] {
    return this.#members.others.map((member) => {
      const key = peerKey(member);
      const [linked, gossip] = [this.liveness.linked.has(key), this.#gossip.of(key)];
      const about = this.#links.about(member);
      const live = this.liveness.isLive(member);
      return otherView(member, { linked, live, gossip, about });
    });
  }

  /** Whether this node has a lease. */
  get leased(): boolean {
    return this.#members.leased;
  }

  /** Time since the beginning of the beat that has renewed the lease (ms); infinite: none has. */
  get leaseAgeMs(): number {
    return this.#members.leaseAgeMs;
  }

  /** This node as `NodeView` has it. */
  get self(): typeof ALONE {
    const { publicUrl } = this.#members;
    return { ...ALONE, address: this.address, publicUrl, healthScore: this.#gossip.healthScore };
  }

  /**
   * Edges of other nodes whose sessions may be there: those that are linked, were until lately, or
   * live and are still to be linked.
   */
  edges(): readonly NodeId[] {
    const alive = this.#members.others.filter((member) => this.liveness.isLive(member)).map(
      peerKey,
    );
    return [...new Set([...this.liveness.linked.keys(), ...this.lost.keys(), ...alive])];
  }

  /** Where shards are, and should be. */
  get shares(): Pick<Shares, "move" | "placed"> {
    return this.#shares;
  }

  // ---- start and stop

  /** Reads the rows of all nodes; calls back with the incarnation of this node's last process. */
  read(done: (error: StoreError | null, incarnation: number) => void): void {
    const { control, options: { id }, ports: { timers } } = this.#parts();
    this.#former.await(timers, this.#links, (error, known) => {
      error === null ? control.lastProcess(id, known, done) : done(error, known);
    });
  }

  /** Begins to beat and to link; `done` when this node has a lease and has claimed what is nobody's. */
  start(done: (error: StoreError | null) => void): void {
    const { ownership } = this.#parts();
    this.#links.start(ownership.self, {
      linked: (peer) => this.#onLinked(peer),
      unlinked: (peer, gone) => this.#onUnlinked(peer, gone),
      frame: (from, frame) => this.#onFrame(from, frame),
    });
    this.#members.beat(ownership.self, this.#links.address, (error, beganMs) => {
      if (error !== null) return done(error);
      // It has no shards yet.
      this.#members.renew(beganMs);
      this.#gossip.start(peerKey(ownership.self));
      this.#vouching.start();
      this.#expect();
      this.#shares.start(done);
      this.#schedule();
    });
  }

  /** Leaves the cell: others take over at once. */
  stop(done: () => void): void {
    this.#stopped = true;
    this.#next?.();
    this.#look.stop();
    this.#shares.stop();
    this.lost.stop();
    this.#gossip.stop();
    this.#vouching.stop();
    this.#members.leave(this.#parts().ownership.self, () => this.#links.stop(done));
  }

  #schedule(): void {
    if (this.#stopped) return;
    const { ports: { random, timers } } = this.#parts();
    const waitMs = MEMBER_BEAT_MS * (0.9 + 0.2 * random.number());
    const beat = () => this.#stopped || this.#beat();
    this.#next = timers.after(waitMs, () => this.#former.look(this.#parts(), beat));
  }

  #beat(): void {
    const { ownership, ports: { log } } = this.#parts();
    this.#members.beat(ownership.self, this.#links.address, (error, beganMs) => {
      if (this.#stopped) return;
      this.#schedule();
      if (error !== null) {
        return log.warn("no sign of life", { kind: error.kind, error: error.message });
      }
      this.#expect();
      this.#look.beat(beganMs);
      this.remote.retry();
    });
  }

  #expect(): void {
    const { others } = this.#members;
    this.#links.expect(others.filter(({ address }) => address !== ""));
    this.#gossip.setMembers(others.map(peerKey));
  }

  // ---- who owns what

  /** Looks at what the store says about owners; `done`, where it is given, is called after it. */
  look(done?: () => void): void {
    this.#look.look(done);
  }

  /** Operators want something else of the cell; `own`: this node has written it. */
  controlChanged(own: boolean): void {
    if (own) this.#tell({ kind: "cluster" });
    this.#shares.place(() => {});
  }

  #release(): void {
    if (this.remote.mayServe) this.remote.withheld.release();
    this.remote.retry();
  }

  /** Another node has claimed a shard of this one. */
  fenced(shard: Shard): void {
    this.#shares.fenced(shard);
  }

  /** After a turn: goes on giving a shard away. */
  turnEnded(): void {
    this.#shares.turnEnded();
  }

  // ---- links

  #tell(frame: PeerFrame): void {
    for (const key of this.liveness.linked.keys()) this.#links.send(key, frame);
  }

  /** Tells the edges of all other nodes something about a shard. */
  announce({ id: shard, epoch }: ShardRow, packet: EdgePacket): void {
    this.#tell({ kind: "edge", shard, epoch, packet });
  }

  /** This node's edge has announced all its sessions with these points. */
  announced(lo: number, hi: number, epoch: number): void {
    this.#tell({ kind: "announced", lo, hi, epoch });
  }

  /** The shard table has changed. */
  tellTable(version: number): void {
    this.#tell({ kind: "table", version });
  }

  #onLinked(peer: Peer): void {
    // It has begun since this node read the rows.
    if (this.#members.rowOf(peer) === null) this.#members.read(() => this.#expect());
    this.liveness.link(peer);
    this.lost.delete(peer.key);
    this.#shares.introduce(peer.key);
    this.#gossip.linked();
    this.#parts().abroad?.nodeLinked();
    this.remote.retry();
  }

  #onUnlinked(peer: Peer, gone: boolean): void {
    const { ports: { log } } = this.#parts();
    const linked = this.liveness.linked.has(peer.key);
    const ended = this.liveness.isGone(peer);
    this.liveness.unlink(peer);
    // The next process of its node may have been linked before the link with this one broke.
    if (this.#stopped || ended && !linked) return;
    log.warn("node not linked", { node: peer.id, incarnation: peer.incarnation, gone });
    this.lost.add(peer.key);
    this.remote.unlinked(peer.key, gone || ended);
    this.calls.unlinked(peer.key);
    if (!gone) return;
    this.liveness.end(peer);
    this.look();
  }

  #onFrame(from: Peer, frame: PeerFrame): void {
    if (this.#stopped || this.remote.take(from, frame) || this.calls.take(from, frame)) return;
    if (frame.kind === "owners") this.#shares.told(frame.owners);
    else if (frame.kind === "table") {
      if (frame.version > this.#parts().map.table.version) this.look();
    } else if (frame.kind === "returning") this.#shares.returning(from, frame);
    else if (frame.kind === "give") this.#shares.receive(from, frame);
    else if (frame.kind === "taken") this.#shares.taken(frame);
    else if (frame.kind === "gossip") this.#gossip.take(from.key, frame.message);
    else if (frame.kind === "vouch") this.#vouching.asked(from, frame);
    else if (frame.kind === "vouched") this.#vouching.voted(from, frame.asked);
    else if (frame.kind === "consent") this.#consents.asked(from, frame);
    else if (frame.kind === "consented") this.#consents.consented(from, frame);
    else if (frame.kind === "cluster") this.#parts().control.read(() => {});
  }
}
