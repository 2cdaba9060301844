/** The role of a store's members; all faults are in the seeds of `deno task sim --roles`. */
import assert from "node:assert/strict";
import {
  type MemberId,
  type RoleEffect,
  type RoleInput,
  type Roles,
} from "../../server/standby/role_types.ts";
import { RoleMachine } from "../../server/standby/roles.ts";
import { runRolesSeed } from "../sim/standby_roles_seed.ts";
import { TIMES } from "../sim/standby_roles.ts";

const A = "a1" as MemberId;
const B = "b1" as MemberId;

/** A member whose requests to the register and messages are collected. */
function member(self: MemberId, roles: Roles | null, servedEpoch = 0) {
  let nowMs = 0;
  const options = { self, times: TIMES, founds: self === A, whole: true, servedEpoch };
  const machine = new RoleMachine(options, nowMs);
  const all: RoleEffect[] = [];
  const step = (input: RoleInput) => {
    const effects = machine.step(nowMs, input);
    all.push(...effects);
    return effects;
  };
  const pass = (ms: number) => {
    for (const until = nowMs + ms; nowMs < until;) {
      nowMs += TIMES.beaconMs / 4;
      step({ kind: "tick" });
    }
  };
  const kinds = () => all.splice(0).map(({ kind }) => kind);
  step({ kind: "tick" });
  assert.deepEqual(kinds(), ["read"]);
  step({ kind: "read", registered: { version: roles === null ? 0 : 5, roles } });
  return { machine, step, pass, kinds, all };
}

Deno.test("12: the founder becomes the primary of a register that was never set, and serves", () => {
  const { step, machine, kinds, all } = member(A, null);
  assert.deepEqual(all.at(-1), {
    kind: "change",
    version: 0,
    roles: { epoch: 1, primary: A, inSync: [] },
  });
  step({ kind: "changed", outcome: "set" });
  assert.ok(machine.serving);
  assert.deepEqual(kinds(), ["change", "serve"]);
});

Deno.test("12: a standby takes over only if registered in sync, after takeoverMs since its start", () => {
  for (const inSync of [[B], []]) {
    const { pass, all, kinds } = member(B, { epoch: 3, primary: A, inSync });
    pass(TIMES.takeoverMs - 200);
    assert.ok(!kinds().includes("change"));
    // A read is under way, whose reply is lost.
    pass(600);
    const changes = all.filter(({ kind }) => kind === "change");
    assert.equal(changes.length, 0, "one request of the register at a time");
  }
});

Deno.test("12: a standby that could not store what its takeover rests on follows, and tries again", () => {
  const { all, machine, pass, step } = member(B, { epoch: 3, primary: A, inSync: [B] });
  pass(TIMES.takeoverMs);
  step({ kind: "read", registered: null });
  assert.equal(all.findLast(({ kind }) => kind === "change") !== undefined, true);
  assert.ok(!machine.follows(3), "it may be the primary already");
  all.length = 0;
  step({ kind: "changed", outcome: "unasked" });
  assert.ok(machine.follows(3));
  assert.ok(!all.some(({ kind }) => kind === "change"), "not at once");
  pass(TIMES.beaconMs);
  assert.ok(all.some(({ kind }) => kind === "change"));
});

Deno.test("12: a primary that starts again raises its epoch, and waits for its standby before it serves", () => {
  const { step, machine, all, pass } = member(A, { epoch: 3, primary: A, inSync: [B] }, 3);
  assert.deepEqual(all.at(-1), {
    kind: "change",
    version: 5,
    roles: { epoch: 4, primary: A, inSync: [B] },
  });
  step({ kind: "changed", outcome: "set" });
  assert.ok(!machine.serving);
  const beacon = all.findLast(({ kind }) => kind === "send");
  assert.ok(beacon?.kind === "send" && beacon.message.kind === "beacon");
  step({ kind: "message", from: B, message: { ...beacon.message, kind: "answer" } });
  assert.ok(machine.serving);
  pass(TIMES.leaseMs);
  assert.ok(!machine.serving, "its lease is over");
  // It leaves the register first, and is not required any more only then.
  const change = all.findLast(({ kind }) => kind === "change");
  assert.deepEqual(change, {
    kind: "change",
    version: 6,
    roles: { epoch: 4, primary: A, inSync: [] },
  });
  step({ kind: "changed", outcome: "set" });
  assert.deepEqual(all.findLast(({ kind }) => kind === "require"), {
    kind: "require",
    members: [],
  });
  assert.ok(machine.serving);
});

Deno.test("12: a process that an operator promotes at its start serves after the lease that it may have given", () => {
  const { step, machine, pass, all } = member(B, { epoch: 3, primary: A, inSync: [B] });
  step({ kind: "promote", anyway: true });
  const roles = { epoch: 4, primary: B, inSync: [] };
  assert.deepEqual(all.at(-1), { kind: "change", version: 5, roles });
  step({ kind: "changed", outcome: "set" });
  assert.ok(machine.isPrimary && !machine.serving);
  // By a clock that is 1 % fast, against one that is 1 % slow and may still count the lease.
  const waitMs = TIMES.leaseMs / 0.99 * 1.01;
  assert.ok(!machine.servesAt(waitMs - 1));
  assert.ok(machine.servesAt(waitMs + 1));
  pass(waitMs + TIMES.beaconMs);
  assert.ok(machine.serving);
});

