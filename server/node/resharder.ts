/**
 * Changes the shard table of a node under traffic. For one change: what comes for the shards it
 * touches is withheld; when all that they had begun is committed, the new table is written; then
 * their successors take over what they have in memory, and go on with what was withheld. Nobody
 * outside sees more than a short pause. Logs of shards that were deleted are deleted when
 * checkpoints include all of them.
 */
import type { Committer } from "./committer.ts";
import type { NodeParts } from "./parts.ts";
import type { Claim, Opening, Owned, StoreError, TableChange } from "./ports.ts";
import { fail, ok, type Result } from "../../shard/errors.ts";
import type { Shard } from "../../shard/step/shard.ts";
import { sameBytes } from "./cell_value.ts";
import { sameNode } from "../../shard/table/placement.ts";
import { TABLE_REGISTER } from "./ports.ts";
import {
  decodeTable,
  encodeTable,
  type Reshape,
  reshaped,
  reshapeFault,
  type ShardTable,
  withEpochs,
  withoutLogs,
} from "../../shard/table/table.ts";

/** How long shards may take to quiesce before the change is given up (ms). */
const REST_MAX_MS = 1000;
/** When a change that was given up may be asked for again, for what had piled up (ms). */
const REFUSED_MS = 250;
/** Rows of an ended log that are deleted in one write, and about how many bytes are looked at. */
const DELETE_ROWS = 200;
const DELETE_BYTES = 262_144;

/** How one change went. */
export interface Reshaping {
  /** How long the shards were held up (ms). */
  readonly pauseMs: number;
  /** The shards there are now, of those that the change was about. */
  readonly shards: readonly number[];
}

/** A change that was made. */
export interface Reshaped extends Reshaping {
  /** Shards that were deleted. */
  readonly of: readonly number[];
  /** When it was made (ms since 1970). */
  readonly at: number;
}

/** Changes that are remembered. */
const RESHAPED_MAX = 12;

/** Takes the table that is the stored one by then; null where the change was not made. */
type Written = (table: ShardTable | null, sure: boolean) => void;

interface Change {
  readonly reshape: Reshape;
  readonly shards: readonly Shard[];
  readonly sinceMs: number;
  writing: boolean;
  readonly done: (result: Result<Reshaping>) => void;
}

/** Puts successors in the place of the shards of a former table that ended. */
type Adopt = (table: ShardTable, ended: readonly Shard[]) => void;

/** See the head of this file. */
export class Resharder {
  readonly #parts: NodeParts;
  readonly #committer: Committer;
  readonly #adopt: Adopt;
  #change: Change | null = null;
  #cleaning = false;
  /** Version of the table's register. */
  registerVersion = 0;
  /** The latest changes, oldest first. */
  reshaped: readonly Reshaped[] = [];

  constructor(parts: NodeParts, committer: Committer, adopt: Adopt) {
    this.#parts = parts;
    this.#committer = committer;
    this.#adopt = adopt;
  }

  /** Whether a change is under way. */
  get busy(): boolean {
    return this.#change !== null;
  }

  /** Whether a table is being written: it is not known which one the store has. */
  get writing(): boolean {
    return this.#cleaning || this.#change?.writing === true;
  }

