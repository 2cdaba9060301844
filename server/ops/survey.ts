/**
 * A look through all of a store's file: what is damaged, and whose it is. It changes nothing. Accounts
 * are read as their shards would read them, and rows that heads list must exist.
 */
import type { AccountId, AccountName } from "../../shard/name/ids.ts";
import { type Account, AccountState } from "../../shard/account/account.ts";
import { blockKey, dedupeKey } from "../../shard/account/checkpoint.ts";
import { countBlock } from "../../shard/mailbox/mailbox_event.ts";
import { CorruptBytes } from "../../shard/record/bytes.ts";
import { damageKind } from "../node/damage.ts";
import { decodeRegister } from "../store/register_rows.ts";
import { decodeTable, type ShardTable } from "../../shard/table/table.ts";
import { CHECKSUM_BYTES, restoreRow } from "../store/row_checksum.ts";
import type { FileRow, RowFile, TakeRow } from "../store/store_file.ts";
import { type HeadRow, readHeadRows } from "../../shard/account/head_rows.ts";
import { pointOf } from "../../shard/name/ids.ts";
import { readRecord } from "../../shard/account/records.ts";
import type { StoreKey } from "../node/ports.ts";
import { TABLE_REGISTER } from "../node/ports.ts";

/** Rows between two reports of progress. */
const PROGRESS_ROWS = 20_000;

/** Something that is not as it was written. */
export interface Fault {
  readonly kind: "structure" | "row" | "missing" | "unreadable" | "log";
  /** Its row; [] for the file as a whole. */
  readonly key: StoreKey;
  readonly reason: string;
  /** Of a hole in a log, the LSN that comes after it. */
  readonly until?: number;
  /** The row as it is stored, where `kind` is `row`. */
  readonly row: FileRow | null;
}

/** What a survey found. */
export interface Survey {
  readonly rows: number;
  readonly accounts: number;
  /** Rows of programs before checksums. */
  readonly plainRows: number;
  readonly faults: readonly Fault[];
  /** The shard of an account; null where the table cannot be read, nor had back. */
  shardOf(name: AccountName): number | null;
  /** The logs that an account's records are in: its shard's, and those that it inherits. */
  logsOf(name: AccountName): readonly number[];
  /** The last LSN of these logs, 0 where they are empty. */
  lastLsn(name: AccountName): number;
  /** The name of an account by its id, of those that own damaged rows; null where none has it. */
  nameOf(id: AccountId): AccountName | null;
}

/** See the head of this file. */
class Surveyor {
  readonly faults: Fault[] = [];
  readonly names = new Map<AccountId, AccountName>();
  /** The last LSN of each log. */
  readonly heads = new Map<number, number>();
  /** The row of the shard table as it was written; null: it cannot be had. */
  table: Uint8Array | null = null;
  rows = 0;
  accounts = 0;
  plainRows = 0;
  readonly #file: Pick<RowFile, "has">;
  readonly #progress: (rows: number) => void;
  /** Ids whose blocks are damaged: their names are known once their heads are read. */
  readonly #owners = new Set<AccountId>();
  #head: { readonly name: AccountName; readonly rows: HeadRow[]; damaged: boolean } | null = null;
  /** The log that is read, and the LSN that comes next. */
  #log: { readonly shard: number; next: number } | null = null;

  constructor(file: Pick<RowFile, "has">, progress: (rows: number) => void) {
    this.#file = file;
    this.#progress = progress;
  }

  add(kind: Fault["kind"], key: StoreKey, reason: string, row: FileRow | null = null): void {
    this.faults.push({ kind, key, reason, row });
  }

  take(row: FileRow): void {
    this.rows++;
    if (this.rows % PROGRESS_ROWS === 0) this.#progress(this.rows);
    if (row.kind === "plain") this.plainRows++;
    if (row.kind === "damaged") {
      this.add("row", row.key, row.reason, row);
      if (["block", "dedupe"].includes(damageKind(row.key))) {
        this.#owners.add(row.key[2] as AccountId);
      }
    }
    const [table, register] = row.trueKey ?? row.key;
    if (table === "meta" && register === TABLE_REGISTER) this.table = writtenValue(row);
    if (row.key[0] === "log") this.#takeRecord(row);
    if (row.key[0] === "m" && row.kind !== "damaged") {
      this.#read(row.key, () => void countBlock(row.value));
    }
    if (row.key[0] === "u") this.#takeHeadRow(row);
    else this.endHead();
  }

  /** Runs a reader of stored bytes; a row that it cannot read is a fault. */
  #read(key: StoreKey, run: () => void): void {
    try {
      run();
    } catch (error) {
      if (!(error instanceof CorruptBytes)) throw error;
      this.add("unreadable", key, error.message);
    }
  }

  #takeRecord({ key, kind, value }: FileRow): void {
    const [, shard, lsn] = key as readonly [string, number, number];
    if (this.#log?.shard !== shard) this.#log = { shard, next: lsn };
    if (lsn !== this.#log.next) {
      const key = ["log", shard, this.#log.next];
      const reason = `records before ${lsn} are missing`;
      this.faults.push({ kind: "log", key, reason, until: lsn, row: null });
    }
    this.#log.next = lsn + 1;
    this.heads.set(shard, lsn);
    if (kind !== "damaged") this.#read(key, () => void readRecord(value));
  }

  #takeHeadRow({ key, kind, value }: FileRow): void {
    const [, point, name] = key as readonly [string, number, AccountName];
    if (this.#head?.name !== name) this.endHead();
    if (pointOf(name) !== point) return this.add("unreadable", key, "its point is not the name's");
    const head = this.#head ??= { name, rows: [], damaged: false };
    // The row itself is a fault already.
    if (kind === "damaged") head.damaged = true;
    else head.rows.push({ key, value });
  }

  /** All rows of a head have been taken. */
  endHead(): void {
    const head = this.#head;
    this.#head = null;
    if (head === null) return;
    const { name, rows } = head;
    // A crash in the first checkpoint of an account may leave pages: they are written first.
    if (rows.length > 0 && rows.every(({ key }) => key.length > 4)) return;
    this.accounts++;
    if (head.damaged) return;
    const account = new AccountState(name, pointOf(name));
    const key = ["u", account.point, name, 0];
    this.#read(key, () => {
      if (!readHeadRows(account, rows)) throw new CorruptBytes("its first row does not exist");
      const id = account.id as AccountId;
      if (this.#owners.has(id)) this.names.set(id, name);
      for (const row of rowsOf(account)) {
        if (this.#file.has(row)) continue;
        this.names.set(id, name);
        this.add("missing", row, "its head lists it, and it does not exist");
      }
    });
  }
}

