/** The latest changes of the owners of shards, as one node has learned of them. */
import type { NodeRef } from "../../../shard/name/ids.ts";

/** One change. */
export interface OwnerChange {
  readonly shard: number;
  /** Ids of the nodes; null: nobody that is known. */
  readonly from: string | null;
  readonly to: string | null;
  readonly epoch: number;
  /** When this node has learned of it (ms since 1970). */
  readonly at: number;
}

/** A row of a shard table. */
interface OwnedRow {
  readonly id: number;
  readonly epoch: number;
  readonly owner: NodeRef | null;
}

/** Changes that are kept. */
const KEPT = 100;

/** Compares tables from one look to the next. */
export class OwnerChanges {
  #before: ReadonlyMap<number, OwnedRow> | null = null;
  #latest: readonly OwnerChange[] = [];

  /** The latest, oldest first. */
  get latest(): readonly OwnerChange[] {
    return this.#latest;
  }

  /** Notes which shards have another owner than at the last look. New shards are no change. */
  look(rows: readonly OwnedRow[], wallMs: number): void {
    const before = this.#before;
    this.#before = new Map(rows.map((row) => [row.id, row]));
    if (before === null) return;
    const changes = rows.flatMap(({ id, epoch, owner }): readonly OwnerChange[] => {
      const known = before.get(id);
      if (known === undefined || known.owner?.id === owner?.id) return [];
      const [from, to] = [known.owner?.id ?? null, owner?.id ?? null];
      return [{ shard: id, from, to, epoch, at: wallMs }];
    });
    if (changes.length > 0) this.#latest = [...this.#latest, ...changes].slice(-KEPT);
  }
}
