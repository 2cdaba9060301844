/**
 * Decodes samples of everything that is stored with a length bomb at every place, then prints the
 * peak of its resident memory in MB. Run with a small heap, so that a bomb that is believed is the
 * end of the process.
 */
import fc from "fast-check";
import { AccountState } from "../../shard/account/account.ts";
import { ByteWriter } from "../../shard/record/bytes.ts";
import { decodeHead, encodeHead } from "../../shard/account/head.ts";
import {
  decodeDedupeBlock,
  decodeDedupeRow,
  encodeDedupeBlock,
  encodeDedupeRow,
  writeDedupeEntry,
} from "../../shard/message/dedupe_rows.ts";
import type { AccountName } from "../../shard/name/ids.ts";
import {
  decodeBlock,
  decodeEvent,
  encodeBlock,
  encodeEvent,
} from "../../shard/mailbox/mailbox_event.ts";
import { readRecord, RECORD_VERSION, writeEntry } from "../../shard/account/records.ts";
import { decodeFrame, encodeFrame } from "../../server/peer/frames.ts";
import { LENGTH_BOMBS, readOrCorrupt, splice } from "./hostile_bytes.ts";
import { PEER_SAMPLES } from "../unit/peer_samples.ts";
import { accountOf, body, history, row } from "./stored.ts";

const NAME = "al" as AccountName;

function bombard(bytes: Uint8Array, decode: (bytes: Uint8Array) => unknown): void {
  decode(bytes);
  for (let at = 1; at < Math.min(bytes.length, 1500); at++) {
    for (const bomb of LENGTH_BOMBS) readOrCorrupt(() => decode(splice(bytes, at, 1, bomb)));
  }
}

const samples = <T>(arbitrary: fc.Arbitrary<T>) => fc.sample(arbitrary, { seed: 7, numRuns: 12 });

for (const life of samples(history)) {
  bombard(encodeHead(accountOf(life), 1), (b) => decodeHead(new AccountState(NAME, 0), b));
}
for (const entries of samples(row)) {
  const w = new ByteWriter();
  w.u8(RECORD_VERSION);
  for (const { account, entry } of entries) writeEntry(w, account, entry);
  bombard(w.take(), readRecord);
}
for (const b of samples(body)) {
  const event = encodeEvent(1, b);
  bombard(event, (bytes) => decodeEvent(bytes, 1));
  bombard(encodeBlock([event, event]), decodeBlock);
}
const entry = new ByteWriter();
const digest = { first: 1, second: 2 };
writeDedupeEntry(entry, { key: "a", seq: 1, at: 2, num: 3, digest });
bombard(encodeDedupeBlock(1, entry.view()), decodeDedupeBlock);
bombard(encodeDedupeRow([{ number: 1, lastAt: 2, count: 1 }], new Uint8Array(8)), decodeDedupeRow);

for (const frame of PEER_SAMPLES) {
  bombard(encodeFrame(frame, 1000), (bytes) => decodeFrame(bytes, 1000));
}

const peak = /^VmHWM:\s+(\d+) kB$/m.exec(Deno.readTextFileSync("/proc/self/status"))?.[1];
Deno.stdout.writeSync(new TextEncoder().encode(`${Math.round(Number(peak) / 1024)}\n`));
