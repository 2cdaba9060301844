/** Disks that change what is stored, at random: see `tests/sim/damage.ts`. */
import { runDamage } from "../sim/damage.ts";

/** A head that a repair has back, and damaged blocks that it lists. */
const WITH_BLOCKS = [102, 160, 347, 370];
/** Pages of an account that has no head yet. */
const NO_HEAD = [436, 2194];
/** Accounts that go back behind a lost record, and send afterwards. */
const GO_BACK = [36, 1108];
/** A record that is had back behind one that is lost. */
const BEHIND_LOST = [248, 419];
/** Two lost records of one log, and checkpoints between them. */
const TWO_LOST = [1749, 1867, 2321];

Deno.test("10.6: damaged rows are never served, refused alone, and repaired without loss for others", () => {
  for (let seed = 1; seed <= 60; seed++) runDamage(seed);
});

Deno.test("10.6: pinned disks: lost records, and what is sent after their repair", () => {
  for (const seed of [...GO_BACK, ...BEHIND_LOST, ...TWO_LOST]) runDamage(seed);
});

Deno.test("10.6: pinned disks: blocks of a head that is had back, pages without a head", () => {
  for (const seed of [...WITH_BLOCKS, ...NO_HEAD]) runDamage(seed);
});