  /**
   * Makes one change; refused as `conflict` where it does not fit, `busy` where it found no rest.
   */
  reshape(reshape: Reshape, done: (result: Result<Reshaping>) => void): void {
    const { dispatch, map, ports } = this.#parts;
    const fault = reshapeFault(map.table, reshape);
    if (fault !== null) return done(fail("conflict", `Cannot change the shards: ${fault}`));
    if (this.#change !== null || this.#cleaning) {
      return done(fail("busy", "Another change of the shards is under way", REFUSED_MS));
    }
    const shards = reshape.of.flatMap((id) => map.byId(id) ?? []);
    if (shards.length < reshape.of.length) {
      const text = "Not all of these shards are at this node: move them to it first";
      return done(fail("conflict", text));
    }
    if (shards.some((s) => !s.ready || !s.writable)) {
      return done(fail("unavailable", "The store does not take changes now", 1000));
    }
    if (shards.some(({ ending }) => ending)) {
      return done(fail("busy", "A shard is being moved to another node", REFUSED_MS));
    }
    // They would be held up for nothing.
    if (shards.some(({ presence }) => presence.settling.active)) {
      return done(fail("busy", "The shards wait for sessions of a node that died", REFUSED_MS));
    }
    const change: Change = {
      reshape,
      shards,
      sinceMs: ports.clock.monoMs(),
      writing: false,
      done,
    };
    this.#change = change;
    // What comes for them is held, and what they have open is committed soon.
    dispatch.hold(shards);
    this.#committer.hurry();
    ports.timers.after(REST_MAX_MS, () => {
      if (this.#change === change && !change.writing) this.#giveUp("They did not quiesce");
    });
    this.check();
  }

  /** To be called after every turn: goes on when the shards are quiescent. */
  check(): void {
    const change = this.#change;
    if (change === null || change.writing) return;
    if (!change.shards.every((s) => s.quiescent)) return;
    // Another change of the table has been learned of meanwhile.
    if (reshapeFault(this.#parts.map.table, change.reshape) !== null) {
      return this.#giveUp("They are not what they were");
    }
    change.writing = true;
    const lastLsn = new Map(change.shards.map((s) => [s.id, s.lastLsn]));
    const { cell, dispatch, map, ownership, ports } = this.#parts;
    const table = reshaped(map.table, change.reshape, lastLsn);
    const seal = change.shards.map(({ id, row, lastLsn }) => ({
      shard: id,
      epoch: row.epoch,
      head: lastLsn,
    }));
    const known = new Set(map.table.shards.map(({ id }) => id));
    const open = table.shards.filter(({ id }) => !known.has(id)).map((row): Opening => ({
      shard: row.id,
      epoch: row.epoch,
      start: row.start,
      owner: ownership.self,
    }));
    this.#write(table, seal, open, (written, sure) => {
      if (written !== null) this.#adopt(written, change.shards);
      if (!sure) this.#doubt(written !== null ? open : seal);
      if (written === null) return this.#giveUp("The store did not take the new table");
      this.#change = null;
      const { clock, log } = ports;
      const pauseMs = clock.monoMs() - change.sinceMs;
      dispatch.release(change.shards);
      const { of, at } = change.reshape;
      const first = table.nextId - at.length - 1;
      const shards = Array.from({ length: at.length + 1 }, (_, i) => first + i);
      log.info("shards changed", { of, shards, pauseMs: Math.round(pauseMs) });
      const made = { of, shards, pauseMs, at: clock.wallMs() };
      this.reshaped = [...this.reshaped.slice(1 - RESHAPED_MAX), made];
      change.done(ok({ pauseMs, shards }));
      cell?.look();
    });
  }

