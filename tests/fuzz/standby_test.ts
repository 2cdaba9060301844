/** Hostile bytes for the stream between a store and its standby. */
import { deepEqual, equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import { addChecksum } from "../../server/store/row_checksum.ts";
import { CorruptBytes } from "../../shard/record/bytes.ts";
import {
  decodeFromStandby,
  decodeToStandby,
  encodeFromStandby,
  encodeToStandby,
} from "../../server/standby/stream_frames.ts";
import type { FromStandby, ToStandby } from "../../server/standby/stream.ts";
import { hostile, readOrCorrupt, runs } from "./hostile_bytes.ts";
import { numberMutation } from "../../server/standby/write_number.ts";
import type { StoreKey } from "../../server/node/ports.ts";

const at = { run: "AAAAAAAAAAAAAAAA", w: 2 ** 40 };
const after = { run: "BBBBBBBBBBBBBBBB", w: 7 };
const key: StoreKey = ["u", "é\0", -1.5];
const value = addChecksum(key, new Uint8Array([1, 2]));

const TO_STANDBY: readonly ToStandby[] = [
  { kind: "continue" },
  { kind: "compare", at },
  {
    kind: "write",
    entry: {
      at,
      after,
      rows: [{ kind: "set", key, value }, { kind: "delete", key: ["x"] }, numberMutation(at)],
    },
  },
  { kind: "write", entry: { at, after: null, rows: [numberMutation(at)] } },
  { kind: "same", n: 3 },
  { kind: "page", n: 4, upTo: null, rows: [], kept: [] },
  { kind: "page", n: 5, upTo: ["z", 1], rows: [{ key, value }], kept: [["x"], ["y", 2]] },
  { kind: "equal", n: 6 },
];

const FROM_STANDBY: readonly FromStandby[] = [
  { kind: "hello", position: null },
  { kind: "hello", position: at },
  { kind: "ack", at, filling: true },
  { kind: "range", n: 1, after: null, upTo: key, count: 400, digest: new Uint8Array(32) },
  { kind: "range", n: 2, after: key, upTo: null, count: 0, digest: new Uint8Array(32).fill(9) },
  { kind: "compared", n: 3 },
];

Deno.test("12: every frame between a store and its standby is read as it was written", () => {
  for (const frame of TO_STANDBY) deepEqual(decodeToStandby(encodeToStandby(frame)), frame);
  for (const frame of FROM_STANDBY) deepEqual(decodeFromStandby(encodeFromStandby(frame)), frame);
});

Deno.test("12: hostile bytes of either side are refused, or read as frames that can be written", () => {
  const to = fc.constantFrom(...TO_STANDBY.map(encodeToStandby));
  const from = fc.constantFrom(...FROM_STANDBY.map(encodeFromStandby));
  fc.assert(
    fc.property(hostile(to), (bytes) => {
      const frame = readOrCorrupt(() => decodeToStandby(bytes));
      if (frame !== null) ok(encodeToStandby(frame).length > 0);
    }),
    runs(3000),
  );
  fc.assert(
    fc.property(hostile(from), (bytes) => {
      const frame = readOrCorrupt(() => decodeFromStandby(bytes));
      if (frame !== null) ok(encodeFromStandby(frame).length > 0);
    }),
    runs(3000),
  );
});

Deno.test("12: a write that no store takes is refused before it reaches the copy", () => {
  const write = (rows: number, length: number) =>
    encodeToStandby({
      kind: "write",
      entry: {
        at,
        after,
        rows: [
          ...Array.from({ length: rows }, (_, i) => ({
            kind: "set" as const,
            key: ["u", i],
            value: new Uint8Array(length),
          })),
          numberMutation(at),
        ],
      },
    });
  equal(decodeToStandby(write(999, 3)).kind, "write");
  equal(decodeToStandby(write(1, 65_536)).kind, "write");
  throws(() => decodeToStandby(write(1000, 3)), CorruptBytes);
  throws(() => decodeToStandby(write(1, 65_537)), CorruptBytes);
  throws(() => decodeToStandby(new Uint8Array(2 * 1024 * 1024 + 1)), CorruptBytes);
  const short = encodeFromStandby(
    { ...FROM_STANDBY[3]!, digest: new Uint8Array(31) } as FromStandby,
  );
  throws(() => decodeFromStandby(short), CorruptBytes);
});
