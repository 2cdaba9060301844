/** Moves of accounts to other cells, as operators order them of a node that serves. */
import type { CellMesh } from "./peer/cells/mesh.ts";
import { Evacuation } from "./node/evacuation.ts";
import type { MovesHost } from "./ops/moves_api.ts";
import type { Node } from "./node/node.ts";
import type { Registers } from "./node/cell_value.ts";
import type { Runtime } from "./node/ports.ts";

/** What the admin API needs for that; null in a lone cell. Goes on with an evacuation that was begun. */
export function openMoves(
  node: Node,
  cells: CellMesh | null,
  ports: Runtime,
  store: Registers,
  domain: string,
): MovesHost | null {
  if (cells === null) return null;
  const own = node.nodes[0]!.id;
  const evacuation = new Evacuation({
    ...ports,
    store,
    router: node,
    listAccounts: (...page) => node.listAccounts(...page),
    isFirst: () => node.table.shards[0]?.owner?.id === own,
    isLinked: (cell) => cells.peers.includes(cell) && cells.isLinked(cell),
  });
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
