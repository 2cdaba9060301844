/**
 * Seeds of a store with a standby: writes, failing disks, crashes of either, a wiped standby, ended
 * streams, in any order. Whenever the copy is whole and at the primary's position, its rows are equal;
 * after the faults it becomes so within a stated time.
 */
import type { Mutation, StoreKey } from "../../server/node/ports.ts";
import type { Prng } from "./prng.ts";
import type { SeedReport } from "./seed.ts";
import { StandbyPair } from "./standby_pair.ts";

const KEYS = 900;
const STEPS = 300;
/** Each comparison reads all rows of both. */
const COMPARED_EACH = 4;
/** Time after the faults in which the copy has to be equal. */
const HEALED_WITHIN_MS = 20_000;

function anyWrite(prng: Prng): Mutation[] {
  return Array.from({ length: prng.int(1, 5) }, () => {
    const key: StoreKey = ["u", prng.int(0, KEYS)];
    if (prng.chance(0.3)) return { kind: "delete", key };
    return { kind: "set", key, value: prng.bytes(prng.int(0, 30)) };
  });
}

/** One thing that may happen, by chance. */
function anyStep(pair: StandbyPair, prng: Prng): void {
  const at = prng.int(0, 99);
  if (at < 60) pair.write(anyWrite(prng));
  else if (at < 62) pair.cut();
  else if (at < 63) pair.crashPrimary();
  else if (at < 65) pair.crashStandby();
  else if (at < 66) pair.wipeStandby();
  else if (at < 68) pair.primaryDisk.failNext("failed");
  else if (at < 69) pair.primaryDisk.failNext("unknown");
  else if (at < 71) pair.standbyDisk.failNext(prng.pick(["failed", "full", "unknown"] as const));
  else if (at < 72) pair.standbyDisk.failReads(0.5, 20);
  else if (at < 73) pair.primaryDisk.failReads(0.5, 20);
  else if (at < 74) pair.failOver();
  if (prng.chance(0.2)) pair.start();
  if (prng.chance(0.7)) pair.time.runFor(prng.number() * 8);
}

/** Ends all faults and waits until the copy is equal. */
function heal(pair: StandbyPair): void {
  pair.primaryDisk.heal();
  pair.standbyDisk.heal();
  pair.faults = { lost: 0, doubled: 0 };
  const until = pair.time.nowMs + HEALED_WITHIN_MS;
  for (let turns = 1; pair.time.nowMs < until; turns++) {
    pair.start();
    pair.time.runFor(50);
    if (pair.compare()) return;
    // A run that a write of unknown outcome has ended goes on with the next one.
    if (turns % 10 === 0) pair.write([{ kind: "set", key: ["u", 0], value: new Uint8Array(1) }]);
  }
  const { standby, ends } = pair;
  throw new Error(`not equal: ${JSON.stringify(standby?.copy?.position)}, ${ends.join("; ")}`);
}

/** Runs one; returns how often the two were equal at the same position. */
export function liveStandbySeed(pair: StandbyPair): number {
  const prng = pair.prng.fork("steps");
  let compared = 0;
  if (prng.chance(0.3)) pair.faults = { lost: 0.01, doubled: 0.05 };
  pair.start();
  pair.time.runFor(10);
  for (let i = 0; i < 600; i++) {
    pair.write([{ kind: "set", key: ["u", i], value: new Uint8Array([i]) }]);
  }
  pair.time.runFor(prng.number() * 3000);
  for (let step = 0; step < STEPS; step++) {
    anyStep(pair, prng);
    pair.checkState();
    if (step % COMPARED_EACH === 0 && pair.compare()) compared++;
  }
  heal(pair);
  return compared + 1;
}

/** Runs a seed to its end. */
export function runStandbySeed(seed: number): SeedReport {
  const pair = new StandbyPair(seed, { overtakes: seed % 2 === 0 });
  let failure: SeedReport["failure"] = null;
  let checked = 0;
  try {
    checked = liveStandbySeed(pair);
  } catch (error) {
    const { message, stack } = error as Error;
    failure = { check: "standby", message: `${message}\n${stack}`, history: "" };
  }
  const { time } = pair;
  return {
    seed,
    failure,
    hash: String(time.turns),
    turns: time.turns,
    checked,
    virtualMs: time.nowMs,
  };
}
