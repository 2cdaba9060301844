/** Frames between the process that has the store and those that use it. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { CorruptBytes } from "../../shard/record/bytes.ts";
import {
  decodeReply,
  decodeRequest,
  encodeReply,
  encodeRequest,
  type StoreReply,
  type StoreRequest,
} from "../../server/store/store_frames.ts";
import { FrameCutter } from "../../server/system/framed_socket.ts";
import type { NodeId } from "../../shard/name/ids.ts";

const owner = { id: "node00000000000a-1" as NodeId, incarnation: 3 };
const bytes = (...values: number[]) => new Uint8Array(values);
const claims = [{ shard: 0, epoch: 4 }, { shard: 7, epoch: 1 }];
const rows = [
  { kind: "set", key: ["u", "é\0", -1.5], value: bytes(1, 2) },
  { kind: "delete", key: ["meta", "x"] },
] as const;
const n = 300;

const REQUESTS: readonly StoreRequest[] = [
  { kind: "hello", version: 1, node: owner.id },
  { kind: "append", n, batches: [{ shard: 0, epoch: 4, from: 9, records: [bytes(), bytes(5)] }] },
  { kind: "read_log", n, log: 3, after: -1, bytesMax: 1000 },
  { kind: "checkpoint", n, claims, rows, cuts: [{ log: 0, from: 1, below: 5 }] },
  { kind: "write", n, rows },
  { kind: "read", n, keys: [["a"], ["b", 2]] },
  { kind: "list", n, prefix: [], after: null, limit: 500, keysOnly: true },
  { kind: "list", n, prefix: ["p"], after: ["p", 1], limit: 1, keysOnly: false },
  { kind: "holders", n },
  { kind: "claim", n, claims, owner },
  {
    kind: "reshape",
    n,
    version: 2,
    table: bytes(9),
    seal: [{ shard: 0, epoch: 4, head: -1 }],
    open: [{ shard: 8, epoch: 1, start: 1, owner }],
  },
  { kind: "register", n, name: "table" },
  { kind: "cas", n, name: "lease", version: 0, value: bytes(), rows },
  { kind: "watch", name: "hooks" },
];

const REPLIES: readonly StoreReply[] = [
  { kind: "failed", n, error: { kind: "full", message: "disk" } },
  { kind: "failed", n, error: { kind: "failed", message: "" } },
  { kind: "failed", n, error: { kind: "unknown", message: "?" } },
  { kind: "failed", n, error: { kind: "damaged", message: "row", keys: [["u", 1]] } },
  { kind: "failed", n, error: { kind: "fenced", message: "not current", shards: [1, 500] } },
  { kind: "done", n },
  { kind: "values", n, values: [null, bytes(), bytes(1)], more: true },
  { kind: "rows", n, rows: [{ key: ["a", 1], value: bytes(3) }], more: false },
  { kind: "records", n, records: [{ lsn: 1, bytes: bytes(8) }], end: true, more: false },
  {
    kind: "holders",
    n,
    holders: [{ shard: 0, epoch: 1, owner }, { shard: 1, epoch: 0, owner: null }],
  },
  { kind: "owned", n, owned: [null, { shard: 1, epoch: 2, head: 0 }] },
  { kind: "made", n, made: false },
  { kind: "register", n, register: null },
  { kind: "register", n, register: { version: 2, value: bytes(1) } },
  { kind: "hint", name: "table", version: 12 },
];

Deno.test("11: every request and reply of a served store is read as it was written", () => {
  for (const request of REQUESTS) {
    assert.deepEqual(decodeRequest(encodeRequest(request)), request);
  }
  for (const reply of REPLIES) assert.deepEqual(decodeReply(encodeReply(reply)), reply);
});

Deno.test("11: bytes that are no frame of the store are refused, and nothing else is thrown", () => {
  const refused = (read: (bytes: Uint8Array) => unknown) => (bytes: Uint8Array) => {
    try {
      read(bytes);
    } catch (error) {
      assert.ok(error instanceof CorruptBytes, String(error));
    }
  };
  const frames = [
    ...REQUESTS.map((r) => [decodeRequest, encodeRequest(r)] as const),
    ...REPLIES.map((r) => [decodeReply, encodeReply(r)] as const),
  ];
  for (const read of [decodeRequest, decodeReply]) {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), refused(read)), { numRuns: 2000 });
  }
  for (const [read, frame] of frames) {
    for (let cut = 0; cut < frame.length; cut++) {
      assert.throws(() => read(frame.subarray(0, cut)), CorruptBytes);
      for (const flip of [0x15, 0x80, 0xff]) refused(read)(frame.with(cut, frame[cut]! ^ flip));
    }
    assert.throws(() => read(new Uint8Array([...frame, 0])), CorruptBytes);
  }
});

Deno.test("11: FrameCutter gives whole frames, however the bytes arrive, and refuses long ones", () => {
  const frames = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 12 });
  fc.assert(fc.property(frames, fc.array(fc.integer({ min: 1, max: 30 })), (given, steps) => {
    const all = given.flatMap((frame) => [0, 0, 0, frame.length, ...frame]);
    const cutter = new FrameCutter();
    const got: Uint8Array[] = [];
    for (let at = 0, i = 0; at < all.length; i++) {
      const step = steps[i % Math.max(1, steps.length)] ?? 7;
      cutter.push(new Uint8Array(all.slice(at, at + step)));
      at += step;
      for (let whole; (whole = cutter.next(40)) !== null;) got.push(whole);
    }
    assert.deepEqual(got, given);
  }));
  const cutter = new FrameCutter();
  cutter.push(bytes(0, 0, 0, 41));
  assert.throws(() => cutter.next(40), /41 bytes, limit is 40/);
});
