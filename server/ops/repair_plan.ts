/** What a repair makes of each row of a store, and what it gives up: nothing is written here. */
import type { AccountId, AccountName } from "../../shard/name/ids.ts";
import { type Account, AccountState } from "../../shard/account/account.ts";
import { type HeadRow, readHeadRows } from "../../shard/account/head_rows.ts";
import { closedHead, emptyBlock, SalvagedHead } from "../../shard/account/salvage.ts";
import { CorruptBytes } from "../../shard/record/bytes.ts";
import { damageKind } from "../node/damage.ts";
import { type Fault, ownerOf, type Survey, writtenValue } from "./survey.ts";
import type { FileRow, RowFile } from "../store/store_file.ts";
import { LogRepair, recordOf } from "./log_repair.ts";
import { pointOf } from "../../shard/name/ids.ts";
import { registerKey } from "../store/register_rows.ts";
import type { Row, StoreKey } from "../node/ports.ts";

/** Registers that a store cannot do without; others are given up. */
const NEEDED: ReadonlySet<unknown> = new Set(["claims", "table", "store", "domain"]);

/** Records of a log that may be missing in a row. */
const HOLE_MAX = 100_000;

/** Names in one line of what is given up. */
const NAMES_MAX = 20;

/** Takes a row of the repaired store. */
export type PutRow = (row: Row) => void;

const textOf = (key: StoreKey) => key.join("\n");

/** Calls `take` with every head that can be read, or can be had back as it was by a row of `instead`. */
function eachHead(
  file: RowFile,
  instead: ReadonlyMap<string, Row | null>,
  take: (account: Account, head: readonly HeadRow[]) => void,
): void {
  let head: { readonly name: AccountName; readonly rows: HeadRow[] } | null = null;
  const end = () => {
    if (head === null) return;
    const { name, rows } = head;
    head = null;
    const account = new AccountState(name, pointOf(name));
    try {
      if (!readHeadRows(account, rows)) return;
    } catch (error) {
      if (error instanceof CorruptBytes) return;
      throw error;
    }
    take(account, rows);
  };
  file.salvage(({ key, kind, trueKey, value }) => {
    const text = textOf(trueKey ?? key);
    const row = kind === "damaged" ? instead.get(text) ?? null : { key, value };
    if (row === null || row.key[0] !== "u") return;
    const name = row.key[2] as AccountName;
    if (head?.name !== name) end();
    head ??= { name, rows: [] };
    head.rows.push({ key: row.key, value: row.value.slice() });
  });
  end();
}

/** See the head of this file. */
export class RepairPlan {
  /** What is as it was, though it was damaged. */
  readonly kept: string[] = [];
  readonly givenUp: string[] = [];
  /** Why no repair can be made. */
  readonly impossible: string[] = [];
  readonly #file: RowFile;
  readonly #found: Survey;
  readonly #logs: LogRepair;
  /** Rows in the place of damaged ones; null: none. */
  readonly #instead = new Map<string, Row | null>();
  /** Keys of rows that are as they were written. */
  readonly #restored = new Set<string>();
  /** Heads to be written anew. */
  readonly #heads = new Map<AccountName, readonly HeadRow[]>();
  readonly #forgetSent = new Set<AccountId>();
  readonly #blocks = new Map<string, Fault>();

