/** Evacuation: what is counted when it is paused or stopped, and cells that take nobody in. */
import assert from "node:assert/strict";
import type { AccountName, CellName } from "../../shard/name/ids.ts";
import { Evacuation, type EvacuationOrder } from "../../server/node/evacuation.ts";
import { FencedStore } from "../../server/store/fenced_store.ts";
import { MemoryDisk } from "../sim/memory_store.ts";
import { memoryLog } from "../sim/sim_ports.ts";
import { ok } from "../../shard/errors.ts";
import { Prng, simRandom } from "../sim/prng.ts";
import type { StoreKey } from "../../server/node/ports.ts";
import { REGISTER_POLL_MS, RegisterPoll } from "../../server/node/register_poll.ts";
import type { Router } from "../../server/node/router.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

const NAMES = ["anna", "bert", "cleo", "dora"] as AccountName[];
const TO = ["bb" as CellName];
/** Accounts of one page. */
const PAGE = 2;

type Phase = "offering" | "moved";

/** A store as each node of the cell has it: it gets no hints, so that it has to look. */
function hintless(store: FencedStore, { global: { timers } }: VirtualTime): RegisterPoll {
  const without = {
    register: store.register.bind(store),
    cas: store.cas.bind(store),
    list: store.list.bind(store),
    watch: () => () => {},
  };
  return new RegisterPoll({ timers, random: simRandom(new Prng("poll")), store: without });
}

/** A cell of four accounts that move when the test says so. */
class Fixture {
  readonly time = new VirtualTime();
  readonly phases = new Map<AccountName, Phase>();
  evacuation!: Evacuation;
  /** That of another node, which does not carry it out. */
  readonly other: Evacuation;
  linked = true;
  /** Whether the other cell takes nobody in for now. */
  refuses = false;
  /** After which accounts others were listed. */
  readonly listed: (StoreKey | null)[] = [];
  readonly #store = new FencedStore(
    new MemoryDisk(this.time, new Prng("evacuation")).open(this.time.process()),
  );

  constructor() {
    this.start();
    this.other = this.#node(false);
    this.other.start();
    this.time.runFor(1000);
  }

  /** Begins a process, in place of the former one. */
  start(): void {
    this.evacuation?.stop();
    this.evacuation = this.#node(true);
    this.evacuation.start();
    this.time.runFor(1000);
  }

  #node(first: boolean): Evacuation {
    const request = (name: AccountName, op: string, _: unknown, done: (r: unknown) => void) => {
      if (op === "move.begin" && !this.phases.has(name)) this.phases.set(name, "offering");
      const refused = this.refuses ? "busy" : null;
      done(ok({ to: TO[0], phase: this.phases.get(name), refused }));
    };
    return new Evacuation(
      {
        clock: this.time.global.clock,
        timers: this.time.global.timers,
        log: memoryLog().log,
        random: simRandom(new Prng("random")),
        store: hintless(this.#store, this.time),
        router: { request } as unknown as Pick<Router, "request">,
        listAccounts: (after, _limit, done) => {
          this.listed.push(after);
          const from = after === null ? 0 : after[1] as number;
          const to = from + PAGE;
          done(null, NAMES.slice(from, to), to < NAMES.length ? ["a", to] : null);
        },
        isFirst: () => first,
        isLinked: () => this.linked,
      },
    );
  }

  orderAtOther(perSecond: number): void {
    this.other.order(TO, perSecond, (result) => assert.ok(result.ok));
    this.time.runFor(50);
  }

  order(perSecond = 100): void {
    this.evacuation.order(TO, perSecond, (result) => assert.ok(result.ok));
    this.time.runFor(2000);
  }

  set(state: "running" | "paused" | "stopped"): void {
    this.evacuation.set(state, null, (result) => assert.ok(result.ok));
    this.time.runFor(1000);
  }

  get view(): EvacuationOrder {
    return this.viewAt(this.evacuation);
  }

  viewAt(evacuation: Evacuation): EvacuationOrder {
    let seen: EvacuationOrder | null = null;
    evacuation.view((result) => seen = result.ok ? result.value : null);
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

Deno.test("Evacuation: so many accounts a second begin to move as were ordered", () => {
  const fixture = new Fixture();
  fixture.order(1);
  assert.ok(fixture.phases.size >= 2 && fixture.phases.size <= 3, `${fixture.phases.size}`);
  fixture.time.runFor(2000);
  assert.equal(fixture.phases.size, NAMES.length);
});

Deno.test("Evacuation: while the other cell is busy, no more accounts begin to move", () => {
  const fixture = new Fixture();
  fixture.refuses = true;
  fixture.order(1);
  fixture.time.runFor(3000);
  assert.equal(fixture.phases.size, 1);
  fixture.refuses = false;
  fixture.time.runFor(5000);
  assert.equal(fixture.phases.size, NAMES.length);
});

Deno.test("Evacuation: it goes on with the page that it was at after a restart", () => {
  const fixture = new Fixture();
  fixture.order();
  assert.deepEqual(fixture.listed, [null, ["a", PAGE]]);
  fixture.start();
  fixture.time.runFor(2000);
  assert.deepEqual(fixture.listed.slice(2), [["a", PAGE]]);
});

Deno.test("Evacuation: what is ordered at another node is carried out, although it is looked at first", () => {
  const fixture = new Fixture();
  fixture.orderAtOther(100);
  for (const each of [fixture.evacuation, fixture.other]) {
    assert.equal(fixture.viewAt(each).state, "running");
  }
  fixture.time.runFor(REGISTER_POLL_MS + 2000);
  assert.equal(fixture.phases.size, NAMES.length);
});

Deno.test("Evacuation: a rate that is changed at another node counts", () => {
  const fixture = new Fixture();
  fixture.orderAtOther(0.1);
  fixture.time.runFor(REGISTER_POLL_MS);
  fixture.other.set(null, 100, (result) => assert.ok(result.ok));
  fixture.time.runFor(REGISTER_POLL_MS + 2000);
  assert.equal(fixture.phases.size, NAMES.length);
});

Deno.test("Evacuation: another node shows how far it is", () => {
  const fixture = new Fixture();
  fixture.orderAtOther(100);
  fixture.time.runFor(REGISTER_POLL_MS + 2000);
  assert.deepEqual(fixture.viewAt(fixture.other).moving, 4);
  fixture.move(...NAMES);
  fixture.time.runFor(2000);
  const { moved, state } = fixture.viewAt(fixture.other);
  assert.deepEqual([state, moved], ["done", 4]);
});

Deno.test("Evacuation: what is resumed at another node goes on, though progress is stored before that is noticed (seed 106)", () => {
  const fixture = new Fixture();
  fixture.order();
  fixture.set("paused");
  // Moves are on their way: how far they are is stored each second.
  assert.equal(fixture.view.moving, 4);
  fixture.other.set("running", null, (result) => assert.ok(result.ok));
  fixture.move(...NAMES);
  fixture.time.runFor(REGISTER_POLL_MS + 2000);
  const { moved, state } = fixture.view;
  assert.deepEqual([state, moved], ["done", 4]);
});
