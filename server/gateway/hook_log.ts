/**
 * The events that wait for one webhook: a queue of rows in the store, bounded by number, and the
 * dead letters that it spills over into, bounded too. In memory there are only its ends. Operations
 * run one after the other; each is one or several atomic writes, and what failed has not happened.
 */
import type { Mutation, Row, StoreError, StoreKey } from "../node/ports.ts";
import { type Rows, rowValue, setRow } from "./rows.ts";

/** Bounds of the two lists. */
export interface HookLogLimits {
  readonly eventsMax: number;
  readonly deadMax: number;
}

/** An event in the queue or among the dead. */
export interface LoggedEvent {
  /** Position: 1, 2, 3 … for each webhook. */
  readonly n: number;
  /** When it was put there (ms since 1970). */
  readonly at: number;
  readonly event: unknown;
}

/** Where the lists begin and end: positions `first … next − 1` exist. */
interface Ends {
  readonly first: number;
  readonly next: number;
  readonly deadFirst: number;
  readonly deadNext: number;
  /** The mailbox cursor up to which events have been put there; "" for none. */
  readonly cursor: string;
  /** Where the batch ends that may have been sent (exclusive); 0 for none. */
  readonly sending: number;
}

const NONE: Ends = { first: 1, next: 1, deadFirst: 1, deadNext: 1, cursor: "", sending: 0 };
/** Events put, moved or dropped in one write. */
export const HOOK_CHUNK = 100;
/** Bytes of events that are put or moved in one write: it must stay under the store's bound. */
const CHUNK_BYTES_MAX = 400_000;
/** Dead letters that are removed in one write. */
const TRIM_CHUNK = 500;

type Done = (error: StoreError | null) => void;

/** See the head of this file. */
export class HookLog {
  readonly #rows: Rows;
  readonly #limits: HookLogLimits;
  readonly #key: readonly [string, string];
  #ends: Ends = NONE;
  #tasks: ((next: () => void) => void)[] = [];
  #busy = false;

  constructor(rows: Rows, service: string, hook: string, limits: HookLogLimits) {
    this.#rows = rows;
    this.#limits = limits;
    this.#key = [service, hook];
  }

  /** Events that wait. */
  get waiting(): number {
    return this.#ends.next - this.#ends.first;
  }

  /** Dead letters. */
  get dead(): number {
    return this.#ends.deadNext - this.#ends.deadFirst;
  }

  get cursor(): string {
    return this.#ends.cursor;
  }

  /**
   * Where the batch ends that `hold` has set (exclusive), until all of it is gone; null for none.
   */
  get sending(): number | null {
    const { sending, first } = this.#ends;
    return sending > first ? sending : null;
  }

