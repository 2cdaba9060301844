/** One link between nodes of two cells. */
import assert from "node:assert/strict";
import { CellLink, newLinkCounts } from "../../server/peer/cells/cell_link.ts";
import { memoryLog } from "../sim/sim_ports.ts";
import { Prng, simRandom } from "../sim/prng.ts";
import { someFrame } from "../scenario/wan.ts";
import { unpackBatch } from "../../server/peer/cells/batch.ts";
import { VirtualTime } from "../sim/virtual_time.ts";
import type { Wire } from "../../server/peer/cells/wires.ts";

const STALLED_MS = 10_000;
const TICK_MS = 500;
const LOAD = { users: 0, busy: false, settled: 0 };
const FRAME = { kind: "cell", point: 1, frame: someFrame() } as const;

function linked() {
  const time = new VirtualTime();
  const sent: Uint8Array[] = [];
  const wire = {
    waitingBytes: 0,
    closed: null as string | null,
    send: (message: Uint8Array) => void sent.push(message),
    close: (why: string) => void (wire.closed ??= why),
  };
  const link = new CellLink(wire as unknown as Wire, newLinkCounts(), {
    ...time.global,
    random: simRandom(new Prng("link")),
    log: memoryLog().log,
    queueBytesMax: 100_000,
    stalledMs: STALLED_MS,
    frame: () => {},
  });
  const tick = (forMs: number) => {
    for (const endMs = time.nowMs + forMs; time.nowMs < endMs; time.runFor(TICK_MS)) {
      link.tick(LOAD);
    }
  };
  return { time, sent, wire, link, tick };
}

Deno.test("12: CellLink: frames of one turn are one message", () => {
  const { time, sent, link } = linked();
  for (let i = 0; i < 3; i++) link.send(FRAME);
  time.runFor(1);
  assert.deepEqual(sent.map((message) => unpackBatch(message).length), [3]);
});

Deno.test("12: CellLink: it ends where the other side takes nothing, and while it takes something it does not", () => {
  const { wire, link, tick } = linked();
  tick(3 * STALLED_MS);
  assert.equal(wire.closed, null, "nothing waits");
  link.send(FRAME);
  wire.waitingBytes = 1000;
  tick(STALLED_MS / 2);
  wire.waitingBytes = 900;
  tick(STALLED_MS);
  assert.equal(wire.closed, null, "some of it was taken");
  tick(STALLED_MS);
  assert.match(wire.closed!, /taken nothing/);
});