  /** The claims to these shards are void: nothing is written before they are claimed again. */
  #doubt(claims: readonly Claim[]): void {
    const ids = new Set(claims.map(({ shard }) => shard));
    this.#committer.doubt(this.#parts.map.shards.filter(({ id }) => ids.has(id)));
  }

  #giveUp(why: string): void {
    const change = this.#change!;
    this.#change = null;
    this.#parts.dispatch.release(change.shards);
    change.done(fail("busy", `${why}: the shards are as they were`, REFUSED_MS));
    // Another node may have changed the table.
    this.#parts.cell?.look();
  }

  /**
   * Calls back with the table where it is the stored one, else null. `sure`: the store said so; else
   * it was read, and the claims to the shards of the change are void.
   */
  #write(table: ShardTable, seal: readonly Owned[], open: readonly Opening[], done: Written): void {
    const { store, log } = this.#parts.ports;
    const version = this.registerVersion;
    const change = { version, table: encodeTable(table), seal, open };
    store.reshape(change, (error: StoreError | null, made) => {
      if (error !== null) {
        log.error("shard table not written", { kind: error.kind, error: error.message });
      }
      if (error?.kind === "unknown") return this.#decide(change, 1, done);
      if (made) this.registerVersion = version + 1;
      done(made ? table : null, true);
    });
  }

  /**
   * After an unknown outcome. Another node may have changed the table as well, before or after:
   * the change was made where its shards are this node's.
   */
  #decide(change: TableChange, tries: number, done: Written): void {
    const { ownership, ports: { store, timers, random, retries } } = this.#parts;
    const again = () => {
      const waitMs = retries.againMs("load", tries, random.number());
      timers.after(waitMs, () => this.#decide(change, tries + 1, done));
    };
    store.register(TABLE_REGISTER, (error, register) => {
      if (error !== null) return again();
      store.holders((error, holders) => {
        if (error !== null) return again();
        const { version, open: [first] } = change;
        if (register === null || register.version === version) return done(null, false);
        const holder = holders.find(({ shard }) => shard === first?.shard);
        const made = first === undefined
          ? sameBytes(register.value, change.table)
          : holder !== undefined && sameNode(holder.owner, ownership.self);
        if (!made) return done(null, false);
        this.registerVersion = register.version;
        done(withEpochs(decodeTable(register.value), holders), false);
      });
    });
  }

  /**
   * Deletes logs that nobody needs any more; to be called now and then. A log that shards of several
   * nodes have inherited is deleted by the last of them that does without it.
   */
  clean(): void {
    const { map } = this.#parts;
    if (this.#change !== null || this.#cleaning) return;
    const { needed, elsewhere, known } = this.#inherited();
    const free = [...known].filter((each) => !needed.has(each));
    const log = free.find((each) => !elsewhere.has(each));
    if (log !== undefined) return this.#delete(log);
    if (free.length === 0) return;
    const own = new Set(map.shards.map(({ id }) => id));
    this.#cleaning = true;
    this.#forget(withoutLogs(map.table, new Set(free), own));
  }

  /** The logs that shards of this node inherit, and which of them they or others need. */
  #inherited(): Record<"needed" | "elsewhere" | "known", ReadonlySet<number>> {
    const { map } = this.#parts;
    const needed = new Set<number>();
    const elsewhere = new Set<number>();
    const known = new Set<number>();
    for (const row of map.table.shards) {
      const shard = map.byId(row.id);
      for (const { log, upTo } of row.inherits) {
        (shard === undefined ? elsewhere : known).add(log);
        if (shard === undefined) continue;
        if (!shard.writable || !shard.includes(upTo)) needed.add(log);
      }
    }
    return { needed, elsewhere, known };
  }

  /** Deletes the records of a log, then takes it out of the table. */
  #delete(log: number): void {
    const { map, ports } = this.#parts;
    this.#cleaning = true;
    const page = () =>
      ports.store.readLog(log, 0, DELETE_BYTES, (error, { records }) => {
        if (error !== null) return this.#cleaned();
        const first = records[0];
        if (first === undefined) {
          return this.#forget(withoutLogs(map.table, new Set([log])));
        }
        const below = Math.min(records.at(-1)!.lsn + 1, first.lsn + DELETE_ROWS);
        const cuts = [{ log, from: first.lsn, below }];
        ports.store.checkpoint(
          [],
          [],
          cuts,
          (failed) => failed === null ? page() : this.#cleaned(),
        );
      });
    page();
  }

  #cleaned(): void {
    this.#cleaning = false;
  }

  /** Writes the table without references to logs. */
  #forget(table: ShardTable): void {
    this.#write(table, [], [], (written) => {
      this.#cleaned();
      if (written !== null) this.#adopt(written, []);
      this.#parts.cell?.look();
    });
  }
}
