/**
 * What a node has in memory of its accounts is what it would read from its disk: the checkpoints
 * and the log say everything, and applying them again makes the same bytes.
 */
import type { Account } from "../../shard/account/account.ts";
import type { MemoryDisk } from "./memory_store.ts";
import type { Shard } from "../../shard/step/shard.ts";
import type { Cluster } from "./cluster.ts";
import { AccountState } from "../../shard/account/account.ts";
import type { Items } from "../../shard/account/lazy_map.ts";
import { decodeHead, encodeHead } from "../../shard/account/head.ts";
import { readHeadRows } from "../../shard/account/head_rows.ts";
import { LogTail } from "../../shard/step/log_tail.ts";
import { readRecord } from "../../shard/account/records.ts";
import { SMALL_PAGES, SMALL_WINDOW } from "./config.ts";
import { Violation } from "./history.ts";

/** Within this time commits and checkpoints under way end, ms. */
const SETTLE_MS = 10_000;

/** Throws where an account in memory is not what its checkpoint and its log make of it. */
export function checkReplay(cluster: Cluster): void {
  const shards = () =>
    cluster.nodes.flatMap((n) => n.running.node.shards.map((s) => [n, s] as const));
  const busy = () => shards().some(([, shard]) => !shard.inspect().settled);
  if (!cluster.runWhile(busy, SETTLE_MS)) {
    throw new Violation("liveness", `a commit or a checkpoint takes ${SETTLE_MS} ms`);
  }
  for (const [node, shard] of shards()) checkShard(node.disk, shard);
}

function checkShard(disk: MemoryDisk, shard: Shard): void {
  const { accounts, unsealed } = shard.inspect();
  const tail = readLog(disk, shard, unsealed);
  for (const account of accounts) {
    const again = readHead(disk, account);
    tail.replay(again);
    const [is, would] = [durable(account), durable(again)];
    if (is !== would) {
      const at = [...is].findIndex((c, i) => c !== would[i]);
      const part = (text: string) => text.slice(Math.max(0, at - 40), at + 80);
      const text = `${account.name} is\n${part(is)}\nand would be, after a replay,\n${part(would)}`;
      throw new Violation("memory is what the log says", text, [account.name]);
    }
    checkBlocks(disk, account, again);
  }
}

/** The entries of the shard's logs, and those that it has not written yet. */
function readLog(disk: MemoryDisk, shard: Shard, unsealed: readonly Uint8Array[]): LogTail {
  const tail = new LogTail();
  const add = (lsn: number, bytes: Uint8Array) =>
    tail.add(lsn, readRecord(bytes).filter((r) => shard.owns(r.account)));
  const logs = [...shard.row.inherits, { log: shard.id, upTo: shard.lastLsn }];
  for (const { log, upTo } of logs) {
    for (const { key, value } of disk.rows(["log", log])) {
      const lsn = key[2] as number;
      if (lsn <= upTo) add(lsn, value);
    }
  }
  unsealed.forEach((bytes, i) => add(shard.lastLsn + 1 + i, bytes));
  return tail;
}

/** An account as the disk has it: its checkpoint, and what the shard's logs say after it. */
export function readDurable(
  disk: MemoryDisk,
  shard: Shard,
  of: Pick<Account, "name" | "point">,
): AccountState {
  const account = readHead(disk, of);
  readLog(disk, shard, []).replay(account);
  return account;
}

function readHead(
  disk: MemoryDisk,
  { name, point }: Pick<Account, "name" | "point">,
): AccountState {
  const account = new AccountState(name, point, SMALL_WINDOW, SMALL_PAGES);
  readHeadRows(account, disk.rows(["u", point, name]));
  return account;
}

/** Puts items into the order of their names: that in which they came is not kept in pages. */
function sortItems(a: AccountState): void {
  const sort = <V>(items: Items<V>) => {
    const all = [...items].sort(([x], [y]) => x < y ? -1 : 1);
    items.clear();
    for (const [name, item] of all) items.set(name, item);
  };
  sort(a.roster);
  sort(a.blocked);
  // Where they have no index of their own, their place is the index.
  if (a.pairGeneration > 0) sort(a.conversations);
  const undelivered = [...a.undelivered].sort();
  a.undelivered.clear();
  for (const name of undelivered) a.undelivered.add(name);
}

/** All that a head has, and the rows that the next checkpoint is to delete. */
function durable(account: Account): string {
  const copy = new AccountState(account.name, account.point, SMALL_WINDOW);
  decodeHead(copy, encodeHead(account, 0));
  // A released name has no checkpoint to say which rows have been deleted: a replay does it again.
  if (copy.state === "absent") copy.purge = [];
  sortItems(copy);
  const head = new TextDecoder("latin1").decode(encodeHead(copy, 0));
  return `${head} drops ${account.mailbox.dropped.join()}`;
}

/** The blocks that a replay seals are those that were sealed before. */
function checkBlocks(disk: MemoryDisk, account: Account, again: Account): void {
  for (const [first, block] of again.mailbox.unsaved) {
    const [row] = disk.rows(["m", account.point, account.id, first]);
    const is = account.mailbox.unsaved.get(first) ?? row?.value;
    if (is !== undefined && is.length === block.length && is.every((b, i) => b === block[i])) {
      continue;
    }
    const text = `${account.name}: a replay makes another block at ${first}`;
    throw new Violation("memory is what the log says", text, [account.name]);
  }
}
