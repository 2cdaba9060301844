/** What a place takes of the frames about copies of stores, and of a store that was written to alone. */
import assert from "node:assert/strict";
import type { CellName } from "../../shard/name/ids.ts";
import { CorruptBytes } from "../../shard/record/bytes.ts";
import {
  decodeStandbyFrame,
  encodeStandbyFrame,
  type StandbyFrame,
} from "../../server/standby/link_frames.ts";
import { NUMBER_KEY, numberMutation, withoutNumber } from "../../server/standby/write_number.ts";
import { MemoryDisk } from "../sim/memory_store.ts";
import { Prng } from "../sim/prng.ts";
import type { RowError } from "../../server/store/row_store.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

const cell = (name: string) => name as CellName;
const BALLOT = { counter: 1, cell: cell("a") };

Deno.test("12.4: a frame with a name that no cell has is refused: files are called after them", () => {
  const voters = (...places: string[]) => ({ generation: 1, places: places.map(cell) });
  const frames: readonly StandbyFrame[] = [
    { kind: "voters_ask", cell: cell("../../other") },
    { kind: "voters", cell: cell("a"), voters: voters("a", "/etc") },
    {
      kind: "vote",
      cell: cell("a"),
      place: cell(".."),
      vote: { kind: "accepted", ballot: BALLOT },
    },
  ];
  for (const frame of frames) {
    assert.throws(() => decodeStandbyFrame(encodeStandbyFrame(frame)), CorruptBytes);
  }
  const good: StandbyFrame = { kind: "voters", cell: cell("a"), voters: voters("a", "b-2") };
  assert.deepEqual(decodeStandbyFrame(encodeStandbyFrame(good)), good);
});

Deno.test("12.4: a store that is written to without numbers forgets the last one: its copies compare", async () => {
  const time = new VirtualTime();
  const disk = new MemoryDisk(time, new Prng("number"));
  const rows = disk.openStored(time.process());
  const stored = () =>
    new Promise<Uint8Array | null>((done) => {
      rows.read([NUMBER_KEY], (_, [value]) => done(value ?? null));
      time.runFor(100);
    });
  const write = (error: RowError | null) => assert.equal(error, null);
  rows.write([numberMutation({ run: "r", w: 7 })], write);
  time.runFor(100);
  assert.ok(await stored() !== null);
  const opened = withoutNumber(rows);
  for (let i = 0; i < 3; i++) time.runFor(100);
  assert.equal(await opened, rows);
  assert.equal(await stored(), null);
});
