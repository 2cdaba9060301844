/** What must be on the disk of a node that was stopped: everything, once, and nothing else. */
import type { Account } from "../../shard/account/account.ts";
import type { MemoryDisk } from "./memory_store.ts";
import { AccountState } from "../../shard/account/account.ts";
import type { AccountName } from "../../shard/name/ids.ts";
import { type HeadRow, readHeadRows } from "../../shard/account/head_rows.ts";
import { decodeRegister } from "../../server/store/register_rows.ts";
import { decodeTable, type ShardTable } from "../../shard/table/table.ts";
import { TABLE_REGISTER } from "../../server/node/ports.ts";
import { SMALL_PAGES, SMALL_WINDOW } from "./config.ts";
import { Violation } from "./history.ts";

/** The shard table on the disk; undefined where there is none. */
function storedTable(disk: MemoryDisk): ShardTable | undefined {
  const row = disk.rows(["meta"]).find(({ key }) => key.length === 2 && key[1] === TABLE_REGISTER);
  return row && decodeTable(decodeRegister(row.value).value);
}

function fail(text: string): never {
  throw new Violation("the disk holds what it should", text);
}

/** The accounts that checkpoints have. */
export function heads(disk: MemoryDisk): Account[] {
  const rowsOf = new Map<AccountName, HeadRow[]>();
  for (const row of disk.rows(["u"])) {
    const name = row.key[2] as AccountName;
    const list = rowsOf.get(name);
    if (list === undefined) rowsOf.set(name, [row]);
    else list.push(row);
  }
  return [...rowsOf].flatMap(([name, rows]) => {
    const point = rows[0]!.key[1] as number;
    const account = new AccountState(name, point, SMALL_WINDOW, SMALL_PAGES);
    // A crash in the first checkpoint of an account may leave pages.
    return readHeadRows(account, rows) ? [account] : [];
  });
}

/**
 * In a quiescent cluster everything that was owed to others has come to them, and the checkpoints
 * say so.
 */
export function checkNothingOwed(disk: MemoryDisk): void {
  for (const { name, outbox, register } of heads(disk)) {
    const owed = [...outbox.values()].map((q) => `${q.entries.length} packets to ${q.to}`);
    for (const cell of register?.telling ?? []) owed.push(`its home to ${cell}`);
    if (owed.length > 0) {
      throw new Violation("everything owed arrives", `${name} owes ${owed.join(", ")}`, [name]);
    }
  }
}

/** After a clean stop: logs are cut, checkpoints are complete, nothing is left over. */
export function checkDisk(disk: MemoryDisk): void {
  const table = storedTable(disk);
  const inherited = new Set(table?.shards.flatMap((s) => s.inherits.map(({ log }) => log)));
  const shards = table === undefined ? null : new Set(table.shards.map(({ id }) => id));
  const counts = new Map<number, number>();
  for (const { key } of disk.rows(["log"])) {
    const log = key[1] as number;
    // Those of shards that were deleted are deleted by and by.
    if (inherited.has(log)) continue;
    if (shards?.has(log) === false) fail(`log ${log} is nobody's`);
    counts.set(log, (counts.get(log) ?? 0) + 1);
  }
  for (const [log, rows] of counts) {
    if (rows > 1) fail(`the log of shard ${log} has ${rows} rows after a clean stop`);
  }
  const accounts = heads(disk);
  const wanted = { m: new Set<string>(), d: new Set<string>(), h: new Set<string>() };
  const allowed = { m: new Set<string>(), d: new Set<string>(), h: new Set<string>() };
  const owing = new Set<string>();
  for (const a of accounts) {
    for (const b of a.mailbox.blocks) wanted.m.add(`${a.id} ${b.first}`);
    for (const { table, from, to } of a.dedupe.stored) {
      for (let n = from; n < to; n++) wanted[table].add(`${a.id} ${n}`);
    }
    for (const { id, table, from, to } of a.purgedRanges) {
      for (let n = from; n < to; n++) allowed[table].add(`${id} ${n}`);
    }
    for (const p of a.purge) {
      for (const first of p.blocks) allowed.m.add(`${p.id} ${first}`);
      for (const number of p.dedupe) allowed.d.add(`${p.id} ${number}`);
    }
    if (a.outbox.size > 0) owing.add(a.name);
  }
  for (const table of ["m", "d", "h"] as const) {
    const there = new Set(disk.rows([table]).map((r) => `${r.key[2]} ${r.key[3]}`));
    for (const row of wanted[table]) if (!there.has(row)) fail(`${table} ${row} is missing`);
    for (const row of there) {
      if (!wanted[table].has(row) && !allowed[table].has(row)) fail(`${table} ${row} is left over`);
    }
  }
  const marks = new Set(disk.rows(["o"]).map((r) => r.key[2] as string));
  for (const name of owing) if (!marks.has(name)) fail(`${name} owes packets, but has no mark`);
}
