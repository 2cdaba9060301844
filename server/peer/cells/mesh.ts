/**
 * The links of one process with the nodes of other cells. Every node links with every node of every
 * other cell that it knows of, from `cells.join` or from what others say; of two links between the
 * same two nodes one is kept.
 */
import type { Cancel } from "../../node/ports.ts";
import { CELL_VERSIONS, cellFault, type CellHello, type CellNode, markFault } from "./hello.ts";
import { CellLink, type LinkCounts, newLinkCounts } from "./cell_link.ts";
import type { CellName } from "../../../shard/name/ids.ts";
import type { CellFrame, PeerCellEvents, PeerCells } from "../../node/peer_cells.ts";
import { cellTable, type LinkFrame } from "./frames.ts";
import { cellsOf } from "./channel_name.ts";
import { Directory } from "./directory.ts";
import { isPreferred, isSaidBy, type Linked, nodeKey, Sayings } from "./sayings.ts";
import { CellQueries } from "./cell_queries.ts";
import { NameCheck } from "./name_check.ts";
import { Joining } from "./joining.ts";
import { Membership } from "./membership.ts";
import { isRepeated } from "../../../shard/message/packets.ts";
import type { LinkRefusal } from "../handshake.ts";
import type { ShardTable } from "../../../shard/table/table.ts";
import { type CellsView, viewOf } from "./view.ts";
import { Sharing } from "./sharing.ts";
import type { MeshHost, MeshOptions } from "./mesh_options.ts";
import { Settled } from "./settled.ts";
import { Targets } from "./targets.ts";
import type { Wire, WireEvents } from "./wires.ts";

/** Time between two looks at links and gossip (ms). */
const TICK_MS = 500;
/** Frames of the comparison of names, and of questions of operators. */
const NAME_FRAMES: ReadonlySet<LinkFrame["kind"]> = new Set(["names", "reserve", "named"]);
const QUERY_FRAMES: ReadonlySet<LinkFrame["kind"]> = new Set(["query", "queried"]);

/** See the head of this file. */
export class CellMesh implements PeerCells {
  readonly directory: Directory;
  readonly targets: Targets;
  readonly #options: MeshOptions;
  readonly #links = new Map<string, Linked>();
  readonly #counts = new Map<CellName, LinkCounts>();
  readonly membership: Membership;
  readonly nameCheck: NameCheck;
  readonly queries: CellQueries;
  readonly #sayings: Sayings;
  #host: MeshHost | null = null;
  #events: PeerCellEvents | null = null;
  #publicUrls: readonly string[];
  /** Members whose links the node knows of. */
  #members: ReadonlySet<CellName> = new Set();
  readonly settled: Settled;
  readonly #sharing: Sharing;
  readonly #joining: Joining;
  #told: ShardTable | null = null;
  #next: Cancel | null = null;
  #stopped = false;

