/** The federation as one node sees it, for operators. */
import type { CellMesh } from "./mesh.ts";
import { cellsOf } from "./channel_name.ts";
import type { CellName } from "../../../shard/name/ids.ts";
import type { KnownNode } from "./directory.ts";
import type { MeshHost } from "./mesh_options.ts";
import { type Linked, nodeKey } from "./sayings.ts";
import type { NodeSaying } from "./frames.ts";

/** A node of another cell. */
export interface CellNodeView {
  readonly id: string;
  /** Where nodes of other cells reach it. */
  readonly address: string;
  readonly publicUrls: readonly string[];
  /** Version of its program. */
  readonly version: string;
  readonly state: "linked" | "unlinked" | "left";
  /** Mean round trip over its link (ms); null where it is not known. */
  readonly rttMs: number | null;
  /** Bytes that wait for it, and how long the oldest of them has (ms). */
  readonly queueBytes: number;
  readonly lagMs: number;
  /** Users online of its shards, as it says; null where it is not linked. */
  readonly users: number | null;
  /** Whether it wants no clients. */
  readonly busy: boolean;
  /** Why this node has no link with it; null where it has one, or that is not known. */
  readonly fault: string | null;
  /** How long ago it has last said what it is, to any node (ms). */
  readonly saidMs: number;
}

/** Another cell. */
export interface CellView {
  readonly cell: CellName;
  readonly state: "linked" | "unlinked" | "left";
  readonly member: boolean;
  readonly nodes: readonly CellNodeView[];
  /** Number of its shards; null where it is not known. */
  readonly shards: number | null;
  /** Sent to it by this process: frames, their bytes, bytes on the way; frames that were dropped. */
  readonly sent: {
    readonly frames: number;
    readonly frameBytes: number;
    readonly messageBytes: number;
    readonly dropped: number;
  };
}

/** The federation. */
export interface CellsView {
  readonly self: {
    readonly cell: CellName;
    readonly node: string;
    readonly address: string;
    readonly publicUrls: readonly string[];
    readonly version: string;
    /** Online users of its shards. */
    readonly users: number;
  };
  /** Which cells vote on names; version 0: none is known. `out`: it joins only by order. */
  readonly members: {
    readonly version: number;
    readonly federation: string;
    readonly cells: readonly CellName[];
    readonly joined: boolean;
    readonly out: boolean;
  };
  readonly cells: readonly CellView[];
  /** Addresses of `cells.join` where no node was ever reached, with why. */
  readonly unreached: readonly { readonly address: string; readonly fault: string }[];
}

function nodeView(
  mesh: CellMesh,
  { saying, saidMs }: KnownNode,
  linked: Linked | undefined,
  nowMs: number,
): CellNodeView {
  const { address, left, node, program, publicUrls } = saying;
  const link = linked?.link;
  return {
    id: node.id,
    address,
    publicUrls,
    version: linked === undefined ? program : saying.program,
    state: link !== undefined ? "linked" : left ? "left" : "unlinked",
    rttMs: link?.rttMs ?? null,
    queueBytes: link?.queueBytes ?? 0,
    lagMs: link?.lagMs ?? 0,
    users: link?.load?.users ?? null,
    busy: link?.load?.busy ?? false,
    fault: link === undefined ? mesh.targets.faultOf({ node: nodeKey(saying) }) : null,
    saidMs: Math.round(nowMs - saidMs),
  };
}

function cellView(mesh: CellMesh, cell: CellName, nowMs: number): CellView {
  const nodes = mesh.directory.nodesOf(cell)
    .map((known) => nodeView(mesh, known, mesh.linkOf(known.saying), nowMs))
    .sort((a, b) => a.id < b.id ? -1 : 1);
  const state = nodes.some((n) => n.state === "linked")
    ? "linked"
    : nodes.length > 0 && nodes.every((n) => n.state === "left")
    ? "left"
    : "unlinked";
  const shards = mesh.directory.tableOf(cell)?.shards.length ?? null;
  const member = mesh.membership.current.cells.some((member) => member.cell === cell);
  return { cell, state, member, nodes, shards, sent: { ...mesh.countsOf(cell) } };
}

/** Makes the view of a mesh; `own`: what its node says of itself. */
export function viewOf(
  mesh: CellMesh,
  own: NodeSaying | null,
  host: Pick<MeshHost, "users"> | null,
  nowMs: number,
): CellsView {
  const { current, joined, out } = mesh.membership;
  const members = current.cells.map(({ cell }) => cell);
  const others = members.filter((cell) => cell !== mesh.self);
  const cells = [...new Set([...cellsOf(mesh.directory), ...others])].sort();
  return {
    members: {
      version: current.version,
      federation: current.federation,
      cells: members,
      joined,
      out,
    },
    self: {
      cell: mesh.self,
      node: own?.node.id ?? "",
      address: own?.address ?? "",
      publicUrls: own?.publicUrls ?? [],
      version: own?.program ?? "",
      users: host?.users() ?? 0,
    },
    cells: cells.map((cell) => cellView(mesh, cell, nowMs)),
    unreached: mesh.targets.unreached,
  };
}