/** Rows that an account's head says there are. */
function* rowsOf(account: Account): Iterable<StoreKey> {
  for (const { first } of account.mailbox.blocks) yield blockKey(account.point, account.id, first);
  const key = (table: "d" | "h", n: number) => dedupeKey(table, account.point, account.id, n);
  const { rows, blocks } = account.dedupe.toLoad();
  for (const n of rows) yield key("h", n);
  for (const n of blocks) yield key("d", n);
  // Blocks of former versions are numbered with holes, and are among those to load.
  if (account.dedupe.former.length > 0) return;
  for (const { table, from, to } of account.dedupe.stored) {
    for (let n = from; n < to && table === "d"; n++) yield key("d", n);
  }
}

/** The value that a row was written with; null where it cannot be had back. */
export function writtenValue({ key, kind, trueKey, value }: FileRow): Uint8Array | null {
  if (kind !== "damaged") return value.slice();
  // Under its own key its checksum fits.
  const written = trueKey === null ? restoreRow(key, value) : value.subarray(CHECKSUM_BYTES);
  return written?.slice() ?? null;
}

function tableOf(row: Uint8Array | null): ShardTable | null {
  try {
    return row === null ? null : decodeTable(decodeRegister(row).value);
  } catch {
    // Whatever is wrong with the table is a fault of its row.
    return null;
  }
}

/** A look at rows that come one after another, in the order of their keys. */
export interface Surveying {
  readonly add: (kind: Fault["kind"], key: StoreKey, reason: string) => void;
  readonly take: TakeRow;
  /** All rows have been taken. */
  end(): Survey;
}

/** Begins a look at rows. `file` finds those that came before; `progress` is called now and then. */
export function beginSurvey(
  file: Pick<RowFile, "has">,
  progress: (rows: number) => void,
): Surveying {
  const surveyor = new Surveyor(file, progress);
  return {
    add: (kind, key, reason) => surveyor.add(kind, key, reason),
    take: (row) => surveyor.take(row),
    end: () => {
      surveyor.endHead();
      return surveyed(surveyor);
    },
  };
}

/** Looks through the store in an open file; `progress` is called now and then. */
export function survey(file: RowFile, progress: (rows: number) => void): Survey {
  const surveying = beginSurvey(file, progress);
  const faults = file.faults();
  const broken = faults.length > 0 ? null : file.rows(() => {});
  for (const fault of broken === null ? faults : [broken]) surveying.add("structure", [], fault);
  const lost = file.salvage(surveying.take);
  for (const key of lost) surveying.add("missing", key, "its page cannot be read");
  return surveying.end();
}

function surveyed(surveyor: Surveyor): Survey {
  const { rows, accounts, plainRows, names, heads } = surveyor;
  const table = tableOf(surveyor.table);
  const shardOf = (name: AccountName) => {
    const point = pointOf(name);
    return table?.shards.find((s) => s.lo <= point && point < s.hi);
  };
  const logsOf = (name: AccountName) => {
    const shard = shardOf(name);
    return shard === undefined ? [] : [...shard.inherits.map(({ log }) => log), shard.id];
  };
  return {
    rows,
    accounts,
    plainRows,
    faults: surveyor.faults,
    nameOf: (id) => names.get(id) ?? null,
    shardOf: (name) => shardOf(name)?.id ?? null,
    logsOf,
    lastLsn: (name) => Math.max(0, ...logsOf(name).map((log) => heads.get(log) ?? 0)),
  };
}

/** Whose a row is, for people. */
export function ownerOf(key: StoreKey, found: Survey): string {
  const account = (name: AccountName) => {
    const shard = found.shardOf(name);
    return `account ${name}${shard === null ? "" : ` (shard ${shard})`}`;
  };
  switch (damageKind(key)) {
    case "head":
      return `${account(key[2] as AccountName)}: its head`;
    case "mark":
      return `${account(key[2] as AccountName)}: its mark that it owes packets`;
    case "block":
    case "dedupe": {
      const name = found.nameOf(key[2] as AccountId);
      const whose = name === null ? `the account with id ${key[2]}` : account(name);
      const what = damageKind(key) === "block" ? "mailbox block" : "record of what it has sent";
      return `${whose}: ${what} ${key[3]}`;
    }
    case "log":
      return `shard ${key[1]}: record ${key[2]} of its log`;
    case "audit":
      return `the audit log (${key[1]}): entries ${key[4]} of node ${key[3]}`;
    case "other":
      return key.length === 0 ? "the file" : `row ${key.join(" ")}`;
  }
}