Deno.test("12.4: an order to take over counts for a copy in sync only, and for a while, unless it is the last", () => {
  const changes = (all: readonly RoleEffect[]) =>
    all.filter(({ kind }) => kind === "change").length;
  const behind = member(B, { epoch: 3, primary: A, inSync: [] });
  behind.step({ kind: "promote", anyway: false });
  assert.equal(changes(behind.all), 0, "its primary acknowledges without it");
  const inSync = member(B, { epoch: 3, primary: A, inSync: [B] });
  inSync.step({ kind: "promote", anyway: false });
  assert.equal(changes(inSync.all), 1, "it waits for no lease to end");
  // The copy gets in sync long after the order, when its primary serves again.
  const later = member(B, { epoch: 3, primary: A, inSync: [] });
  later.step({ kind: "promote", anyway: false });
  later.pass(31_000);
  later.step({
    kind: "read",
    registered: { version: 6, roles: { epoch: 3, primary: A, inSync: [B] } },
  });
  assert.equal(changes(later.all), 0);
});

Deno.test("12.5: a copy that was ordered to take over hands over only once no former lease is left", () => {
  const { step, machine, pass, all } = member(B, { epoch: 3, primary: A, inSync: [B] });
  step({ kind: "promote", anyway: false });
  step({ kind: "changed", outcome: "set" });
  const roles = { epoch: 4, primary: B, inSync: [A] };
  step({ kind: "read", registered: { version: 7, roles } });
  const answer = () => {
    const beacon = all.findLast(({ kind }) => kind === "send");
    assert.ok(beacon?.kind === "send" && beacon.message.kind === "beacon");
    step({ kind: "message", from: A, message: { ...beacon.message, kind: "answer" } });
  };
  pass(TIMES.beaconMs);
  answer();
  step({ kind: "hand_over", to: A });
  assert.ok(!machine.handsOver, "its successor would serve at once");
  for (let ms = 0; ms < TIMES.takeoverMs; ms += TIMES.beaconMs) {
    pass(TIMES.beaconMs);
    answer();
  }
  assert.ok(machine.serving);
  step({ kind: "hand_over", to: A });
  assert.ok(machine.handsOver);
});

Deno.test("12: a standby answers no beacon while it asks for the takeover, and does again if that has failed", () => {
  const roles = { epoch: 3, primary: A, inSync: [B] };
  const { step, pass, all } = member(B, roles);
  pass(TIMES.takeoverMs - 200);
  step({ kind: "read", registered: { version: 5, roles } });
  pass(600);
  assert.equal(all.at(-1)?.kind, "change");
  const beacon = { kind: "beacon", epoch: 3, sentMs: 7 } as const;
  assert.deepEqual(step({ kind: "message", from: A, message: beacon }), []);
  step({ kind: "changed", outcome: "other" });
  step({ kind: "read", registered: { version: 6, roles } });
  const answer = { kind: "send", to: A, message: { ...beacon, kind: "answer" } };
  assert.deepEqual(step({ kind: "message", from: A, message: beacon }), [answer]);
});

Deno.test("12: a standby follows the primary of the register, and no former one", () => {
  const { machine, step } = member(B, { epoch: 3, primary: A, inSync: [B] });
  const replies = (epoch: number) => {
    const beacon = { kind: "beacon", epoch, sentMs: 0 } as const;
    return step({ kind: "message", from: A, message: beacon }).map(({ kind }) => kind);
  };
  assert.deepEqual([replies(3), machine.follows(3)], [["send"], true]);
  assert.deepEqual([replies(2), machine.follows(2)], [[], false]);
});

Deno.test("12: times that could not keep two primaries apart are refused", () => {
  const make = (change: Partial<typeof TIMES>) => () =>
    new RoleMachine({
      self: A,
      times: { ...TIMES, ...change },
      founds: true,
      whole: true,
      servedEpoch: 0,
    }, 0);
  assert.throws(make({ takeoverMs: 3000 }), /takeoverMs is 3000/);
  assert.throws(make({ beaconMs: 1000 }), /beaconMs is 1000/);
});

Deno.test("12: no two serve, and nothing acknowledged is lost, in the first seeds of the roles", () => {
  for (let seed = 1; seed <= 12; seed++) assert.equal(runRolesSeed(seed).failure, null);
});

Deno.test("12.4: a handover that takes too long is taken back, unless the register was asked for it", () => {
  const begin = () => {
    const made = member(A, { epoch: 3, primary: A, inSync: [B] }, 3);
    made.step({ kind: "changed", outcome: "set" });
    const beacon = made.all.findLast(({ kind }) => kind === "send");
    assert.ok(beacon?.kind === "send" && beacon.message.kind === "beacon");
    made.step({ kind: "message", from: B, message: { ...beacon.message, kind: "answer" } });
    made.step({ kind: "hand_over", to: B });
    assert.ok(!made.machine.serving && made.machine.handsOver);
    return made;
  };
  const early = begin();
  early.step({ kind: "keep" });
  assert.ok(early.machine.serving && !early.machine.handsOver);
  const asked = begin();
  asked.step({ kind: "drained" });
  asked.step({ kind: "changed", outcome: "unknown" });
  asked.step({ kind: "keep" });
  assert.ok(!asked.machine.serving && asked.machine.handsOver, "it may be the primary no more");
  const roles = { epoch: 4, primary: A, inSync: [B] };
  asked.step({ kind: "read", registered: { version: 7, roles } });
  asked.step({ kind: "keep" });
  assert.ok(!asked.machine.handsOver);
});
