/** What a primary makes of a standby that says nothing of what it has. */
import { deepEqual, equal, ok } from "node:assert/strict";
import type { Entry } from "../../server/standby/write_ring.ts";
import type { Position } from "../../server/standby/write_number.ts";
import type { CellName } from "../../shard/name/ids.ts";
import { encodeFromStandby } from "../../server/standby/stream_frames.ts";
import type { FromStandby } from "../../server/standby/stream.ts";
import { memoryLog } from "../sim/sim_ports.ts";
import type { MemberId, RoleInput } from "../../server/standby/role_types.ts";
import type { NumberedRows } from "../../server/standby/numbered_rows.ts";
import type { PrimaryOptions } from "../../server/standby/primary_side.ts";
import { PrimarySide } from "../../server/standby/primary_side.ts";
import type { StandbyFrame } from "../../server/standby/link_frames.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

const CELL = "a" as CellName;
const SHRINK_MS = 1500;
const STANDBY = "standby member 1" as MemberId;
const positionOf = (w: number) => ({ run: "run 1", w });

function entryOf(w: number): Entry {
  const row = { kind: "set", key: ["u", w], value: new Uint8Array(10) } as const;
  return { at: positionOf(w), after: positionOf(w - 1), rows: [row] };
}

/** A primary with one standby, which is linked all the time. */
class OneStandby {
  readonly time = new VirtualTime();
  readonly steps: RoleInput[] = [];
  readonly sent: StandbyFrame[] = [];
  readonly side: PrimarySide;
  readonly #peer = {
    cell: "b" as CellName,
    send: (frame: StandbyFrame) => !!this.sent.push(frame),
  };
  #added = () => {};
  readonly #rows = {
    ...{ assigned: 5, settled: 5, position: positionOf(5), gate: null },
    next: ({ w }: Position) => w < this.#rows.assigned ? entryOf(w + 1) : null,
    follow: ({ added }: { readonly added: () => void }) => {
      this.#added = added;
      return () => {};
    },
  };

  constructor() {
    const times = { leaseMs: 3000, shrinkMs: SHRINK_MS, takeoverMs: 3000, beaconMs: 300 };
    this.side = new PrimarySide({
      ...this.time.global,
      random: { number: () => 0.5 } as PrimaryOptions["random"],
      log: memoryLog().log,
      cell: CELL,
      member: "primary member 1" as MemberId,
      rows: this.#rows as unknown as NumberedRows,
      mode: "sync",
      lag: { writesMax: 100, msMax: 1000 },
      limits: { windowBytes: 1_000_000, fillBytesPerSecond: 1_000_000 },
      times: times as PrimaryOptions["times"],
      epoch: () => 1,
      voters: () => [] as unknown as ReturnType<PrimaryOptions["voters"]>,
      peers: () => [this.#peer],
      step: (input) => void this.steps.push(input),
    });
  }

  /** A write begins. */
  write(): void {
    this.#rows.assigned++;
    this.#rows.settled++;
    this.#rows.position = positionOf(this.#rows.assigned);
    this.#added();
  }

  /** The standby begins to follow, with all writes of now. */
  follow(): void {
    this.side.tick();
    const offer = this.sent.find(({ kind }) => kind === "offer");
    ok(offer?.kind === "offer");
    const { stream } = offer;
    this.side.take(this.#peer, { kind: "accepted", cell: CELL, stream, member: STANDBY });
    const say = (frame: FromStandby) => {
      const up = { kind: "up", cell: CELL, stream, frame: encodeFromStandby(frame) } as const;
      this.side.take(this.#peer, up);
    };
    this.say = say;
    say({ kind: "hello", position: positionOf(5) });
    this.ack();
  }

  say: (frame: FromStandby) => void = () => {};

  /** The standby has all writes of now. */
  ack(): void {
    this.say({ kind: "ack", at: this.#rows.position, filling: false });
  }

  /** Lets time pass, and looks as the primary does. */
  pass(ms: number): void {
    for (const endMs = this.time.nowMs + ms; this.time.nowMs < endMs;) {
      this.time.runFor(100);
      this.side.tick();
    }
  }

  get lost(): number {
    return this.steps.filter((s) => s.kind === "copy" && s.state === "lost").length;
  }
}

Deno.test("12: a standby that stays linked and takes no writes is given up after a stated time", () => {
  const w = new OneStandby();
  w.follow();
  w.side.require([STANDBY]);
  w.pass(10 * SHRINK_MS);
  equal(w.lost, 0, "it has all of them");
  for (let i = 0; i < 5; i++) {
    w.write();
    w.pass(SHRINK_MS - 300);
    w.ack();
  }
  equal(w.lost, 0, "it is late, and goes on");
  w.write();
  w.pass(SHRINK_MS - 300);
  equal(w.lost, 0);
  w.pass(600);
  equal(w.lost, 1);
  deepEqual(w.side.views([]).map(({ state }) => state), ["filling"]);
});
