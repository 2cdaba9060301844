/**
 * The store of a cell over rows that one process has open: fences are checked in its memory, and
 * written with the claim that changes them. A commit of the log is thus one write of the log's
 * records and nothing else.
 *
 * Rows: `["log", shard, lsn]` holds a record, `["meta", "claims"]` all fences, `["meta", NAME]` a
 * register. Everything else is a row of a checkpoint, or of no shard.
 */
import type {
  Cancel,
  Claim,
  Cut,
  Done,
  Holder,
  ListOptions,
  LogBatch,
  LogRecord,
  Mutation,
  Owned,
  Register,
  Row,
  Store,
  StoreError,
  StoreKey,
  TableChange,
} from "../node/ports.ts";
import { RegisterHints } from "./register_hints.ts";
import { decodeRegister, encodeRegister, registerKey } from "./register_rows.ts";
import { type Fence, Fences } from "./fences.ts";
import type { NodeRef } from "../../shard/name/ids.ts";
import type { RowError, RowStore } from "./row_store.ts";
import { TABLE_REGISTER } from "../node/ports.ts";

const LOG = "log";
/** Key of the row that holds all fences. */
export const CLAIMS_KEY: StoreKey = ["meta", "claims"];
/** Records of one page of a log. */
const PAGE_ROWS = 100;

/** See the head of this file. */
export class FencedStore implements Store {
  readonly #rows: RowStore;
  #fences = new Fences();
  /** Whether `#fences` has to be read: at the start, and after a change of unknown outcome. */
  #unread = true;
  #appending = false;
  /** Claims and changes of registers: one after another. */
  readonly #queue: ((over: () => void) => void)[] = [];
  readonly #hints = new RegisterHints();

  constructor(rows: RowStore) {
    this.#rows = rows;
  }

  // ---- logs and checkpoints

  append(batches: readonly LogBatch[], done: Done): void {
    if (this.#appending) throw new Error("append: another append is in flight");
    const stale = batches.filter((b) => !this.#fences.admits(b)).map(({ shard }) => shard);
    if (stale.length > 0) return this.#refuse(stale, done);
    const mutations: Mutation[] = [];
    for (const { shard, from, records } of batches) {
      for (let i = 0; i < records.length; i++) {
        mutations.push({ kind: "set", key: [LOG, shard, from + i], value: records[i]! });
      }
    }
    const fences = batches.map(({ shard }) => this.#fences.get(shard)!);
    this.#rows.write(mutations, (error) => {
      this.#appending = false;
      batches.forEach(({ shard, records }, i) => {
        const fence = fences[i]!;
        // All of them may have been read anew since.
        const fresh = this.#fences.get(shard);
        const same = fresh !== undefined && fresh.epoch === fence.epoch &&
          fresh.head === fence.head;
        if (error === null) fence.head! += records.length;
        else if (error.kind === "unknown") fence.head = null;
        if (same) fresh.head = fence.head;
      });
      done(error);
    });
    this.#appending = true;
  }

  #refuse(shards: readonly number[], done: Done): void {
    const message = `The claims to shards ${shards.join(", ")} are not current.`;
    this.#rows.write([], (error) => done(error ?? { kind: "fenced", message, shards }));
  }

