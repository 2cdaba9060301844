/** The shards of a node as a map: what each has, what it had to do, and what became of them. */
import type { Reshaped } from "../../node/resharder.ts";

/** What is read of a shard. */
export interface MappedShard {
  readonly id: number;
  readonly lo: number;
  readonly hi: number;
  readonly ready: boolean;
  /** A change buffers its inputs. */
  readonly ending: boolean;
  readonly inputs: number;
  readonly accountsInMemory: number;
  readonly logRows: number;
  /** Bytes that wait for a commit. */
  readonly openBytes: number;
  readonly presence: { readonly size: number };
  readonly row: { readonly inherits: readonly unknown[] };
}

/** Where they are. */
export interface MappedNode {
  readonly shards: readonly MappedShard[];
  readonly table: { readonly version: number };
  /** The latest changes of the table, oldest first. */
  readonly reshaped: readonly Reshaped[];
}

/** A row of the map, in the order of `SHARD_FIELDS`. */
export type MapRow = readonly number[];

/**
 * What the numbers of a row are. `state`: 0 starting, 1 serves, 2 held up by a change; `perSecond`:
 * −1 before it has been measured.
 */
export const SHARD_FIELDS = [
  "id",
  "lo",
  "hi",
  "state",
  "accounts",
  "presences",
  "logRows",
  "openBytes",
  "inherits",
  "perSecond",
] as const;

/** The map at one moment. */
export interface ShardMap {
  readonly version: number;
  readonly fields: typeof SHARD_FIELDS;
  readonly rows: readonly MapRow[];
  readonly changes: readonly Reshaped[];
}

/** Looks at a node's shards now and then; what they had to do is since the look before. */
export class ShardMapper {
  readonly #node: MappedNode;
  #inputs: ReadonlyMap<number, number> = new Map();
  #rates: ReadonlyMap<number, number> = new Map();
  #lastMs = 0;

  constructor(node: MappedNode) {
    this.#node = node;
  }

  /** Measures what each had to do since the last call. A new shard's work counts from its start. */
  look(nowMs: number): void {
    const seconds = (nowMs - this.#lastMs) / 1000;
    const { shards } = this.#node;
    this.#rates = new Map(shards.map(({ id, inputs }) => {
      const rate = seconds > 0 ? (inputs - (this.#inputs.get(id) ?? 0)) / seconds : 0;
      return [id, Math.round(rate * 10) / 10];
    }));
    this.#inputs = new Map(shards.map(({ id, inputs }) => [id, inputs]));
    this.#lastMs = nowMs;
  }

  /** The map as it is now, with the rates of the last look. */
  map(): ShardMap {
    const { shards, table, reshaped } = this.#node;
    const rows = shards.map((s) => [
      s.id,
      s.lo,
      s.hi,
      s.ready ? s.ending ? 2 : 1 : 0,
      s.accountsInMemory,
      s.presence.size,
      s.logRows,
      s.openBytes,
      s.row.inherits.length,
      this.#rates.get(s.id) ?? -1,
    ]);
    return { version: table.version, fields: SHARD_FIELDS, rows, changes: reshaped };
  }
}
