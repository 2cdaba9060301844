/** What holds over the fronts of all nodes of a cell: rates, and how many connections an address has. */
import { Callers } from "./http/callers.ts";
import { CellCallers } from "./http/cell_callers.ts";
import { CellRates } from "./http/cell_rates.ts";
import type { OpenNode } from "./open.ts";
import type { ShareRate } from "./auth/throttle.ts";

/** See the head of this file. */
export class FrontShared {
  /** Lets a rate hold over the cell. */
  readonly rate: ShareRate;
  readonly #callers: CellCallers;
  readonly #perAddressMax: number;

  /** `perAddressMax`: connections that one address may have. */
  constructor({ node, ports }: Pick<OpenNode, "node" | "ports">, perAddressMax: number) {
    const host = {
      ...ports,
      node: node.id,
      asks: node.asks,
      several: node.cell !== null,
      others: () => node.nodes.filter(({ state }) => state === "linked"),
    };
    this.rate = new CellRates(host).share;
    this.#callers = new CellCallers(host);
    this.#perAddressMax = perAddressMax;
  }

  /** Counts one kind of connections by their addresses; the name is the same at all nodes. */
  callers(kind: string): Callers {
    const callers = new Callers();
    this.#callers.share(kind, callers, this.#perAddressMax);
    return callers;
  }
}

/** Addresses of the cell that has a copy of the store: it knows who serves. */
export function elsewhere({ cells, elsewhere }: OpenNode): readonly string[] {
  return elsewhere === null || cells === null ? [] : cells.addressesOf(elsewhere) ?? [];
}
