/** What goes from the shards of a node to those of other cells, and what comes from there. */
import { type CellName, pointOf } from "../../shard/name/ids.ts";
import type { CellFrame, PeerCells } from "./peer_cells.ts";
import type { Effect } from "../../shard/effects.ts";
import type { NodeParts } from "./parts.ts";

/** See the head of this file. */
export class Abroad {
  readonly #cells: PeerCells;
  readonly #parts: () => NodeParts;

  constructor(cells: PeerCells, parts: () => NodeParts) {
    this.#cells = cells;
    this.#parts = parts;
  }

  /** Begins to link; the shards must be there. */
  start(): void {
    this.#cells.start({
      linked: (cell) => this.#linked(cell),
      unlinked: () => {},
      frame: (from, _point, frame) => this.#take(from, frame),
    });
  }

  /** Ends all links. */
  stop(done: () => void): void {
    this.#cells.stop(done);
  }

  /** Sends what a shard has for another cell. */
  send({ cell, packet, hops }: Effect & { readonly kind: "abroad" }): void {
    // Its answer comes from there, and waits for its step of time there.
    if (packet.kind === "resolve") this.#parts().resolves.forget(packet);
    this.#cells.send(cell, pointOf(packet.to), { kind: "packet", packet, hops });
  }

  #take(from: CellName, { packet, hops }: CellFrame): void {
    const { dispatch, stopped } = this.#parts();
    if (stopped()) return;
    // A cell votes and tells for itself.
    if (packet.kind === "name" && packet.cell !== from) return;
    dispatch.route({ kind: "packet", packet, hops });
  }

  /** What is owed to the cell is in the store, or in the memory of shards. */
  #linked(cell: CellName): void {
    const { dispatch, loader, map, stopped } = this.#parts();
    if (stopped()) return;
    for (const shard of map.shards) dispatch.submit(shard, { kind: "cell_linked", cell });
    loader.owing(map.shards);
  }
}
