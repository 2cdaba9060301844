/** What goes from the shards of a node to those of other cells, and what comes from there. */
import { type CellName, POINT_SPACE, pointOf } from "../../shard/name/ids.ts";
import type { Cancel } from "./ports.ts";
import type { CellFrame, PeerCells } from "./peer_cells.ts";
import { cellNode, cellOf } from "../../shard/federation/cell_node.ts";
import type { EdgePacket } from "../../shard/edge_packet.ts";
import type { Effect, ShardInput } from "../../shard/effects.ts";
import type { NodeParts } from "./parts.ts";
import { fail, type Result } from "../../shard/errors.ts";
import type { ProxyMessage } from "../../shard/federation/proxy_message.ts";
import type { ShardPacket } from "../../shard/message/packets.ts";
import type { ShardRow } from "../../shard/table/table.ts";

/** When a cell without accounts may be offered one again (ms). */
const NEVER_MS = 60_000;
/** When a client may ask again that is to go to a cell of which no server is known yet (ms). */
const UNKNOWN_MS = 500;

/** See the head of this file. */
export class Abroad {
  readonly #cells: PeerCells;
  readonly #parts: () => NodeParts;
  /** Cells that are away, until nobody knows what their users do. */
  readonly #away = new Map<CellName, Cancel>();

  constructor(cells: PeerCells, parts: () => NodeParts) {
    this.#cells = cells;
    this.#parts = parts;
  }

