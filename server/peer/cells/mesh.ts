/**
 * The links of one process with the nodes of other cells. Every node links with every node of every
 * other cell that it knows of, from `cells.join` or from what others say; of two links between the
 * same two nodes one is kept.
 */
import type { Cancel, Runtime } from "../../node/ports.ts";
import { CELL_VERSIONS, cellFault, type CellHello, type CellNode } from "./hello.ts";
import { CellLink, type LinkCounts, newLinkCounts } from "./cell_link.ts";
import type { CellName, NodeRef } from "../../../shard/name/ids.ts";
import type { CellFrame, PeerCellEvents, PeerCells } from "../../node/peer_cells.ts";
import type { CellTable, LinkFrame, NodeSaying } from "./frames.ts";
import { Directory, isLater } from "./directory.ts";
import type { LinkRefusal } from "../handshake.ts";
import type { ShardTable } from "../../../shard/table/table.ts";
import type { Retries } from "../../../shard/retry.ts";
import { type CellsView, viewOf } from "./view.ts";
import { Targets } from "./targets.ts";
import type { Wire, WireEvents, Wires } from "./wires.ts";

/** Time between two looks at links and gossip (ms). */
const TICK_MS = 500;
/** How often a node says what it is although nothing has changed (ms). */
const SAY_MS = 60_000;
/** Sayings in one frame. */
const SAYINGS_MAX = 64;

/** What a mesh is made with. */
export interface MeshOptions extends Runtime {
  readonly retries: Retries;
  readonly wires: Wires;
  readonly domain: string;
  readonly cell: CellName;
  /** The mark of the cell's store. */
  readonly mark: string;
  /** Version of the program. */
  readonly program: string;
  /** Addresses of nodes of other cells. */
  readonly join: readonly string[];
  /** Where clients reach this node. */
  readonly publicUrls: readonly string[];
  /** Bytes that may wait for a node of another cell. */
  readonly queueBytesMax: number;
  /** How long a node may take nothing of them (ms). */
  readonly stalledMs: number;
}

/** What a mesh needs of its node, which has started. */
export interface MeshHost {
  readonly self: NodeRef;
  table(): ShardTable;
  /** Online users of this node's shards. */
  users(): number;
  /** Whether it wants no clients. */
  busy(): boolean;
}

/** A link that is in use. */
export interface Linked {
  readonly link: CellLink;
  readonly node: CellNode;
  /** Sayings that the other side has: its own, those it has sent, those it was sent. */
  readonly known: Map<string, NodeSaying>;
}

/** Names a node of any cell, whatever its process. */
export function nodeKey({ cell, node }: Pick<CellNode, "cell" | "node">): string {
  return `${cell}/${node.id}`;
}

/** See the head of this file. */
export class CellMesh implements PeerCells {
  readonly directory: Directory;
  readonly targets: Targets;
  readonly #options: MeshOptions;
  readonly #links = new Map<string, Linked>();
  readonly #counts = new Map<CellName, LinkCounts>();
  readonly #usedTwice = new Set<CellName>();
  #host: MeshHost | null = null;
  #events: PeerCellEvents | null = null;
  #publicUrls: readonly string[];
  #saying: NodeSaying | null = null;
  #saidMs = 0;
  #told: ShardTable | null = null;
  #next: Cancel | null = null;
  #stopped = false;

  constructor(options: MeshOptions) {
    this.#options = options;
    this.#publicUrls = options.publicUrls;
    this.directory = new Directory(options);
    this.targets = new Targets(options.retries);
  }

  // ---- PeerCells

  get self(): CellName {
    return this.#options.cell;
  }

  get peers(): readonly CellName[] {
    return this.directory.cells;
  }

  get version(): number {
    return 0;
  }

  get voters(): readonly CellName[] {
    return [];
  }

  isLinked(cell: CellName): boolean {
    return this.linksOf(cell).length > 0;
  }

