import assert from "node:assert/strict";
import { type Leave, SignInQueue } from "../../server/http/sign_in_queue.ts";
import { Prng, simRandom } from "../sim/prng.ts";
import { FIXED_SIGN_IN_QUEUE } from "../../server/config/fixed.ts";

const LIMITS = {
  ...FIXED_SIGN_IN_QUEUE,
  inFlightMax: 2,
  turnMaxMs: 5000,
  waitingMax: 3,
  waitMaxMs: 1000,
};

function signInQueue() {
  let nowMs = 0;
  const clock = { monoMs: () => nowMs, wallMs: () => nowMs };
  let due: { readonly atMs: number; readonly run: () => void }[] = [];
  const timers = {
    after(ms: number, run: () => void) {
      due.push({ atMs: nowMs + ms, run });
      return () => {};
    },
    soon: (run: () => void) => run(),
  };
  const it = new SignInQueue({ clock, random: simRandom(new Prng(1)), timers }, LIMITS);
  const inside: string[] = [];
  const leaves = new Map<string, Leave>();
  const refused: (number | undefined)[] = [];
  const enter = (name: string, resumes = false, key = "address") =>
    it.enter(key, resumes, (leave) => {
      inside.push(name);
      leaves.set(name, leave);
    }, (failure) => refused.push(failure.retryAfterMs));
  const pass = (ms: number) => {
    nowMs += ms;
    const now = due.filter(({ atMs }) => atMs <= nowMs);
    due = due.filter(({ atMs }) => atMs > nowMs);
    for (const { run } of now) run();
  };
  return { it, inside, leaves, refused, enter, pass };
}

Deno.test("SignInQueue lets so many in at once, the others in their order, those who resume first", () => {
  const { it, inside, leaves, enter } = signInQueue();
  for (const name of ["a", "b", "c", "d"]) enter(name);
  enter("back", true);
  assert.deepEqual([inside, it.waiting], [["a", "b"], 3]);
  leaves.get("b")!();
  leaves.get("b")!();
  assert.deepEqual(inside, ["a", "b", "back"]);
  for (const name of ["a", "back", "c", "d"]) leaves.get(name)!();
  assert.deepEqual(inside, ["a", "b", "back", "c", "d"]);
  enter("late");
  assert.deepEqual([inside.at(-1), it.waiting], ["late", 0]);
});

Deno.test("SignInQueue refuses entries that would wait too long, or are one too many, with a spread wait", () => {
  const { enter, refused, inside, leaves, pass } = signInQueue();
  for (const name of ["a", "b", "c", "d", "e", "f"]) enter(name);
  assert.equal(refused.length, 1);
  leaves.get("a")!();
  pass(1001);
  enter("g");
  assert.equal(refused.length, 2);
  // Those who resume have a line of their own.
  enter("back", true);
  assert.equal(refused.length, 2);
  for (const wait of refused) assert.ok(wait! >= 2000 && wait! < 4000);
  assert.notEqual(refused[0], refused[1]);
  assert.deepEqual(inside, ["a", "b", "c"]);
});

Deno.test("10.10: SignInQueue lets addresses take turns, and refuses the newest of the one with most", () => {
  const { it, enter, refused, inside, leaves } = signInQueue();
  // Two are let in, three wait.
  for (const name of ["a1", "a2", "a3", "a4", "a5"]) enter(name, false, "a");
  assert.deepEqual([inside, it.waiting], [["a1", "a2"], 3]);
  enter("b1", false, "b");
  assert.deepEqual([refused.length, it.waiting], [1, 3]);
  enter("a6", false, "a");
  assert.equal(refused.length, 2, "its own are too many");
  leaves.get("a1")!();
  leaves.get("a2")!();
  assert.deepEqual(inside, ["a1", "a2", "a3", "b1"]);
});

Deno.test("11: SignInQueue: users whose shard does not reply keep out no others", () => {
  const { it, enter, inside, leaves, pass } = signInQueue();
  for (const name of ["mute1", "mute2", "a", "b"]) enter(name);
  pass(4999);
  assert.deepEqual(inside, ["mute1", "mute2"]);
  pass(1251);
  assert.deepEqual([inside, it.waiting], [["mute1", "mute2", "a", "b"], 0]);
  // Their places are taken: that they end at last gives nobody another one.
  enter("c");
  leaves.get("mute1")!();
  assert.equal(inside.at(-1), "b");
  leaves.get("a")!();
  assert.equal(inside.at(-1), "c");
});

Deno.test("SignInQueue goes on for entries that leave at once, however many", () => {
  const it = new SignInQueue({
    clock: { monoMs: () => 0, wallMs: () => 0 },
    random: simRandom(new Prng(1)),
    timers: { after: () => () => {}, soon: () => {} },
  }, FIXED_SIGN_IN_QUEUE);
  const stay: Leave[] = [];
  let count = 0;
  for (let i = 0; i < FIXED_SIGN_IN_QUEUE.inFlightMax; i++) {
    it.enter("a", false, (l) => stay.push(l), () => {});
  }
  for (let i = 0; i < 15_000; i++) {
    it.enter(`a${i % 7}`, false, (leave) => (count++, leave()), () => {});
  }
  assert.equal(count, 0);
  stay[0]!();
  assert.equal(count, 15_000);
});

Deno.test("SignInQueue goes on where one that is called throws", () => {
  const { it, inside, enter } = signInQueue();
  const fails = () =>
    it.enter("other", false, () => {
      throw new Error("a bug");
    }, () => {});
  assert.throws(fails, /a bug/);
  enter("a");
  assert.deepEqual(inside, ["a"]);
});
