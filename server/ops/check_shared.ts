/**
 * `roost check` of a store that several nodes share: it is read through the store's port, while they
 * use it. What it holds must be readable, and rows that heads list must exist. Whether a row is as it
 * was written is for the engine to say.
 */
import { beginSurvey, type Fault, ownerOf, type Survey } from "./survey.ts";
import type { FileRow } from "../store/store_file.ts";
import type { Holder, LogRecord, Row, Store, StoreError, StoreKey } from "../node/ports.ts";

/** Rows of one page. */
const PAGE = 500;
const LOG_PAGE_BYTES = 1_048_576;

/** A store that is shared, as it is checked. */
export interface SharedStore {
  readonly store: Store;
  /** What the engine says of itself, a sentence without its end each. */
  readonly facts: readonly string[];
  /** What is wrong by the engine's own words, the same. */
  readonly faults: readonly string[];
}

/** What a check found. */
export interface CheckedShared {
  readonly rows: number;
  readonly accounts: number;
  /** What is wrong, a sentence without its end each; the owner comes first. */
  readonly faults: readonly string[];
}

function whole({ key, value }: Row): FileRow {
  return { key, kind: "whole", value, reason: "", trueKey: null };
}

const textOf = (key: StoreKey) => key.join("\n");

function asked<T>(run: (done: (error: StoreError | null, value: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) =>
    run((error, value) => error === null ? resolve(value) : reject(new Error(error.message)))
  );
}

/**
 * Looks through the store; `progress` is called with the rows so far. Nodes change rows meanwhile: what
 * looks wrong is a fault where it still does at a second look.
 */
export async function checkShared(
  store: Store,
  progress: (rows: number) => void,
): Promise<CheckedShared> {
  const found = await look(store, progress);
  const again = found.faults.length === 0 ? found : await look(store, progress);
  const name = ({ kind, key, reason }: Fault) => `${kind} ${textOf(key)} ${reason}`;
  const before = new Set(found.faults.map(name));
  const faults = again.faults.filter((fault) => before.has(name(fault)))
    .map(({ key, reason }) => `${ownerOf(key, again)}: ${reason}`);
  return { rows: again.rows, accounts: again.accounts, faults };
}

async function look(store: Store, progress: (rows: number) => void): Promise<Survey> {
  const keys = new Set<string>();
  const surveying = beginSurvey({ has: (key) => keys.has(textOf(key)) }, progress);
  for await (const row of rowsOf(store)) {
    // Heads come after all that they list.
    if (["m", "d", "h"].includes(String(row.key[0]))) keys.add(textOf(row.key));
    if (row.key[0] !== "log") surveying.take(whole(row));
  }
  const holders = await asked<readonly Holder[]>((done) => store.holders(done));
  for (const { shard } of holders) {
    for await (const { lsn, bytes } of recordsOf(store, shard)) {
      surveying.take(whole({ key: ["log", shard, lsn], value: bytes }));
    }
  }
  return surveying.end();
}

async function* rowsOf(store: Store): AsyncGenerator<Row, void> {
  for (let after: StoreKey | null = null;;) {
    const options = { prefix: [], after, limit: PAGE };
    const rows = await asked<readonly Row[]>((done) => store.list(options, done));
    yield* rows;
    if (rows.length < PAGE) return;
    after = rows.at(-1)!.key;
  }
}

async function* recordsOf(store: Store, log: number): AsyncGenerator<LogRecord, void> {
  for (let after = 0;;) {
    const { records, end } = await asked<
      { readonly records: readonly LogRecord[]; readonly end: boolean }
    >((done) => store.readLog(log, after, LOG_PAGE_BYTES, done));
    yield* records;
    if (end) return;
    after = records.at(-1)!.lsn;
  }
}
