/** Opens the links with the other cells of the federation, where the configuration names this one. */
import { CellValue, type Registers } from "./node/cell_value.ts";
import { MEMBERS_FORMAT } from "./peer/cells/membership.ts";
import { CellMesh } from "./peer/cells/mesh.ts";
import type { Config } from "./config/config.ts";
import type { LinkUser } from "./peer/cells/mesh_options.ts";
import type { Node } from "./node/node.ts";
import { ok } from "../shard/errors.ts";
import { question } from "./node/asks.ts";
import type { MembersState } from "../shard/federation/members.ts";
import { openTcpWires } from "./peer/cells/tcp_wires.ts";
import { SHARED_FORMAT, type ShareSource } from "./peer/cells/sharing.ts";
import { relayKey, RelayProofs } from "./http/relay_proof.ts";
import { readSecret } from "./open_links.ts";
import type { NameSource } from "./peer/cells/name_check.ts";
import type { Ports, Store, StoreKey } from "./node/ports.ts";
import { VERSION } from "./config/version.ts";

/** Whether a node of the cell has no names in memory. */
const EMPTY = question<null, boolean>("cells.empty");

/** The links, which listen but do not accept yet; null where the cell is alone. */
export async function openCells(
  { cell, cells, server }: Config,
  { domain, mark, user }: {
    readonly domain: string;
    readonly mark: string;
    readonly user?: LinkUser | undefined;
  },
  { clock, timers, random, log, retries, registers }: Omit<Ports, "store"> & {
    readonly registers: Registers;
  },
): Promise<CellMesh | null> {
  const { name, listen, advertise, join, secretFile, silentMs, queueBytesMax, witness } = cells;
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
    members: new CellValue(registers, MEMBERS_FORMAT),
    shared: new CellValue(registers, SHARED_FORMAT),
    witness,
    user,
  });
}

/** The proofs of clients that other cells pass on; null where the cell is alone. */
export async function openRelayProofs(
  { cells: { secretFile } }: Config,
  mesh: CellMesh | null,
): Promise<RelayProofs | null> {
  if (mesh === null) return null;
  const key = relayKey(await readSecret("cells.secretFile", secretFile!));
  const linked = () => mesh.directory.cells.flatMap((cell) => mesh.linksOf(cell));
  return new RelayProofs(key, (address) => linked().some(({ link }) => link.wire.peer === address));
}

/**
 * Why no accounts are made here; null where they are. Rejects where the configuration would have a
 * member of a federation serve alone or under another name, so that names were given twice.
 */
export async function whyNoAccounts(
  { cells: { name, witness } }: Config,
  { store, mark, serves }: {
    readonly store: Store;
    readonly mark: string;
    readonly serves: boolean;
  },
): Promise<string | null> {
  const { current } = await new Promise<MembersState>((resolve, reject) =>
    new CellValue(store, MEMBERS_FORMAT).load((error, state) =>
      error === null ? resolve(state) : reject(new Error(`Cannot open the store: ${error.message}`))
    )
  );
  const member = current.cells.find((cell) => cell.mark === mark);
  if (serves && member !== undefined && current.cells.length > 1 && member.cell !== name) {
    throw new Error(
      `Cannot start ${
        name === null ? "without cells.name" : `as the cell ${name}`
      }: this cell is ` +
        `a member of a federation as ${member.cell}. Set cells.name to that, or take it out with ` +
        "`roost cells leave` while it runs under that name",
    );
  }
  if (witness) return "This cell is a witness, which has no accounts";
  if (serves || current.version === 0) return null;
  return "All cells decide on names together: start the server for that";
}

/** Begins to link a node that serves; `busy`: whether it wants no clients. */
export function beginCells(mesh: CellMesh, node: Node, busy: () => boolean): void {
  const { id, incarnation } = node.nodes[0]!;
  const { asks } = node;
  asks.on(EMPTY, (_, done) => done(ok(node.accountsInMemory === 0)));
  mesh.begin({
    self: { id, incarnation },
    table: () => node.table,
    users: () => node.shards.reduce((sum, { presence }) => sum + presence.size, 0),
    busy,
    names: namesOf(node),
    isFresh: () => node.nodes.length === 1 && node.accountsInMemory === 0,
    isEmpty: (done) =>
      asks.all(EMPTY, null, ({ replies, missing }) => {
        done(missing.length === 0 && replies.every(({ value }) => value));
      }),
    isFirst: () => node.table.shards[0]?.owner?.id === id,
  });
}

/** The names of the cell, as any of its nodes reads them. */
function namesOf(node: Node): NameSource & ShareSource {
  return {
    names(after, limit, done) {
      const page = () =>
        node.listAccounts(after as StoreKey | null, limit, (error, names, next) => {
          done(error === null ? null : error.message, names, next);
        });
      if (after !== null) return page();
      node.stored.complete(([missing]) => {
        if (missing === undefined) page();
        else done(`node ${missing.node}: ${missing.why}`, [], null);
      });
    },
    stored: (limit, done) =>
      node.listStored(null, limit, (error, names) => done(error?.message ?? null, names)),
    share: (name, add, done) =>
      node.request(name, "name.share", { add }, (result) => {
        done(result.ok ? result.value.left : null);
      }),
    home: (name, reserve, done) =>
      node.request(name, "name.home", { reserve }, (result) => {
        done(result.ok ? result.value : null);
      }),
  };
}
