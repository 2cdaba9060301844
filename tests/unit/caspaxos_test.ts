/** Registers of names among simulated voters: one value, whatever is lost, doubled or overtaken. */
import assert from "node:assert/strict";
import {
  type Ask,
  askOf,
  type Ballot,
  compareBallots,
  count,
  NO_BALLOT,
  type Proposal,
  propose,
  type Vote,
  vote,
  type VoterState,
} from "../../shard/federation/caspaxos.ts";
import { type CellName, parseCellName } from "../../shard/name/ids.ts";
import { Prng } from "../sim/prng.ts";

/** A value: the proposals that made it, in their order. */
type Value = readonly string[];
type Voter = typeof vote<Value>;

const EMPTY: VoterState<Value> = { promised: NO_BALLOT, accepted: null };

type Message =
  & { readonly from: CellName; readonly to: CellName }
  & (
    | { readonly ask: Ask<Value> }
    | { readonly vote: Vote<Value> }
  );

/** A cell: its voter, whose state is durable, and at most one proposal, which is not. */
interface Cell {
  readonly name: CellName;
  voter: VoterState<Value>;
  proposal: Proposal<Value> | null;
  above: Ballot;
  proposed: number;
}

/** What a run does otherwise than it should. */
interface Fault {
  readonly voter?: Voter;
  /** What a voter remembers after a restart. */
  readonly restart?: (state: VoterState<Value>) => VoterState<Value>;
  /** Whether a proposal becomes `change` of what its voters have accepted. */
  readonly ignoresAccepted?: boolean;
  readonly count?: typeof count<Value>;
}

/** Cells that propose at random over a network that loses, doubles and reorders. */
class CellsAtRandom {
  readonly #prng: Prng;
  readonly #cells: readonly Cell[];
  readonly #fault: Fault;
  #messages: Message[] = [];
  /** What was chosen, in the order in which proposers learned it. */
  readonly chosen: Value[] = [];

