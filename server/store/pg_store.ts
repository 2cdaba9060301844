/** The store of a cell in PostgreSQL: the engine checks the fences, inside the write itself. */
import { Buffer } from "node:buffer";
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
import { checkKey, checkList, checkWrite } from "./store_limits.ts";
import { decodeKey, encodeKey, keyRange } from "./key_bytes.ts";
import { RegisterHints } from "./register_hints.ts";
import { decodeRegister, encodeRegister, registerKey } from "./register_rows.ts";
import { PgClaims } from "./pg_claims.ts";
import { PgEngine, type PgLink } from "./pg_engine.ts";
import { PgLane, type PgRows, type PgValue } from "./pg_lane.ts";
import { hex, ints, later, ownBytes, packed, storeError } from "./pg_values.ts";
import { OwnClaims } from "./own_claims.ts";
import type { NodeId, NodeRef } from "../../shard/name/ids.ts";
import { RAISED } from "./pg_sql.ts";
import { TABLE_REGISTER } from "../node/ports.ts";

/** Connections for reads and claims. */
const READ_LANES = 4;
/** Records of one page of a log. */
const PAGE_ROWS = 100;
/** The id of no shard. */
const NO_SHARD = -1;
const CLOSED: StoreError = { kind: "failed", message: "The store is closed." };

/**
 * See the head of this file. Appends have a connection, and all other changes but claims another one:
 * both happen in the order in which they are asked for. Reads and claims have several.
 */
export class PgStore implements Store {
  readonly #appends: PgLane;
  readonly #changes: PgLane;
  readonly #reads: readonly PgLane[];
  readonly #lanes: readonly PgLane[];
  /** Lanes that are not closed. */
  #open: number;
  readonly #mine = new OwnClaims();
  readonly #hints = new RegisterHints();
  readonly #claims: PgClaims;
  #appending = false;
  #closing: (() => void)[] | null = null;

