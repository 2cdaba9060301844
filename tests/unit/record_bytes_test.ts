import { deepEqual, equal } from "node:assert/strict";
import { decodeHex, encodeHex } from "byte-encodings/hex";
import type { AccountName, NodeId, NodeRef } from "../../shard/name/ids.ts";
import { AccountState } from "../../shard/account/account.ts";
import { apply } from "../../shard/account/apply.ts";
import { ByteWriter } from "../../shard/record/bytes.ts";
import { BODY, decodeEvent, encodeEvent } from "../../shard/mailbox/mailbox_event.ts";
import { checkpointRows } from "../../shard/account/checkpoint.ts";
import { decodeHead, encodeHead } from "../../shard/account/head.ts";
import { DEDUPE_SHAPE } from "../../shard/message/dedupe.ts";
import { HEAD_SHAPE } from "../../shard/account/head_pages.ts";
import { readHeadRows } from "../../shard/account/head_rows.ts";
import { ENTRIES, readRecord, RECORD_VERSION, writeEntry } from "../../shard/account/records.ts";
import { accountName } from "../../shard/record/fields.ts";
import { Row } from "../../shard/record/struct.ts";
import { decodeTable, encodeTable, evenTable, reshaped } from "../../shard/table/table.ts";
import { Fences } from "../../server/store/fences.ts";
import { BODIES, ENTRY_SAMPLES, HEAD_LSN, LIFE } from "./record_samples.ts";

/** What the first programs wrote: these bytes are in stores, and never change. */
const PINNED: Readonly<
  Record<"entries" | "bodies" | "heads" | "pages" | "tables", Readonly<Record<string, string>>>
> = JSON.parse(
  Deno.readTextFileSync(new URL("../golden/record_bytes.json", import.meta.url)),
);
/** Owners of shards in the pinned tables. */
const OWNERS: readonly NodeRef[] = [
  { id: "node000000000001" as NodeId, incarnation: 3 },
  { id: "node000000000002" as NodeId, incarnation: 300 },
];
const NAME = "al" as AccountName;
const AT = 1_700_000_000_000;
/** The end of a head: a mailbox without gaps, of its conversation 0 the unread messages 39 and 40. */
const WITHOUT_GAPS_TWO_UNREAD = "010100272802";
/** The end of a head without known places. */
const NO_PLACES = "00";

Deno.test("writeEntry writes an entry of each kind as it always was", () => {
  const written = Object.entries(ENTRY_SAMPLES).map(([label, entry]) => {
    const w = new ByteWriter();
    writeEntry(w, NAME, entry);
    return [label, encodeHex(w.take())];
  });
  deepEqual(Object.fromEntries(written), PINNED.entries);
});

Deno.test("every kind of entry and every kind of event has pinned bytes", () => {
  const kinds = (samples: Readonly<Record<string, { readonly kind: string }>>) =>
    [...new Set(Object.values(samples).map((s) => s.kind))].sort();
  deepEqual(kinds(ENTRY_SAMPLES), Object.keys(ENTRIES).sort());
  deepEqual(kinds(BODIES), Object.keys(BODY.variants).sort());
});

Deno.test("readRecord reads the pinned bytes of each kind of entry", () => {
  for (const [label, entry] of Object.entries(ENTRY_SAMPLES)) {
    const row = new ByteWriter().u8(RECORD_VERSION).raw(decodeHex(PINNED.entries[label]!)).take();
    deepEqual(readRecord(row), [{ account: NAME, entry }], label);
  }
});

Deno.test("programs from before changes of messages skip their entries, and read all others", () => {
  const { message_changed: _m, block_changed: _b, ...variants } = ENTRIES;
  const before = new Row({
    what: "log record",
    version: RECORD_VERSION,
    head: accountName,
    variants,
    optionalFrom: 128,
  });
  const w = new ByteWriter().u8(RECORD_VERSION);
  const { message_changed, block_changed, read } = ENTRY_SAMPLES;
  for (const entry of [message_changed!, block_changed!, read!]) writeEntry(w, NAME, entry);
  const found: unknown[] = [];
  before.read(w.take(), (_, entry) => found.push(entry));
  deepEqual(found, [read]);
});

Deno.test("readRecord reads the beginning of an import as earlier programs wrote it", () => {
  const bytes = decodeHex(
    "011a02616cbe001041414141414141414141414141414141104d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4dfbd095ffbc31" +
      "80d195ffbc31012801030101028120030103ff020105",
  );
  const entry = { ...ENTRY_SAMPLES.import_begun!, keptFrom: 0 };
  deepEqual(readRecord(bytes), [{ account: NAME, entry }]);
});

Deno.test("encodeEvent writes a body of each kind as it always was, and decodeEvent reads it", () => {
  for (const [label, body] of Object.entries(BODIES)) {
    equal(encodeHex(encodeEvent(AT, body)), PINNED.bodies[label], label);
    deepEqual(decodeEvent(decodeHex(PINNED.bodies[label]!), 5), { seq: 5, at: AT, ...body }, label);
  }
});

Deno.test("encodeHead writes an account that has everything as it always was", () => {
  const account = new AccountState(NAME, 7);
  for (const e of LIFE) apply(account, e);
  equal(encodeHex(encodeHead(account, HEAD_LSN)), PINNED.heads.places);
  const read = new AccountState(NAME, 7);
  decodeHead(read, decodeHex(PINNED.heads.places!));
  equal(encodeHex(encodeHead(read, HEAD_LSN)), PINNED.heads.places);
});