  /** Reads the ends; before that nothing else may be called. */
  open(done: Done): void {
    this.#rows.read(this.#endsKey, (error, value) => {
      if (value !== null) this.#ends = endsOf(value);
      done(error);
    });
  }

  /**
   * Keeps that a batch up to position `end` is sent: it is the same batch until it is dropped, also
   * after a restart.
   */
  hold(end: number, done: Done): void {
    this.#do(done, (finish) => this.#commit([], { ...this.#ends, sending: end }, finish));
  }

  /** A new log begins at `cursor`. */
  begin(cursor: string, done: Done): void {
    this.#do(done, (finish) => this.#commit([], { ...this.#ends, cursor }, finish));
  }

  /**
   * Puts events that `hookChunk` lets through at the end, and keeps `cursor` with them. Where there
   * are too many, the oldest go to the dead letters first.
   */
  append(events: readonly unknown[], cursor: string, at: number, done: Done): void {
    this.#do(done, (finish) => {
      const over = this.waiting + events.length - this.#limits.eventsMax;
      this.#moveToDead(this.#ends.first + over, (error) => {
        if (error !== null) return finish(error);
        const { next } = this.#ends;
        const sets = events.map((event, i) => setRow(this.#queueKey(next + i), { at, event }));
        this.#commit(sets, { ...this.#ends, next: next + events.length, cursor }, finish);
      });
    });
  }

  /** The oldest events, at most `limit`. */
  head(limit: number, done: (error: StoreError | null, events: readonly LoggedEvent[]) => void) {
    this.#rows.list(
      this.#prefix("queue"),
      null,
      limit,
      (error, rows) => done(error, rows.map(logged)),
    );
  }

  /** Everything before position `end` has arrived: at most `HOOK_CHUNK` events. */
  drop(end: number, done: Done): void {
    this.#do(done, (finish) => {
      const { first } = this.#ends;
      if (end <= first) return finish(null);
      const deletes = range(first, end).map((n) => remove(this.#queueKey(n)));
      this.#commit(deletes, { ...this.#ends, first: end }, finish);
    });
  }

  /** Everything before position `end` becomes a dead letter. */
  bury(end: number, done: Done): void {
    this.#do(done, (finish) => this.#moveToDead(end, finish));
  }

  /** Dead letters, oldest first, after position `after`. */
  listDead(
    after: number,
    limit: number,
    done: (error: StoreError | null, events: readonly LoggedEvent[]) => void,
  ): void {
    const prefix = this.#prefix("dead");
    this.#rows.list(prefix, [...prefix, after], limit, (error, rows) => {
      done(error, rows.map(logged));
    });
  }

  /**
   * Puts the oldest dead letters, at most `HOOK_CHUNK` and as many as there is room for, at the end
   * of the queue, behind what waits; tells how many.
   */
  replay(at: number, done: (error: StoreError | null, count: number) => void): void {
    let count = 0;
    this.#do((error) => done(error, count), (finish) => {
      const room = Math.min(HOOK_CHUNK, this.dead, this.#limits.eventsMax - this.waiting);
      if (room === 0) return finish(null);
      this.#rows.list(this.#prefix("dead"), null, room, (error, page) => {
        if (error !== null) return finish(error);
        const rows = page.slice(0, fitting(page));
        const { next, deadFirst } = this.#ends;
        const moves = rows.flatMap((row, i): Mutation[] => [
          remove(row.key),
          setRow(this.#queueKey(next + i), { at, event: logged(row).event }),
        ]);
        const ends = { next: next + rows.length, deadFirst: deadFirst + rows.length };
        this.#commit(moves, { ...this.#ends, ...ends }, (error) => {
          if (error === null) count = rows.length;
          finish(error);
        });
      });
    });
  }

  /** Removes everything there is of it. */
  clear(done: Done): void {
    this.#do(done, (finish) => {
      const next = (): void => {
        const { first, next: end, deadFirst, deadNext } = this.#ends;
        const upTo = Math.min(end, first + HOOK_CHUNK);
        const deadUpTo = Math.min(deadNext, deadFirst + HOOK_CHUNK);
        const deletes = [
          ...range(first, upTo).map((n) => remove(this.#queueKey(n))),
          ...range(deadFirst, deadUpTo).map((n) => remove(this.#deadKey(n))),
        ];
        if (deletes.length === 0) return this.#rows.write([remove(this.#endsKey)], finish);
        this.#commit(deletes, { ...this.#ends, first: upTo, deadFirst: deadUpTo }, (error) => {
          if (error !== null) finish(error);
          else next();
        });
      };
      next();
    });
  }

  // ---- within an operation

  /** In pieces; the oldest dead letters go where there are too many. */
  #moveToDead(end: number, done: Done): void {
    const { first, next, deadFirst, deadNext } = this.#ends;
    if (this.dead > this.#limits.deadMax) return this.#trimDead(end, done);
    const most = Math.min(end, next, first + HOOK_CHUNK);
    if (most <= first) return done(null);
    this.#rows.list(this.#prefix("queue"), null, most - first, (error, page) => {
      if (error !== null) return done(error);
      const rows = page.slice(0, fitting(page));
      const upTo = Math.min(most, first + Math.max(1, rows.length));
      const sets = rows.map((row, i) => ({
        kind: "set" as const,
        key: this.#deadKey(deadNext + i),
        value: row.value,
      }));
      const deadEnd = deadNext + rows.length;
      const keep = Math.max(deadFirst, deadEnd - this.#limits.deadMax);
      const ends = { ...this.#ends, first: upTo, deadFirst: keep, deadNext: deadEnd };
      const gone = range(deadFirst, Math.min(keep, deadNext)).map((n) => remove(this.#deadKey(n)));
      const moved = range(first, upTo).map((n) => remove(this.#queueKey(n)));
      this.#commit([...sets, ...moved, ...gone], ends, (error) => {
        if (error !== null || upTo >= end) return done(error);
        this.#moveToDead(end, done);
      });
    });
  }

  /** The bound may have been larger when they were put there. */
  #trimDead(end: number, done: Done): void {
    const { deadFirst, deadNext } = this.#ends;
    const keep = Math.min(deadNext - this.#limits.deadMax, deadFirst + TRIM_CHUNK);
    const gone = range(deadFirst, keep).map((n) => remove(this.#deadKey(n)));
    this.#commit(gone, { ...this.#ends, deadFirst: keep }, (error) => {
      if (error === null) this.#moveToDead(end, done);
      else done(error);
    });
  }

  #commit(mutations: readonly Mutation[], ends: Ends, done: Done): void {
    this.#rows.write([...mutations, setRow(this.#endsKey, ends)], (error) => {
      if (error === null) {
        this.#ends = ends;
        return done(null);
      }
      if (error.kind !== "unknown") return done(error);
      // It may have happened: what the store says counts.
      this.#rows.read(this.#endsKey, (failed, value) => {
        if (failed === null && value !== null) this.#ends = endsOf(value);
        done(error);
      });
    });
  }

  #do(done: Done, task: (finish: Done) => void): void {
    this.#tasks.push((next) =>
      task((error) => {
        next();
        done(error);
      })
    );
    this.#run();
  }

  #run(): void {
    const task = this.#busy ? undefined : this.#tasks.shift();
    if (task === undefined) return;
    this.#busy = true;
    task(() => {
      this.#busy = false;
      this.#run();
    });
  }

  get #endsKey(): StoreKey {
    return this.#prefix("ends");
  }

  #prefix(list: "ends" | "queue" | "dead"): StoreKey {
    return ["meta", `webhook ${list}`, ...this.#key];
  }

  #queueKey(n: number): StoreKey {
    return [...this.#prefix("queue"), n];
  }

  #deadKey(n: number): StoreKey {
    return [...this.#prefix("dead"), n];
  }
}

/** Ends as they are stored; earlier versions kept no batch. */
function endsOf(value: unknown): Ends {
  return { ...NONE, ...value as Omit<Ends, "sending"> };
}

/** How many of the first events one `append` takes: at least one, where there is one. */
export function hookChunk(events: readonly unknown[]): number {
  // Three bytes are the most that a character of JSON takes.
  return fits(events.slice(0, HOOK_CHUNK), (event) => JSON.stringify(event).length * 3);
}

function fitting(rows: readonly Row[]): number {
  return fits(rows, ({ value }) => value.length);
}

function fits<T>(items: readonly T[], bytesOf: (item: T) => number): number {
  let bytes = 0;
  const over = items.findIndex((item) => (bytes += bytesOf(item)) > CHUNK_BYTES_MAX);
  return over < 0 ? items.length : Math.max(1, over);
}

function remove(key: StoreKey): Mutation {
  return { kind: "delete", key };
}

function range(from: number, to: number): readonly number[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
}

function logged({ key, value }: Row): LoggedEvent {
  const { at, event } = rowValue(value) as { readonly at: number; readonly event: unknown };
  return { n: key.at(-1) as number, at, event };
}