  readLog(
    log: number,
    after: number,
    bytesMax: number,
    done: Done<{ readonly records: readonly LogRecord[]; readonly end: boolean }>,
  ): void {
    const records: LogRecord[] = [];
    let bytes = 0;
    const page = () => {
      const last = records.at(-1)?.lsn ?? after;
      const options = { prefix: [LOG, log], after: [LOG, log, last], limit: PAGE_ROWS };
      this.#rows.list(options, (error, rows) => {
        if (error !== null) return done(error, { records: [], end: false });
        for (const { key, value } of rows) {
          records.push({ lsn: key[2] as number, bytes: value });
          bytes += value.length;
        }
        const end = rows.length < PAGE_ROWS;
        if (end || bytes >= bytesMax) done(null, { records, end });
        else page();
      });
    };
    page();
  }

  checkpoint(
    claims: readonly Claim[],
    rows: readonly Mutation[],
    cuts: readonly Cut[],
    done: Done,
  ): void {
    const stale = claims.filter((c) => !this.#fences.isCurrent(c)).map(({ shard }) => shard);
    const mutations = [...rows];
    for (const { log, from, below } of cuts) {
      if (this.#fences.get(log) !== undefined && !claims.some(({ shard }) => shard === log)) {
        throw new Error(`checkpoint: the log of shard ${log} is cut without its claim`);
      }
      for (let lsn = from; lsn < below; lsn++) {
        mutations.push({ kind: "delete", key: [LOG, log, lsn] });
      }
    }
    if (stale.length > 0) return this.#refuse(stale, done);
    this.#rows.write(mutations, done);
  }

  // ---- rows

  write(mutations: readonly Mutation[], done: (error: StoreError | null) => void): void {
    const log = mutations.find(({ key }) => key[0] === LOG);
    if (log !== undefined) throw new Error("write: records of logs are appended or cut");
    this.#rows.write(mutations, done);
  }

  read(
    keys: readonly StoreKey[],
    done: (error: StoreError | null, values: readonly (Uint8Array | null)[]) => void,
  ): void {
    this.#rows.read(keys, done);
  }

  list(options: ListOptions, done: (error: StoreError | null, rows: readonly Row[]) => void): void {
    this.#rows.list(options, done);
  }

  // ---- ownership

  holders(done: Done<readonly Holder[]>): void {
    this.#enqueue((over) =>
      this.#load((error) => {
        over();
        done(error, error === null ? this.#fences.holders() : []);
      })
    );
  }

  claim(
    claims: readonly Claim[],
    owner: NodeRef,
    done: Done<readonly (Owned | null)[]>,
  ): void {
    this.#enqueue((over) => {
      const finish = (error: StoreError | null, owned: readonly (Owned | null)[]) => {
        over();
        done(error, owned);
      };
      this.#load((error) => {
        if (error !== null) return finish(error, []);
        const granted = claims.filter(({ shard, epoch }) =>
          this.#fences.get(shard)?.epoch === epoch
        );
        if (granted.length === 0) return finish(null, claims.map(() => null));
        this.#raise(granted, owner, (error) => {
          if (error !== null) return finish(error, []);
          this.#findHeads(granted, (error) => {
            if (error !== null) return finish(error, []);
            finish(null, claims.map((c) => granted.includes(c) ? this.#owned(c.shard) : null));
          });
        });
      });
    });
  }

  /** Writes the new epochs; from here on the old ones are not current. */
  #raise(claims: readonly Claim[], owner: NodeRef, done: (error: RowError | null) => void): void {
    const next = this.#fences.copy();
    for (const { shard, epoch } of claims) {
      next.set(shard, { ...next.get(shard)!, epoch: epoch + 1, owner, head: null });
    }
    const shards = claims.map(({ shard }) => shard);
    this.#change(next, shards, [], (error) => {
      if (error === null) { for (const s of shards) this.#fences.set(s, next.get(s)!); }
      done(error);
    });
  }

  /**
   * Writes `next` with other rows. While it is under way the claims to `shards` are not current; where
   * it has not happened they are again, and where that is not known everything is read before the
   * next change.
   */
  #change(
    next: Fences,
    shards: readonly number[],
    rows: readonly Mutation[],
    done: (error: RowError | null) => void,
  ): void {
    const before = shards.map((s): [number, Fence] => [s, this.#fences.get(s)!]);
    for (const [shard, fence] of before) this.#fences.set(shard, { ...fence, head: null });
    this.#rows.write([{ kind: "set", key: CLAIMS_KEY, value: next.encode() }, ...rows], (error) => {
      if (error?.kind === "unknown") this.#unread = true;
      else if (error !== null) { for (const [s, fence] of before) this.#fences.set(s, fence); }
      done(error);
    });
  }

  #findHeads(claims: readonly Claim[], done: (error: RowError | null) => void): void {
    let left = claims.length;
    let failure: RowError | null = null;
    for (const { shard } of claims) {
      const fence = this.#fences.get(shard)!;
      this.#rows.lastKey([LOG, shard], (error, key) => {
        failure ??= error;
        if (error === null) fence.head = key === null ? fence.start - 1 : key[2] as number;
        left--;
        if (left === 0) done(failure);
      });
    }
  }

  #owned(shard: number): Owned {
    const { epoch, head } = this.#fences.get(shard)!;
    return { shard, epoch, head: head! };
  }

  reshape({ version, table, seal, open }: TableChange, done: Done<boolean>): void {
    this.#enqueue((over) => {
      const finish = (error: StoreError | null, made: boolean) => {
        over();
        done(error, made);
        if (made) this.#hints.changed(TABLE_REGISTER, version + 1);
      };
      this.#load((error) => {
        if (error !== null) return finish(error, false);
        this.#rows.read([registerKey(TABLE_REGISTER)], (error, [row]) => {
          if (error !== null) return finish(error, false);
          const current = row ? decodeRegister(row).version : 0;
          const ends = seal.every((s) => {
            return this.#fences.isCurrent(s) && this.#fences.get(s.shard)!.head === s.head;
          });
          if (current !== version || !ends) return finish(null, false);
          const next = this.#fences.copy();
          for (const { shard } of seal) next.delete(shard);
          for (const opening of open) next.open(opening);
          const value = encodeRegister({ version: version + 1, value: table });
          const key = registerKey(TABLE_REGISTER);
          const sealed = seal.map(({ shard }) => shard);
          this.#change(next, sealed, [{ kind: "set", key, value }], (error) => {
            if (error !== null) return finish(error, false);
            for (const shard of sealed) this.#fences.delete(shard);
            for (const opening of open) this.#fences.open(opening);
            finish(null, true);
          });
        });
      });
    });
  }

  // ---- registers

  register(name: string, done: Done<Register | null>): void {
    this.#rows.read([registerKey(name)], (error, [row]) => {
      done(error, row ? decodeRegister(row) : null);
    });
  }

  cas(
    name: string,
    version: number,
    value: Uint8Array,
    rows: readonly Mutation[],
    done: Done<boolean>,
  ): void {
    const copy = encodeRegister({ version: version + 1, value });
    const key = registerKey(name);
    this.#enqueue((over) => {
      const finish = (error: StoreError | null, set: boolean) => {
        over();
        done(error, set);
        if (set) this.#hints.changed(name, version + 1);
      };
      this.#rows.read([key], (error, [row]) => {
        if (error !== null) return finish(error, false);
        if ((row ? decodeRegister(row).version : 0) !== version) return finish(null, false);
        this.#rows.write([{ kind: "set", key, value: copy }, ...rows], (error) => {
          finish(error, error === null);
        });
      });
    });
  }

  watch(name: string, changed: (version: number) => void): Cancel {
    return this.#hints.watch(name, changed);
  }

  close(done: () => void): void {
    this.#rows.close(done);
  }

  // ---- one change after another

  #enqueue(run: (over: () => void) => void): void {
    this.#queue.push(run);
    if (this.#queue.length === 1) this.#next();
  }

  #next(): void {
    const run = this.#queue[0];
    run?.(() => {
      this.#queue.shift();
      this.#next();
    });
  }

  /** Reads the fences where they are not known; calls back in a later turn. */
  #load(done: (error: RowError | null) => void): void {
    const keys = this.#unread ? [CLAIMS_KEY] : [];
    this.#rows.read(keys, (error, [row]) => {
      if (error === null && keys.length > 0) {
        const read = row ? Fences.decode(row) : new Fences();
        read.keepHeads(this.#fences);
        this.#fences = read;
        this.#unread = false;
      }
      done(error);
    });
  }
}
