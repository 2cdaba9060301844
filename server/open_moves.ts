/** Moves of accounts to other cells, as operators order them of a node that serves. */
import type { CellMesh } from "./peer/cells/mesh.ts";
import { Evacuation } from "./node/evacuation.ts";
import type { MovesHost } from "./ops/moves_api.ts";
import type { Node } from "./node/node.ts";
import type { OpenNode } from "./open.ts";
import type { Registers } from "./node/cell_value.ts";
import type { Runtime } from "./node/ports.ts";

/** Makes what moves all accounts of the cell; it does nothing before its `start`. */
export function openEvacuation(
  { registers, ...runtime }: Runtime & { readonly registers: Registers },
  node: Node,
  cells: CellMesh,
): Evacuation {
  const own = node.nodes[0]!.id;
  return new Evacuation({
    ...runtime,
    store: registers,
    router: node,
    listAccounts: (...page) => node.listAccounts(...page),
    isFirst: () => node.table.shards[0]?.owner?.id === own,
    isLinked: (cell) => cells.peers.includes(cell) && cells.isLinked(cell),
  });
}

/** What the admin API needs for that; null in a lone cell. Goes on with an evacuation that was begun. */
export function openMoves(
  { node, cells, evacuation, ports }: Pick<OpenNode, "node" | "cells" | "evacuation" | "ports">,
  domain: string,
): MovesHost | null {
  if (cells === null || evacuation === null) return null;
  evacuation.start();
  return {
    domain,
    self: cells.self,
    random: ports.random,
    router: node,
    evacuation,
    others: () =>
      cells.membership.current.cells
        .filter(({ cell, witness }) => cell !== cells.self && !witness)
        .map(({ cell }) => cell),
  };
}
