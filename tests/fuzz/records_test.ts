import { deepEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { ByteWriter, CorruptBytes } from "../../shard/record/bytes.ts";
import type { AccountName, NodeId } from "../../shard/name/ids.ts";
import { type Entry, readRecord, RECORD_VERSION, writeEntry } from "../../shard/account/records.ts";
import {
  decodeBlock,
  decodeEvent,
  encodeBlock,
  encodeEvent,
} from "../../shard/mailbox/mailbox_event.ts";
import { decodeTable, encodeTable, evenTable } from "../../shard/table/table.ts";
import { Fences } from "../../server/store/fences.ts";
import { hostile, readOrCorrupt, runs } from "./hostile_bytes.ts";
import { body, row } from "./stored.ts";
import { uint } from "./schema_values.ts";

function encodeRow(entries: readonly { account: AccountName; entry: Entry }[]): Uint8Array {
  const w = new ByteWriter();
  w.u8(RECORD_VERSION);
  for (const { account, entry } of entries) writeEntry(w, account, entry);
  return w.take();
}

Deno.test("readRecord gives back every entry of every kind", () => {
  fc.assert(fc.property(row, (entries) => deepEqual(readRecord(encodeRow(entries)), entries)), {
    ...runs(1000),
  });
});

Deno.test("readRecord throws nothing but CorruptBytes", () => {
  fc.assert(
    fc.property(hostile(row.map(encodeRow)), (bytes) => {
      readOrCorrupt(() => readRecord(bytes));
    }),
    runs(2000),
  );
});

Deno.test("readRecord skips entries of unknown optional kinds, whatever is in them", () => {
  const kind = fc.integer({ min: 200, max: 255 });
  fc.assert(
    fc.property(row, row, kind, fc.uint8Array(), (before, after, kind, inside) => {
      const w = new ByteWriter();
      w.u8(RECORD_VERSION);
      for (const { account, entry } of before) writeEntry(w, account, entry);
      w.u8(kind).str("somebody").bytes(inside);
      for (const { account, entry } of after) writeEntry(w, account, entry);
      deepEqual(readRecord(w.take()), [...before, ...after]);
    }),
    runs(300),
  );
});

Deno.test("readRecord ignores fields that a newer program added at an entry's end", () => {
  const entry: Entry = { kind: "acked", seq: 7 };
  const w = new ByteWriter();
  w.u8(RECORD_VERSION).u8(19).str("al").bytes(new Uint8Array([7, 1, 2, 3]));
  deepEqual(readRecord(w.take()), [{ account: "al", entry }]);
});

Deno.test("readRecord reads blocks and times last seen as the first programs wrote them", () => {
  const w = new ByteWriter().u8(RECORD_VERSION);
  w.u8(16).str("al").bytes(new ByteWriter().str("bo").bool(true).take());
  w.u8(18).str("al").bytes(new ByteWriter().uint(5).take());
  const account = "al";
  deepEqual(readRecord(w.take()), [
    { account, entry: { kind: "blocked", contact: "bo", blocked: true, peerId: "", lastSeen: 0 } },
    { account, entry: { kind: "last_seen", at: 5, device: "", usedAt: 0 } },
  ]);
});

Deno.test("readRecord refuses unknown kinds that it must not skip, and says why", () => {
  for (const kind of [60, 61, 127]) {
    const bytes = new ByteWriter().u8(RECORD_VERSION).u8(kind).str("al").bytes(new Uint8Array())
      .take();
    throws(() => readRecord(bytes), { name: "CorruptBytes", message: /unknown kind .*newer/ });
  }
});

Deno.test("stored rows of a future version are refused with both versions", () => {
  const message = /of version 2, this program reads 1/;
  const rows = [
    [encodeRow([]), readRecord],
    [encodeBlock([]), decodeBlock],
    [
      encodeEvent(1, { kind: "settings", messagesFrom: "anyone" }),
      (b: Uint8Array) => decodeEvent(b, 1),
    ],
  ] as const;
  for (const [bytes, decode] of rows) {
    decode(bytes);
    bytes[0] = 2;
    throws(() => decode(bytes), { name: "CorruptBytes", message });
  }
});

const blockOf = (events: readonly (readonly [number, Parameters<typeof encodeEvent>[1]])[]) =>
  encodeBlock(events.map(([at, b]) => encodeEvent(at, b)));
const events = fc.array(fc.tuple(uint, body), { maxLength: 6 });

Deno.test("decodeBlock and decodeEvent give back every event", () => {
  fc.assert(
    fc.property(events, fc.nat(), (list, first) => {
      const decoded = decodeBlock(blockOf(list)).map((b, i) => decodeEvent(b, first + i));
      deepEqual(decoded, list.map(([at, b], i) => ({ seq: first + i, at, ...b })));
    }),
    runs(1000),
  );
});

Deno.test("decodeBlock and decodeEvent throw nothing but CorruptBytes", () => {
  fc.assert(
    fc.property(hostile(events.map(blockOf)), (bytes) => {
      for (const event of readOrCorrupt(() => decodeBlock(bytes)) ?? []) {
        readOrCorrupt(() => decodeEvent(event, 1));
      }
    }),
    runs(1500),
  );
  fc.assert(
    fc.property(hostile(fc.tuple(uint, body).map(([at, b]) => encodeEvent(at, b))), (bytes) => {
      readOrCorrupt(() => decodeEvent(bytes, 1));
    }),
    runs(1500),
  );
});

Deno.test("decodeEvent refuses an event that was cut anywhere", () => {
  fc.assert(
    fc.property(uint, body, fc.nat(), (at, b, cut) => {
      const bytes = encodeEvent(at, b);
      throws(() => decodeEvent(bytes.slice(0, cut % bytes.length), 1), CorruptBytes);
    }),
    runs(500),
  );
});

Deno.test("decodeTable and Fences.decode throw nothing but CorruptBytes", () => {
  const fences = new Fences();
  const owner = { id: "node000000000001" as NodeId, incarnation: 2 };
  fences.set(1, { epoch: 2, owner, start: 1, head: null });
  const table = { ...evenTable(3), shards: evenTable(3).shards.map((s) => ({ ...s, owner })) };
  const valid = fc.constantFrom(encodeTable(table), fences.encode());
  fc.assert(
    fc.property(hostile(valid), (bytes) => {
      readOrCorrupt(() => decodeTable(bytes));
      readOrCorrupt(() => Fences.decode(bytes));
    }),
    runs(1000),
  );
});
