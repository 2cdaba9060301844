/** How fast a start looks through its own store for damage. */
import type { Bench, BenchOptions, Figure } from "./bench.ts";
import { cpuUsage } from "node:process";
import { checkAtStart } from "../../server/store/start_check.ts";
import { openKvRows } from "../../server/store/kv_store.ts";
import type { Row } from "../../server/node/ports.ts";
import type { RowStore } from "../../server/store/row_store.ts";
import { tempDir } from "../process/server.ts";

/** Bytes of all rows. */
const STORE_BYTES = 300_000_000;
const SHORT_BYTES = 30_000_000;
/** Bytes of a row: a full block of a mailbox, and one of a mailbox with few messages. */
const ROW_BYTES = [8000, 500] as const;
/** Bytes of one write. */
const WRITE_BYTES = 400_000;

function write(store: RowStore, rows: readonly Row[]): Promise<void> {
  const mutations = rows.map((row) => ({ kind: "set", ...row }) as const);
  return new Promise((resolve, reject) =>
    store.write(mutations, (error) => error === null ? resolve() : reject(new Error(error.message)))
  );
}

async function make(kvPath: string, bytes: number, rowBytes: number): Promise<void> {
  const store = await openKvRows(kvPath, {});
  const value = crypto.getRandomValues(new Uint8Array(rowBytes));
  const each = Math.floor(WRITE_BYTES / rowBytes);
  for (let from = 0; from < bytes / rowBytes; from += each) {
    const rows = Array.from({ length: each }, (_, i): Row => {
      return { key: ["m", 1_000_000, "account000000000", from + i], value };
    });
    await write(store, rows);
  }
  await new Promise<void>((done) => store.close(done));
}

async function figuresOf(rowBytes: number, { short }: BenchOptions): Promise<Figure[]> {
  using dir = tempDir();
  const kvPath = `${dir.path}/kv.sqlite3`;
  await make(kvPath, short ? SHORT_BYTES : STORE_BYTES, rowBytes);
  const began = performance.now();
  const before = cpuUsage();
  const paths = { kvPath, markPath: `${dir.path}/kv.mark`, storeMark: null };
  const { bytes, rows, damaged } = checkAtStart(paths, Infinity, () => {});
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = cpuUsage(before);
  if (damaged > 0) throw new Error(`${damaged} rows of a new store are damaged`);
  const name = `${rows} rows of ${rowBytes} bytes`;
  return [
    [name, bytes / 1e6 / seconds, "MB/s"],
    [`${name}: for each second of CPU`, bytes / (user + system), "MB"],
  ];
}

/** See the head of this file. */
export const startCheckBench: Bench = {
  name: "check",
  what: "how fast a start looks through a store of 300 MB for damage",
  seconds: 60,
  async run(_say, options): Promise<readonly Figure[]> {
    const figures: Figure[] = [];
    for (const rowBytes of ROW_BYTES) figures.push(...await figuresOf(rowBytes, options));
    return figures;
  },
};