Deno.test("12: a head has the register of its name behind its LSN, and programs refuse it before", () => {
  const account = new AccountState(NAME, 7);
  for (const e of LIFE) apply(account, e);
  const before = encodeHex(encodeHead(account, HEAD_LSN));
  apply(account, ENTRY_SAMPLES["name_register"]!);
  const registered = encodeHex(encodeHead(account, HEAD_LSN));
  // Behind a byte with the version, the LSN has two.
  const [version, lsn, rest] = [before.slice(0, 2), before.slice(2, 6), before.slice(6)];
  const later = encodeHex(new Uint8Array([Number(version) + 16]));
  equal(registered, later + lsn + PINNED.heads["register"] + rest);
  const read = new AccountState(NAME, 7);
  decodeHead(read, decodeHex(registered));
  deepEqual(read.register, account.register);
  equal(encodeHex(encodeHead(read, HEAD_LSN)), registered);
});

Deno.test("10.7: the rows of a head in pages are written as they always were, and read", () => {
  const shape = { ...HEAD_SHAPE, wholeBytesMax: 100 };
  const account = new AccountState(NAME, 7, DEDUPE_SHAPE, shape);
  for (const e of LIFE) apply(account, e);
  const written: Record<string, string> = {};
  for (let complete = false; !complete;) {
    const part = checkpointRows(account, HEAD_LSN);
    complete = part.complete;
    account.dedupe.saved();
    for (const { key, value } of part.rows) {
      if (key[0] === "u" && value !== null) written[key.slice(3).join(" ")] = encodeHex(value);
    }
  }
  deepEqual(written, PINNED.pages);
  const read = new AccountState(NAME, 7, DEDUPE_SHAPE, shape);
  const rows = Object.entries(PINNED.pages).map(([text, hex]) => ({
    key: ["u", 7, NAME, ...text.split(" ").map(Number)],
    value: decodeHex(hex),
  }));
  readHeadRows(read, rows);
  equal(encodeHex(encodeHead(read, HEAD_LSN)), encodeHex(encodeHead(account, HEAD_LSN)));
});

Deno.test("10.9: decodeHead reads a head from before known places, and keeps all of it", () => {
  const read = new AccountState(NAME, 7);
  decodeHead(read, decodeHex(PINNED.heads.unread!));
  equal(encodeHex(encodeHead(read, HEAD_LSN)), `${PINNED.heads.unread}${NO_PLACES}`);
});

Deno.test("10.2: decodeHead finds the unread messages of a head that only has marks", () => {
  const read = new AccountState(NAME, 7);
  decodeHead(read, decodeHex(PINNED.heads.window!));
  deepEqual([...read.unread.values()], [{ conversation: 0, first: 39, last: 40, count: 2 }]);
  equal(
    encodeHex(encodeHead(read, HEAD_LSN)),
    PINNED.heads.window + WITHOUT_GAPS_TWO_UNREAD + NO_PLACES,
  );
});

Deno.test("10.2: readRecord reads a trim of earlier versions, which keeps no unread messages", () => {
  const row = new ByteWriter().u8(RECORD_VERSION).raw(decodeHex("1702616c82001103")).take();
  const entry = { kind: "trimmed", first: 17, dedupe: 3, unreadFrom: 0 } as const;
  deepEqual(readRecord(row), [{ account: NAME, entry }]);
});

Deno.test("decodeHead reads a head from before the dedupe hashes, and keeps all of it", () => {
  const read = new AccountState(NAME, 7);
  decodeHead(read, decodeHex(PINNED.heads.life!));
  // No refused and no waiting messages, an empty window, no rows to delete, no known places.
  const window = new ByteWriter();
  read.dedupe.encode(window);
  const added = `0000${encodeHex(window.view())}00${WITHOUT_GAPS_TWO_UNREAD}${NO_PLACES}`;
  equal(encodeHex(encodeHead(read, HEAD_LSN)), PINNED.heads.life + added);
});

Deno.test("encodeTable and Fences.encode write as they always did, and read what they wrote", () => {
  const even = evenTable(4);
  const shards = even.shards.map((s, i) => ({
    ...s,
    epoch: i + 1,
    owner: [null, OWNERS[1]!, OWNERS[0]!, { ...OWNERS[0]! }][i]!,
  }));
  const last = new Map([[0, 9], [1, 200]]);
  const table = reshaped({ ...even, shards }, { of: [0, 1], at: [77] }, last);
  equal(encodeHex(encodeTable(table)), PINNED.tables["shard table"]);
  deepEqual(decodeTable(encodeTable(table)), table);
  deepEqual(decodeTable(decodeHex(PINNED.tables["shard table of version 1"]!)), {
    version: 5,
    nextId: 2,
    shards: [{
      id: 1,
      lo: 0,
      hi: 2 ** 32,
      start: 4,
      inherits: [{ log: 1, upTo: 9 }],
      epoch: 1,
      owner: null,
    }],
  });
  const fences = new Fences();
  fences.set(1, { epoch: 2, owner: OWNERS[0]!, start: 1, head: null });
  fences.set(2, { epoch: 7, owner: null, start: 300, head: 4 });
  fences.set(3, { epoch: 7, owner: OWNERS[1]!, start: 300, head: 4 });
  fences.set(4, { epoch: 1, owner: { ...OWNERS[0]! }, start: 3, head: 4 });
  equal(encodeHex(fences.encode()), PINNED.tables.claims);
  equal(encodeHex(Fences.decode(fences.encode()).encode()), PINNED.tables.claims);
});
