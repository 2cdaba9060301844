/**
 * Names that this cell and another one have both, each for an account of its own: two cells that have
 * users are compared before they are members of one federation.
 */
import type { AccountName, CellName } from "../../../shard/name/ids.ts";
import type { Cancel, Runtime } from "../../node/ports.ts";
import type { LinkFrame } from "./frames.ts";
import type { Linked } from "./sayings.ts";

/** Names in one question, which the other cell looks up one by one. */
const NAMES_MAX = 200;
/** How long a cell may take for a question (ms). */
const REPLY_MS = 10_000;
/** Conflicts that a report lists. */
export const CONFLICTS_MAX = 1000;

/** What the names of a cell are read from. */
export interface NameSource {
  /** Names of accounts after one of them (null: from the first one on); null: there are no more. */
  names(
    after: unknown,
    limit: number,
    done: (error: string | null, names: readonly AccountName[], next: unknown) => void,
  ): void;
  /**
   * The first names as the store has them by now. `names` has all accounts written that changed, at
   * every node; this costs one reading, and may lack the newest names.
   */
  stored(
    limit: number,
    done: (error: string | null, names: readonly AccountName[]) => void,
  ): void;
  /**
   * Which cell has a name; see the operation `name.home`. Null where that cannot be said now, or be
   * reserved.
   */
  home(
    name: AccountName,
    reserve: CellName | null,
    done: (known: { readonly home: CellName | null } | null) => void,
  ): void;
}

/** What it needs. */
export interface NameCheckDeps extends Pick<Runtime, "timers"> {
  readonly self: CellName;
  readonly source: () => NameSource;
  /** Cells that are linked. */
  cells(): readonly CellName[];
  /** Sends a frame to some node of a cell; lost where none is linked. */
  send(cell: CellName, frame: LinkFrame): void;
}

/** What was found. */
export interface NameReport {
  /** Names of this cell that were compared. */
  readonly compared: number;
  /** The cells that they were compared with. */
  readonly cells: readonly CellName[];
  /** The first `CONFLICTS_MAX` names that another cell has as well, and how many exist. */
  readonly conflicts: readonly { readonly name: AccountName; readonly cell: CellName }[];
  readonly conflictsFound: number;
  /** Why the comparison is not whole; null: it is. */
  readonly fault: string | null;
}

interface Asked {
  readonly cell: CellName;
  readonly done: (taken: readonly AccountName[] | null) => void;
  readonly cancel: Cancel;
}

/** See the head of this file. */
export class NameCheck {
  readonly #deps: NameCheckDeps;
  readonly #asked = new Map<number, Asked>();
  #number = 0;

  constructor(deps: NameCheckDeps) {
    this.#deps = deps;
  }

  /**
   * Compares all names of this cell with those of all linked cells. `reserveAt`: a member which has the
   * members decide that those which nobody has are this cell's, before it is a member.
   */
  run(reserveAt: CellName | null, done: (report: NameReport) => void): void {
    const cells = this.#deps.cells();
    const conflicts: { name: AccountName; cell: CellName }[] = [];
    let [compared, found] = [0, 0];
    const report = (fault: string | null) =>
      done({ compared, cells, conflicts, conflictsFound: found, fault });
    if (cells.length === 0) return report("No other cell is linked");
    const page = (after: unknown) =>
      this.#deps.source().names(after, NAMES_MAX, (error, listed, next) => {
        if (error !== null) return report(error);
        this.#homes(listed, null, (homes) => {
          if (homes === null) return report("Some of this cell's names cannot be read now");
          const names = [...homes].flatMap(([name, home]) =>
            home === this.#deps.self ? [name] : []
          );
          compared += names.length;
          this.#askAll(cells, { names, reserveAt }, (cell, taken) => {
            found += taken.length;
            const room = Math.max(0, CONFLICTS_MAX - conflicts.length);
            conflicts.push(...taken.slice(0, room).map((name) => ({ name, cell })));
          }, (missing) => {
            if (missing !== null) return report(`The cell ${missing} has not replied`);
            if (next === null) return report(null);
            page(next);
          });
        });
      });
    page(null);
  }

  /** Takes a question of another cell, or the reply to one of this one. */
  take({ node: { cell: from }, link }: Linked, frame: LinkFrame): void {
    if (frame.kind === "names" || frame.kind === "reserve") {
      const { n } = frame;
      if (frame.names.length > NAMES_MAX) return;
      this.#homes(frame.names, frame.kind === "reserve" ? from : null, (homes) => {
        const taken = [...homes ?? []].flatMap(([name, home]) =>
          home === null || home === from ? [] : [name]
        );
        link.send({ kind: "named", n, taken, whole: homes !== null });
      });
    } else if (frame.kind === "named") {
      const asked = this.#asked.get(frame.n);
      if (asked?.cell === from) this.#settle(frame.n, frame.whole ? frame.taken : null);
    }
  }

  #settle(n: number, taken: readonly AccountName[] | null): void {
    const asked = this.#asked.get(n);
    this.#asked.delete(n);
    asked?.cancel();
    asked?.done(taken);
  }

  /** Asks all cells; `done` with one that has not replied, null: all have. */
  #askAll(
    cells: readonly CellName[],
    { names, reserveAt }: {
      readonly names: readonly AccountName[];
      readonly reserveAt: CellName | null;
    },
    each: (cell: CellName, taken: readonly AccountName[]) => void,
    done: (missing: CellName | null) => void,
  ): void {
    if (names.length === 0) return done(null);
    let left = cells.length;
    let missing: CellName | null = null;
    for (const cell of cells) {
      const n = ++this.#number;
      const cancel = this.#deps.timers.after(REPLY_MS, () => this.#settle(n, null));
      const replied = (taken: readonly AccountName[] | null) => {
        if (taken === null) missing = cell;
        else each(cell, taken.filter((name) => names.includes(name)));
        if (--left === 0) done(missing);
      };
      this.#asked.set(n, { cell, done: replied, cancel });
      this.#deps.send(cell, { kind: cell === reserveAt ? "reserve" : "names", n, names });
    }
  }

  /** The cells that have these names; null where that cannot be said of all. */
  #homes(
    names: readonly AccountName[],
    reserve: CellName | null,
    done: (homes: ReadonlyMap<AccountName, CellName | null> | null) => void,
  ): void {
    const homes = new Map<AccountName, CellName | null>();
    const distinct = [...new Set(names)];
    let [left, known] = [distinct.length, true];
    if (left === 0) return done(homes);
    for (const name of distinct) {
      this.#deps.source().home(name, reserve, (found) => {
        if (found === null) known = false;
        else homes.set(name, found.home);
        if (--left === 0) done(known ? homes : null);
      });
    }
  }
}
