import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type Admission,
  type AdmissionKind,
  type AdmissionOptions,
  admit,
  checkAdmissionOptions,
  type Load,
  nextAdmission,
  pressure,
  type RefusalReason,
} from "../../server/http/admission.ts";
import { ADMISSION } from "../sim/limits.ts";

const IDLE: Load = {
  loopLagMs: 0,
  commitQueue: 0,
  commitLatencyMs: 1,
  connections: 10,
  connectionsMax: 1000,
  draining: false,
  storeFailing: false,
};
const KINDS: readonly AdmissionKind[] = ["connection", "signIn", "write"];
const OPTIONS = ADMISSION;

function reasons(load: Partial<Load>, previous: Admission | null = null) {
  const state = nextAdmission(previous, { ...IDLE, ...load }, OPTIONS);
  return KINDS.map((kind) => {
    const verdict = admit(state, kind, 0, OPTIONS);
    return verdict.admit ? null : verdict.reason;
  });
}

type Reasons = readonly [RefusalReason | null, RefusalReason | null, RefusalReason | null];

const TABLE: readonly (readonly [string, Partial<Load>, Reasons])[] = [
  ["idle", {}, [null, null, null]],
  ["lag just below the sign-in threshold", { loopLagMs: 399.9 }, [null, null, null]],
  ["lag at the sign-in threshold", { loopLagMs: 400 }, [null, "overload", null]],
  ["lag at the connection threshold", { loopLagMs: 800 }, ["overload", "overload", null]],
  ["lag at the write threshold", { loopLagMs: 1500 }, ["overload", "overload", "overload"]],
  ["a commit queue for sign-ins", { commitQueue: 8000 }, ["overload", "overload", null]],
  ["a commit queue for all", { commitQueue: 16_000 }, ["overload", "overload", "overload"]],
  ["slow commits", { commitLatencyMs: 2000 }, ["overload", "overload", null]],
  ["a stuck commit", { commitLatencyMs: Infinity }, ["overload", "overload", "overload"]],
  ["a gauge that is not a number", { loopLagMs: NaN }, ["overload", "overload", "overload"]],
  ["all connections taken", { connections: 1000 }, ["full", null, null]],
  ["one connection left", { connections: 999 }, [null, null, null]],
  ["draining", { draining: true }, ["draining", "draining", null]],
  ["draining under load", { draining: true, loopLagMs: 1600 }, [
    "draining",
    "draining",
    "overload",
  ]],
  ["a failing store", { storeFailing: true }, [null, null, "storeFailing"]],
];

for (const [name, load, wanted] of TABLE) {
  Deno.test(`admit answers connection, sign-in and write for ${name}`, () => {
    assert.deepEqual(reasons(load), wanted);
  });
}

Deno.test("nextAdmission refuses on until every gauge has fallen to resume", () => {
  let state = nextAdmission(null, { ...IDLE, loopLagMs: 420 }, OPTIONS);
  const signIn = (load: Partial<Load>) => {
    state = nextAdmission(state, { ...IDLE, ...load }, OPTIONS);
    return state.overloaded.signIn;
  };
  assert.equal(signIn({ loopLagMs: 260 }), true);
  assert.equal(signIn({ loopLagMs: 10, commitQueue: 6000 }), true);
  assert.equal(signIn({ loopLagMs: 200 }), true);
  assert.equal(signIn({ loopLagMs: 199 }), false);
  assert.equal(signIn({ loopLagMs: 399 }), false);
});

Deno.test("pressure is the worst gauge over its threshold", () => {
  const refuseAt = { loopLagMs: 100, commitQueue: 10, commitLatencyMs: 1000 };
  const load = { loopLagMs: 50, commitQueue: 20, commitLatencyMs: 100 };
  assert.equal(pressure(load, refuseAt), 2);
  assert.equal(pressure({ ...load, commitLatencyMs: NaN }, refuseAt), Infinity);
});

Deno.test("admit asks for longer waits under more pressure, spread by random", () => {
  const wait = (load: Partial<Load>, random: number) => {
    const verdict = admit(nextAdmission(null, { ...IDLE, ...load }, OPTIONS), "signIn", random, {
      ...OPTIONS,
    });
    assert.ok(!verdict.admit);
    return verdict.retryAfterMs;
  };
  assert.equal(wait({ loopLagMs: 400 }, 0), 1000);
  assert.equal(wait({ loopLagMs: 400 }, 0.5), 1500);
  assert.equal(wait({ loopLagMs: 1200 }, 0), 3000);
  assert.equal(wait({ loopLagMs: 100_000 }, 0), 4000);
  assert.equal(wait({ draining: true }, 0), 1000);
});

