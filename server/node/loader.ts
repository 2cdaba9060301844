/** Reads for shards: accounts, mailbox blocks, dedupe blocks, logs. Gathers loads of one turn. */
import type { LogRecord, Ports, Row, StoreError } from "./ports.ts";
import type { AccountName } from "../../shard/name/ids.ts";
import type { Effect, ShardInput } from "../../shard/effects.ts";
import type { Shard } from "../../shard/step/shard.ts";
import { blockKey, dedupeKey } from "../../shard/account/checkpoint.ts";
import { hasMoreRows, headKey } from "../../shard/account/head_rows.ts";

/** Rows of one page of a listing, and bytes of one page of a log. */
const PAGE = 500;
const LOG_PAGE_BYTES = 1_048_576;
/** Rows of one page of a head: reading them must not hold up commits. */
const HEAD_PAGE = 100;

type Load = Effect & { kind: "load" };

/** The values that there are, by number. */
function found(
  numbers: readonly number[],
  values: readonly (Uint8Array | null)[],
): Map<number, Uint8Array> {
  return new Map(numbers.flatMap((n, i) => values[i] ? [[n, values[i]]] : []));
}

/** The first LSN that is missing between those after `after` (0: the log's first, whichever it is). */
function holeIn(records: readonly LogRecord[], after: number): number | null {
  let next = after === 0 ? records[0]?.lsn : after + 1;
  for (const { lsn } of records) {
    if (lsn !== next) return next!;
    next++;
  }
  return null;
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Turns a shard's load effects into reads and their answers into inputs. */
export class Loader {
  readonly #ports: Ports;
  readonly #submit: (shard: Shard, input: ShardInput) => void;
  readonly #together: (put: () => void) => void;
  #loads: { shard: Shard; effect: Load }[] = [];
  /** Accounts read from the store. */
  loaded = 0;

  /** `together` has all that is submitted within it taken in one turn. */
  constructor(
    ports: Ports,
    submit: (shard: Shard, input: ShardInput) => void,
    together: (put: () => void) => void = (put) => put(),
  ) {
    this.#ports = ports;
    this.#submit = submit;
    this.#together = together;
  }

  /** Asks for an account's head with the others of this turn. */
  load(shard: Shard, effect: Load): void {
    this.#loads.push({ shard, effect });
    if (this.#loads.length === 1) this.#ports.timers.soon(() => this.#read());
  }

  #read(): void {
    const loads = this.#loads;
    this.#loads = [];
    this.#readHeads(loads);
  }

  /** Where some of the heads are damaged, the others are read without them. */
  #readHeads(loads: readonly { shard: Shard; effect: Load }[]): void {
    const keys = loads.map((l) => headKey(l.effect.point, l.effect.name, 0));
    this.#ports.store.read(keys, (error, values) => {
      if (error?.kind === "damaged") {
        const bad = new Set(error.keys.map((key) => key[2]));
        for (const { shard, effect } of loads.filter((l) => bad.has(l.effect.name))) {
          this.#headDamaged(shard, effect, error);
        }
        return this.#readHeads(loads.filter((l) => !bad.has(l.effect.name)));
      }
      this.#together(() => {
        loads.forEach(({ shard, effect }, i) => {
          if (error === null) return this.#loaded(shard, effect, keys[i]!, values[i] ?? null);
          const { name, generation } = effect;
          this.#submit(shard, { kind: "load_failed", name, generation });
        });
      });
    });
  }

  /** The first row of a head was read; null: there is none. */
  #loaded(shard: Shard, effect: Load, key: Row["key"], first: Uint8Array | null): void {
    this.loaded++;
    if (first !== null && hasMoreRows(first)) return this.#readRows(shard, effect, first);
    const { name, generation } = effect;
    const rows = first === null ? [] : [{ key, value: first }];
    this.#submit(shard, { kind: "loaded", name, generation, rows });
  }

  #headDamaged(shard: Shard, { name, generation }: Load, { message: damage }: StoreError): void {
    this.#submit(shard, { kind: "loaded", name, generation, rows: [], damage });
  }

  /** Reads all rows of a head whose first row is `first`: others come after it. */
  #readRows(shard: Shard, effect: Load, first: Uint8Array): void {
    const { name, point, generation } = effect;
    const key = headKey(point, name, 0);
    const rows: Row[] = [];
    const failed = (error: StoreError) => {
      if (error.kind === "damaged") return this.#headDamaged(shard, effect, error);
      this.#submit(shard, { kind: "load_failed", name, generation });
    };
    const page = (after: Row["key"] | null) => {
      const options = { prefix: key.slice(0, -1), after, limit: HEAD_PAGE };
      this.#ports.store.list(options, (error, found) => {
        if (error !== null) return failed(error);
        rows.push(...found);
        if (found.length === HEAD_PAGE) return page(found.at(-1)!.key);
        this.#ports.store.read([key], (error, [again]) => {
          if (error !== null) return failed(error);
          // A checkpoint that was under way at a reload may have replaced some rows meanwhile.
          if (!again || !isEqual(first, again)) return this.load(shard, effect);
          this.#submit(shard, { kind: "loaded", name, generation, rows });
        });
      });
    };
    page(null);
  }

  block(shard: Shard, effect: Effect & { kind: "load_block" }): void {
    const { request, table, first, point, id } = effect;
    const key = table === "m" ? blockKey(point, id, first) : dedupeKey("d", point, id, first);
    const loaded = { kind: "block_loaded", request, table, first } as const;
    this.#ports.store.read([key], (error, values) => {
      if (error?.kind === "damaged") {
        return this.#submit(shard, { ...loaded, bytes: null, damage: error.message });
      }
      const bytes = error === null ? values[0] ?? null : "failed";
      this.#submit(shard, { ...loaded, bytes });
    });
  }

  /** Reads rows of an account that moves away. */
  rows(shard: Shard, effect: Effect & { kind: "load_rows" }): void {
    const { name, generation, point, id, move } = effect;
    const keys = effect.rows.map(({ table, number }) =>
      table === "m" ? blockKey(point, id, number) : dedupeKey(table, point, id, number)
    );
    this.#ports.store.read(keys, (error, values) => {
      const rows = effect.rows.map((row, i) => ({ ...row, bytes: values?.[i] ?? null }));
      if (error !== null) {
        this.#ports.log.error("rows of a moving account not read", { user: name, ...error });
      }
      this.#submit(shard, { kind: "rows_loaded", name, generation, move, rows });
    });
  }

  dedupe(shard: Shard, effect: Effect & { kind: "load_dedupe" }): void {
    const { name, generation, point, id } = effect;
    const keys = [
      ...effect.rows.map((n) => dedupeKey("h", point, id, n)),
      ...effect.blocks.map((n) => dedupeKey("d", point, id, n)),
    ];
    this.#ports.store.read(keys, (error, values) => {
      if (error?.kind === "damaged") {
        const none = { rows: new Map(), blocks: new Map(), damage: error.message };
        return this.#submit(shard, { kind: "dedupe_loaded", name, generation, id, ...none });
      }
      if (error !== null) return this.#submit(shard, { kind: "load_failed", name, generation });
      const rows = found(effect.rows, values);
      const blocks = found(effect.blocks, values.slice(effect.rows.length));
      this.#submit(shard, { kind: "dedupe_loaded", name, generation, id, rows, blocks });
    });
  }

  /** Reads a shard's log from its first row, after those that it inherits, for its `reading`. */
  log(shard: Shard, reading = shard.reading): void {
    const { store, log } = this.#ports;
    const logs = [...shard.row.inherits.map(({ log }) => log), shard.id];
    // One that was to be tried again ends where the shard has begun another one meanwhile.
    const isOver = () => shard.ended || shard.reading !== reading;
    const read = (at: number, after: number, tries = 1): void => {
      if (isOver()) return;
      store.readLog(logs[at]!, after, LOG_PAGE_BYTES, (error, { records, end }) => {
        if (isOver()) return;
        const damaged = (lsn: number, error: string) =>
          this.#submit(shard, { kind: "log_damaged", reading, log: logs[at]!, lsn, error });
        if (error?.kind === "damaged") {
          return damaged(Math.min(...error.keys.map((key) => key[2] as number)), error.message);
        }
        if (error !== null) {
          log.error("store read failed", { kind: error.kind, error: error.message });
          return this.#again(tries, () => read(at, after, tries + 1));
        }
        const hole = holeIn(records, after);
        if (hole !== null) return damaged(hole, `Record ${hole} is missing.`);
        const done = end && at + 1 === logs.length;
        this.#submit(shard, { kind: "log_rows", reading, rows: records, done });
        if (!end) read(at, records.at(-1)!.lsn);
        else if (!done) read(at + 1, 0);
      });
    };
    read(0, 0);
  }

  /** Finds the accounts that owe packets or receipts. */
  owing(shards: readonly Shard[]): void {
    // Their values say nothing.
    this.#pages(["o"], (rows) => {
      for (const shard of shards) {
        const names = rows
          .filter((r) => (r.key[1] as number) >= shard.lo && (r.key[1] as number) < shard.hi)
          .map((r) => r.key[2] as AccountName);
        if (names.length > 0) this.#submit(shard, { kind: "owing", names });
      }
    });
  }

  #again(tries: number, run: () => void): void {
    const { timers, random, retries } = this.#ports;
    timers.after(retries.againMs("load", tries, random.number()), run);
  }

  #pages(
    prefix: readonly (string | number)[],
    take: (rows: readonly Row[], done: boolean) => void,
  ) {
    const page = (after: Row["key"] | null, tries = 1) => {
      this.#ports.store.list({ prefix, after, limit: PAGE, keysOnly: true }, (error, rows) => {
        if (error !== null) {
          this.#ports.log.error("store read failed", { kind: error.kind, error: error.message });
          return this.#again(tries, () => page(after, tries + 1));
        }
        const done = rows.length < PAGE;
        take(rows, done);
        if (!done) page(rows.at(-1)!.key);
      });
    };
    page(null);
  }
}
