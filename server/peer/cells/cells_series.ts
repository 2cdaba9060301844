/** What a node counts of its links with other cells. */
import type { CellMesh } from "./mesh.ts";
import type { CellView } from "./view.ts";
import type { Meter } from "../../node/meter.ts";

/** Registers it; `mesh` is null where the cell is alone. `relayed`: clients, by cell; absent: none. */
export function registerCells(
  to: Meter,
  mesh: CellMesh | null,
  relayed: () => ReadonlyMap<string, number> = () => new Map(),
  waiting: typeof relayed = () => new Map(),
): void {
  const byCell = (name: Parameters<Meter["values"]>[0], of: typeof relayed) =>
    to.values(name, () => [...of()].map(([cell, count]) => [{ cell }, count] as const));
  byCell("roost_cells_relayed", relayed);
  byCell("roost_cells_waiting_clients", waiting);
  const each = (name: Parameters<Meter["values"]>[0], of: (cell: CellView) => number | null) =>
    to.values(name, () =>
      (mesh?.view().cells ?? []).flatMap((view) => {
        const value = of(view);
        return value === null ? [] : [[{ cell: view.cell }, value] as const];
      }));
  each("roost_cells_links", ({ nodes }) => nodes.filter((n) => n.state === "linked").length);
  each("roost_cells_round_trip_seconds", (view) => {
    const ms = roundTripMs(view);
    return ms === null ? null : ms / 1000;
  });
  each("roost_cells_queue_bytes", ({ nodes }) => sum(nodes.map((n) => n.queueBytes)));
  each("roost_cells_lag_seconds", ({ nodes }) => Math.max(0, ...nodes.map((n) => n.lagMs)) / 1000);
  each("roost_cells_frames_sent_total", ({ sent }) => sent.frames);
  each("roost_cells_frame_bytes_total", ({ sent }) => sent.frameBytes);
  each("roost_cells_sent_bytes_total", ({ sent }) => sent.messageBytes);
  each("roost_cells_frames_dropped_total", ({ sent }) => sent.dropped);
}

/** The shortest round trip with a node of a cell (ms); null where none is known. */
export function roundTripMs({ nodes }: CellView): number | null {
  const known = nodes.flatMap(({ rttMs }) => rttMs === null ? [] : [rttMs]);
  return known.length === 0 ? null : Math.min(...known);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
