/**
 * The shard table: which shard has which part of the hash space, and the logs that it has to read
 * besides its own. A shard that is split or merged ends; those that follow it have new ids and new
 * logs, and inherit its log until checkpoints include all of it.
 */
import { ByteReader, ByteWriter, CorruptBytes } from "../record/bytes.ts";
import { list, type TypeOf, uint } from "../record/schema.ts";
import { nodeRef } from "../record/fields.ts";
import { type NodeRef, POINT_SPACE } from "../name/ids.ts";
import { struct } from "../record/struct.ts";

/** Most shards of a table; it is one value of the store. */
export const SHARDS_MAX = 1024;

/** A log of a deleted shard: its rows up to `upTo` may have what no checkpoint has. */
export interface InheritedLog {
  readonly log: number;
  readonly upTo: number;
}

/** One shard: the users with points in `[lo, hi)`. */
export interface ShardRow {
  /** Never used again; also the number of its log. */
  readonly id: number;
  readonly lo: number;
  readonly hi: number;
  /** The first LSN of its own log: over all that it inherits. */
  readonly start: number;
  /** In the order in which they are to be read. */
  readonly inherits: readonly InheritedLog[];
  /** Rises with every change of owner. Successors of a shard begin with the highest of theirs. */
  readonly epoch: number;
  /** The node that serves it; null while no node has claimed it. */
  readonly owner: NodeRef | null;
}

/** All shards of a cell, ascending by `lo`, without gaps. */
export interface ShardTable {
  /** One more with every change. */
  readonly version: number;
  readonly nextId: number;
  readonly shards: readonly ShardRow[];
}

/** One change: the shards `of`, neighbours in this order, are replaced by those that `at` cuts. */
export interface Reshape {
  readonly of: readonly number[];
  /** Points strictly inside the range of `of`, ascending; none makes one shard of them. */
  readonly at: readonly number[];
}

/** Where shards begin that divide the space evenly. */
export function evenBounds(count: number): number[] {
  return Array.from({ length: count }, (_, i) => Math.floor(POINT_SPACE / count * i));
}

/** The table that a new store begins with. */
export function evenTable(count: number): ShardTable {
  const bounds = [...evenBounds(count), POINT_SPACE];
  const shards = Array.from(
    { length: count },
    (_, id): ShardRow => ({
      id,
      lo: bounds[id]!,
      hi: bounds[id + 1]!,
      start: 1,
      inherits: [],
      epoch: 1,
      owner: null,
    }),
  );
  return { version: 1, nextId: count, shards };
}

/**
 * The table after one change. `lastLsn`: of each shard in `of`, its last committed LSN. Throws
 * where the change does not fit the table: check with `reshapeFault` first.
 */
export function reshaped(
  table: ShardTable,
  change: Reshape,
  lastLsn: ReadonlyMap<number, number>,
): ShardTable {
  const fault = reshapeFault(table, change);
  if (fault !== null) throw new Error(`shard table: ${fault}`);
  const first = table.shards.findIndex(({ id }) => id === change.of[0]);
  const old = table.shards.slice(first, first + change.of.length);
  const inherits: InheritedLog[] = [];
  for (const s of old) {
    // What was cut from one shard inherits the same logs.
    const known = new Set(inherits.map(({ log }) => log));
    inherits.push(...s.inherits.filter(({ log }) => !known.has(log)));
    // A log that nothing was written to has nothing to be read.
    const upTo = lastLsn.get(s.id)!;
    if (upTo >= s.start) inherits.push({ log: s.id, upTo });
  }
  const start = Math.max(...old.map((s) => lastLsn.get(s.id)!)) + 1;
  const bounds = [old[0]!.lo, ...change.at, old.at(-1)!.hi];
  // Presence of their users goes on: its versions must not fall behind what edges have seen.
  const epoch = Math.max(...old.map((s) => s.epoch));
  const shards = bounds.slice(1).map((hi, i): ShardRow => ({
    id: table.nextId + i,
    lo: bounds[i]!,
    hi,
    start,
    inherits,
    epoch,
    owner: old[0]!.owner,
  }));
  return {
    version: table.version + 1,
    nextId: table.nextId + shards.length,
    shards: table.shards.toSpliced(first, old.length, ...shards),
  };
}

/** What is wrong with a change, in words for the operator; null where nothing is. */
export function reshapeFault(table: ShardTable, { of, at }: Reshape): string | null {
  const first = table.shards.findIndex(({ id }) => id === of[0]);
  if (first < 0) return `there is no shard ${of[0]}`;
  const old = table.shards.slice(first, first + of.length);
  const strange = of.find((id, i) => old[i]?.id !== id);
  if (strange !== undefined) return `shard ${strange} is not the next neighbour`;
  const { lo } = old[0]!;
  const { hi } = old.at(-1)!;
  let last = lo;
  for (const point of at) {
    if (!Number.isInteger(point) || point <= last || point >= hi) {
      return `shard ${of[0]} cannot be cut at ${point}`;
    }
    last = point;
  }
  const after = table.shards.length - of.length + at.length + 1;
  if (after > SHARDS_MAX) return `there can be ${SHARDS_MAX} shards at most`;
  return null;
}

/** Shards that are changed together when a table is brought to another number. */
export interface PlannedStep {
  /** Ranges, for ids are not known before the step. */
  readonly lo: number;
  readonly hi: number;
  readonly at: readonly number[];
}

/**
 * The steps that divide the space evenly among `count` shards. Each touches as few shards as there
 * can be, for those are held up together: first the cuts, one shard at a time, then the merges.
 */
