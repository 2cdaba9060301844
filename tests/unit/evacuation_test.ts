/** Evacuation: what is counted when it is paused or stopped, and cells that take nobody in. */
import assert from "node:assert/strict";
import type { AccountName, CellName } from "../../shard/name/ids.ts";
import { Evacuation, type EvacuationOrder } from "../../server/node/evacuation.ts";
import { FencedStore } from "../../server/store/fenced_store.ts";
import { MemoryDisk } from "../sim/memory_store.ts";
import { memoryLog } from "../sim/sim_ports.ts";
import { ok } from "../../shard/errors.ts";
import { Prng, simRandom } from "../sim/prng.ts";
import type { Router } from "../../server/node/router.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

const NAMES = ["anna", "bert", "cleo", "dora"] as AccountName[];
const TO = ["bb" as CellName];

type Phase = "offering" | "moved";

/** A cell of four accounts that move when the test says so. */
class Fixture {
  readonly time = new VirtualTime();
  readonly phases = new Map<AccountName, Phase>();
  readonly evacuation: Evacuation;
  linked = true;

  constructor() {
    const disk = new MemoryDisk(this.time, new Prng("evacuation"));
    const request = (name: AccountName, op: string, _: unknown, done: (r: unknown) => void) => {
      if (op === "move.begin" && !this.phases.has(name)) this.phases.set(name, "offering");
      done(ok({ to: TO[0], phase: this.phases.get(name) }));
    };
    this.evacuation = new Evacuation(
      {
        clock: this.time.global.clock,
        timers: this.time.global.timers,
        log: memoryLog().log,
        random: simRandom(new Prng("random")),
        store: new FencedStore(disk.open(this.time.process())),
        router: { request } as unknown as Pick<Router, "request">,
        listAccounts: (_after, _limit, done) => done(null, NAMES, null),
        isFirst: () => true,
        isLinked: () => this.linked,
      },
    );
    this.evacuation.start();
    this.time.runFor(1000);
  }

  order(): void {
    this.evacuation.order(TO, 100, (result) => assert.ok(result.ok));
    this.time.runFor(2000);
  }

  set(state: "running" | "paused" | "stopped"): void {
    this.evacuation.set(state, null, (result) => assert.ok(result.ok));
    this.time.runFor(1000);
  }

  get view(): EvacuationOrder {
    let seen: EvacuationOrder | null = null;
    this.evacuation.view((result) => seen = result.ok ? result.value : null);
    this.time.runFor(100);
    return seen ?? assert.fail("there is no order");
  }

  move(...names: AccountName[]): void {
    for (const name of names) this.phases.set(name, "moved");
    this.time.runFor(3000);
  }
}

for (const state of ["paused", "stopped"] as const) {
  Deno.test(`Evacuation: what moves when it is ${state} is counted when it has`, () => {
    const fixture = new Fixture();
    fixture.order();
    const [anna, ...others] = NAMES as [AccountName, ...AccountName[]];
    fixture.move(anna);
    assert.deepEqual([fixture.view.moved, fixture.view.moving], [1, 3]);
    fixture.set(state);
    fixture.move(...others);
    const { moved, moving, state: seen } = fixture.view;
    assert.deepEqual([seen, moved, moving], [state, 4, 0]);
  });
}

Deno.test("Evacuation: it is over when a pass finds nobody to move", () => {
  const fixture = new Fixture();
  fixture.order();
  fixture.set("paused");
  fixture.move(...NAMES);
  fixture.set("running");
  fixture.time.runFor(5000);
  const { moved, state } = fixture.view;
  assert.deepEqual([state, moved], ["done", 4]);
});

Deno.test("Evacuation: without a cell to move to nobody moves, and it is not over", () => {
  const fixture = new Fixture();
  fixture.linked = false;
  fixture.order();
  fixture.time.runFor(10_000);
  assert.equal(fixture.view.state, "running");
  assert.equal(fixture.phases.size, 0);
});
