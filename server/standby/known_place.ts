/**
 * Looks whether the cell is known that is to keep the copy of a store (`standby.at`), and warns while
 * it is not: its name may be wrong, and then there is never a copy.
 */
import type { Cancel, Log, Timers } from "../node/ports.ts";
import type { CellName } from "../../shard/name/ids.ts";

/** How long it may be unknown before the log says so, and then until it says so again (ms). */
const WARN_MS = 60_000;
const AGAIN_MS = 3_600_000;

/** What is shown of it. */
export interface PlaceView {
  /** The value of `standby.at`. */
  readonly cell: CellName;
  /** Whether some node has said that it is of this cell. */
  readonly known: boolean;
}

/** See the head of this file. */
export class KnownPlace {
  readonly #host: { readonly timers: Timers; readonly log: Pick<Log, "warn"> };
  readonly #at: CellName;
  readonly #cells: () => readonly CellName[];
  #next: Cancel = () => {};

  /** `cells`: those of which something is known. */
  constructor(
    host: { readonly timers: Timers; readonly log: Pick<Log, "warn"> },
    at: CellName,
    cells: () => readonly CellName[],
  ) {
    this.#host = host;
    this.#at = at;
    this.#cells = cells;
  }

  get view(): PlaceView {
    return { cell: this.#at, known: this.#cells().includes(this.#at) };
  }

  /** Begins to look. */
  start(): void {
    this.#next = this.#host.timers.after(WARN_MS, () => this.#look());
  }

  stop(): void {
    this.#next();
  }

  #look(): void {
    const { cell, known } = this.view;
    if (!known) {
      const cells = this.#cells().join();
      this.#host.log.warn("no cell has the name of standby.at", { at: cell, known: cells });
    }
    this.#next = this.#host.timers.after(known ? WARN_MS : AGAIN_MS, () => this.#look());
  }
}
