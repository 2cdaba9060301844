/** Opens the links with the other cells of the federation, where the configuration names this one. */
import { CellValue } from "./node/cell_value.ts";
import { MEMBERS_FORMAT } from "./peer/cells/membership.ts";
import { CellMesh } from "./peer/cells/mesh.ts";
import type { Config } from "./config/config.ts";
import type { Node } from "./node/node.ts";
import { openTcpWires } from "./peer/cells/tcp_wires.ts";
import { readSecret } from "./open_links.ts";
import type { Ports } from "./node/ports.ts";
import { VERSION } from "./config/version.ts";

/** Rows that are looked at for a name. */
const NAMES_LOOKED_AT = 100;

/** The links, which listen but do not accept yet; null where the cell is alone. */
export async function openCells(
  { cell, cells, server }: Config,
  { domain, mark }: { readonly domain: string; readonly mark: string },
  { clock, timers, random, log, retries, store }: Ports,
): Promise<CellMesh | null> {
  const { name, listen, advertise, join, secretFile, silentMs, queueBytesMax } = cells;
  if (name === null) return null;
  const secret = await readSecret("cells.secretFile", secretFile!);
  const runtime = { clock, timers, random, log };
  const publicUrl = cell.publicUrl ?? server.publicUrl;
  return new CellMesh({
    ...runtime,
    retries,
    wires: await openTcpWires({ ...runtime, bind: listen!, advertise, secret, silentMs }),
    domain,
    mark,
    cell: name,
    program: VERSION,
    join,
    publicUrls: publicUrl === null ? [] : [publicUrl],
    queueBytesMax,
    stalledMs: silentMs,
    members: new CellValue(store, MEMBERS_FORMAT),
    witness: false,
  });
}

/** Begins to link a node that serves; `busy`: whether it wants no clients. */
export function beginCells(mesh: CellMesh, node: Node, busy: () => boolean): void {
  const { id, incarnation } = node.nodes[0]!;
  mesh.begin({
    self: { id, incarnation },
    table: () => node.table,
    users: () => node.shards.reduce((sum, { presence }) => sum + presence.size, 0),
    busy,
    hasNames: (done) =>
      node.listAccounts(
        null,
        NAMES_LOOKED_AT,
        (error, names) => done(error !== null || names.length > 0),
      ),
  });
}
