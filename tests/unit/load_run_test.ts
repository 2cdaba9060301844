import assert from "node:assert/strict";
import type { Flaw } from "./load_fake.ts";
import { LoadFixture, runScenario } from "./load_fixture.ts";
import { localWorker } from "../../server/load/worker.ts";
import { NO_PHASE, QUIET } from "../../server/load/phase.ts";
import { SCENARIOS } from "../../server/load/scenario.ts";

Deno.test("presence: every change is counted at every watcher, and timed from when it was due", async () => {
  const { findings, violations } = await runScenario({
    scenario: "presence",
    options: { rate: 50, seconds: 10 },
  });
  assert.deepEqual(violations, []);
  assert.equal(findings.counts.changes, 500);
  assert.equal(findings.presence.delivered, 2000);
  assert.equal(findings.presence.coalesced, 0);
  assert.equal(findings.presence.compared, 48);
  const { count, p50Us } = findings.latencies.presence!;
  assert.equal(count, 2000);
  // The server takes 1 ms, and the tool looks at its schedule once a ms.
  assert.ok(p50Us >= 1000 && p50Us <= 2100, `${p50Us}`);
});

Deno.test("chat: every accepted message is counted at its recipient", async () => {
  const { findings, violations } = await runScenario({
    scenario: "chat",
    options: { rate: 40, seconds: 10 },
  });
  assert.deepEqual(violations, []);
  assert.equal(findings.counts.sends, 400);
  assert.equal(findings.counts.sendsAccepted, 400);
  assert.equal(findings.messages.received, 400);
  assert.equal(findings.messages.accepted, 400);
  assert.equal(findings.latencies.message?.count, 400);
  assert.equal(findings.latencies.sent?.count, 400);
});

Deno.test("login: sign-ins come at the rate, whatever the server does, and retries count", async () => {
  const fixture = new LoadFixture();
  fixture.server.busy = 3;
  const worker = localWorker(fixture.ports(), fixture.plan(0, 12));
  const arrivals = { perSecond: 10, from: 0, to: 1, inFlightMax: null };
  const phase = { ...NO_PHASE, name: "storm", seconds: null, measured: true, arrivals };
  const findings = await fixture.lead([worker], [phase]);
  assert.equal(findings.counts.signIns, 12);
  assert.equal(findings.counts.signInsRefused, 3);
  const { count, p50Us, maxUs } = findings.latencies.login!;
  assert.equal(count, 12);
  assert.ok(p50Us < 10_000, `${p50Us}`);
  // A user that was refused waited for as long as was asked, and that is its latency.
  assert.ok(maxUs >= 100_000 && maxUs < 500_000, `${maxUs}`);
  assert.deepEqual(findings.faults.map(({ what, count }) => [what, count]), [["sign-in: busy", 3]]);
});

Deno.test("reconnect: the dropped take their sessions up again and miss nothing", async () => {
  const { findings, violations } = await runScenario({
    scenario: "reconnect",
    users: 20,
    options: { drop: 0.8, over: 5, presenceRate: 5, messageRate: 20, seconds: 3 },
  });
  assert.deepEqual(violations, []);
  assert.equal(findings.counts.vanished, 16);
  assert.equal(findings.counts.resumes, 16);
  const { sessionsKept, begunAnew, broken } = findings.counts;
  assert.deepEqual([sessionsKept, begunAnew, broken], [16, 0, 0]);
  assert.equal(findings.latencies.resumed?.count, 16);
  assert.equal(findings.falseOffline, 0);
  assert.ok(findings.messages.received > 100);
  assert.equal(findings.messages.received, findings.messages.accepted);
  assert.ok(findings.awayMaxMs > 4000 && findings.awayMaxMs < 6000, `${findings.awayMaxMs}`);
});

const RESTART = { presenceRate: 5, messageRate: 20, seconds: 3 };

Deno.test("restart: everybody returns to a server that started again, and misses nothing", async () => {
  const fixture = new LoadFixture({ users: 20 });
  const users = { users: 20, contacts: 4 };
  const scenario = SCENARIOS.find(({ name }) => name === "restart")!;
  const phases = scenario.phases({ ...users, ...scenario.defaults(20), ...RESTART });
  const begun: string[] = [];
  const workers = [[0, 8], [8, 20]] as const;
  const findings = await fixture.lead(
    workers.map(([lo, hi]) => localWorker(fixture.ports(), fixture.plan(lo, hi))),
    phases,
    {},
    ({ name, outage }) => {
      begun.push(name);
      if (outage !== null) {
        fixture.time.global.timers.after(1500, () => fixture.server.restart(3000));
      }
    },
  );
  assert.deepEqual(begun, phases.map(({ name }) => name));
  const { broken, resumes, sessionsKept, begunAnew, online } = findings.counts;
  assert.deepEqual([broken, resumes, sessionsKept, begunAnew, online], [20, 20, 0, 0, 20]);
  assert.ok(findings.awayMaxMs > 3000 && findings.awayMaxMs < 20_000, `${findings.awayMaxMs}`);
  assert.ok(findings.phases.every(({ missing }) => missing === 0));
  // Who starts again begins with what it is shown: that is not a contact gone offline.
  assert.deepEqual([findings.falseOffline, findings.presence.stale], [0, 0]);
  assert.deepEqual([findings.messages.missing, findings.messages.unanswered], [0, 0]);
  assert.ok(findings.messages.received > 50);
});

