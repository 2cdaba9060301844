/** The last quarter of an hour of the links with other cells, as one node has seen them. */
import type { CellsView, CellView } from "../../peer/cells/view.ts";
import type { Runtime } from "../../node/ports.ts";

/** Time between two samples (ms), and how many are kept. */
const STEP_MS = 2000;
const SAMPLES_MAX = 450;

/** What is sampled of each cell; null: it was not known then, or is not. */
export interface CellSample {
  /** Mean round trip of the best link (ms). */
  readonly rttMs: number | null;
  /** How long the oldest frame that waits for it has waited (ms). */
  readonly lagMs: number;
  /** Bytes that wait for it. */
  readonly queueBytes: number;
  /** Users online there, as its linked nodes say. */
  readonly users: number | null;
}

/** Samples in columns, ascending in time. */
export interface CellsColumns {
  /** When each was taken (ms since 1970). */
  readonly at: readonly number[];
  readonly cells: Readonly<
    Record<string, { readonly [K in keyof CellSample]: readonly (number | null)[] }>
  >;
}

/** What a cell is like now. */
export function sampleOf({ nodes }: Pick<CellView, "nodes">): CellSample {
  const rtts = nodes.flatMap(({ rttMs }) => rttMs === null ? [] : [rttMs]);
  const users = nodes.flatMap((node) => node.users ?? []);
  return {
    rttMs: rtts.length === 0 ? null : Math.min(...rtts),
    lagMs: Math.max(0, ...nodes.map(({ lagMs }) => lagMs)),
    queueBytes: nodes.reduce((sum, { queueBytes }) => sum + queueBytes, 0),
    users: users.length === 0 ? null : users.reduce((sum, count) => sum + count, 0),
  };
}

/** See the head of this file. */
export class CellsHistory {
  readonly #runtime: Pick<Runtime, "clock" | "timers">;
  readonly #view: () => Pick<CellsView, "cells">;
  readonly #samples: { readonly at: number; readonly cells: ReadonlyMap<string, CellSample> }[] =
    [];

  constructor(runtime: Pick<Runtime, "clock" | "timers">, view: () => Pick<CellsView, "cells">) {
    this.#runtime = runtime;
    this.#view = view;
  }

  /** Begins to sample, for as long as the process lives. */
  start(): void {
    const { clock, timers } = this.#runtime;
    const cells = new Map(this.#view().cells.map((cell) => [cell.cell, sampleOf(cell)]));
    this.#samples.push({ at: clock.wallMs(), cells });
    if (this.#samples.length > SAMPLES_MAX) this.#samples.shift();
    timers.after(STEP_MS, () => this.start());
  }

  /** All that is kept. */
  get columns(): CellsColumns {
    const names = [...new Set(this.#samples.flatMap(({ cells }) => [...cells.keys()]))].sort();
    const column = (cell: string, field: keyof CellSample) =>
      this.#samples.map(({ cells }) => cells.get(cell)?.[field] ?? null);
    const cells = names.map((cell) => [cell, {
      rttMs: column(cell, "rttMs"),
      lagMs: column(cell, "lagMs"),
      queueBytes: column(cell, "queueBytes"),
      users: column(cell, "users"),
    }]);
    return { at: this.#samples.map(({ at }) => at), cells: Object.fromEntries(cells) };
  }
}
