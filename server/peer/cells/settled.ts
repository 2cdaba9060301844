/**
 * Whether the members of a federation may change: a majority of the next members must know all names
 * that were decided, so every member that stays has to have told all others the names that it has.
 */
import type { CellName } from "../../../shard/name/ids.ts";
import type { NameSource } from "./name_check.ts";
import type { Linked } from "./sayings.ts";
import type { Members } from "../../../shard/federation/members.ts";

/** Rows of the store that are looked at for a name: a few at its beginning are of other things. */
const ROWS_LOOKED_AT = 100;

/** What it needs. */
export interface SettledDeps {
  readonly self: CellName;
  current(): Members;
  linksOf(cell: CellName): readonly Linked[];
  names(): Pick<NameSource, "names" | "stored">;
  /** Whether the cell has one node, and that has no names in memory. */
  isFresh(): boolean;
  /** The version of the members all of which know what was decided before it. */
  shared(): number;
}

/** See the head of this file. */
export class Settled {
  readonly #deps: SettledDeps;
  /** Null: it is not known. */
  #hasNames: boolean | null = null;

  constructor(deps: SettledDeps) {
    this.#deps = deps;
  }

  /** Looks whether the cell has any name: true where that cannot be read. */
  look(done: (hasNames: boolean) => void): void {
    this.#deps.names().names(null, ROWS_LOOKED_AT, (error, names) => {
      this.#found(error !== null || names.length > 0, done);
    });
  }

  /** As `look`, without writing what is in memory where the store has a name already. */
  glance(done: (hasNames: boolean) => void): void {
    this.#deps.names().stored(ROWS_LOOKED_AT, (error, names) => {
      if (error !== null || names.length > 0) this.#found(true, done);
      else this.look(done);
    });
  }

  #found(hasNames: boolean, done: (hasNames: boolean) => void): void {
    this.#hasNames = hasNames;
    done(hasNames);
  }

  /** What was seen is too old to count. */
  forget(): void {
    this.#hasNames = null;
  }

  /** The version of the members all of which know the names that were decided here before it. */
  get version(): number {
    const { version } = this.#deps.current();
    // Of version 1 this cell is the only member; a cell without names has nothing to tell.
    if (version <= 1 || this.#hasNames === false && this.#deps.isFresh()) return version;
    return Math.min(version, this.#deps.shared());
  }

  /** Why members must not be changed, but for the one that leaves; null where they may. */
  fault({ cells, version }: Members, leaving: CellName | null): string | null {
    for (const { cell } of cells) {
      if (cell === leaving) continue;
      const known = cell === this.#deps.self
        ? [this.version]
        : this.#deps.linksOf(cell).map(({ link }) => link.load?.settled ?? 0);
      if (known.length === 0) return `The cell ${cell} is not linked`;
      if (known.some((settled) => settled < version)) {
        return `The cell ${cell} has names that not all members know yet`;
      }
    }
    return null;
  }
}