  constructor(options: MeshOptions) {
    this.#options = options;
    this.#publicUrls = options.publicUrls;
    this.directory = new Directory(options);
    this.targets = new Targets(options.retries);
    this.#sayings = new Sayings(options, this.directory, () => this.#about());
    const { cell, mark, members, witness } = options;
    const send = (to: CellName, frame: LinkFrame) => void this.linksOf(to)[0]?.link.send(frame);
    this.settled = new Settled({
      self: cell,
      current: () => this.membership.current,
      linksOf: (cell) => this.linksOf(cell),
      names: () => this.#host!.names,
      isFresh: () => this.#host!.isFresh(),
      shared: () => this.#sharing.version,
    });
    this.#sharing = new Sharing({
      ...options,
      self: cell,
      value: options.shared,
      current: () => this.membership.current,
      source: () => this.#host!.names,
    });
    const isLinked = (cell: CellName) => this.isLinked(cell);
    const questions = { timers: options.timers, self: cell, isLinked, send };
    this.nameCheck = new NameCheck({
      ...questions,
      source: () => this.#host!.names,
      cells: () => cellsOf(this.directory).filter(isLinked),
    });
    this.queries = new CellQueries({ ...questions, cells: () => cellsOf(this.directory) });
    this.membership = new Membership({
      ...options,
      self: { cell, mark, witness },
      value: members,
      send,
      unsettled: (...change) => this.settled.fault(...change),
      changed: () => this.#membersChanged(),
    });
    this.#joining = new Joining({
      ...options,
      membership: this.membership,
      settled: this.settled,
      sharing: this.#sharing,
      isEmpty: (done) => this.#host!.isEmpty(done),
    });
  }

  // ---- PeerCells

  get self(): CellName {
    return this.#options.cell;
  }

  get peers(): readonly CellName[] {
    return this.voters.filter((cell) => cell !== this.self);
  }

  get version(): number {
    return this.membership.joined ? this.membership.current.version : 0;
  }

  get voters(): readonly CellName[] {
    const { current, joined } = this.membership;
    return joined ? current.cells.map(({ cell }) => cell).sort() : [];
  }

  isLinked(cell: CellName): boolean {
    return this.linksOf(cell).length > 0;
  }

  addressesOf(cell: CellName): readonly string[] | null {
    return this.directory.addressesOf(cell, (saying) => isSaidBy(this.linkOf(saying), saying));
  }

  send(cell: CellName, point: number, frame: CellFrame): void {
    const linked = this.#linkFor(cell, point);
    if (linked !== undefined) this.#sendOver(linked, point, frame);
  }

  tell(cell: CellName, frame: CellFrame): void {
    for (const linked of this.linksOf(cell)) this.#sendOver(linked, 0, frame);
  }

  /** What nobody sends again is lost only where a link breaks. */
  #sendOver({ link }: Linked, point: number, frame: CellFrame): void {
    const repeated = frame.kind === "packet" && isRepeated(frame.packet);
    if (link.send({ kind: "cell", point, frame }) || repeated) return;
    link.wire.close("too much waits for it");
  }

  start(events: PeerCellEvents): void {
    this.#events = events;
  }

  stop(done: () => void): void {
    this.#stopped = true;
    this.#next?.();
    this.membership.stop();
    this.#sharing.stop();
    this.#joining.stop();
    if (this.#host !== null) {
      this.#sayings.say(true);
      this.#sayings.tell(this.#links.values());
    }
    // What waits is written first.
    this.#options.timers.soon(() => this.#options.wires.stop(done));
  }

  // ---- for operators

  /** The links with a cell. */
  linksOf(cell: CellName): readonly Linked[] {
    return [...this.#links.values()].filter(({ node }) => node.cell === cell);
  }

  /** The link with a node; undefined where there is none. */
  linkOf(node: Pick<CellNode, "cell" | "node">): Linked | undefined {
    return this.#links.get(nodeKey(node));
  }

  /** What was sent to a cell. */
  countsOf(cell: CellName): LinkCounts {
    const counts = this.#counts.get(cell) ?? newLinkCounts();
    this.#counts.set(cell, counts);
    return counts;
  }

  /** The federation as this node sees it. */
  view(): CellsView {
    return viewOf(this, this.#sayings.own, this.#host, this.#options.clock.monoMs());
  }

  // ---- the node

  /** Begins to link: the node serves. */
  begin(host: MeshHost): void {
    this.#host = host;
    this.#sayings.say(false);
    this.membership.start(this.#options.join.length === 0);
    this.#sharing.start();
    this.#options.wires.start({
      hello: () => this.#hello(),
      fault: (hello) => this.#fault(hello),
      accepted: () => this.#wireEvents(null),
    });
    this.#want();
    this.#tick();
  }

  /** Where clients reach this node, as far as nothing else is configured. */
  setPublicUrl(url: string): void {
    if (this.#options.publicUrls.length > 0) return;
    this.#publicUrls = [url];
    if (this.#host !== null) this.#sayings.say(false);
  }

  #about() {
    const { cell, mark, program, wires: { address } } = this.#options;
    return { cell, mark, node: this.#host!.self, address, publicUrls: this.#publicUrls, program };
  }

  #own(): CellNode {
    const { cell, domain, mark } = this.#options;
    return { cell, domain, mark, node: this.#host!.self };
  }

  #hello(): CellHello {
    const { program, wires: { address } } = this.#options;
    return { ...this.#own(), address, program, versions: CELL_VERSIONS };
  }

  #fault(hello: CellHello): LinkRefusal | null {
    const fault = cellFault(hello, this.#own());
    if (fault !== null) return fault;
    return markFault(hello, this.linksOf(hello.cell).map(({ node }) => node));
  }

  // ---- links

  #tick(): void {
    if (this.#stopped) return;
    const { clock, timers } = this.#options;
    const nowMs = clock.monoMs();
    const host = this.#host!;
    const load = { users: host.users(), busy: host.busy(), settled: this.settled.version };
    for (const { link } of [...this.#links.values()]) link.tick(load);
    this.#sayings.refresh();
    this.directory.forget(nowMs, (saying) => this.#links.has(nodeKey(saying)));
    this.#want();
    this.#sayings.tell(this.#links.values());
    this.#tellTable();
    if (this.membership.joined && host.isFirst()) this.#sharing.tick();
    this.#joining.tick();
    this.#next = timers.after(TICK_MS, () => this.#tick());
  }

  /** Connects to what is known and not linked. */
  #want(): void {
    const { clock, join, wires } = this.#options;
    const said = this.directory.sayings.filter(({ saying }) => !saying.left)
      .map(({ saying }) => ({ address: saying.address, node: nodeKey(saying) }));
    const named = join.map((address) => ({ address, node: null }));
    this.targets.want([...named, ...said].filter(({ address }) => address !== wires.address));
    for (const address of this.targets.due(clock.monoMs(), (node) => this.#links.has(node))) {
      wires.dial(address, this.#wireEvents(address));
    }
  }

  /** `address`: where this node has dialled; null: the other one has. */
  #wireEvents(address: string | null): WireEvents {
    let linked: Linked | null = null;
    return {
      opened: (wire) => {
        if (address !== null) this.targets.reached(address, nodeKey(wire.hello));
        linked = this.#opened(wire);
      },
      message: (bytes) => linked?.link.take(bytes),
      drained: () => linked?.link.drained(),
      closed: (refusal) => {
        const { clock, random } = this.#options;
        const monoMs = clock.monoMs();
        const openMs = linked === null ? 0 : monoMs - linked.link.openedMs;
        if (address !== null) {
          this.targets.ended(address, refusal, openMs, { monoMs, random: random.number() });
        }
        if (linked !== null) this.#closed(linked, refusal);
      },
    };
  }

  #opened(wire: Wire): Linked | null {
    const { hello } = wire;
    const key = nodeKey(hello);
    const before = this.#links.get(key);
    if (before !== undefined && before.node.node.incarnation >= hello.node.incarnation) {
      const stale = before.node.node.incarnation > hello.node.incarnation;
      const own = this.#own();
      if (stale || isPreferred(own, before.link.wire) && !isPreferred(own, wire)) {
        wire.close("it is linked already");
        return null;
      }
    }
    const first = !this.isLinked(hello.cell);
    const linked: Linked = {
      node: hello,
      known: new Map(),
      link: new CellLink(wire, this.countsOf(hello.cell), {
        ...this.#options,
        frame: (frame) => this.#frame(linked, frame),
      }),
    };
    this.#links.set(key, linked);
    before?.link.wire.close("another link has taken its place");
    this.directory.proved(hello.cell, hello.mark);
    this.#options.log.info("cell linked", { cell: hello.cell, node: hello.node.id });
    // The cell is known by what is said of it: its table counts after that only.
    this.#sayings.tell([linked]);
    linked.link.send({ kind: "table", table: cellTable(this.#host!.table()) });
    this.#tellMembers([linked]);
    if (before !== undefined) this.#options.user?.closed(before);
    this.#options.user?.opened(linked);
    const member = this.#members.has(hello.cell);
    if (member) this.#events?.opened(hello.cell, (frame) => this.#sendOver(linked, 0, frame));
    if (member && first) this.#events?.linked(hello.cell);
    if (before !== undefined) this.#broken(hello.cell);
    return linked;
  }

  #closed(linked: Linked, { cause, why }: LinkRefusal): void {
    const { node } = linked;
    if (this.#links.get(nodeKey(node)) !== linked) return;
    this.#links.delete(nodeKey(node));
    if (this.#stopped) return;
    this.#options.user?.closed(linked);
    this.#options.log.warn("cell not linked", { cell: node.cell, node: node.node.id, cause, why });
    this.#broken(node.cell);
  }

  /** What was sent over a link may be lost, also where another one is left. */
  #broken(cell: CellName): void {
    if (!this.#members.has(cell)) return;
    this.#events?.unlinked(cell);
    if (this.isLinked(cell)) this.#events?.linked(cell);
  }

  #linkFor(cell: CellName, point: number): Linked | undefined {
    const owner = this.directory.ownerOf(cell, point);
    const direct = owner === null ? undefined : this.linkOf({ cell, node: owner });
    if (direct !== undefined) return direct;
    const links = this.linksOf(cell);
    return links[point % links.length];
  }

  // ---- frames and gossip

  #frame(from: Linked, frame: LinkFrame): void {
    if (this.#stopped) return;
    const { cell } = from.node;
    if (frame.kind === "sayings") {
      this.#sayings.learn(from, frame.sayings);
      return this.#want();
    }
    if (frame.kind === "table") return this.directory.takeTable(cell, frame.table);
    if (NAME_FRAMES.has(frame.kind)) return this.nameCheck.take(from, frame);
    if (frame.kind === "standby") return this.#options.user?.frame(from, frame.frame);
    if (QUERY_FRAMES.has(frame.kind)) return this.queries.take(from, frame);
    if (frame.kind !== "cell") return this.membership.take(from, frame);
    // Cells that are no members have no part in the name space.
    if (frame.frame === null || !this.#members.has(cell)) return;
    this.#events?.frame(cell, frame.point, frame.frame);
  }

  // ---- members

  #tellMembers(links: Iterable<Linked>): void {
    const { current: members } = this.membership;
    if (members.version === 0) return;
    for (const { link } of links) link.send({ kind: "members", members });
  }

  #membersChanged(): void {
    const before = this.#members;
    this.#members = new Set(this.peers);
    this.#tellMembers(this.#links.values());
    if (!this.membership.joined) this.#joining.soon();
    for (const cell of this.#members) {
      if (!before.has(cell) && this.isLinked(cell)) this.#events?.linked(cell);
    }
    for (const cell of before) {
      if (!this.#members.has(cell) && this.isLinked(cell)) this.#events?.unlinked(cell);
    }
  }

  /** Tells every linked node who has this cell's shards, where that has changed. */
  #tellTable(): void {
    const table = this.#host!.table();
    if (table === this.#told) return;
    this.#told = table;
    const frame = { kind: "table", table: cellTable(table) } as const;
    for (const { link } of this.#links.values()) link.send(frame);
  }
}
