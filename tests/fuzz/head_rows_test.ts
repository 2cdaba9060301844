/** The rows of account heads in chunks and in pages. */
import { deepEqual, equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import type { AccountName } from "../../shard/name/ids.ts";
import { AccountState } from "../../shard/account/account.ts";
import { apply } from "../../shard/account/apply.ts";
import { checkpointRows, owesDeletes } from "../../shard/account/checkpoint.ts";
import {
  CHUNK_BYTES,
  chunkRows,
  type HeadRow,
  type Key,
  readHeadRows,
} from "../../shard/account/head_rows.ts";
import { DEDUPE_SHAPE } from "../../shard/message/dedupe.ts";
import { encodeHead } from "../../shard/account/head.ts";
import { HEAD_SHAPE } from "../../shard/account/head_pages.ts";
import { history } from "./stored.ts";
import { hostile, readOrCorrupt, runs } from "./hostile_bytes.ts";
import { SMALL_PAGES } from "../sim/config.ts";
import { stored } from "./stored_state.ts";

const NAME = "al" as AccountName;

function readRows(rows: readonly HeadRow[], shape = HEAD_SHAPE): AccountState {
  const account = new AccountState(NAME, 0, DEDUPE_SHAPE, shape);
  readHeadRows(account, rows);
  return account;
}

Deno.test("readHeadRows: heads of many chunks join to the same account", () => {
  const account = new AccountState(NAME, 0);
  account.state = "active";
  for (let i = 0; i < 3000; i++) {
    account.blocked.set(`${"b".repeat(60)}${i}` as AccountName, { peerId: "", lastSeen: i });
  }
  // As programs before pages wrote it.
  const rows = chunkRows(0, NAME, encodeHead(account, 9));
  ok(rows.length > 2 && rows.every((r) => r.value.length <= CHUNK_BYTES));
  const read = readRows(rows);
  deepEqual(stored(read), stored(account));
  throws(() => readRows(rows.slice(0, -1)), { name: "CorruptBytes" });
  const disk = new Map<string, HeadRow>();
  ok(!checkpointInto(disk, read, 10, 1), "pages come first");
  ok(checkpointInto(disk, read, 10, 10));
  const divided = inOrder(disk);
  ok(divided.length > 30 && divided[0]!.value.length < 1000);
  deepEqual(stored(readRows(divided)), stored(account));
});

/** What an account is, whatever the order of its items. */
function sorted(a: AccountState) {
  const whole = stored(a);
  const byName = (x: readonly [string, unknown], y: readonly [string, unknown]) =>
    x[0] < y[0] ? -1 : 1;
  return {
    ...whole,
    roster: whole.roster.toSorted(byName),
    blocked: whole.blocked.toSorted(byName),
    conversations: whole.conversations.toSorted((x, y) => x.index - y.index),
    undelivered: whole.undelivered.toSorted(),
    unread: whole.unread.toSorted((x, y) => x.conversation - y.conversation),
  };
}

/** Checkpoints the account into `disk`; stops after so many writes. Returns whether it is complete. */
function checkpointInto(disk: Map<string, HeadRow>, a: AccountState, lsn: number, writes: number) {
  for (let i = 0; i < writes; i++) {
    const { rows, complete } = checkpointRows(a, lsn);
    for (const { key, value } of rows) {
      if (key[0] !== "u") continue;
      if (value === null) disk.delete(key.join(" "));
      else disk.set(key.join(" "), { key, value });
    }
    a.dedupe.saved();
    if (complete) return true;
  }
  return false;
}

function inOrder(disk: ReadonlyMap<string, HeadRow>): HeadRow[] {
  const compare = (x: Key, y: Key): number => {
    const at = x.findIndex((part, i) => part !== y[i]);
    return at < 0 ? x.length - y.length : (x[at] as number) - (y[at] as number);
  };
  return [...disk.values()].sort((x, y) => compare(x.key, y.key));
}

Deno.test("10.7: a head in pages is what was written, after a crash between any two writes", () => {
  const shape = { ...SMALL_PAGES, wholeBytesMax: 40 };
  const steps = fc.array(
    fc.record({ entries: fc.nat(12), writes: fc.nat(4), crash: fc.boolean() }),
  );
  fc.assert(
    fc.property(history, steps, (life, plan) => {
      const disk = new Map<string, HeadRow>();
      const wanted = new AccountState(NAME, 0, DEDUPE_SHAPE, shape);
      let account = new AccountState(NAME, 0, DEDUPE_SHAPE, shape);
      let done = 0;
      const replay = () => {
        account = readRows(inOrder(disk), shape);
        for (const e of life.slice(account.runtime.savedLsn, done)) apply(account, e);
        account.runtime.measured = false;
      };
      for (const { entries, writes, crash } of plan) {
        for (const e of life.slice(done, done + entries)) {
          apply(account, e);
          apply(wanted, e);
        }
        done = Math.min(life.length, done + entries);
        checkpointInto(disk, account, done, writes);
        if (crash) replay();
      }
      ok(checkpointInto(disk, account, done, 1000));
      // What is left to delete is deleted; what a crash has left is found by the next load.
      account = readRows(inOrder(disk), shape);
      do ok(checkpointInto(disk, account, done, 1000)); while (owesDeletes(account));
      wanted.purge = [];
      const read = readRows(inOrder(disk), shape);
      equal(read.runtime.pages?.hasUnneeded ?? false, false);
      const blocks = (a: AccountState) => {
        a.mailbox.dropped = [];
        a.purge = [];
        a.purgedRanges = [];
        a.dedupe.takeDropped();
        return sorted(a);
      };
      deepEqual(blocks(read), blocks(wanted));
    }),
    runs(400),
  );
});

Deno.test("10.7: readHeadRows throws nothing but CorruptBytes for pages", () => {
  const shape = { ...SMALL_PAGES, wholeBytesMax: 40 };
  fc.assert(
    fc.property(
      history,
      fc.nat(),
      hostile(fc.constant(new Uint8Array([1, 1, 0]))),
      (life, at, bytes) => {
        const account = new AccountState(NAME, 0, DEDUPE_SHAPE, shape);
        for (const e of life) apply(account, e);
        const disk = new Map<string, HeadRow>();
        checkpointInto(disk, account, 5, 1000);
        const rows = inOrder(disk);
        if (rows.length === 0) return;
        const bad = rows.map((row, i) => i === at % rows.length ? { ...row, value: bytes } : row);
        const read = readOrCorrupt(() => readRows(bad, shape));
        if (read === null) return;
        // What it took must be usable.
        for (const kept of [read.roster, read.blocked, read.conversations]) {
          ok(
            [...kept].length >= 0,
          );
        }
        encodeHead(read, 5);
      },
    ),
    runs(1000),
  );
});