  constructor(link: PgLink) {
    const engine = new PgEngine(link);
    this.#appends = new PgLane(link, engine);
    this.#changes = new PgLane(link, engine);
    this.#reads = Array.from({ length: READ_LANES }, () => new PgLane(link, engine));
    this.#lanes = [this.#appends, this.#changes, ...this.#reads];
    this.#open = this.#lanes.length;
    const refusal = () => this.#closing === null ? null : CLOSED;
    this.#claims = new PgClaims({
      mine: this.#mine,
      idlest: () => this.#idlest(),
      get refusal() {
        return refusal();
      },
    });
  }

  /**
   * Makes all connections, and has each prepare its statements, which change nothing: so that what a
   * node reads when it takes over shards waits for neither. What fails of it is made when it is needed.
   */
  warm(): void {
    const ignored = () => {};
    const none = ints([]);
    const nothing = new Uint8Array();
    this.#appends.run("append", [none, none, none, none, none, nothing], ignored);
    this.#changes.run("checkpoint", [none, none, none, none, nothing, none, none, none], ignored);
    for (const lane of this.#reads) {
      lane.run("claim", [NO_SHARD, "", 0, 0], ignored);
      lane.run("get", ["{}"], ignored);
      lane.run("log", [NO_SHARD, 0, 1], ignored);
      lane.run("list", [nothing, nothing, 1], ignored);
    }
  }

  // ---- logs and checkpoints

  append(batches: readonly LogBatch[], done: Done): void {
    if (this.#appending) throw new Error("append: another append is in flight");
    if (this.#closing !== null) return later(() => done(CLOSED));
    const refusal = this.#mine.refusal(batches);
    if (refusal !== null) return later(() => done(refusal));
    this.#appending = true;
    const ended = this.#claims.writing(batches);
    const records = batches.flatMap((batch) => batch.records);
    const values = [
      ints(batches.map(({ shard }) => shard)),
      ints(batches.map(({ epoch }) => epoch)),
      ints(batches.map(({ from }) => from)),
      ints(batches.map((batch) => batch.records.length)),
      ints(records.map(({ length }) => length)),
      Buffer.concat(records),
    ];
    this.#appends.run("append", values, (error) => {
      this.#appending = false;
      if (error?.kind === "unknown") this.#mine.voided(batches);
      ended();
      done(storeError(error));
    });
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
      this.#read("log", [log, last, PAGE_ROWS], (error, rows) => {
        if (error !== null) return done(error, { records: [], end: false });
        for (const { lsn, body } of rows) {
          records.push({ lsn: Number(lsn), bytes: ownBytes(body) });
          bytes += (body as Uint8Array).length;
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
    checkWrite(rows);
    this.#mine.checkCuts(claims, cuts);
    const refusal = this.#mine.refusal(claims);
    if (refusal !== null) return later(() => done(refusal));
    const values = [
      ints(claims.map(({ shard }) => shard)),
      ints(claims.map(({ epoch }) => epoch)),
      ...packed(rows),
      ints(cuts.map(({ log }) => log)),
      ints(cuts.map(({ from }) => from)),
      ints(cuts.map(({ below }) => below)),
    ];
    const ended = this.#claims.writing(claims);
    this.#change("checkpoint", values, (error) => {
      ended();
      done(error);
    });
  }

  // ---- rows

  write(mutations: readonly Mutation[], done: (error: StoreError | null) => void): void {
    checkWrite(mutations);
    const log = mutations.find(({ key }) => key[0] === "log");
    if (log !== undefined) throw new Error("write: records of logs are appended or cut");
    if (mutations.length === 0) return later(() => done(this.#closing !== null ? CLOSED : null));
    this.#change("put", packed(mutations), (error) => done(error));
  }

  read(
    keys: readonly StoreKey[],
    done: (error: StoreError | null, values: readonly (Uint8Array | null)[]) => void,
  ): void {
    for (const key of keys) checkKey("read", key);
    if (keys.length === 0) return later(() => done(this.#closing !== null ? CLOSED : null, []));
    const wanted = keys.map((key) => hex(encodeKey(key)));
    const list = `{${[...new Set(wanted)].map((key) => `"\\\\x${key}"`).join(",")}}`;
    this.#read("get", [list], (error, rows) => {
      if (error !== null) return done(error, []);
      const found = new Map(rows.map(({ key, value }) => [hex(key as Uint8Array), value]));
      done(
        null,
        wanted.map((key) => found.has(key) ? ownBytes(found.get(key)) : null),
      );
    });
  }

  list(options: ListOptions, done: (error: StoreError | null, rows: readonly Row[]) => void): void {
    checkList(options);
    const { prefix, after, limit } = options;
    const { above, below } = keyRange(prefix);
    const values = [after === null ? above : encodeKey(after), below, limit];
    this.#read("list", values, (error, rows) => {
      done(
        error,
        rows.map(({ key, value }) => ({
          key: decodeKey(key as Uint8Array),
          value: ownBytes(value),
        })),
      );
    });
  }

  // ---- ownership

  holders(done: Done<readonly Holder[]>): void {
    this.#change("holders", [], (error, rows) => {
      const holders = rows.map(({ id, owner, incarnation, epoch }): Holder => ({
        shard: Number(id),
        epoch: Number(epoch),
        owner: owner === null ? null : {
          id: String(owner) as NodeId,
          incarnation: Number(incarnation),
        },
      }));
      if (error === null) this.#mine.learn(holders);
      done(error, holders);
    });
  }

  claim(claims: readonly Claim[], owner: NodeRef, done: Done<readonly (Owned | null)[]>): void {
    this.#claims.claim(claims, owner, done);
  }

  reshape({ version, table, seal, open }: TableChange, done: Done<boolean>): void {
    const key = encodeKey(registerKey(TABLE_REGISTER));
    this.#stored(key, version, (error, old) => {
      if (error !== null || old === undefined) return done(error, false);
      const values = [
        key,
        old,
        encodeRegister({ version: version + 1, value: table }),
        ints(seal.map(({ shard }) => shard)),
        ints(seal.map(({ epoch }) => epoch)),
        ints(seal.map(({ head }) => head)),
        ints(open.map(({ shard }) => shard)),
        ints(open.map(({ epoch }) => epoch)),
        ints(open.map(({ start }) => start)),
        `{${open.map(({ owner }) => owner.id).join(",")}}`,
        ints(open.map(({ owner }) => owner.incarnation)),
      ];
      this.#conditional("reshape", values, (error, made) => {
        if (error !== null) this.#mine.voided(seal);
        if (made) {
          this.#mine.ended(seal);
          for (const opening of open) this.#mine.granted(opening);
        }
        done(error, made);
        if (made) this.#hints.changed(TABLE_REGISTER, version + 1);
      });
    });
  }

  // ---- registers

  register(name: string, done: Done<Register | null>): void {
    this.read([registerKey(name)], (error, [row]) => {
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
    const key = encodeKey(registerKey(name));
    const next = encodeRegister({ version: version + 1, value });
    const packedRows = packed(rows);
    this.#stored(key, version, (error, old) => {
      if (error !== null || old === undefined) return done(error, false);
      this.#conditional("cas", [key, old, next, ...packedRows], (error, set) => {
        done(error, set);
        if (set) this.#hints.changed(name, version + 1);
      });
    });
  }

  watch(name: string, changed: (version: number) => void): Cancel {
    return this.#hints.watch(name, changed);
  }

  close(done: () => void): void {
    if (this.#closing !== null) {
      if (this.#open === 0) later(done);
      else this.#closing.push(done);
      return;
    }
    this.#closing = [done];
    for (const lane of this.#lanes) {
      lane.close(() => {
        this.#open--;
        if (this.#open === 0) { for (const closed of this.#closing!) closed(); }
      });
    }
  }

  /** The row of a register that has this version: null where it does not exist, undefined: another. */
  #stored(
    key: Uint8Array,
    version: number,
    done: (error: StoreError | null, row: Uint8Array | null | undefined) => void,
  ): void {
    this.#change("get", [`{"\\\\x${hex(key)}"}`], (error, [row]) => {
      const stored = row === undefined ? null : ownBytes(row["value"]);
      const current = stored === null ? 0 : decodeRegister(stored).version;
      done(error, current === version ? stored : undefined);
    });
  }

  // ---- statements

  /** A change that is undone where the state is not as stated: false. */
  #conditional(
    statement: "cas" | "reshape",
    values: readonly PgValue[],
    done: (error: StoreError | null, made: boolean) => void,
  ): void {
    this.#changes.run(statement, values, (error) => {
      const conflict = error?.kind === "raised" && error.state === RAISED.conflict;
      done(conflict ? null : storeError(error), error === null);
    });
  }

  #change(
    statement: "put" | "checkpoint" | "holders" | "get",
    values: readonly PgValue[],
    done: (error: StoreError | null, rows: PgRows) => void,
  ): void {
    if (this.#closing !== null) return later(() => done(CLOSED, []));
    this.#changes.run(statement, values, (error, rows) => done(storeError(error), rows));
  }

  #idlest(): PgLane {
    return this.#reads.reduce((a, b) => b.busy < a.busy ? b : a);
  }

  /** A read that fails has no effect: never `unknown`. */
  #read(
    statement: "get" | "list" | "log",
    values: readonly PgValue[],
    done: (error: StoreError | null, rows: PgRows) => void,
  ): void {
    if (this.#closing !== null) return later(() => done(CLOSED, []));
    this.#idlest().run(statement, values, (error, rows) => {
      const failed = storeError(error);
      done(failed === null ? null : { kind: "failed", message: failed.message }, rows);
    });
  }
}
