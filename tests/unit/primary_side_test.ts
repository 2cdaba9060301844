/** A primary and a standby that ends its streams. */
import assert from "node:assert/strict";
import type { CellName } from "../../shard/name/ids.ts";
import { encodeFromStandby } from "../../server/standby/stream_frames.ts";
import type { FromStandby } from "../../server/standby/stream.ts";
import { MemoryDisk } from "../sim/memory_store.ts";
import { memoryLog } from "../sim/sim_ports.ts";
import { type MemberId, roleTimes } from "../../server/standby/role_types.ts";
import { NumberedRows } from "../../server/standby/numbered_rows.ts";
import { type PrimaryOptions, PrimarySide } from "../../server/standby/primary_side.ts";
import { Prng, simRandom } from "../sim/prng.ts";
import type { StandbyFrame } from "../../server/standby/link_frames.ts";
import type { StandbyPeer } from "../../server/standby/peer.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

const CELL = "a" as CellName;
const MEMBER = "m" as MemberId;
const TICK_MS = 150;

const { shrinkMs: SHRINK_MS } = roleTimes(3000);

type Offer = StandbyFrame & { readonly kind: "offer" };

/** A primary with rows, whose only peer is made by the test. */
function primarySide(peer: StandbyPeer, step: PrimaryOptions["step"] = () => {}) {
  const time = new VirtualTime();
  const { clock, timers } = time.global;
  const disk = new MemoryDisk(time, new Prng("disk"));
  const { log, lines } = memoryLog();
  let rows: NumberedRows | null = null;
  NumberedRows.open(disk.openStored(time.global), {
    ringBytesMax: 1000,
    newRun: () => "run",
    later: (run) => timers.soon(run),
  }, (_, opened) => rows = opened);
  time.runFor(100);
  const opened = rows as unknown as NumberedRows;
  const primary = new PrimarySide({
    clock,
    timers,
    log,
    random: simRandom(new Prng("primary")),
    cell: CELL,
    member: "p" as MemberId,
    rows: opened,
    mode: "sync",
    lag: { writesMax: 100, msMax: 1000 },
    limits: { windowBytes: 1000, fillBytesPerSecond: 1000 },
    times: roleTimes(3000),
    epoch: () => 1,
    voters: () => ({ generation: 1, places: [CELL] }),
    peers: () => [peer],
    step,
  });
  return { lines, opened, primary, time };
}

Deno.test("12: a standby on a full disk is offered streams less and less often, and named once", () => {
  const offers: number[] = [];
  /** What the standby does with an offer. */
  let answers = (frame: Offer): void => {
    const ended = { kind: "ended", cell: CELL, stream: frame.stream, why: "no space" } as const;
    primary.take(peer, { kind: "accepted", cell: CELL, stream: frame.stream, member: MEMBER });
    primary.take(peer, ended);
  };
  const peer: StandbyPeer = {
    cell: "b" as CellName,
    send(frame) {
      if (frame.kind !== "offer") return true;
      offers.push(time.nowMs);
      time.global.timers.soon(() => answers(frame));
      return true;
    },
  };
  const { lines, opened, primary, time } = primarySide(peer);
  const pass = (ms: number) => {
    for (const until = time.nowMs + ms; time.nowMs < until; time.runFor(TICK_MS)) primary.tick();
  };
  pass(60_000);
  assert.ok(offers.length > 4 && offers.length < 25, `${offers.length} offers`);
  const said = () => lines.map(({ event }) => event).filter((event) => event.includes("stream"));
  assert.deepEqual(said(), ["standby stream began", "standby stream ended"]);
  // It has room again.
  let stream = 0;
  answers = (frame) => {
    stream = frame.stream;
    primary.take(peer, { kind: "accepted", cell: CELL, stream, member: MEMBER });
  };
  pass(12_000);
  const up = (frame: FromStandby) =>
    primary.take(peer, { kind: "up", cell: CELL, stream, frame: encodeFromStandby(frame) });
  up({ kind: "hello", position: opened.position });
  up({ kind: "ack", at: opened.position!, filling: false });
  assert.equal(said().length, 2, "it has taken nothing yet");
  opened.write([{ kind: "set", key: ["x"], value: new Uint8Array(1) }], () => {});
  pass(1000);
  up({ kind: "ack", at: opened.position!, filling: false });
  assert.deepEqual(said().slice(2), ["standby stream began"]);
});

Deno.test("12: a required standby that ends its streams before it says what it has is given up", () => {
  const peer: StandbyPeer = {
    cell: "b" as CellName,
    send(frame) {
      if (frame.kind !== "offer") return true;
      const { stream } = frame;
      time.global.timers.soon(() => {
        primary.take(peer, { kind: "accepted", cell: CELL, stream, member: MEMBER });
        primary.take(peer, { kind: "ended", cell: CELL, stream, why: "cannot read" });
      });
      return true;
    },
  };
  let written = false;
  const { opened, primary, time } = primarySide(peer, (input) => {
    assert.deepEqual(input, { kind: "copy", member: MEMBER, state: "lost" });
    // The register does not have it any more.
    primary.require([]);
  });
  primary.require([MEMBER]);
  opened.write([{ kind: "set", key: ["x"], value: new Uint8Array(1) }], () => written = true);
  const pass = (ms: number) => {
    for (const until = time.nowMs + ms; time.nowMs < until; time.runFor(TICK_MS)) primary.tick();
  };
  pass(SHRINK_MS - TICK_MS);
  assert.equal(written, false);
  pass(3 * TICK_MS);
  assert.equal(written, true);
});