  addressesOf(cell: CellName): readonly string[] {
    const nodes = this.directory.nodesOf(cell).filter(({ saying }) => !saying.left);
    const [linked, others] = [true, false].map((wanted) =>
      nodes.filter(({ saying }) => this.#links.has(nodeKey(saying)) === wanted)
    );
    return [...new Set([...linked!, ...others!].flatMap(({ saying }) => saying.publicUrls))];
  }

  send(cell: CellName, point: number, frame: CellFrame): void {
    this.#linkFor(cell, point)?.link.send({ kind: "cell", point, frame });
  }

  start(events: PeerCellEvents): void {
    this.#events = events;
  }

  stop(done: () => void): void {
    this.#stopped = true;
    this.#next?.();
    if (this.#saying !== null) {
      this.#say(true);
      this.#gossip();
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
    return viewOf(this, this.#saying, this.#options.clock.monoMs());
  }

  // ---- the node

  /** Begins to link: the node serves. */
  begin(host: MeshHost): void {
    this.#host = host;
    this.#say(false);
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
    if (this.#host !== null) this.#say(false);
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
    const others = this.linksOf(hello.cell).filter(({ node }) => node.mark !== hello.mark);
    if (others.length === 0) return null;
    return { cause: "name", why: `another cell with the name ${hello.cell} is linked already` };
  }

  #say(left: boolean): void {
    const { cell, clock, mark, program, wires: { address } } = this.#options;
    this.#saidMs = clock.monoMs();
    this.#saying = {
      cell,
      mark,
      node: this.#host!.self,
      stamp: (this.#saying?.stamp ?? 0) + 1,
      address,
      publicUrls: this.#publicUrls,
      program,
      left,
    };
  }

  // ---- links

  #tick(): void {
    if (this.#stopped) return;
    const { clock, timers } = this.#options;
    const nowMs = clock.monoMs();
    const host = this.#host!;
    for (const { link } of [...this.#links.values()]) link.tick(host.users(), host.busy());
    if (nowMs - this.#saidMs >= SAY_MS) this.#say(false);
    this.directory.forget(nowMs, (saying) => this.#links.has(nodeKey(saying)));
    this.#want();
    this.#gossip();
    this.#tellTable();
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

  /** Of two links between two nodes, that one stays which the node with the smaller key has dialled. */
  #isPreferred(wire: Wire): boolean {
    const smaller = nodeKey(this.#own()) < nodeKey(wire.hello);
    return smaller === (wire.role === "dialler");
  }

  #opened(wire: Wire): Linked | null {
    const { hello } = wire;
    const key = nodeKey(hello);
    const before = this.#links.get(key);
    if (before !== undefined && before.node.node.incarnation >= hello.node.incarnation) {
      const stale = before.node.node.incarnation > hello.node.incarnation;
      if (stale || this.#isPreferred(before.link.wire) && !this.#isPreferred(wire)) {
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
    linked.link.send({ kind: "table", table: tableFrame(this.#host!.table()) });
    this.#gossip();
    if (first) this.#events?.linked(hello.cell);
    return linked;
  }

  #closed(linked: Linked, { cause, why }: LinkRefusal): void {
    const { node } = linked;
    if (this.#links.get(nodeKey(node)) !== linked) return;
    this.#links.delete(nodeKey(node));
    if (this.#stopped) return;
    this.#options.log.warn("cell not linked", { cell: node.cell, node: node.node.id, cause, why });
    if (!this.isLinked(node.cell)) this.#events?.unlinked(node.cell);
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
    if (frame.kind === "sayings") return this.#learn(from, frame.sayings);
    if (frame.kind === "table") return this.directory.takeTable(cell, frame.table);
    if (frame.kind !== "cell" || frame.frame === null) return;
    this.#events?.frame(cell, frame.point, frame.frame);
  }

  #learn(from: Linked, sayings: (LinkFrame & { readonly kind: "sayings" })["sayings"]): void {
    const { clock, log } = this.#options;
    for (const { ageMs, saying } of sayings) {
      const key = nodeKey(saying);
      const known = from.known.get(key);
      if (known === undefined || isLater(saying, known)) from.known.set(key, saying);
      const learned = this.directory.learn(saying, clock.monoMs() - ageMs);
      if (learned !== "used_twice" || this.#usedTwice.has(saying.cell)) continue;
      this.#usedTwice.add(saying.cell);
      log.warn("cell name used twice", {
        cell: saying.cell,
        node: saying.node.id,
        by: from.node.cell,
      });
    }
    this.#want();
  }

  /** Tells every linked node what it does not know. */
  #gossip(): void {
    const nowMs = this.#options.clock.monoMs();
    const own = { saying: this.#saying!, saidMs: this.#saidMs };
    const all = [own, ...this.directory.sayings];
    for (const { link, known, node } of this.#links.values()) {
      const news = all.filter(({ saying }) => {
        const before = known.get(nodeKey(saying));
        return saying.cell !== node.cell && (before === undefined || isLater(saying, before));
      }).slice(0, SAYINGS_MAX);
      if (news.length === 0) continue;
      const sayings = news.map(({ saying, saidMs }) => ({
        saying,
        ageMs: Math.round(nowMs - saidMs),
      }));
      if (!link.send({ kind: "sayings", sayings })) continue;
      for (const { saying } of news) known.set(nodeKey(saying), saying);
    }
  }

  /** Tells every linked node who has this cell's shards, where that has changed. */
  #tellTable(): void {
    const table = this.#host!.table();
    if (table === this.#told) return;
    this.#told = table;
    const frame = { kind: "table", table: tableFrame(table) } as const;
    for (const { link } of this.#links.values()) link.send(frame);
  }
}

function tableFrame({ shards, version }: ShardTable): CellTable {
  return {
    version,
    shards: shards.map(({ lo, epoch, owner }) => ({
      lo,
      epoch,
      owner: owner === null ? [] : [owner],
    })),
  };
}