export function planTo(table: ShardTable, count: number): PlannedStep[] {
  const bounds = evenBounds(count);
  const cuts: PlannedStep[] = [];
  const pieces: number[] = [];
  for (const { lo, hi } of table.shards) {
    const at = bounds.filter((b) => b > lo && b < hi);
    if (at.length > 0) cuts.push({ lo, hi, at });
    pieces.push(lo, ...at);
  }
  const merges: PlannedStep[] = [];
  bounds.forEach((lo, i) => {
    const hi = bounds[i + 1] ?? POINT_SPACE;
    const inside = pieces.filter((p) => p >= lo && p < hi);
    if (inside.length > 1) merges.push({ lo, hi, at: [] });
  });
  return [...cuts, ...merges];
}

/** The change that a planned step is in the table as it is by then; null where it does not fit. */
export function reshapeOf(table: ShardTable, { lo, hi, at }: PlannedStep): Reshape | null {
  const of = table.shards.filter((s) => s.lo >= lo && s.hi <= hi);
  if (of[0]?.lo !== lo || of.at(-1)?.hi !== hi) return null;
  return { of: of.map(({ id }) => id), at };
}

/** The table without logs of which nothing is needed any more, by any shard or by those `of`. */
export function withoutLogs(
  table: ShardTable,
  logs: ReadonlySet<number>,
  of: ReadonlySet<number> | null = null,
): ShardTable {
  const shards = table.shards.map((s) => {
    if (of !== null && !of.has(s.id)) return s;
    return { ...s, inherits: s.inherits.filter(({ log }) => !logs.has(log)) };
  });
  return { ...table, version: table.version + 1, shards };
}

/** An epoch of a shard, with its owner. */
export interface ShardEpoch {
  readonly shard: number;
  readonly epoch: number;
  readonly owner: NodeRef | null;
}

/** The table with these epochs and owners, where they are newer than its own. */
export function withEpochs(table: ShardTable, epochs: readonly ShardEpoch[]): ShardTable {
  const byId = new Map(epochs.map((e) => [e.shard, e]));
  const shards = table.shards.map((s) => {
    const known = byId.get(s.id);
    if (known === undefined || known.epoch < s.epoch) return s;
    return { ...s, epoch: known.epoch, owner: known.owner };
  });
  return { ...table, shards };
}

const TABLE_VERSION = 2;

/** Shards that were made together inherit the same logs: each list of them is stored once. */
const INHERITS = list(list(struct({ log: uint, upTo: uint })));
/** A shard; `inherits` is the index of its list. Its `lo` is the `hi` of the shard before it. */
const SHARD = { id: uint, hi: uint, start: uint, inherits: uint };

/** A table of version 1, behind its version byte. */
const TABLE_1 = struct({
  version: uint,
  nextId: uint,
  inherits: INHERITS,
  shards: list(struct(SHARD)),
});

/** A table of version 2. `owner` is the position of its owner in `owners`, from 1 on; 0: none. */
const TABLE_2 = struct({
  version: uint,
  nextId: uint,
  inherits: INHERITS,
  owners: list(nodeRef),
  shards: list(struct({ ...SHARD, epoch: uint, owner: uint })),
});

/** The stored form. */
export function encodeTable({ version, nextId, shards }: ShardTable): Uint8Array {
  const inherits: (readonly InheritedLog[])[] = [];
  for (const s of shards) if (!inherits.includes(s.inherits)) inherits.push(s.inherits);
  const owners: NodeRef[] = [];
  const ownerOf = new Map<NodeRef, number>();
  for (const { owner } of shards) {
    if (owner === null || ownerOf.has(owner)) continue;
    const same = owners.findIndex((o) => {
      return o.id === owner.id && o.incarnation === owner.incarnation;
    });
    ownerOf.set(owner, same < 0 ? owners.push(owner) : same + 1);
  }
  const w = new ByteWriter().u8(TABLE_VERSION);
  TABLE_2.write(w, {
    version,
    nextId,
    inherits,
    owners,
    shards: shards.map((s) => ({
      ...s,
      inherits: inherits.indexOf(s.inherits),
      owner: s.owner === null ? 0 : ownerOf.get(s.owner)!,
    })),
  });
  return w.take();
}

function readTable(r: ByteReader): TypeOf<typeof TABLE_2> {
  const format = r.u8();
  if (format === TABLE_VERSION) return TABLE_2.read(r);
  if (format !== 1) {
    throw new CorruptBytes(`shard table of version ${format}, this program reads 1 and 2`);
  }
  const table = TABLE_1.read(r);
  const shards = table.shards.map((s) => ({ ...s, epoch: 1, owner: 0 }));
  return { ...table, owners: [], shards };
}

/**
 * Reads what `encodeTable` wrote, and tables of version 1, which have neither epochs nor owners:
 * each shard has epoch 1 and no owner then. Throws `CorruptBytes` where that is no table.
 */
export function decodeTable(bytes: Uint8Array): ShardTable {
  const { version, nextId, inherits: lists, owners, shards: rows } = readTable(
    new ByteReader(bytes),
  );
  let lo = 0;
  const shards = rows.map((stored): ShardRow => {
    const { id, hi, start, epoch } = stored;
    const inherits = lists[stored.inherits];
    const owner = stored.owner === 0 ? null : owners[stored.owner - 1];
    if (hi <= lo || id >= nextId || inherits === undefined || owner === undefined) {
      throw new CorruptBytes(`shard table: shard ${id} does not fit`);
    }
    const row = { id, lo, hi, start, inherits, epoch, owner };
    lo = hi;
    return row;
  });
  if (lo !== POINT_SPACE) throw new CorruptBytes("shard table: does not cover all points");
  return { version, nextId, shards };
}