const gauge = fc.oneof(fc.double({ min: 0, max: 100_000, noNaN: true }), fc.constant(0));
const anyLoad: fc.Arbitrary<Load> = fc.record({
  loopLagMs: gauge,
  commitQueue: gauge,
  commitLatencyMs: gauge,
  connections: fc.nat(2000),
  connectionsMax: fc.nat(2000),
  draining: fc.boolean(),
  storeFailing: fc.boolean(),
});
const anyRandom = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const anyHistory = fc.array(anyLoad, { minLength: 1, maxLength: 8 });

function stateAfter(history: readonly Load[], options: AdmissionOptions): Admission {
  let state: Admission | null = null;
  for (const load of history) state = nextAdmission(state, load, options);
  return state!;
}

Deno.test("admit keeps its waits within bounds and random, whatever the history", () => {
  fc.assert(fc.property(anyHistory, anyRandom, fc.constantFrom(...KINDS), (history, r, kind) => {
    const state = stateAfter(history, OPTIONS);
    const verdict = admit(state, kind, r, OPTIONS);
    if (verdict.admit) return;
    const leastMs = OPTIONS.retryAfterMs[verdict.reason];
    assert.ok(Number.isInteger(verdict.retryAfterMs));
    assert.ok(verdict.retryAfterMs >= leastMs && verdict.retryAfterMs <= OPTIONS.retryAfterMaxMs);
    const [low, high] = [0, 0.999].map((random) => admit(state, kind, random, OPTIONS));
    assert.ok(!low!.admit && !high!.admit && high!.retryAfterMs > low!.retryAfterMs * 1.9);
  }));
});

Deno.test("admit refuses sign-ins before connections before writes for overload", () => {
  fc.assert(fc.property(anyHistory, (history) => {
    const { overloaded } = stateAfter(history, OPTIONS);
    assert.ok(!overloaded.write || overloaded.connection);
    assert.ok(!overloaded.connection || overloaded.signIn);
  }));
});

Deno.test("nextAdmission: more load never admits what less load refused", () => {
  fc.assert(fc.property(anyHistory, anyLoad, gauge, gauge, (history, load, more, much) => {
    const state = stateAfter(history, OPTIONS);
    const heavier = {
      ...load,
      loopLagMs: load.loopLagMs + more,
      commitQueue: load.commitQueue + much,
    };
    const light = nextAdmission(state, load, OPTIONS).overloaded;
    const heavy = nextAdmission(state, heavier, OPTIONS).overloaded;
    for (const kind of KINDS) assert.ok(!light[kind] || heavy[kind]);
  }));
});

Deno.test("nextAdmission admits everything after one idle sample", () => {
  fc.assert(fc.property(anyHistory, (history) => {
    const state = nextAdmission(stateAfter(history, OPTIONS), IDLE, OPTIONS);
    for (const kind of KINDS) assert.deepEqual(admit(state, kind, 0, OPTIONS), { admit: true });
  }));
});

Deno.test("checkAdmissionOptions takes the defaults and says what contradicts itself", () => {
  checkAdmissionOptions(OPTIONS);
  const { refuseAt, retryAfterMs } = OPTIONS;
  const bad: readonly (readonly [Partial<AdmissionOptions>, RegExp])[] = [
    [{ resume: 1 }, /resume is 1, wants/],
    [{ resume: 0 }, /resume is 0, wants/],
    [
      { refuseAt: { ...refuseAt, signIn: { ...refuseAt.signIn, loopLagMs: 801 } } },
      /loopLagMs: refuses sign-ins at 801, connections at 800/,
    ],
    [
      { refuseAt: { ...refuseAt, signIn: { ...refuseAt.signIn, commitQueue: 0 } } },
      /commitQueue: refuses sign-ins at 0/,
    ],
    [{ retryAfterMs: { ...retryAfterMs, full: 0 } }, /retryAfterMs.full is 0/],
    [{ retryAfterMaxMs: 9999 }, /retryAfterMs.full is 5000, wants .* \(9999\)/],
  ];
  for (const [change, message] of bad) {
    assert.throws(() => checkAdmissionOptions({ ...OPTIONS, ...change }), message);
  }
});