  constructor(file: RowFile, found: Survey) {
    this.#file = file;
    this.#found = found;
    this.#logs = new LogRepair((name) => found.logsOf(name));
    // A record that is had back under its own key leaves no hole.
    const rowsFirst = [...found.faults].sort((a, b) =>
      Number(a.row === null) - Number(b.row === null)
    );
    for (const fault of rowsFirst) this.#decide(fault);
    if (found.faults.some(({ kind }) => kind === "structure")) this.#requireRegisters();
    if (this.#blocks.size + this.#forgetSent.size > 0 || this.#logs.needed) this.#readHeads();
  }

  /** Whether clients may have seen what the store will not have: they must read it anew. */
  get forgets(): boolean {
    return this.givenUp.length > 0;
  }

  /** In pages that cannot be read may be what is listed nowhere else. */
  #requireRegisters(): void {
    for (const name of ["claims", "table", "store"]) {
      const key = registerKey(name);
      if (this.#file.has(key) || this.#restored.has(textOf(key))) continue;
      this.impossible.push(`row meta ${name}: it is lost, and every shard needs it`);
    }
  }

  #decide(fault: Fault): void {
    const { kind, key, row } = fault;
    if (kind === "structure") return;
    if (row !== null && this.#restores(row)) return;
    // It is had back from under another key.
    if (row === null && this.#restored.has(textOf(key))) return;
    // What it was the row of is missing under the key that the index lists.
    if (key.length === 0) return;
    const owner = ownerOf(key, this.#found);
    const makeNone = (what: string) => {
      this.givenUp.push(`${owner}: ${what}`);
      this.#instead.set(textOf(key), null);
    };
    switch (damageKind(key)) {
      case "head":
        if (kind === "unreadable") return void this.kept.push(`${owner}: left as it is`);
        return this.#closeAccount(key[2] as AccountName, owner);
      case "mark":
        this.kept.push(`${owner}: it is made anew`);
        return void this.#instead.set(textOf(key), { key, value: new Uint8Array([1]) });
      case "block":
        return void this.#blocks.set(textOf(key), fault);
      case "dedupe":
        this.#instead.set(textOf(key), null);
        return void this.#forgetSent.add(key[2] as AccountId);
      case "log":
        return this.#loseRecords(key, fault.until ?? key[2] as number + 1);
      case "audit":
        return makeNone("they are removed, and `roost audit verify` says so");
      case "other":
        if (key[0] !== "meta" || key.length > 2) return makeNone("it is removed");
        if (key[1] === "checksums" || key[1] === "probe") return;
        if (!NEEDED.has(key[1])) return makeNone("it is removed");
        return void this.impossible.push(`${owner}: every shard needs it`);
    }
  }

  /** Whether the row can be had back as it was written. */
  #restores(row: FileRow): boolean {
    const key = row.trueKey ?? row.key;
    const value = key.length === 0 ? null : writtenValue(row);
    if (value === null) return false;
    this.kept.push(`${ownerOf(key, this.#found)}: one flipped bit is flipped back`);
    this.#instead.set(textOf(key), { key, value });
    this.#restored.add(textOf(key));
    return true;
  }

  /** Gives up the records of a log from `key` up to the LSN `until`, exclusive. */
  #loseRecords([table, log, first]: StoreKey, until: number): void {
    if (until - (first as number) > HOLE_MAX) {
      return void this.impossible.push(`shard ${log}: too much of its log is missing`);
    }
    for (let lsn = first as number; lsn < until; lsn++) {
      const key = [table!, log!, lsn];
      if (this.#restored.has(textOf(key))) continue;
      this.#logs.lose(log as number, lsn);
      this.givenUp.push(`shard ${log}: record ${lsn} of its log`);
      this.#instead.set(textOf(key), { key, value: recordOf([]) });
    }
  }

  #closeAccount(name: AccountName, owner: string): void {
    // Another of its rows is damaged as well.
    if (this.#heads.has(name)) return;
    this.givenUp.push(
      `${owner}, and with it the account: its password, devices, contacts and messages. Its name ` +
        `stays closed until \`roost user release ${name}\``,
    );
    this.#heads.set(name, closedHead(name, this.#found.lastLsn(name)));
  }

  /** Finds out whose damaged blocks are, and which accounts go back to their checkpoints. */
  #readHeads(): void {
    const heads: [AccountName, readonly HeadRow[]][] = [];
    eachHead(this.#file, this.#instead, (account, head) => {
      this.#logs.head(account);
      for (const { first, count, lastAt } of account.mailbox.blocks) {
        const text = textOf(["m", account.point, account.id, first]);
        const fault = this.#blocks.get(text);
        if (fault === undefined) continue;
        const value = emptyBlock(account.name, count, lastAt);
        this.#instead.set(text, { key: fault.key, value });
        this.#blocks.delete(text);
        this.givenUp.push(
          `account ${account.name}: events ${first} to ${first + count - 1} of its mailbox, the ` +
            `last of ${new Date(lastAt).toISOString()}`,
        );
      }
      if (this.#forgetSent.has(account.id as AccountId)) heads.push([account.name, head]);
    });
    for (const [text, { key }] of this.#blocks) {
      this.kept.push(`${ownerOf(key, this.#found)}: no head lists it, and it is removed`);
      this.#instead.set(text, null);
    }
    for (const [name, head] of heads) {
      const salvaged = new SalvagedHead(name, head);
      salvaged.forgetSent();
      this.#heads.set(name, salvaged.rows());
      this.givenUp.push(
        `account ${name}: which messages it has sent in the last days. One that a client repeats ` +
          "may be sent again",
      );
    }
  }

  /** Calls `put` with every row of the repaired store, and completes what is given up. */
  run(put: PutRow): void {
    this.#file.salvage((row) => this.#take(row, put));
    // What is had back may rest on a lost record as well.
    for (const text of this.#restored) {
      const row = this.#instead.get(text)!;
      if (row.key[0] === "log") this.#instead.set(text, this.#recordRow(row));
    }
    if (this.#logs.needed) this.#keepNumbers();
    for (const row of this.#instead.values()) if (row !== null) put(row);
    for (const name of this.#logs.givenUp.keys()) {
      if (!this.#logs.isWhole(name)) continue;
      this.#closeAccount(
        name,
        `account ${name} (shard ${this.#found.shardOf(name)}): its beginning`,
      );
    }
    for (const rows of this.#heads.values()) for (const row of rows) put(row);
    for (const [name, { entries, messages }] of this.#logs.givenUp) {
      if (this.#logs.isWhole(name)) continue;
      this.givenUp.push(
        `account ${name}: what a lost record of its shard's log has of it, and ${entries} changes ` +
          `behind that record, ${messages} messages among them`,
      );
    }
    this.#namePerhaps();
  }

  /** Numbers that peers have seen are not used again. */
  #keepNumbers(): void {
    eachHead(this.#file, this.#instead, (account) => this.#logs.knows(account));
    const recordAt = (log: number, lsn: number) =>
      this.#instead.get(textOf(["log", log, lsn]))?.value ?? null;
    for (const { log, lsn, record } of this.#logs.numbered(recordAt)) {
      const key = ["log", log, lsn];
      this.#instead.set(textOf(key), { key, value: record });
    }
  }

  /** A lost record does not say whose changes it had: at most those of accounts that go back. */
  #namePerhaps(): void {
    const byShard = new Map<number | null, AccountName[]>();
    for (const name of this.#logs.perhaps()) {
      const shard = this.#found.shardOf(name);
      const names = byShard.get(shard);
      if (names === undefined) byShard.set(shard, [name]);
      else names.push(name);
    }
    for (const [shard, names] of byShard) {
      for (let from = 0; from < names.length; from += NAMES_MAX) {
        this.givenUp.push(
          `shard ${shard}: what a lost record has, if anything, of these accounts, whose checkpoints ` +
            `are older: ${names.slice(from, from + NAMES_MAX).join(", ")}`,
        );
      }
    }
  }

  #take(row: FileRow, put: PutRow): void {
    const { key, value } = row;
    if (this.#instead.has(textOf(key)) || row.kind === "damaged") return;
    if (key[0] === "meta" && key[1] === "checksums") return;
    if (key[0] === "u" && this.#heads.has(key[2] as AccountName)) return;
    if (damageKind(key) === "dedupe" && this.#forgetSent.has(key[2] as AccountId)) return;
    if (key[0] !== "log" || !this.#logs.needed) return put({ key, value });
    // The numbers that are not used again are known at the end.
    this.#instead.set(textOf(key), this.#recordRow({ key, value: value.slice() }));
  }

  /** A record of a log without what rests on a lost one. */
  #recordRow({ key, value }: Row): Row {
    const record = this.#logs.record(key[1] as number, key[2] as number, value);
    return { key, value: record ?? value };
  }
}