  /** Begins to link; the shards must be there. */
  start(): void {
    this.#cells.start({
      linked: (cell) => this.#linked(cell),
      opened: (_cell, send) => this.#opened(send),
      unlinked: (cell) => this.#unlinked(cell),
      frame: (from, _point, frame) => this.#take(from, frame),
    });
  }

  /** Ends all links. */
  stop(done: () => void): void {
    for (const cancel of this.#away.values()) cancel();
    this.#cells.stop(done);
  }

  /**
   * Adds to a refusal where the cell is that it names. A node that has just begun may not know: clients
   * give up when they are to go to a cell of which they get no address.
   */
  named<T>(result: Result<T>): Result<T> {
    if (result.ok || result.code !== "moved" || result.cell === undefined) return result;
    const { cell } = result;
    const servers = this.#cells.addressesOf(cell as CellName);
    if (servers !== null) return { ...result, servers };
    const message = `Servers of cell ${cell} are not known yet`;
    return { ...fail("unavailable", message, UNKNOWN_MS), cell };
  }

  /** Sends what a shard has for another cell. */
  send({ cell, packet, hops }: Effect & { readonly kind: "abroad" }): void {
    // Its answer comes from there, and waits for its step of time there.
    if (packet.kind === "resolve") this.#parts().resolves.forget(packet);
    this.#parts().traces.abroad(packet, cell);
    this.#cells.send(cell, pointOf(packet.to), { kind: "packet", packet, hops });
  }

  /** A node of another cell may not know that shards have begun here since it was linked last. */
  #opened(send: (frame: CellFrame) => void): void {
    const { map, stopped } = this.#parts();
    if (stopped()) return;
    for (const { lo, hi } of rangesOf(map.shards)) send({ kind: "announce", lo, hi });
  }

  /** A shard has begun at this node without the interests that its former owner had. */
  announce({ lo, hi }: Pick<ShardRow, "lo" | "hi">): void {
    for (const cell of this.#cells.peers) this.#cells.tell(cell, { kind: "announce", lo, hi });
  }

  /**
   * Another node of this cell is linked, perhaps again: what other cells have sent by way of it may be
   * lost.
   */
  nodeLinked(): void {
    for (const cell of this.#cells.peers) {
      this.#tell({ kind: "cell_announced", cell, lo: 0, hi: POINT_SPACE });
    }
  }

  /** That sessions here may see users with points in `[lo, hi)` again was said and lost, perhaps. */
  #askRefused(lo: number, hi: number): void {
    this.#parts().options.deliver({ kind: "announce", lo, hi, epoch: 0, refused: true });
  }

  /** Sends what a shard has for an interested party; returns whether that is another cell. */
  edge({ node, packet }: Effect & { readonly kind: "edge" }): boolean {
    const cell = cellOf(node);
    if (cell === null) return false;
    if (packet.kind === "presence" || packet.kind === "revoke") {
      const message = messageOf(packet);
      if (message !== null) this.#say(cell, packet.watched, message);
    }
    return true;
  }

  /**
   * Sends the answers to an interest, unless this node may not serve by now: it is asked again.
   * Returns whether another cell has asked.
   */
  answer(
    { request: asked, input, answers }: Effect & { readonly kind: "interest_answer" },
    mayServe: boolean,
  ): boolean {
    const cell = cellOf(input.node);
    const watched = input.items[0]?.watched;
    if (cell === null || watched === undefined) return false;
    if (!mayServe) return true;
    const replies = answers.map(({ watcher, presence, lastSeen }) => {
      const shown = presence === null ? null : { ...presence, revoked: presence.revoked ?? 0 };
      return { watcher, presence: shown, lastSeen };
    });
    this.#say(cell, watched, { kind: "answers", asked, answers: replies });
    return true;
  }

  #say(
    cell: CellName,
    name: (EdgePacket & { readonly kind: "presence" })["watched"],
    message: ProxyMessage,
  ): void {
    const of = { from: name, to: name, cell: this.#cells.self, message };
    const packet = { kind: "proxy", ...of } as const;
    this.#cells.send(cell, pointOf(name), { kind: "packet", packet, hops: 0 });
  }

  #take(from: CellName, frame: CellFrame): void {
    const { dispatch, stopped, traces } = this.#parts();
    if (stopped()) return;
    if (frame.kind === "announce") {
      const { lo, hi } = frame;
      this.#tell({ kind: "cell_announced", cell: from, lo, hi });
      return this.#askRefused(lo, hi);
    }
    const { packet, hops } = frame;
    // A cell speaks for itself.
    if ("cell" in packet && packet.cell !== from) return;
    if (packet.kind === "move" && this.#refuses(packet)) return;
    traces.packet(packet, cellNode(from));
    dispatch.route({ kind: "packet", packet, hops });
  }

  /** Whether an account that is offered by another cell is refused before its shard is asked. */
  #refuses({ cell, to, message }: ShardPacket & { readonly kind: "move" }): boolean {
    if (message.kind !== "offer") return false;
    const { arrivals, noAccounts } = this.#parts().options;
    const retryAfterMs = noAccounts === undefined ? arrivals?.take() ?? 0 : NEVER_MS;
    if (retryAfterMs === 0) return false;
    const reason = noAccounts === undefined ? "busy" : "witness";
    const refused = { kind: "refused", move: message.move, reason, retryAfterMs } as const;
    const packet: ShardPacket = {
      kind: "move",
      from: to,
      to,
      cell: this.#cells.self,
      message: refused,
    };
    this.#cells.send(cell, pointOf(to), { kind: "packet", packet, hops: 0 });
    return true;
  }

  #tell(input: ShardInput): void {
    const { dispatch, map } = this.#parts();
    for (const shard of map.shards) dispatch.submit(shard, input);
  }

  /** What is owed to the cell is in the store, or in the memory of shards. */
  #linked(cell: CellName): void {
    const { loader, map, stopped } = this.#parts();
    if (stopped()) return;
    this.#away.get(cell)?.();
    this.#away.delete(cell);
    this.#tell({ kind: "cell_linked", cell });
    this.#tell({ kind: "cell_announced", cell, lo: 0, hi: POINT_SPACE });
    // Where one of several links has broken, shards here have forgotten interests of all its nodes.
    this.#opened((frame) => this.#cells.tell(cell, frame));
    loader.owing(map.shards);
  }

  #unlinked(cell: CellName): void {
    const { options: { presenceUnknownMs = 60_000 }, ports: { timers }, stopped } = this.#parts();
    if (stopped()) return;
    this.#tell({ kind: "cell_unlinked", cell });
    this.#away.get(cell)?.();
    const unknown = () => {
      this.#away.delete(cell);
      if (!stopped()) this.#tell({ kind: "cell_unknown", cell });
    };
    this.#away.set(cell, timers.after(presenceUnknownMs, unknown));
  }
}

/** The points of shards, as few ranges as can be. */
function rangesOf(shards: readonly Pick<ShardRow, "lo" | "hi">[]) {
  const ranges: { lo: number; hi: number }[] = [];
  for (const { hi, lo } of [...shards].sort((a, b) => a.lo - b.lo)) {
    const last = ranges.at(-1);
    if (last?.hi === lo) last.hi = hi;
    else ranges.push({ lo, hi });
  }
  return ranges;
}

/** The same for another cell; null: it is for sessions of a node, not for those who watch. */
function messageOf(
  packet: EdgePacket & { readonly kind: "presence" | "revoke" },
): ProxyMessage | null {
  if (packet.kind === "revoke") {
    const { watcher, lastSeen, of } = packet;
    return of === undefined ? null : { kind: "revoke", watcher, lastSeen, ...of };
  }
  const { watchedId, epoch, version, devices, lastSeen, revoked = 0 } = packet;
  return { kind: "presence", shown: { watchedId, epoch, version, devices, lastSeen, revoked } };
}
