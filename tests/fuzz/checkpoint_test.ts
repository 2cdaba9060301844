import { deepEqual, equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import { rightsOf } from "../../shard/account/rights.ts";
import { AccountState } from "../../shard/account/account.ts";
import { apply } from "../../shard/account/apply.ts";
import { ByteWriter } from "../../shard/record/bytes.ts";
import { stored } from "./stored_state.ts";
import { decodeHead, encodeHead } from "../../shard/account/head.ts";
import {
  decodeDedupeBlock,
  decodeDedupeRow,
  encodeDedupeBlock,
  encodeDedupeRow,
  writeDedupeEntry,
  writeHash,
} from "../../shard/message/dedupe_rows.ts";
import type { AccountName, DeviceId } from "../../shard/name/ids.ts";
import { readForward } from "../../shard/mailbox/mailbox.ts";
import { readRecord, RECORD_VERSION, writeEntry } from "../../shard/account/records.ts";
import { hostile, readOrCorrupt, runs } from "./hostile_bytes.ts";
import { accountOf, history } from "./stored.ts";
import { text, uint } from "./schema_values.ts";

const NAME = "al" as AccountName;

function decoded(bytes: Uint8Array): AccountState {
  const account = new AccountState(NAME, 0);
  decodeHead(account, bytes);
  return account;
}

/** What is in a head since it has refused and waiting messages, a dedupe window, rows to delete. */
const WINDOW_BYTES = 12;
/** After it: a mailbox without gaps and without unread messages. */
const UNREAD_BYTES = 2;
/** What is in a head since it has the places of sign-ins. */
const PLACES_BYTES = 1;

Deno.test("decodeHead brings back what encodeHead kept of an account", () => {
  fc.assert(
    fc.property(history, uint, (life, lsn) => {
      const before = accountOf(life);
      const after = decoded(encodeHead(before, lsn));
      deepEqual(stored(after), stored(before));
      equal(after.runtime.savedLsn, lsn);
    }),
    runs(400),
  );
});

Deno.test("encodeHead writes the same whether anybody has looked into a decoded head or not", () => {
  fc.assert(
    fc.property(history, uint, (life, lsn) => {
      const head = encodeHead(accountOf(life), lsn);
      const unread = decoded(head);
      const read = decoded(head);
      equal(unread.lazyRoster.size, read.roster.size);
      equal(unread.lazyConversations.size, read.conversations.size);
      const seen: unknown[] = [];
      unread.lazyRoster.forEach((item) => seen.push(item));
      unread.lazyConversations.forEach((c) => seen.push(c));
      deepEqual(seen, [...read.roster.values(), ...read.conversations.values()]);
      deepEqual(encodeHead(unread, lsn), head);
      deepEqual(encodeHead(read, lsn), head);
      deepEqual(rightsOf(unread), rightsOf(read));
    }),
    runs(200),
  );
});

Deno.test("a log that is read back makes the same account as the one that wrote it", () => {
  fc.assert(
    fc.property(history, (life) => {
      const w = new ByteWriter();
      w.u8(RECORD_VERSION);
      for (const e of life) writeEntry(w, NAME, e);
      const replayed = accountOf(readRecord(w.take()).map((r) => r.entry));
      deepEqual(encodeHead(replayed, 1), encodeHead(accountOf(life), 1));
    }),
    runs(200),
  );
});

Deno.test("a checkpoint and the log after it make the same account, wherever the checkpoint was", () => {
  fc.assert(
    fc.property(history, fc.nat(), (life, at) => {
      const cut = at % (life.length + 1);
      const replayed = decoded(encodeHead(accountOf(life.slice(0, cut)), 1));
      for (const e of life.slice(cut)) apply(replayed, e);
      deepEqual(encodeHead(replayed, 1), encodeHead(accountOf(life), 1));
    }),
    runs(300),
  );
});

Deno.test("a released name is what one is that never was taken, but for rows to delete", () => {
  fc.assert(
    fc.property(history, (life) => {
      const released = accountOf([...life, { kind: "removed" }, { kind: "released" }]);
      released.purge = [];
      released.purgedRanges = [];
      const never = new AccountState(NAME, 0);
      // The name stays that of the cell that is its home.
      never.register = released.register;
      deepEqual(encodeHead(released, 1), encodeHead(never, 1));
    }),
    runs(100),
  );
});

Deno.test("decodeHead reads what the first programs wrote, without what came later", () => {
  const account = new AccountState(NAME, 0);
  account.state = "active";
  account.blocked.set("bo" as AccountName, { peerId: "", lastSeen: 0 });
  account.devices = [{
    device: "d" as DeviceId,
    label: "",
    tokenHash: new Uint8Array(32),
    createdAt: 1,
    expiresAt: 2,
    usedAt: 0,
  }];
  const head = encodeHead(account, 7);
  // Four zeros: a text and a time, another one, and a count.
  const former = head.slice(0, -WINDOW_BYTES - UNREAD_BYTES - PLACES_BYTES);
  deepEqual([...former.slice(-4)], [0, 0, 0, 0]);
  deepEqual(stored(decoded(former)), stored(account));
  deepEqual(stored(decoded(former.slice(0, -1))), stored(account));
  deepEqual(stored(decoded(former.slice(0, -4))), stored(account));
});

Deno.test("decodeHead throws nothing but CorruptBytes", () => {
  const heads = history.map((life) => encodeHead(accountOf(life), 5));
  fc.assert(
    fc.property(hostile(heads), (bytes) => {
      const account = readOrCorrupt(() => decoded(bytes));
      // What it took must be usable: it encodes, and its mailbox reads to an end.
      if (account === null) return;
      encodeHead(account, 5);
      // Nor may what is read late be found corrupt then.
      for (const kept of [account.roster, account.conversations]) ok(kept.size >= 0);
      encodeHead(account, 5);
      const { mailbox } = account;
      const from = mailbox.tailFirst - 1;
      readOrCorrupt(() => readForward(mailbox, from, 100, 100_000, new Map()));
    }),
    runs(1500),
  );
});

Deno.test("readForward ends at any block that the store may give for another", () => {
  fc.assert(
    fc.property(history, hostile(fc.constant(new Uint8Array([1, 1, 2, 1, 1]))), (life, block) => {
      const { mailbox } = accountOf(life);
      const loaded = new Map(mailbox.blocks.map((b) => [b.first, block] as const));
      mailbox.unsaved.clear();
      const page = readOrCorrupt(() => {
        return readForward(mailbox, mailbox.first - 1, 1000, 100_000, loaded);
      });
      if (page !== null && !("need" in page)) {
        page.forEach((e, i) => equal(e.seq, mailbox.first + i));
      }
    }),
    runs(300),
  );
});

Deno.test("decodeHead refuses a mailbox whose blocks do not join", () => {
  const account = new AccountState(NAME, 0);
  account.mailbox.blocks = [
    { first: 1, count: 5, lastAt: 0, conversations: [] },
    { first: 7, count: 5, lastAt: 0, conversations: [] },
  ];
  account.mailbox.tailFirst = 12;
  throws(() => decoded(encodeHead(account, 1)), { name: "CorruptBytes", message: /do not join/ });
});

Deno.test("checkpoint rows of a future version are refused with both versions", () => {
  const name = "CorruptBytes";
  const head = encodeHead(new AccountState(NAME, 0), 1);
  const row = encodeDedupeRow([], new Uint8Array());
  head[0] = 3;
  row[0] = 2;
  throws(() => decoded(head), { name, message: /of version 3, this program reads 1 and 2/ });
  throws(() => decodeDedupeRow(row), { name, message: /of version 2, this program reads 1/ });
  const block = encodeDedupeBlock(0, new Uint8Array());
  block[0] = 3;
  throws(() => decodeDedupeBlock(block), { name, message: /of version 3, this .* reads 1 and 2/ });
});

const half = fc.integer({ min: 0, max: 0xffffffff });
const hash = fc.record({ first: half, second: half });
const sent = fc.array(fc.record({ key: text, seq: uint, at: uint, num: uint, digest: hash }), {
  maxLength: 10,
});
const hashed = fc.array(fc.array(hash, { maxLength: 4 }), { maxLength: 5 });

function blockOf(entries: readonly Parameters<typeof writeDedupeEntry>[1][]): Uint8Array {
  const w = new ByteWriter();
  for (const e of entries) writeDedupeEntry(w, e);
  return encodeDedupeBlock(entries.length, w.view());
}

function rowOf(blocks: readonly (readonly Parameters<typeof writeHash>[1][])[]): Uint8Array {
  const w = new ByteWriter();
  for (const h of blocks.flat()) writeHash(w, h);
  const heads = blocks.map(({ length }, i) => ({ number: i + 1, lastAt: i * 9, count: length }));
  return encodeDedupeRow(heads, w.view());
}

Deno.test("decodeDedupeBlock gives back the entries, and throws nothing but CorruptBytes", () => {
  fc.assert(
    fc.property(sent, (list) => deepEqual(decodeDedupeBlock(blockOf(list)), list)),
    runs(500),
  );
  fc.assert(
    fc.property(hostile(sent.map(blockOf)), (bytes) => {
      readOrCorrupt(() => decodeDedupeBlock(bytes));
    }),
    runs(1000),
  );
});

Deno.test("decodeDedupeRow gives back the hashes, and throws nothing but CorruptBytes", () => {
  fc.assert(
    fc.property(hashed, (blocks) => {
      const wanted = blocks.map((hashes, i) => ({ number: i + 1, lastAt: i * 9, hashes }));
      deepEqual(decodeDedupeRow(rowOf(blocks)), wanted);
    }),
    runs(500),
  );
  fc.assert(
    fc.property(hostile(hashed.map(rowOf)), (bytes) => {
      readOrCorrupt(() => decodeDedupeRow(bytes));
    }),
    runs(1000),
  );
});
