/**
 * A store in PostgreSQL as parts. Reading sees the moment at which it began, whether nodes write or
 * not. What writing leaves unfinished is marked in the store, so that no node serves from it.
 */
import { Buffer } from "node:buffer";
import { CELL_SECRET, formatSecret, parseSecret } from "../node/cell_secret.ts";
import { decodeKey, encodeKey } from "./key_bytes.ts";
import { decodeRegister, encodeRegister, registerKey } from "./register_rows.ts";
import { formatPgAddress } from "../config/pg_url.ts";
import type { LogRecord, Mutation, Row } from "../node/ports.ts";
import { hex, ints, ownBytes, packed } from "./pg_values.ts";
import { askLane, keepSchema, othersOf, UNFINISHED_KEY } from "./pg_open.ts";
import type { PgLink } from "./pg_engine.ts";
import { PgLane, type PgRows } from "./pg_lane.ts";
import {
  type ImageSource,
  type ImageTarget,
  PART_BYTES,
  staysBehind,
  type StorePart,
} from "./store_image.ts";
import { SQL } from "./pg_sql.ts";
import { StoreOpenError } from "./store_open_error.ts";

/** Rows of one fetch: at most 64 KiB each. */
const FETCH_ROWS = 100;

/** Cursors live in their transaction: after a lost connection a fetch fails. */
const BEGIN = `
BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;
DECLARE shards NO SCROLL CURSOR FOR SELECT id, epoch, start, head FROM roost_shard ORDER BY id;
DECLARE logs NO SCROLL CURSOR FOR SELECT shard, lsn, body FROM roost_log ORDER BY shard, lsn;
DECLARE stored NO SCROLL CURSOR FOR SELECT key, value FROM roost_row ORDER BY key;
`;

const OPEN_SHARDS = `
INSERT INTO roost_shard (id, owner, incarnation, epoch, start, head)
SELECT id, NULL, 0, epoch, start, head
  FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[]) w(id, epoch, start, head)`;

const ADD_RECORDS = `
INSERT INTO roost_log (shard, lsn, epoch, body)
SELECT $1::int, lsn, 0, substring($4::bytea FROM (ends - len + 1)::int FOR len) FROM (
  SELECT lsn, len, sum(len) OVER (ORDER BY n) AS ends
    FROM unnest($2::bigint[], $3::int[]) WITH ORDINALITY w(lsn, len, n)
) placed`;

/** A store to read from, or to write to. */
export interface PgImage extends ImageSource, ImageTarget {
  /** Connections of servers to the same database. */
  servers(): Promise<number>;
  /** The secret that the nodes of the cell share; null where no node has started. */
  secret(): Promise<Uint8Array | null>;
  /**
   * Begins to write, with this secret for the nodes. Removes what an unfinished copy has left; rejects
   * where the store holds anything else.
   */
  begin(secret: Uint8Array): Promise<void>;
  /** Ends what was begun: nodes may open the store. */
  finish(): Promise<void>;
}

/** Opens it; makes its schema in an empty database. Rejects with `StoreOpenError`. */
export async function openPgImage(link: PgLink): Promise<PgImage> {
  const lane = new PgLane(link);
  const place = formatPgAddress(link.address);
  try {
    await keepSchema(lane, place);
    return new LaneImage(lane, place);
  } catch (cause) {
    await new Promise<void>((done) => lane.close(done));
    if (cause instanceof StoreOpenError) throw cause;
    const actual = cause instanceof Error ? cause.message : String(cause);
    throw new StoreOpenError(`Cannot open the store ${place}: ${actual}`, { cause });
  }
}

class LaneImage implements PgImage {
  readonly #lane: PgLane;
  readonly #place: string;

  constructor(lane: PgLane, place: string) {
    this.#lane = lane;
    this.#place = place;
  }

