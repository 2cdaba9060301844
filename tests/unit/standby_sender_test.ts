/** What a primary sends to one standby. */
import assert from "node:assert/strict";
import { type Entry, entryBytes } from "../../server/standby/write_ring.ts";
import type { NumberedRows } from "../../server/standby/numbered_rows.ts";
import { StandbySender } from "../../server/standby/standby_sender.ts";
import type { ToStandby } from "../../server/standby/stream.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

const WRITES = 10;
const positionOf = (w: number) => ({ run: "run 1", w });

/** A write of about a kilobyte. */
function entryOf(w: number): Entry {
  const row = { kind: "set", key: ["u", w], value: new Uint8Array(1000) } as const;
  return { at: positionOf(w), after: positionOf(w - 1), rows: [row] };
}

Deno.test("12: StandbySender: writes without an ack are bounded, and acks let others follow", () => {
  const rows = {
    position: positionOf(WRITES),
    assigned: WRITES,
    settled: WRITES,
    next: ({ w }: { readonly w: number }) => w < WRITES ? entryOf(w + 1) : null,
    follow: () => () => {},
  };
  const sent: ToStandby[] = [];
  const sender = new StandbySender({
    ...new VirtualTime().global,
    rows: rows as unknown as NumberedRows,
    limits: { windowBytes: 3 * entryBytes(entryOf(1)), fillBytesPerSecond: 1_000_000 },
    send: (frame) => void sent.push(frame),
    acked: () => {},
    end: (why) => assert.fail(why),
  });
  const writes = () => sent.flatMap((frame) => frame.kind === "write" ? [frame.entry.at.w] : []);
  sender.take({ kind: "hello", position: positionOf(0) });
  assert.deepEqual(writes(), [1, 2, 3]);
  sender.take({ kind: "ack", at: positionOf(2), filling: false });
  assert.deepEqual(writes(), [1, 2, 3, 4, 5]);
  sender.stop();
});
