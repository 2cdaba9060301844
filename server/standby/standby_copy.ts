/**
 * A standby's copy of a store, in rows of its own. It applies the writes of the primary in their order,
 * several in one transaction where they wait, each with its number; it ignores those that it has and
 * refuses a gap. A copy that does not know the primary's position is compared with it, range by range,
 * while the writes go on; a restart of either side goes on where it was.
 *
 * Why the ranges may be compared one after another: what a range of the primary showed is from a time
 * after the standby's position. A key that writes after this position change gets its last value from
 * them; any other one has had, at both, the same value since. So after all writes that a range may have
 * shown, the copy is equal.
 */
import {
  type CopyCounts,
  type CopyState,
  type Filling,
  fillingMutation,
  nextFilling,
  readState,
} from "./copy_state.ts";
import { cutPage, digestOf, isOfCopy, isUpTo, keyName } from "./row_ranges.ts";
import { entryBytes } from "./write_ring.ts";
import type { Mutation, Row, StoreKey } from "../node/ports.ts";
import { numberMutation, type Position, samePosition } from "./write_number.ts";
import type { RowError, RowStore } from "../store/row_store.ts";
import { mutationBytes } from "../store/store_limits.ts";
import { type FromStandby, PAGE_BYTES, RANGE_ROWS, type ToStandby } from "./stream.ts";

/** Changes and bytes of one transaction of the copy; one entry has fewer of both. */
const APPLY_ROWS_MAX = 1000;
const APPLY_BYTES_MAX = 800 * 1024;
/** Bytes of received writes that wait to be applied; beyond, the stream is ended. */
const WAITING_BYTES_MAX = 64 * 1024 * 1024;
/** Rows and bytes of one transaction of a page. */
const PAGE_ROWS_MAX = 500;
const PAGE_WRITE_BYTES = 600 * 1024;

const NOT_KEPT: RowError = { kind: "failed", message: "Rows to be replaced cannot be kept." };

/** Where a copy sends, while it is connected. */
export interface CopyLink {
  send(frame: FromStandby): void;
  /** Ends the stream, of which nothing more is taken; the copy may be connected again. */
  end(why: string): void;
}

/**
 * Takes rows that the primary's are about to replace, in a copy that others have not been compared
 * with; false: they cannot be kept, and are not to be replaced. Null: nobody wants them.
 */
export type KeepReplaced = () => ((rows: readonly Row[]) => boolean) | null;

type Page = Extract<ToStandby, { readonly kind: "page" }>;
type Job = Exclude<ToStandby, { readonly kind: "continue" }>;

/** See the head of this file. */
export class StandbyCopy {
  readonly #rows: RowStore;
  readonly #keepReplaced: KeepReplaced;
  #state: CopyState;
  #link: CopyLink | null = null;
  /** The position after all jobs that wait. */
  #taken: Position | null = null;
  #jobs: Job[] = [];
  #waitingBytes = 0;
  #busy = false;
  /** Number of the last thing that the primary was asked for, and whether its reply is missing. */
  #n = 0;
  #asked = false;
  /** The range that was asked for last. */
  #range: { readonly upTo: StoreKey | null; readonly count: number } = { upTo: null, count: 0 };
  /** The primary of this stream knows the copy's position, or has compared all of its rows. */
  #agreed = false;
  /** The state is to be read again, after a write that has failed. */
  #stale = false;
  readonly counts: CopyCounts = { writes: 0, filledRows: 0, filledBytes: 0, sameRows: 0 };

  private constructor(rows: RowStore, state: CopyState, keepReplaced: KeepReplaced) {
    this.#rows = rows;
    this.#keepReplaced = keepReplaced;
    this.#state = state;
  }

  /** Opens the copy in `rows`, which may be empty. They are rows without checks: bytes as stored. */
  static open(
    rows: RowStore,
    done: (error: RowError | null, copy: StandbyCopy | null) => void,
    keepReplaced: KeepReplaced = () => null,
  ): void {
    readState(rows, (error, state) => {
      done(error, state === null ? null : new StandbyCopy(rows, state, keepReplaced));
    });
  }

  /** The last write that is durable here; null where that is not known, after a failed write too. */
  get position(): Position | null {
    return this.#stale ? null : this.#state.position;
  }

  /** How far it was compared; null for a copy that is whole. */
  get filling(): Filling | null {
    return this.#state.filling;
  }

  /** Whether the store can be opened from it: it is equal to the primary at its position. */
  get whole(): boolean {
    return this.position !== null && this.#state.filling === null;
  }

  /** Whether it is equal to the primary that it is connected with, at its position. */
  get agrees(): boolean {
    return this.#link !== null && this.#agreed && this.whole;
  }

