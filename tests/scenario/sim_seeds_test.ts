/**
 * Seeds of the simulator that the fast tests run: those that once found a fault, or that alone
 * among hundreds noticed a mutant. What a seed does changes with the simulator; `deno task sim`
 * runs many.
 */
import assert from "node:assert/strict";
import { runSeed } from "../sim/seed.ts";

/** Devices of the blocked came while the account that blocks was disabled, and got nothing. */
const FOUND = [438, 4511];
/** Its fixture heals while its node stops: the checkers have to wait for the next start. */
const STOPPING = [415];
/**
 * Its machine's wall clock jumps while the node is down, and the node fails to start for a while.
 */
const JUMPING = [1294];
/** A session that a new owner knew already was refused when it was announced, and stayed online. */
const ANNOUNCED = [188];
/** A store that has failed is not tried again yet when the answers to a question get lost. */
const NOT_WRITABLE = [1882];
/** A request to set a presence arrives after a later one, and its answer gets lost. */
const OVERTAKEN = [6333];
/** An answer to a subscription request comes after that was taken back and made anew. */
const CROSSED = [6576, 8699];
/** Packets of a former account come after the next account of its name is known. */
const LATE = [2187];
/** Sessions are announced late: their shard refuses them while it meets bugs in a row. */
const REFUSED = [2389, 5469];
/** The first that noticed one of the mutants that hardly any seed notices. */
const SHARP = [102, 146, 148, 154, 190, 237, 283, 291, 303, 338, 364];

const SEEDS = [
  ...FOUND,
  ...STOPPING,
  ...JUMPING,
  ...ANNOUNCED,
  ...NOT_WRITABLE,
  ...OVERTAKEN,
  ...CROSSED,
  ...LATE,
  ...REFUSED,
  ...SHARP,
];

for (const seed of SEEDS) {
  Deno.test(`seed ${seed} of the simulator passes`, () => {
    const { failure } = runSeed(seed);
    assert.equal(failure, null, failure === null ? "" : `${failure.check}: ${failure.message}`);
  });
}

/** Cells of three: given shards, returning owners, deleted accounts, and edges that were withheld. */
const CELLS = [14, 38, 75, 77, 78, 100, 162, 200, 222, 223];

/**
 * Three cells of one name space: votes that a replay forgot, homes that other cells never learned, a
 * question to another cell that was forgotten before its reply; a request to a former account of a
 * name that is taken back while messages to the present one are under way.
 */
const SEVERAL = [10, 16, 62, 140];

for (const seed of SEVERAL) {
  Deno.test(`12: seed ${seed} of three simulated cells passes`, () => {
    const { failure } = runSeed(seed, { cells: 3 });
    assert.equal(failure, null, failure === null ? "" : `${failure.check}: ${failure.message}`);
  });
}

/**
 * Cells of several nodes: a word of a former owner ended the interest of its successor, and the number
 * of a question was lower after a split; an interest stayed that the next owner did not know; an
 * evacuation was paused again by the node that stored how far it was.
 */
const NODES = [[2, 2, 9], [3, 3, 37], [3, 3, 64], [3, 3, 106]] as const;

for (const [cells, nodes, seed] of NODES) {
  Deno.test(`12: seed ${seed} of ${cells} simulated cells of up to ${nodes} nodes passes`, () => {
    const { failure } = runSeed(seed, { cells, nodes });
    assert.equal(failure, null, failure === null ? "" : `${failure.check}: ${failure.message}`);
  });
}

Deno.test("12: accounts move where cells have several nodes, by themselves and by an evacuation", () => {
  const few = { cells: 2, nodes: 2, sizes: [2, 2], faults: [], faultCount: 0 };
  for (const evacuates of [false, true]) {
    const { failure, moved } = runSeed(19, { ...few, evacuates });
    assert.equal(failure, null, failure === null ? "" : `${failure.check}: ${failure.message}`);
    assert.ok(moved > 0, "no account has moved");
  }
});

Deno.test("12: seed 40 of two simulated cells passes: an ack left before its commit", () => {
  const { failure } = runSeed(40, { cells: 2 });
  assert.equal(failure, null, failure === null ? "" : `${failure.check}: ${failure.message}`);
});

/** Faults that cells have had since those were found. */
const FORMER = { lateCalls: 0, cellReloads: 0, claimants: 0, storeServed: false };

for (const seed of CELLS) {
  Deno.test(`11: seed ${seed} of a simulated cell passes`, () => {
    const { failure } = runSeed(seed, { nodes: 3, ...FORMER });
    assert.equal(failure, null, failure === null ? "" : `${failure.check}: ${failure.message}`);
  });
}

/**
 * Cells with many orders: a former owner that was stopped says what it had committed; a client has
 * lost its session to a node of an earlier version when it is compared what all see, or loses it
 * meanwhile; a shard is split after the shards were changed.
 */
const ORDERED = [63, 72, 164, 178];

for (const seed of ORDERED) {
  Deno.test(`11: seed ${seed} of a simulated cell with many orders passes`, () => {
    const { failure } = runSeed(seed, { nodes: 3, orders: 8 });
    assert.equal(failure, null, failure === null ? "" : `${failure.check}: ${failure.message}`);
  });
}

Deno.test("11: seed 6423 of a simulated cell passes: a node stops whose write waits for the store", () => {
  const { failure } = runSeed(6423, { nodes: 3 });
  assert.equal(failure, null);
});

Deno.test("11: seed 73 of a simulated cell passes, which asks a node that has left and ends", () => {
  const { failure } = runSeed(73, { nodes: 3 });
  assert.equal(failure, null, failure === null ? "" : `${failure.check}: ${failure.message}`);
});

Deno.test("a seed of the simulator always does the same", () => {
  const [first, second] = [runSeed(7), runSeed(7)];
  assert.equal(first.failure, null);
  assert.equal(first.hash, second.hash);
  assert.equal(first.turns, second.turns);
  assert.notEqual(runSeed(8).hash, first.hash);
});