  servers(): Promise<number> {
    return othersOf(this.#lane);
  }

  async secret(): Promise<Uint8Array | null> {
    const value = await this.#register(CELL_SECRET);
    return value === null ? null : parseSecret(new TextDecoder().decode(value));
  }

  async #register(name: string): Promise<Uint8Array | null> {
    const key = `{"\\\\x${hex(encodeKey(registerKey(name)))}"}`;
    const [row] = await askLane(this.#lane, SQL.get, [key]);
    return row === undefined ? null : decodeRegister(ownBytes(row["value"])).value;
  }

  async *parts(): AsyncIterable<StorePart> {
    await askLane(this.#lane, BEGIN);
    const shards = await askLane(this.#lane, "FETCH ALL FROM shards");
    yield {
      kind: "shards",
      shards: shards.map(({ id, epoch, start, head }) => ({
        shard: Number(id),
        epoch: Number(epoch),
        start: Number(start),
        head: Number(head),
      })),
    };
    for await (const page of this.#fetch("logs")) yield* logsOf(page);
    for await (const page of this.#fetch("stored")) yield* rowsOf(page);
    await askLane(this.#lane, "COMMIT");
  }

  async *#fetch(cursor: "logs" | "stored"): AsyncIterable<PgRows> {
    while (true) {
      const page = await askLane(this.#lane, `FETCH ${FETCH_ROWS} FROM ${cursor}`);
      if (page.length === 0) return;
      yield page;
    }
  }

  async begin(secret: Uint8Array): Promise<void> {
    const [found] = await askLane(
      this.#lane,
      "SELECT EXISTS (SELECT FROM roost_row WHERE key = $1) AS unfinished, " +
        "EXISTS (SELECT FROM roost_row) OR EXISTS (SELECT FROM roost_shard) " +
        "OR EXISTS (SELECT FROM roost_log) AS used",
      [encodeKey(UNFINISHED_KEY)],
    );
    if (found?.["used"] === true && found["unfinished"] !== true) {
      throw new StoreOpenError(
        `Cannot copy to ${this.#place}: it holds a server's data already. Name an empty database.`,
      );
    }
    const rows: readonly Row[] = [
      { key: UNFINISHED_KEY, value: new Uint8Array() },
      {
        key: registerKey(CELL_SECRET),
        value: encodeRegister({
          version: 1,
          value: new TextEncoder().encode(formatSecret(secret)),
        }),
      },
    ];
    await askLane(this.#lane, "TRUNCATE roost_shard, roost_log, roost_row");
    await this.write({ kind: "rows", rows });
  }

  async write(part: StorePart): Promise<void> {
    if (part.kind === "rows") {
      const sets = part.rows.map((row): Mutation => ({ kind: "set", ...row }));
      await askLane(this.#lane, SQL.put, packed(sets));
    } else if (part.kind === "log") {
      const { shard, records } = part;
      await askLane(this.#lane, ADD_RECORDS, [
        shard,
        ints(records.map(({ lsn }) => lsn)),
        ints(records.map(({ bytes }) => bytes.length)),
        Buffer.concat(records.map(({ bytes }) => bytes)),
      ]);
    } else {
      const { shards } = part;
      await askLane(this.#lane, OPEN_SHARDS, [
        ints(shards.map(({ shard }) => shard)),
        ints(shards.map(({ epoch }) => epoch)),
        ints(shards.map(({ start }) => start)),
        ints(shards.map(({ head }) => head)),
      ]);
    }
  }

  async finish(): Promise<void> {
    const gone = [{ kind: "delete", key: UNFINISHED_KEY }] as const;
    await askLane(this.#lane, SQL.put, packed(gone));
  }

  close(): Promise<void> {
    return new Promise((done) => this.#lane.close(done));
  }
}

/** The records of a fetch, by shard. */
function* logsOf(page: PgRows): Iterable<StorePart> {
  for (let from = 0; from < page.length;) {
    const shard = page[from]!["shard"];
    const records: LogRecord[] = [];
    let bytes = 0;
    while (from < page.length && page[from]!["shard"] === shard && bytes < PART_BYTES) {
      const { lsn, body } = page[from]!;
      records.push({ lsn: Number(lsn), bytes: ownBytes(body) });
      bytes += (body as Uint8Array).length;
      from++;
    }
    yield { kind: "log", shard: Number(shard), records };
  }
}

function* rowsOf(page: PgRows): Iterable<StorePart> {
  let rows: Row[] = [];
  let bytes = 0;
  for (const { key, value } of page) {
    const row = { key: decodeKey(key as Uint8Array), value: ownBytes(value) };
    if (staysBehind(row.key)) continue;
    rows.push(row);
    bytes += row.value.length;
    if (bytes < PART_BYTES) continue;
    yield { kind: "rows", rows };
    [rows, bytes] = [[], 0];
  }
  if (rows.length > 0) yield { kind: "rows", rows };
}
