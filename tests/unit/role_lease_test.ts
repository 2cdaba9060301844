/** What a supervisor lends its workers of the role of the cell's store. */
import assert from "node:assert/strict";
import { Lending } from "../../server/standby/lending.ts";
import { RoleLease } from "../../server/workers/role_lease.ts";
import { RoleLender } from "../../server/workers/role_lender.ts";
import { roleTimes } from "../../server/standby/role_types.ts";
import type { SupervisorLine, WorkerLine } from "../../server/workers/share.ts";
import { VirtualTime } from "../sim/virtual_time.ts";

function worker(time: VirtualTime, ask: (n: number) => void) {
  const { clock, timers } = time.process();
  const lease = new RoleLease({ epoch: 7, ask, clock, timers });
  lease.start();
  return lease;
}

Deno.test("12.4: a worker serves for as long as the supervisor lends, from the time of its question", () => {
  const time = new VirtualTime();
  const asked: number[] = [];
  const lease = worker(time, (n) => asked.push(n));
  assert.equal(lease.mayServe, false, "nothing was lent yet");
  time.runFor(60);
  // The reply was on its way for so long.
  lease.lent(asked[0]!, 150);
  assert.equal(lease.mayServe, true);
  time.runFor(89);
  assert.equal(lease.mayServe, true);
  time.runFor(2);
  assert.equal(lease.mayServe, false, "the supervisor is silent, as one that is stopped");
  time.runFor(1000);
  assert.ok(asked.length > 5, "it asks again and again");
  lease.lent(asked.at(-1)!, 500);
  lease.lent(asked.at(-1)!, 5000);
  lease.lent(999, 5000);
  time.runFor(500);
  assert.equal(lease.mayServe, false, "each question has one reply");
  lease.lent(asked.at(-1)!, 500);
  assert.equal(lease.mayServe, true);
  lease.lent(asked.at(-2)!, 0);
  assert.equal(lease.mayServe, false, "the role is handed over");
  lease.lost();
  assert.equal(lease.mayServe, "withheld");
  const before = asked.length;
  time.runFor(1000);
  assert.equal(asked.length, before);
  assert.ok(lease.incarnation > 6 * 1024, "numbers of processes rise with the epoch");
});

Deno.test("12.4: what is lent ends before a standby that has just joined could take over", () => {
  const time = new VirtualTime();
  const { clock } = time.process();
  for (const ofMs of [1000, 3000, 120_000]) {
    const { leaseMs, shrinkMs, takeoverMs } = roleTimes(ofMs);
    const ms = new Lending(clock, leaseMs).lend(leaseMs);
    // Its first lease is up to `shrinkMs` older than the last moment at which this does not rest on it.
    assert.ok(ms > 0 && shrinkMs + ms * 1.1 < takeoverMs, String(ms));
    assert.ok(ms <= 1000, "a handover waits");
  }
  const { leaseMs } = roleTimes(3000);
  const lending = new Lending(clock, leaseMs);
  assert.equal(lending.over, true);
  const ms = lending.lend(leaseMs);
  assert.equal(lending.over, false);
  assert.equal(lending.lend(100), 100);
  time.runFor(ms - 1);
  assert.equal(lending.over, false);
  time.runFor(1);
  assert.equal(lending.over, true);
  assert.equal(new Lending(clock, leaseMs).lend(0), 0);
});

Deno.test("12.4: messages of a former primary are given to a worker that serves, and to another one where it ends", () => {
  const lender = new RoleLender(() => 321);
  const said: [number, SupervisorLine][] = [];
  const say = (worker: number) => (line: SupervisorLine) => void said.push([worker, line]);
  const serving: WorkerLine = { kind: "serving", url: "", invite: null, admin: null };
  let taken = 0;
  lender.resubmit([], () => taken++);
  assert.equal(said.length, 0, "nobody serves");
  for (const n of [1, 2]) lender.said(n, serving, say(n));
  lender.said(2, { kind: "lease", n: 5 }, say(2));
  assert.deepEqual(said.pop(), [2, { kind: "lease", n: 5, ms: 321 }]);
  lender.resubmit([], () => taken++);
  assert.deepEqual(said.pop(), [1, { kind: "resubmit", n: 1, messages: [] }]);
  lender.exited(1);
  lender.said(1, { kind: "resubmitted", n: 1 }, say(1));
  assert.equal(taken, 0, "what a process has said that has ended is not known");
  lender.resubmit([], () => taken++);
  assert.deepEqual(said.pop(), [2, { kind: "resubmit", n: 2, messages: [] }]);
  lender.said(2, { kind: "resubmitted", n: 2 }, say(2));
  lender.said(2, { kind: "resubmitted", n: 2 }, say(2));
  assert.equal(taken, 1);
});
