import { deepEqual, equal } from "node:assert/strict";
import { decodeHex, encodeHex } from "byte-encodings/hex";
import type { AccountName } from "../../shard/name/ids.ts";
import { AccountState } from "../../shard/account/account.ts";
import { apply } from "../../shard/account/apply.ts";
import { ByteWriter } from "../../shard/record/bytes.ts";
import { BODY, decodeEvent, encodeEvent } from "../../shard/mailbox/mailbox_event.ts";
import { decodeHead, encodeHead } from "../../shard/account/checkpoint.ts";
import { ENTRIES, readRecord, RECORD_VERSION, writeEntry } from "../../shard/record/records.ts";
import { BODIES, ENTRY_SAMPLES, HEAD_LSN, LIFE } from "./record_samples.ts";

/** What the first programs wrote: these bytes are in stores, and never change. */
const PINNED: Readonly<Record<"entries" | "bodies" | "heads", Readonly<Record<string, string>>>> =
  JSON.parse(
    Deno.readTextFileSync(new URL("../golden/record_bytes.json", import.meta.url)),
  );
const NAME = "al" as AccountName;
const AT = 1_700_000_000_000;

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

Deno.test("encodeEvent writes a body of each kind as it always was, and decodeEvent reads it", () => {
  for (const [label, body] of Object.entries(BODIES)) {
    equal(encodeHex(encodeEvent(AT, body)), PINNED.bodies[label], label);
    deepEqual(decodeEvent(decodeHex(PINNED.bodies[label]!), 5), { seq: 5, at: AT, ...body }, label);
  }
});

Deno.test("encodeHead writes an account that has everything as it always was", () => {
  const account = new AccountState(NAME, 7);
  for (const e of LIFE) apply(account, e);
  equal(encodeHex(encodeHead(account, HEAD_LSN)), PINNED.heads.life);
  const read = new AccountState(NAME, 7);
  decodeHead(read, decodeHex(PINNED.heads.life!));
  equal(encodeHex(encodeHead(read, HEAD_LSN)), PINNED.heads.life);
});