Deno.test("restart: a restart that never comes is not waited for without end", async () => {
  const { findings, violations } = await runScenario({ scenario: "restart", options: RESTART });
  assert.equal(findings.counts.broken, 0);
  assert.match(violations.join("\n"), /12 users .* \(phase "the server's restart"/);
});

Deno.test("login: who comes online is timed apart from changes of those who are", async () => {
  const { findings } = await runScenario({
    scenario: "login",
    users: 40,
    options: { online: 20, presenceRate: 10, rate: 2 },
  });
  assert.ok(findings.counts.changes > 90);
  assert.ok(findings.latencies.presence!.count > 100);
  // The first presence of 20 users at each of their contacts who were there.
  const { count } = findings.latencies.arrived!;
  assert.ok(count >= 40 && count <= 80, `${count}`);
});

Deno.test("provision: makes the pool and plays nothing", async () => {
  const { findings, violations } = await runScenario({ scenario: "provision" });
  assert.deepEqual(violations, []);
  assert.deepEqual([findings.window, findings.phases, findings.counts.signIns], [null, [], 0]);
});

Deno.test("mixed: a day of coming and going leaves everything right", async () => {
  const { fixture, findings, violations } = await runScenario({
    scenario: "mixed",
    users: 40,
    options: { rate: 30, seconds: 30 },
  });
  assert.deepEqual(violations, []);
  const online = fixture.points.filter(({ phase }) => phase === "a day").map((p) => p.online);
  assert.ok(Math.min(...online) < 20 && Math.max(...online) > 36, online.join());
  assert.ok(findings.counts.signOuts > 10);
  assert.ok(findings.counts.vanished > 5);
  assert.ok(findings.counts.signalsReceived > 50);
  assert.ok(findings.counts.queries > 50);
});

Deno.test("several workers find together what one finds", async () => {
  const options = { rate: 60, seconds: 5 };
  for (const scenario of ["presence", "chat"]) {
    const one = await runScenario({ scenario, options });
    const three = await runScenario({ scenario, options, workers: 3 });
    assert.deepEqual(three.violations, []);
    assert.equal(three.findings.presence.delivered, one.findings.presence.delivered);
    assert.equal(three.findings.messages.accepted, one.findings.messages.accepted);
    assert.equal(three.findings.messages.received, one.findings.messages.received);
  }
});

Deno.test("a broken connection is taken up again, and what was on its way is repeated", async () => {
  const fixture = new LoadFixture();
  const worker = localWorker(fixture.ports(), fixture.plan(0, 12));
  const arrivals = { perSecond: 1000, from: 0, to: 1, inFlightMax: null };
  const traffic = { ...QUIET, messages: 200, presence: 20 };
  fixture.time.global.timers.after(4000, () => fixture.server.breakAll());
  const findings = await fixture.lead([worker], [
    { ...NO_PHASE, name: "arrive", seconds: null, arrivals },
    { ...NO_PHASE, name: "talk", seconds: 10, measured: true, traffic },
  ]);
  assert.equal(findings.counts.lost, 12);
  assert.equal(findings.counts.resumes, 12);
  assert.equal(findings.messages.unanswered, 0);
  assert.equal(findings.messages.missing, 0);
  assert.equal(findings.presence.stale, 0);
  assert.equal(findings.messages.gaps, 0);
});

/** Promises that a server can break, and what the tool must then say. */
const FLAWS: readonly (readonly [Flaw, string, RegExp])[] = [
  ["lose_message", "chat", /accepted messages did not arrive/],
  ["repeat_message", "chat", /arrived again, or after later ones/],
  ["swap_messages", "chat", /arrived again, or after later ones/],
  ["jump_seq", "chat", /mailbox events did not follow/],
  ["lose_presence", "idle", /do not hold a contact's final presence/],
  ["old_presence", "presence", /arrived after a newer one/],
  ["wrong_show", "presence", /name the wrong user or show/],
  ["wrong_user", "presence", /name the wrong user or show/],
  ["no_grace", "reconnect", /shown offline though back within 10000 ms/],
  ["refuse_sign_in", "idle", /users could not sign in/],
];

for (const [flaw, scenario, said] of FLAWS) {
  Deno.test(`a server that breaks a promise is caught: ${flaw}`, async () => {
    const { violations } = await runScenario({
      scenario,
      flaw,
      users: 8,
      options: { seconds: 6, rate: 40, drop: 0.8, over: 3, presenceRate: 1, messageRate: 0 },
      settleSeconds: 2,
    });
    assert.match(violations.join("\n"), said);
  });
}