  constructor(seed: number, fault: Fault) {
    this.#prng = new Prng(seed);
    this.#fault = fault;
    const names = ["a", "b", "c", "d", "e"].slice(0, this.#prng.int(1, 5));
    this.#cells = names.map((name) => {
      const cell = parseCellName(name)!;
      return { name: cell, voter: EMPTY, proposal: null, above: NO_BALLOT, proposed: 0 };
    });
  }

  run(steps: number, lossy: boolean): void {
    const prng = this.#prng;
    for (let i = 0; i < steps; i++) {
      const cell = prng.pick(this.#cells);
      const act = prng.int(1, 20);
      if (act === 1) this.#propose(cell);
      else if (act === 2 && lossy) this.#restart(cell);
      else if (act === 3 && cell.proposal !== null) this.#ask(cell, askOf(cell.proposal));
      else this.#deliver(lossy);
    }
  }

  #restart(cell: Cell): void {
    cell.proposal = null;
    cell.above = NO_BALLOT;
    cell.voter = this.#fault.restart?.(cell.voter) ?? cell.voter;
  }

  #propose(cell: Cell): void {
    const { promised } = cell.voter;
    const above = compareBallots(promised, cell.above) > 0 ? promised : cell.above;
    const ballot = { counter: above.counter + 1, cell: cell.name };
    // Its own promise is durable before the ballot leaves, so that it is never used again.
    cell.voter = { ...cell.voter, promised: ballot };
    const id = `${cell.name}${++cell.proposed}`;
    const change = (value: Value | null): Value => {
      return [...this.#fault.ignoresAccepted === true ? [] : value ?? [], id];
    };
    const { proposal, ask } = propose(ballot, this.#cells.map(({ name }) => name), change);
    cell.proposal = proposal;
    this.#ask(cell, ask);
  }

  #ask(cell: Cell, ask: Ask<Value>): void {
    for (const { name } of this.#cells) this.#messages.push({ from: cell.name, to: name, ask });
  }

  #deliver(lossy: boolean): void {
    const prng = this.#prng;
    if (this.#messages.length === 0) return;
    const at = prng.int(0, this.#messages.length - 1);
    const message = this.#messages[at]!;
    if (!lossy || !prng.chance(0.15)) this.#messages.splice(at, 1);
    if (lossy && prng.chance(0.15)) return;
    const cell = this.#cells.find(({ name }) => name === message.to)!;
    if ("ask" in message) {
      const { state, vote: given } = (this.#fault.voter ?? vote)(cell.voter, message.ask);
      cell.voter = state;
      return void this.#messages.push({ from: message.to, to: message.from, vote: given });
    }
    if (cell.proposal !== null) this.#count(cell, cell.proposal, message.from, message.vote);
  }

  #count(cell: Cell, proposal: Proposal<Value>, from: CellName, given: Vote<Value>): void {
    const progress = (this.#fault.count ?? count)(proposal, from, given);
    switch (progress.kind) {
      case "waiting":
        cell.proposal = progress.proposal;
        return;
      case "accepting":
        cell.proposal = progress.proposal;
        return this.#ask(cell, progress.ask);
      case "chosen":
        cell.proposal = null;
        return void this.chosen.push(progress.accepted.value);
      case "overtaken":
        cell.proposal = null;
        cell.above = progress.above;
    }
  }
}

/** Throws where two values were chosen of which none continues the other. */
function check(chosen: readonly Value[]): void {
  const byLength = [...chosen].sort((a, b) => a.length - b.length);
  byLength.forEach((value, i) => {
    const next = byLength[i + 1] ?? value;
    assert.deepEqual(next.slice(0, value.length), value, "a chosen value is never lost");
  });
}

function run(seed: number, fault: Fault = {}): CellsAtRandom {
  const cells = new CellsAtRandom(seed, fault);
  cells.run(400, true);
  cells.run(400, false);
  check(cells.chosen);
  return cells;
}

/** Whether some seed finds out. */
function isCaught(fault: Fault): boolean {
  for (let seed = 1; seed <= 300; seed++) {
    try {
      run(seed, fault);
    } catch (error) {
      if (error instanceof assert.AssertionError) return true;
      throw error;
    }
  }
  return false;
}

Deno.test("12: a register keeps what was chosen, with many proposers, losses and restarts", () => {
  let chosen = 0;
  for (let seed = 1; seed <= 300; seed++) chosen += run(seed).chosen.length;
  assert.ok(chosen > 600, `${chosen} values were chosen`);
});

Deno.test("12: the register's test catches voters and proposers that break the rules", () => {
  const forgetsPromise: Fault = { restart: ({ accepted }) => ({ promised: NO_BALLOT, accepted }) };
  const forgetsValue: Fault = { restart: ({ promised }) => ({ promised, accepted: null }) };
  const acceptsBelow: Fault = {
    voter: (state, ask) =>
      vote(ask.kind === "accept" ? { ...state, promised: NO_BALLOT } : state, ask),
  };
  const counts: Fault = {
    count: (proposal, from, given) => count({ ...proposal, voters: [from] }, from, given),
  };
  for (const fault of [forgetsPromise, forgetsValue, acceptsBelow, counts]) {
    assert.ok(isCaught(fault), Object.keys(fault).join());
  }
  assert.ok(isCaught({ ignoresAccepted: true }), "ignoresAccepted");
});

Deno.test("12: ballots are ordered by counter, then by cell", () => {
  const [a, b] = [parseCellName("a")!, parseCellName("b")!];
  const ordered = [NO_BALLOT, { counter: 1, cell: a }, { counter: 1, cell: b }, {
    counter: 2,
    cell: a,
  }];
  ordered.forEach((x, i) => {
    ordered.forEach((y, j) => {
      assert.equal(Math.sign(compareBallots(x, y)), Math.sign(i - j), `${i} ${j}`);
    });
  });
});

Deno.test("12: a cell's name is 1 to 32 lower-case letters, digits and hyphens", () => {
  for (const name of ["a", "eu-1", "x".repeat(32)]) assert.equal(parseCellName(name), name);
  for (const name of ["", "A", "a.b", "a b", "é", "x".repeat(33)]) {
    assert.equal(parseCellName(name), null, name);
  }
});