  /** Begins a stream. Another one must have ended. */
  connect(link: CopyLink): void {
    if (this.#link !== null) throw new Error("connect: another stream has not ended");
    this.#link = link;
    if (!this.#busy) this.#greet();
  }

  /** The stream has ended; what it has begun is finished. */
  disconnect(): void {
    this.#link = null;
    this.#agreed = false;
    this.#jobs = [];
    this.#waitingBytes = 0;
    this.#asked = false;
  }

  /** Takes a frame of the stream. */
  take(frame: ToStandby): void {
    if (this.#link === null) return;
    if (frame.kind === "continue") {
      this.#agreed = true;
      this.#ack();
      return this.#run();
    }
    if (frame.kind === "compare") {
      this.#agreed = false;
      this.#taken = frame.at;
    }
    if (frame.kind === "write") {
      const { at, after } = frame.entry;
      const taken = this.#taken;
      if (taken !== null && taken.run === at.run && at.w <= taken.w) return this.#ack();
      if (!samePosition(after, taken)) return this.#end(`a gap before write ${at.w}`);
      this.#taken = at;
      this.#waitingBytes += entryBytes(frame.entry);
      if (this.#waitingBytes > WAITING_BYTES_MAX) return this.#end("too many writes wait");
    }
    this.#jobs.push(frame);
    this.#run();
  }

  /** Closes the rows after what is under way. */
  close(done: () => void): void {
    this.disconnect();
    this.#rows.close(done);
  }

  // ---- jobs, one after another

  #end(why: string): void {
    const link = this.#link;
    this.disconnect();
    link?.end(why);
  }

  #greet(): void {
    if (this.#stale) {
      this.#busy = true;
      return readState(this.#rows, (error, state) => {
        this.#busy = false;
        if (error !== null) return this.#end(error.message);
        this.#stale = false;
        this.#state = state!;
        if (this.#link !== null) this.#greet();
      });
    }
    this.#taken = this.#state.position;
    this.#link!.send({ kind: "hello", position: this.#state.position });
  }

  #run(): void {
    if (this.#busy) return;
    const job = this.#jobs[0];
    if (job === undefined) return this.#ask();
    this.#busy = true;
    const link = this.#link;
    const done = (error: RowError | null) => {
      this.#busy = false;
      if (error !== null) {
        // It may have happened or not: the rows say it.
        this.#stale = true;
        if (this.#link === link) return this.#end(error.message);
      }
      // A stream that has begun meanwhile waits for what the one before has left.
      if (this.#link !== null && this.#link !== link) return this.#greet();
      if (this.#link === null) return;
      this.#ack();
      this.#run();
    };
    if (job.kind === "write") return this.#applyWrites(done);
    this.#jobs.shift();
    if (job.kind === "compare") return this.#beginCompare(job.at, done);
    if (!this.#asked || job.n !== this.#n) return done(null);
    this.#asked = false;
    if (job.kind === "equal") return this.#isEqual(done);
    if (job.kind === "page") return this.#applyPage(job, done);
    this.#applySame(done);
  }

  #ack(): void {
    const { position, filling } = this.#state;
    if (position === null) return;
    this.#link?.send({ kind: "ack", at: position, filling: filling !== null });
  }

  #write(mutations: readonly Mutation[], state: CopyState, done: (error: RowError | null) => void) {
    this.#rows.write(mutations, (error) => {
      if (error === null) this.#state = state;
      done(error);
    });
  }

  /** The oldest writes that fit into one transaction; the number of the last one counts. */
  #applyWrites(done: (error: RowError | null) => void): void {
    const mutations: Mutation[] = [];
    let bytes = 0;
    let count = 0;
    let at = this.#state.position!;
    for (const job of this.#jobs) {
      if (job.kind !== "write") break;
      const { rows } = job.entry;
      const more = rows.reduce((sum, row) => sum + mutationBytes(row), 0);
      const fits = mutations.length + rows.length <= APPLY_ROWS_MAX &&
        bytes + more <= APPLY_BYTES_MAX;
      if (count > 0 && !fits) break;
      // Each but the last would set the number for nothing.
      if (count > 0) mutations.pop();
      mutations.push(...rows);
      bytes += more;
      at = job.entry.at;
      this.#waitingBytes -= entryBytes(job.entry);
      count++;
    }
    this.#jobs.splice(0, count);
    this.#keepOverwritten(mutations, (error) => {
      if (error !== null) return done(error);
      this.#write(mutations, { ...this.#state, position: at }, (error) => {
        if (error === null) this.counts.writes += count;
        done(error);
      });
    });
  }

  /** Writes overtake the comparison: what they replace would not be seen by it. */
  #keepOverwritten(mutations: readonly Mutation[], done: (error: RowError | null) => void): void {
    const keep = this.#state.filling === null ? null : this.#keepReplaced();
    if (keep === null) return done(null);
    const keys = mutations.map(({ key }) => key).filter((key) => !isOfCopy(key));
    this.#rows.read(keys, (error, values) => {
      if (error !== null) return done(error);
      const rows = keys.flatMap((key, i) => values[i] == null ? [] : [{ key, value: values[i]! }]);
      done(keep(rows) ? null : NOT_KEPT);
    });
  }

  // ---- filling

  #beginCompare(at: Position, done: (error: RowError | null) => void): void {
    const filling = { after: null, compared: false };
    // What was asked for was about a range of the copy as it was before.
    this.#asked = false;
    this.#write([numberMutation(at), fillingMutation(filling)], { position: at, filling }, done);
  }

  #isEqual(done: (error: RowError | null) => void): void {
    const link = this.#link;
    this.#setFilling(null, [], (error) => {
      if (error === null && this.#link === link) this.#agreed = true;
      done(error);
    });
  }

  #setFilling(
    filling: Filling | null,
    rows: readonly Mutation[],
    done: (error: RowError | null) => void,
  ): void {
    const last = fillingMutation(filling);
    this.#write([...rows, last], { ...this.#state, filling }, done);
  }

  /** Asks for what the copy needs next, where it is not whole. */
  #ask(): void {
    const { filling } = this.#state;
    const link = this.#link;
    if (filling === null || this.#asked || link === null) return;
    this.#asked = true;
    const n = ++this.#n;
    if (filling.compared) return link.send({ kind: "compared", n });
    this.#busy = true;
    this.#list(filling.after, (error, rows, ends) => {
      this.#busy = false;
      if (error !== null) return this.#end(error.message);
      if (this.#link !== link) {
        if (this.#link !== null) this.#greet();
        return;
      }
      const page = cutPage(rows, PAGE_BYTES, ends);
      this.#range = { upTo: page.upTo, count: page.rows.length };
      link.send({
        kind: "range",
        n,
        after: filling.after,
        upTo: page.upTo,
        count: page.rows.length,
        digest: digestOf(page.rows),
      });
      this.#run();
    });
  }

  #applySame(done: (error: RowError | null) => void): void {
    const { upTo, count } = this.#range;
    this.#setFilling(nextFilling(this.#state.filling!, upTo), [], (error) => {
      if (error === null) this.counts.sameRows += count;
      done(error);
    });
  }

  /** Deletes rows of the page's range that the primary does not have, and sets those that it has. */
  #applyPage(
    page: Page,
    done: (error: RowError | null) => void,
  ): void {
    const names = new Set([...page.rows.map(({ key }) => key), ...page.kept].map(keyName));
    const same = new Map(page.rows.map(({ key, value }) => [keyName(key), value]));
    const keep = this.#keepReplaced();
    const mutations: Mutation[] = page.rows.map(({ key, value }) => ({ kind: "set", key, value }));
    const collect = (after: StoreKey | null) =>
      this.#list(after, (error, rows, ends) => {
        if (error !== null) return done(error);
        const own = rows.filter(({ key }) => isUpTo(key, page.upTo));
        for (const { key } of own) {
          if (!names.has(keyName(key))) mutations.push({ kind: "delete", key });
        }
        const isOther = ({ key, value }: Row) => !sameBytes(same.get(keyName(key)), value);
        if (keep !== null && !keep(own.filter(isOther))) return done(NOT_KEPT);
        if (!ends && own.length === rows.length) return collect(rows.at(-1)!.key);
        this.#writePage(page, mutations, done);
      });
    collect(this.#state.filling!.after);
  }

  #writePage(
    { upTo, rows }: Pick<Page, "upTo" | "rows">,
    mutations: readonly Mutation[],
    done: (error: RowError | null) => void,
  ): void {
    let bytes = 0;
    let count = 0;
    while (count < Math.min(mutations.length, PAGE_ROWS_MAX)) {
      bytes += mutationBytes(mutations[count]!);
      if (count > 0 && bytes > PAGE_WRITE_BYTES) break;
      count++;
    }
    const part = mutations.slice(0, count);
    if (count < mutations.length) {
      return this.#write(part, this.#state, (error) => {
        if (error !== null) return done(error);
        this.#writePage({ upTo, rows }, mutations.slice(count), done);
      });
    }
    this.#setFilling(nextFilling(this.#state.filling!, upTo), part, (error) => {
      if (error === null) {
        this.counts.filledRows += rows.length;
        this.counts.filledBytes += rows.reduce((sum, { value }) => sum + value.length, 0);
      }
      done(error);
    });
  }

  /** Rows of the copy after a key, without its own; whether they are the last ones. */
  #list(
    after: StoreKey | null,
    done: (error: RowError | null, rows: readonly Row[], ends: boolean) => void,
  ): void {
    const options = { prefix: [], after, limit: RANGE_ROWS };
    this.#rows.list(options, (error, rows) => {
      done(error, rows.filter(({ key }) => !isOfCopy(key)), rows.length < RANGE_ROWS);
    });
  }
}

function sameBytes(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a !== undefined && a.length === b.length && a.every((byte, i) => byte === b[i]);
}
